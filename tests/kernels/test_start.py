"""A program takes little memory beside its model, and owns none of the weights."""

import sys

import pytest

from benchmarks.start import program, start
from edgeq.boards.levels import best_here

MEGABYTE = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory a program takes")
def test_weights_are_pages_of_the_file(models):
    built, manifest = program(models / "ad01_int8.tflite", best_here().name, ("-static",))
    found = start(built)
    weights, arena = manifest["constant_bytes"], manifest["arena_bytes"]
    assert found["VmHWM"] <= weights + arena + MEGABYTE
    assert found["RssFile"] >= weights
    # What no other process of the same program shares: arena, stack, what the C library writes.
    assert found["RssAnon"] <= arena + weights // 2
    assert found["first"] > 0
