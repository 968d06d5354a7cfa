"""TOML of other people: dotted keys, whose reader keeps every beginning, are bounded."""

import tracemalloc

import pytest

from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_toml

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


def test_dots_elsewhere_are_no_keys():
    dots = "word." * 100
    text = f'# {dots}\na.b.c = [{"0.5, " * 100}]\ns = \'{dots}\'\nt = """\n{dots}\n"""\n'
    assert parse_toml(text.encode(), "x") == {
        "a": {"b": {"c": [0.5] * 100}}, "s": dots, "t": f"{dots}\n",
    }  # fmt: skip
