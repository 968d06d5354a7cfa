"""Fixtures for tests of the command line."""

import pytest

from tests.cli.runner import make_runner


@pytest.fixture
def edgeq(capsys):
    """Runs `edgeq ARGS...` in this process."""
    return make_runner(capsys)
