"""What a frame may cost: no more than was promised, and no more than was measured before."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.frontends import CPUS, KINDS, ROWS, WITH_FPU, measure, table
from edgeq.devices import emulator

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


def test_the_ledger_has_each_core_and_the_page_has_the_ledger():
    rows = json.loads(ROWS.read_text())
    forms = {f"{kind}/{cpu}" for kind in KINDS for cpu in CPUS}
    forms |= {f"{kind}-float32/{cpu}" for kind in ("mfcc", "log-mel") for cpu in WITH_FPU}
    assert set(rows) == forms
    page = (Path(__file__).parents[2] / "docs" / "frontends.md").read_text()
    for figure in ("instructions", "flash"):
        assert "\n".join(table(rows, figure)) in page
    assert rows["log-mel-float32/cortex-m4"]["ram"] == 7000
    assert {rows[f"{kind}/cortex-m4"]["ram"] for kind in KINDS} == {3352, 4152}


def test_a_frame_on_a_cortex_m0plus():
    known = json.loads(ROWS.read_text())["mfcc/cortex-m0plus"]
    found = measure("mfcc", "cortex-m0plus")
    assert found["instructions"] < 1.1 * known["instructions"]
    assert found["ram"] <= known["ram"]


def test_a_window_that_is_made_twice(monkeypatch):
    """Of a sound that ends where the weights are next to 0."""
    sound = np.where(np.arange(480) < 9, 3000, 0).astype(np.int16)
    monkeypatch.setattr(emulator, "profile_inputs", lambda inputs, index: [sound])
    found = measure("mfcc", "cortex-m4")
    assert found["stages"]["windowed"] > 12_000
    assert found["instructions"] < 60_000
