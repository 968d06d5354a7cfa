"""What a frame may cost: no more than was promised, and no more than was measured before."""

import json

import pytest

from benchmarks.frontends import KINDS, ROWS, measure

MOST = {"mfcc": 90_000, "micro": 60_000, "log-mel": 90_000}


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_on_a_cortex_m4(kind):
    known = json.loads(ROWS.read_text())[f"{kind}/cortex-m4"]
    found = measure(kind, "cortex-m4")
    assert found["instructions"] < MOST[kind]
    # Another compiler may differ by more than a change that nobody noticed.
    assert found["instructions"] < 1.1 * known["instructions"]
    assert found["ram"] <= known["ram"]
    assert found["stack"] < 512
