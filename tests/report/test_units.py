"""Figures get their units in one room: elsewhere a number and a unit never meet in a text."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from edgeq.report import units

ROOT = Path(__file__).resolve().parents[2] / "edgeq"
# What prints, judges, or puts results together. An error's sentence is no figure.
ROOMS = ("cli", "workflow", "analysis", "boards", "metrics")
_UNITS = "bytes|[kKMG]i?B|cycles|instructions|[kM]?Hz|[mµun]?s|seconds|[mµu]?[JWAV]|MACs"
_UNIT = re.compile(rf"^\s?({_UNITS})\b")


def figures_in(source):
    """Texts of a source where a unit follows a value, and that no exception says."""
    tree = ast.parse(source)
    said = {inner for node in ast.walk(tree) if _is_error(node) for inner in ast.walk(node)}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and node not in said
        for value, text in pairwise(node.values)
        if isinstance(value, ast.FormattedValue)
        and isinstance(text, ast.Constant)
        and _UNIT.match(text.value)
    ]


def _is_error(node):
    if isinstance(node, ast.Raise):
        return True
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return named and node.func.id.endswith("Error")


@pytest.mark.parametrize("room", ROOMS)
def test_only_report_gives_figures_their_units(room):
    found = {
        str(file.relative_to(ROOT)): texts
        for file in sorted((ROOT / room).rglob("*.py"))
        if (texts := figures_in(file.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ('f"{n:,} bytes"', 1), ('f"at {c / 1e6:g} MHz"', 1), ('f"{t}ms, {u} µs"', 2),
        ('f"{n} bytes_left"', 0), ('f"{n} samples"', 0), ('f"bytes: {n}"', 0),
        ('raise UsageError(f"{n} bytes")', 0), ('say(EdgeqError(f"{n} bytes"))', 0),
    ],
)  # fmt: skip
def test_the_rule_itself(text, caught):
    assert len(figures_in("def f():\n    " + text)) == caught


def test_an_account_s_text_is_made_of_its_figures():
    """Nothing that prints an account takes bare numbers, which nobody could say the kind of."""
    tree = ast.parse((ROOT / "report" / "account.py").read_text())
    allowed = {"Account", "Figure", "Fit", "LimitCheck", "ImageAccount", "Build"}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        names = {
            name.id
            for argument in function.args.args
            for name in ast.walk(argument.annotation)
            if isinstance(name, ast.Name)
        }
        assert names & allowed, function.name


@pytest.mark.parametrize(
    ("name", "p99", "valid", "said"),
    [
        ("p99", 300.0, True, "latency p99"), ("p99", 4000.0, True, "latency p99 (disturbed)"),
        ("p50", 4000.0, True, "latency p50"), ("p50", 300.0, False, "latency p50 (disturbed)"),
        ("p99", None, True, "latency p99"),
    ],
)  # fmt: skip
def test_a_far_percentile_has_the_word_beside_it(name, p99, valid, said):
    assert units.latency_name(name, {"p50": 200.0, "p99": p99}, valid=valid) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (units.in_bytes(1234), "1,234 bytes"), (units.capacity(131072), "128 KB"),
        (units.capacity(64 << 20), "64 MB"), (units.capacity(8 << 30), "8 GB"),
        (units.capacity(None), "-"), (units.clock(2_097_000), "2.097 MHz"),
        (units.clock(None), "-"),
        (units.microseconds(22.84), "22.8 µs"), (units.megabytes(43_233_280), "43.2 MB"),
        (units.megabytes(None), ""), (units.in_macs(2656768), "2,656,768 MACs"),
    ],
)  # fmt: skip
def test_units(given, said):
    assert given == said
