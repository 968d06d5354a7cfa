"""A sample of the fuzz over all readers of foreign bytes; `make fuzz` runs 5,000 inputs each."""

import importlib.util
import subprocess
import sys

import pytest

from tests.foreign.mutate import each_value_another
from tests.foreign.talks import READERS
from tests.tools import need

TENSORFLOW = {"saved model", "onnx layers"}  # takes ten seconds to import
ONNX = {"onnx", "onnx layers"}


@pytest.mark.parametrize("name", sorted(set(READERS) - TENSORFLOW))
def test_nothing_but_values_and_errors(name):
    """In a process of its own, which forks: the tests' own process has threads of libraries."""
    if name in ONNX:
        need(importlib.util.find_spec("onnx"), "the package onnx: pip install 'edgeq[onnx]'")
    done = subprocess.run(
        [sys.executable, "-m", "tests.foreign.fuzz", "-n", "200", "--seed", "1", "--exactly", name],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 findings" in done.stdout


@pytest.mark.parametrize("name", sorted(TENSORFLOW))
def test_what_tensorflow_reads(name):
    test_nothing_but_values_and_errors(name)


def test_a_text_that_begins_like_json_need_be_none():
    """A long run of the fuzz never ended over TOML files, which begin with a bracket, too."""
    assert list(each_value_another(b'[model]\nname = "m"\n')) == []
    assert b'{"a": null}' in list(each_value_another(b'{"a": 1}'))
