"""`edgeq profile`: the JSON that users and checks rely on."""

import pytest

from edgeq.devices.base import ProfileOptions
from edgeq.errors import UsageError

PROFILE = {
    "edgeq", "model", "device", "latency_us", "instructions", "cycles", "cycles_estimated",
    "memory_bytes", "ops", "output_sha256", "environment", "valid", "warnings",
}  # fmt: skip
LATENCY = {"n", "warmup", "first", "min", "mean", "p50", "p90", "p95", "p99", "max", "stdev"}
MEMORY = {
    "arena", "static", "stack", "ram_total", "flash_code", "flash_const", "flash_total", "peak_rss",
}  # fmt: skip
MACS = {"ad01": 264192, "kws": 2656768, "resnet": 12501632, "vww": 7489664, "sww": 826368}


@pytest.mark.parametrize("on", ["local", "tflm"])
def test_json_of_a_host(cli, models, on):
    if on == "tflm":
        pytest.importorskip("tflite_micro")
    done = cli("profile", models / "kws_int8.tflite", "--on", on, "--seconds", "0.1", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert set(found) >= PROFILE
    assert set(found["model"]) == {"path", "sha256", "macs"}
    assert found["model"]["macs"] == MACS["kws"]
    assert set(found["device"]) >= {"address", "target", "cpu", "runtime", "runtime_version"}
    assert found["device"]["address"] == on
    assert set(found["latency_us"]) == LATENCY
    assert found["latency_us"]["min"] <= found["latency_us"]["p50"] <= found["latency_us"]["max"]
    assert set(found["memory_bytes"]) == MEMORY
    assert found["instructions"] is None
    assert len(found["output_sha256"]) == 64


def test_runs_and_words(cli, models):
    model = models / "ad01_int8.tflite"
    found = cli("profile", model, "-n", "7", "--warmup", "1", "--no-ops", "--json").json
    assert found["latency_us"]["n"] == 7
    assert found["ops"] == []
    words = cli("profile", model, "-n", "3", "--warmup", "1")
    assert "latency p50" in words.out
    assert "264,192" in words.out


def test_options_of_other_devices_are_refused(cli, models):
    done = cli("profile", models / "ad01_int8.tflite", "--paced", "10")
    assert done.code == 2
    assert "--paced" in done.err


@pytest.mark.parametrize(
    "asked", [{"runs": 0}, {"warmup": -1}, {"seconds": float("nan")}, {"input_index": -1}]
)
def test_numbers_that_cannot_be_are_refused_from_python_too(asked):
    """No runs at all once were a hundred thousand."""
    with pytest.raises(UsageError, match="is not possible"):
        ProfileOptions(**asked)
