"""Projects with several models, and projects for no board in particular."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from edgeq.boards.target_schema import LIBRARY_TEMPLATES
from edgeq.compiler.options import MODES, CompileOptions
from edgeq.errors import LimitError
from edgeq.firmware import create
from edgeq.firmware.building import build_project
from edgeq.workflow import projects
from edgeq.workflow.projects import create_project
from tests.compiler.codegen.test_golden import small_model
from tests.firmware.boards import need_tools
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import WARNINGS
from tests.tools import need

BOARD = "qemu-mps2-an386"


@pytest.fixture
def two(tmp_path):
    """Two files of one name, as they lie in folders of experiments."""
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "string.tflite")
        paths[-1].write_bytes(small_model())
    return paths


def test_each_model_has_its_name(two, tmp_path, cli):
    need_tools("arm-none-eabi-gcc")
    folder = tmp_path / "fw"
    options = ["-o", folder, "--project", "bare-metal", "--target", BOARD]
    refused = cli("compile", *two, *options)
    assert refused.code == 2
    assert f"--name OTHER={two[0]}" in refused.err
    assert not folder.exists()
    names = ["--name", f"left={two[0]}", "--name", f"Right={two[1]}", "--name", "both"]
    assert cli("compile", *two, *options, *names).code == 0
    record = json.loads((folder / "edgeq-project.json").read_text())
    assert record["name"] == "both"
    assert list(record["models"]) == ["left", "Right"]
    assert build_project(folder).elf.is_file()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["--name", "x", "--name", "y"], "twice"),
        (["--name", "x=nothing.tflite"], "no model 'nothing.tflite'"),
        (["--name", "kws={0}", "--name", "KWS={1}"], "Two models"),
        (["--name", "math={0}"], "'math' cannot be the name"),
        (["--name", "eq_models={0}"], "'eq_models' cannot be the name"),
    ],
)
def test_names_that_cannot_be(names, said, two, tmp_path, cli):
    given = [text.format(*two) for text in names]
    options = ["-o", tmp_path / "fw", "--project", "sources", "--target", BOARD]
    done = cli("compile", *two, *options, *given)
    assert done.code == 2
    assert said in done.err


def test_the_budget_is_that_of_the_whole_image(models, tmp_path, cli):
    """Each model keeps to the budget alone; constants of both do not."""
    need_tools("arm-none-eabi-gcc")
    both = [models / f"{name}_int8.tflite" for name in ("kws", "sww")]
    options = ["--project", "bare-metal", "--target", BOARD, "--json"]
    made = cli("compile", *both, "-o", tmp_path / "free", *options)
    account = made.json["account"]
    flash, ram = account["flash_bytes"], account["ram_bytes"]
    kept = cli("compile", *both, "-o", tmp_path / "kept", *options, "--flash", f"{flash + 999}")
    assert kept.code == 0
    for option, most in (("--flash", 70_000), ("--ram", ram - 999)):
        assert most < {"--flash": flash, "--ram": ram}[option]
        done = cli("compile", *both, "-o", tmp_path / "over", *options, option, most)
        assert done.code == 3
        assert re.search(r"The image needs \d+,\d+ bytes of .* over \d+,\d+", done.err)
        assert not (tmp_path / "over").exists()


@pytest.mark.parametrize("template", ["zephyr", "bare-metal"])
@pytest.mark.parametrize("budget", ["--ram", "--flash", "--cycles"])
def test_a_budget_that_one_of_them_misses_is_missed(two, template, budget, tmp_path, cli):
    """Where no image is linked, nobody looked at it again; of cycles nowhere."""
    need_tools("arm-none-eabi-gcc")
    words = ("--project", template, "--target", "nucleo-f446re", budget, "10")
    names = [f"{name}={path}" for name, path in zip("ab", two, strict=True)]
    done = cli("compile", *two, "-n", names[0], "-n", names[1], "-o", tmp_path / "out", *words)
    assert done.code == 3
    assert "no form of this program keeps to the budget" in done.err
    assert not (tmp_path / "out").exists()


def test_another_form_of_all_models_keeps_what_was_asked_for(models, tmp_path, monkeypatch):
    """The second form is tried where the image misses its budget, with all other options."""
    tried = []

    def made(models, output, *, options, **others):
        tried.append(options)
        if len(tried) < 3:
            raise LimitError("The image is too large.")
        return "made"

    monkeypatch.setattr(create, "create_project", made)
    asked = CompileOptions(isa="portable", flash_bytes=1 << 20)
    both = [models / f"{name}_int8.tflite" for name in ("kws", "sww")]
    words = {"target": "x86-64", "template": "linux"}
    monkeypatch.setattr(projects, "within_budgets", kept := Kept())
    assert create_project(both, tmp_path / "fw", options=asked, **words) == "made"
    assert [[form.optimize for form in forms] for forms in tried[1:]] == [
        ["balanced"] * 2,
        ["ram"] * 2,
    ]
    assert all(form.isa == "portable" for forms in tried for form in forms)
    assert kept.modes == [MODES] * 2 + [("balanced",)] * 2 + [("ram",)] * 2


class Kept:
    """Stands for a search in which every form keeps to the budgets."""

    def __init__(self):
        self.modes = []

    def __call__(self, model, board, options, *, modes=MODES):
        self.modes.append(modes)
        return replace(options, flash_bytes=None)


def test_tflm_without_a_target_makes_sources(models, tmp_path, cli):
    folder = tmp_path / "tflm"
    done = cli(
        "compile", models / "kws_int8.tflite", "--runtime", "tflm", "-n", "kws", "-o", folder
    )
    assert done.code == 0, done.err
    assert "a sources project for any core" in done.out
    assert (folder / "model" / "kws.cc").is_file()
    assert (folder / "tflm.cmake").is_file()


@pytest.mark.parametrize("template", LIBRARY_TEMPLATES)
def test_a_library_project_needs_no_target(template, two, tmp_path, cli):
    need(shutil.which("gcc"), "gcc")
    folder = tmp_path / "fw"
    made = cli("compile", two[0], "-n", "net", "-o", folder, "--project", template)
    assert made.code == 0, made.err
    sources = [path for path in folder.rglob("*.c") if path.name.startswith(("net", "eq_"))]
    folders = [f"-I{path}" for path in {header.parent for header in folder.rglob("*.h")}]
    assert len(sources) >= 5
    command = ["gcc", "-std=c99", *WARNINGS, *folders, "-fsyntax-only"]
    subprocess.run([*command, *map(str, sources)], check=True)
    built = cli("build", folder)
    assert built.code == 2
    assert "Traceback" not in built.err


def test_a_board_project_says_that_it_needs_a_board(two, tmp_path, cli):
    done = cli("compile", two[0], "-o", tmp_path / "fw", "--project", "bare-metal")
    assert done.code == 2
    assert "--target" in done.err


@pytest.mark.parametrize("template", ["linux", "android", "swift", "web"])
@pytest.mark.parametrize("other", ["a_api", "a_weights"])
def test_a_model_whose_name_is_a_file_of_another_is_refused(template, other, two, tmp_path, cli):
    words = ["--project", template, "--name", f"a={two[0]}", "--name", f"{other}={two[1]}"]
    done = cli("compile", *two, "-o", tmp_path / "x", *words)
    assert done.code == 1
    assert re.search(rf"have a file '\S*{other}\.h' with different text", done.err)
    assert not (tmp_path / "x").exists()


def test_files_that_differ_in_case_only_are_refused(two, tmp_path, cli):
    words = ["--project", "sources", "--name", f"a={two[0]}", "--name", f"A_weights={two[1]}"]
    done = cli("compile", *two, "-o", tmp_path / "x", *words)
    assert done.code == 1
    assert re.search(r"'\S*weights\.h' and '\S*weights\.h' would be one file", done.err)
    assert not (tmp_path / "x").exists()


def test_the_one_of_several_signatures_is_named(tmp_path, cli):
    """Firmware runs subgraph 0, as TensorFlow Lite Micro does."""
    tensors = [TensorSpec((1, 4), "int8", 0.1), TensorSpec((1, 4), "int8", 0.1)]
    parts = [SubgraphSpec(tensors, [OpSpec(op, [0], [1])], [0], [1]) for op in ("ABS", "RELU")]
    model = tmp_path / "net.tflite"
    model.write_bytes(build(parts, signatures={"learn": 0, "serve": 1}))
    words = ["--project", "sources", "--target", BOARD]
    done = cli("compile", model, "-o", tmp_path / "fw", *words)
    assert done.code == 0, done.err
    assert "net: signature learn of 2" in done.out
    assert "learn" in json.loads((tmp_path / "fw" / "edgeq-project.json").read_text())["notes"][-1]
