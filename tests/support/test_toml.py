"""TOML of other people: keys of many parts, and files with thousands of mistakes."""

import re
import tracemalloc

import pytest

from edgeq.boards.target_schema import read_target_file
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.support.foreign import parse_toml
from edgeq.workflow.config import read_config

PARTS = 20_000


@pytest.mark.parametrize(
    "text",
    [
        "a." * PARTS + "b = 1",
        "a . " * PARTS + "b = 1",
        '"=".' * PARTS + "b = 1",
        "'#'." * PARTS + "b = 1",
        "[" + "a." * PARTS + "b]",
        "x = {" + "a." * PARTS + "b = 1}",
        '# "\nx = 1\n' + "a." * PARTS + "b = 1",
    ],
)
def test_a_key_of_many_parts_is_refused_before_it_fills_the_memory(text):
    tracemalloc.start()
    with pytest.raises(EdgeqError, match="more than 64 parts"):
        parse_toml(text.encode(), "board.toml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20  # 1.5 GB where it is read


def test_the_mark_of_a_windows_editor_is_no_key():
    assert parse_toml(b"\xef\xbb\xbfa = 1\n", "x") == {"a": 1}


def test_dots_elsewhere_are_no_keys():
    dots = "word." * 100
    text = f'# {dots}\na.b.c = [{"0.5, " * 100}]\ns = \'{dots}\'\nt = """\n{dots}\n"""\n'
    assert parse_toml(text.encode(), "x") == {
        "a": {"b": {"c": [0.5] * 100}}, "s": dots, "t": f"{dots}\n",
    }  # fmt: skip


@pytest.mark.parametrize("read", [read_config, read_description, read_target_file])
@pytest.mark.parametrize("entry", ["a{} = 1\n", "[a{}]\n"])
def test_of_thousands_of_unknown_keys_the_first_are_named(tmp_path, read, entry):
    path = tmp_path / "many.toml"
    head = 'kind = "mfcc"\n' if read is read_description else '[deploy]\nmodel = "x.keras"\n'
    path.write_text(head + "".join(entry.format(number) for number in range(5_000)))
    if read is read_target_file and "=" in entry:
        path.write_text("[cpu]\n" + path.read_text().split("\n", 2)[2])
    with pytest.raises(EdgeqError) as caught:
        read(path)
    text = str(caught.value)
    assert "a0" in text
    assert re.search(r"and 4,9\d\d more", text)
    assert len(text) < 20_000


def test_a_text_of_a_megabyte_is_not_printed(tmp_path):
    path = tmp_path / "board.toml"
    path.write_text(f'[cpu]\ncore = "{"x" * 1_000_000}"\n')
    with pytest.raises(EdgeqError, match="more characters") as caught:
        read_target_file(path)
    assert len(str(caught.value)) < 40_000
    assert "must be one of cortex-m0" in str(caught.value)
