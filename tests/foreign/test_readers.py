"""A sample of the fuzz over all readers of foreign bytes; `make fuzz` runs 5,000 inputs each."""

import subprocess
import sys

import pytest

from tests.foreign.talks import READERS

TENSORFLOW = {"saved model"}  # takes ten seconds to import


@pytest.mark.parametrize("name", sorted(set(READERS) - TENSORFLOW))
def test_nothing_but_values_and_errors(name):
    """In a process of its own, which forks: the tests' own process has threads of libraries."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.foreign.fuzz", "-n", "200", "--seed", "1", "--exactly", name],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 findings" in done.stdout


def test_saved_models():
    test_nothing_but_values_and_errors("saved model")
