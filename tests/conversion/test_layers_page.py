"""docs/layers.md has a row for all that Keras has, and says why where a bar is not met."""

import re

import pytest

from benchmarks.layer_recipes import NO_DEVICE
from benchmarks.layers import BARS, PAGE, SCHEMES, activations, layers


@pytest.fixture(scope="module")
def rows():
    """Cells by the name in the first column, one entry per row."""
    pytest.importorskip("keras")
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == len(SCHEMES) + 2 and cells[0]:
            found.setdefault(re.split(r"[ ,(]", cells[0])[0], []).append(cells)
    return found


def test_no_entry_of_keras_is_left_out(rows):
    assert {*activations(), *layers()} <= set(rows)


def test_other_names_of_activations_stand_beside_them(rows):
    assert rows["silu"][0][0] == "silu (swish)"
    for name, others in activations().items():
        assert all(other in rows[name][0][0] for other in others), name


def test_no_row_is_silent(rows):
    for name, entries in rows.items():
        for cells in entries:
            assert cells[1], name
            assert name in NO_DEVICE or cells[1].startswith("refused") or all(cells[1:5]), cells


def test_activations_keep_the_bars_or_say_why(rows):
    for name in activations():
        (cells,) = rows[name]
        for column, scheme in enumerate(SCHEMES, 1):
            figure = re.match(r"(\d+) dB", cells[column])
            if scheme in BARS and figure and int(figure[1]) < BARS[scheme]:
                assert ";" in cells[-1], cells  # the reason stands behind the ops
