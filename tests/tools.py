"""What several test modules share."""

import os

import pytest


def need(condition: object, what: str) -> None:
    """Skip the test when something is missing; fail instead where EDGEQ_NO_SKIP=1 (CI)."""
    if condition:
        return
    if os.environ.get("EDGEQ_NO_SKIP") == "1":
        pytest.fail(f"needs {what}")
    pytest.skip(f"needs {what}")
