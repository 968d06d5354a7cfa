"""Text of other people in the files of a project: refused at the door, and harmless behind it."""

import configparser
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from edgeq.boards.target import load_target
from edgeq.errors import EdgeqError, UsageError
from edgeq.firmware.create import create_project, read_project
from edgeq.firmware.project import render_project
from edgeq.firmware.rendering import render_file
from edgeq.support import escapes
from edgeq.support.resources import resource_dir
from edgeq.support.text import visible_line
from tests.foreign.mutate import each_value_another
from tests.foreign.words import pythons_words
from tests.tools import need

EVIL = (
    'Board */ int evil; /*\nexecute_process(COMMAND touch mark)\nextra_scripts = pre:evil.py\n'
    '<script>evil()</script> [evil](http://evil) `evil` ${EVIL} "evil" ??/ \u202eevil\x1b[2J \\'
)  # fmt: skip

HOSTILE = [
    ('title = "ST NUCLEO-F446RE"', 'title = "x\\nexecute_process(COMMAND touch mark)"', "'title'"),
    ('title = "ST NUCLEO-F446RE"', 'title = "x\\u001b[2J"', "'title'"),
    ('title = "ST NUCLEO-F446RE"', 'title = "x\\u202e"', "'title'"),
    ('title = "ST NUCLEO-F446RE"', f'title = "{"x" * 400}"', "'title'"),
    (
        '"ststm32/nucleo_f446re"',
        '"ststm32/x\\nextra_scripts = pre:evil.py"',
        "framework.platformio",
    ),
    ('zephyr = "nucleo_f446re"', 'zephyr = "--evil"', "framework.zephyr"),
    ("pnum=NUCLEO_F446RE", "pnum=$(touch mark)", "framework.arduino"),
    ('"board/st_nucleo_f4.cfg"', '"../evil.cfg"', "flash.openocd"),
    ('"board/st_nucleo_f4.cfg"', '"/tmp/evil.cfg"', "flash.openocd"),
    ('probe-rs = "STM32F446RETx"', 'probe-rs = "--help"', "flash.probe-rs"),
    ('driver = "stm32-v1"', 'driver = "../../../../tmp/evil"', "uart.driver"),
    ("clock_hz = 16_000_000", "clock_hz = 1" + "0" * 19, "uart.clock_hz"),
    ('memory = "RM', 'memory = "*/\\nINCLUDE evil', "sources.memory"),
]


@pytest.mark.parametrize("before, after, said", HOSTILE)
def test_the_door(tmp_path, before, after, said):
    text = (resource_dir("targets") / "nucleo-f446re.toml").read_text()
    text = text.replace('memory = "DS', 'memory = "RM')
    assert before in text
    file = tmp_path / "bad.toml"
    file.write_text(text.replace(before, after))
    with pytest.raises(EdgeqError, match=re.escape(said)):
        load_target(file)


@pytest.fixture(scope="module")
def board():
    """A board whose every text is hostile, as if the door had let it in."""
    target = load_target("nucleo-f446re")
    return replace(
        target,
        title=EVIL,
        serial=EVIL,
        sources=dict.fromkeys(target.sources, EVIL),
        uart=replace(target.uart, pins=EVIL),
    )


@pytest.fixture(scope="module")
def project(board, tmp_path_factory):
    """Where the bare-metal files of that board lie."""
    folder = tmp_path_factory.mktemp("project")
    context = {"target": board, "uart": board.uart, "tflm_stems": [], "name": "net"}
    context |= {"flash": board.memory[0], "ram": board.memory[1], "arena": board.memory[1]}
    for file in ("toolchain.cmake", "board.h", "memory.ld"):
        text = render_file(f"bare-metal/{file}", {**context, "stack_bytes": 2048})
        (folder / file).write_text(text)
    return folder


def test_cmake_runs_nothing_of_it(project):
    need(shutil.which("cmake"), "cmake")
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    command = ["cmake", "-P", "toolchain.cmake"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (project / "mark").exists()


@pytest.mark.parametrize("file", ["board.h", "memory.ld"])
def test_comments_do_not_end_early(project, file):
    need(shutil.which("gcc"), "gcc")
    command = ["gcc", "-E", "-P", "-x", "c", "-trigraphs", file]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "evil" not in done.stdout
    assert ("UART" if file == "board.h" else "MEMORY") in (
        done.stdout + (project / file).read_text()
    )


def test_ini_has_the_keys_it_should_have(board):
    context = {"name": "net", "target": board, "optimization": "-O2"}
    text = render_file(
        "platformio/platformio.ini", {**context, "pio_platform": "ststm32", "pio_board": "x"}
    )
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    keys = set(parser["env:nucleo-f446re"])
    assert keys == {
        "platform",
        "board",
        "framework",
        "monitor_speed",
        "build_flags",
        "build_unflags",
    }


def test_markdown_has_no_html_and_no_links(board):
    from markdown_it import MarkdownIt

    kinds = set()
    text = MarkdownIt().parse(f"# {escapes.markdown(EVIL)}\n\n| a |\n|---|\n")
    for token in text:
        kinds |= {token.type, *(child.type for child in token.children or ())}
    assert "text" in kinds
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "fence"}


def test_every_filter_gives_one_printable_line():
    for name in (
        "c_comment",
        "hash_comment",
        "cmake",
        "ini",
        "toml",
        "markup",
        "markdown",
        "shell",
    ):
        text = getattr(escapes, name)(EVIL)
        assert text.isprintable(), name


@pytest.mark.parametrize("text", [EVIL, "*/", "/*/", "?*/?", "???", "a??/b", "/" * 9 + "*" * 9])
def test_comment_text(text):
    escaped = escapes.c_comment(text)
    assert "*/" not in escaped and "/*" not in escaped and "??" not in escaped


@pytest.mark.parametrize("text", [EVIL, "a'b", "$(evil)", "-x", "", "a\\"])
def test_shell_word(text):
    done = subprocess.run(
        ["sh", "-c", f"printf %s {escapes.shell(text)}"], capture_output=True, text=True
    )
    assert done.stdout == visible_line(text)


def test_toml_string():
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    assert set(tomllib.loads(f'key = "{escapes.toml(EVIL)}"')) == {"key"}


def test_a_template_that_forgets_its_filter_fails(board):
    from edgeq.firmware.rendering import _environment

    template = _environment().from_string("# {{ title }}")
    with pytest.raises(ValueError, match="unescaped"):
        template.render(title=EVIL)
    assert template.render(title="nucleo-f446re, 16 MHz") == "# nucleo-f446re, 16 MHz"


@pytest.mark.parametrize("name", ["../evil", "a b", "a;b", "a\nb", "-x", "", "int"])
def test_names_of_projects_are_identifiers(tmp_path, models, name):
    pair = [models / "kws_int8.tflite", models / "ad01_int8.tflite"]
    with pytest.raises(UsageError):
        create_project(
            pair, tmp_path / "out", target="nucleo-f446re", template="arduino", name=name
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "key, value",
    [
        ("name", "../../evil"),
        ("name", "a b"),
        ("template", "evil"),
        ("target", "../../evil.toml"),
        ("target", "/tmp/evil.toml"),
        ("models", {"x": "no digest"}),
        ("models", 3),
        ("notes", ["\x1b[2J"]),
        ("runtime", None),
    ],
)
def test_a_project_file_of_somebody_else(tmp_path, key, value):
    good = {
        "name": "net", "template": "bare-metal", "runtime": "c", "target": "nucleo-f446re",
        "models": {"net": "0" * 64}, "notes": [],
    }  # fmt: skip
    (tmp_path / "edgeq-project.json").write_text(json.dumps(good))
    assert read_project(tmp_path).name == "net"
    (tmp_path / "edgeq-project.json").write_text(json.dumps({**good, key: value}))
    with pytest.raises(EdgeqError, match="no firmware project"):
        read_project(tmp_path)
    for text in (b"[]", b"3", b"null", *each_value_another(json.dumps(good).encode())):
        (tmp_path / "edgeq-project.json").write_bytes(text)
        try:
            read_project(tmp_path)
        except EdgeqError as error:
            assert not pythons_words(str(error))


def test_a_hostile_board_in_every_template(board, models):
    """Each template is filled in with the hostile board; none fails, none lets a line through."""
    from edgeq.compiler.compilation import generate
    from edgeq.firmware.model import firmware_model

    made = firmware_model(
        generate(models / "ad01_int8.tflite", target=load_target("nucleo-f446re"))
    )
    target = replace(board, templates=("bare-metal", "arduino", "platformio", "zephyr", "sources"))
    for template in target.templates:
        for path, text in render_project([made], target, template, "net").items():
            lines = text.splitlines()
            assert not any(
                line.startswith(("execute_process(COMMAND touch", "extra_")) for line in lines
            ), path
            assert "\x1b" not in text and "\u202e" not in text, path
