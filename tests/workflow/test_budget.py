"""Budgets pick the first form of a program that fits, or say which comes nearest."""

import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.errors import LimitError


def vww(models, **budgets):
    options = CompileOptions(**budgets)
    return generate(models / "vww_int8.tflite", options=options).manifest


def test_the_mode_asked_for_is_kept_when_it_fits(models):
    manifest = vww(models, ram_bytes=60_000)
    assert manifest["optimize"] == "balanced"
    assert manifest["arena_bytes"] <= 60_000


def test_less_ram_makes_stripes(models):
    manifest = vww(models, ram_bytes=32 * 1024)
    assert manifest["optimize"] == "ram"
    assert manifest["arena_bytes"] <= 32 * 1024
    assert "within budget" in manifest["why"]


def test_a_budget_that_nothing_meets_says_what_comes_nearest(models):
    with pytest.raises(LimitError, match=r"nearest is --optimize ram: ram 2\d,\d+, .* over 10,000"):
        vww(models, ram_bytes=10_000)


def test_cycles_and_flash_are_measured(models):
    manifest = vww(models, cycles=14_000_000, flash_bytes=256_000)
    assert manifest["optimize"] == "balanced"
