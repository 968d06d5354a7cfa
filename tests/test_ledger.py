"""The committed ledger holds: nothing on the Cortex-M4 grew by more than 1 %."""

import json

import pytest

from benchmarks.ledger import LEDGER, PEERS, TINY, compiler, grown, measure
from tests.tools import need

ROWS = json.loads(LEDGER.read_text())
# Instructions relative to TensorFlow Lite Micro with CMSIS-NN on the same core.
TARGETS = {
    "cortex-m4": {"kws": 0.50, "resnet": 0.50, "vww": 0.45, "sww": 0.50, "ad01": 0.65},
    "cortex-m3": {"kws": 0.65, "resnet": 0.65, "vww": 0.65, "sww": 0.60, "ad01": 0.62},
    "cortex-m0plus": {"kws": 0.50, "resnet": 0.60, "vww": 0.50, "sww": 0.50, "ad01": 0.65},
    "cortex-m55": {"kws": 0.65, "resnet": 0.70, "vww": 0.60, "sww": 0.65, "ad01": 0.65},
}


@pytest.mark.parametrize("cpu", TARGETS)
def test_the_ledger_beats_the_peers(cpu):
    for name, share in TARGETS[cpu].items():
        row = ROWS["rows"][f"{name}/{cpu}/balanced"]
        peer = PEERS[f"{cpu}/cmsis-nn"][f"{name}_int8"]
        assert row["instructions"] <= share * peer["instructions"], name
        assert row["stack"] <= 1024, name


@pytest.mark.parametrize("name", TINY)
def test_nothing_grew(name, models):
    need(compiler() == ROWS["compiler"], f"arm-none-eabi-gcc {ROWS['compiler']}, as in the ledger")
    new = measure(models / f"{name}_int8.tflite", "cortex-m4", "balanced")
    old = ROWS["rows"][f"{name}/cortex-m4/balanced"]
    assert not grown(old, new), "explain it in the commit, then run make bench"


def test_growth_is_noticed():
    old = {"instructions": 1000, "arena": 100, "code": 100, "constants": 100, "stack": 100}
    assert not grown(old, {**old, "instructions": 1010})
    assert grown(old, {**old, "instructions": 1011}) == ["instructions 1,000 -> 1,011"]


def test_sixteen_bits_cost_little_more_than_eight():
    int8, int16 = (ROWS["rows"][f"ds_cnn{kind}/cortex-m4/balanced"] for kind in ("", "_int16x8"))
    assert int16["cycles_estimated"] <= 1.6 * int8["cycles_estimated"]
    assert int16["arena"] <= 2.5 * int8["arena"]


@pytest.mark.parametrize(
    ("name", "op"),
    [("ds_cnn_float32", "CONV_2D"), ("autoencoder_float32", "FULLY_CONNECTED")],
)
def test_an_fpu_is_made_use_of(name, op):
    row = ROWS["rows"][f"{name}/cortex-m4f/balanced"]
    assert row["instructions_per_mac"][op] <= 2.6
