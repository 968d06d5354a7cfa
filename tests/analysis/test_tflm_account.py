"""TensorFlow Lite Micro's own account: against what builds of it have shown, and by trial."""

import json

import pytest

from edgeq.analysis.fit import fit_tflm
from edgeq.analysis.tflm_account import tflm_account
from edgeq.devices.interpreters import micro_interpreter
from edgeq.errors import EdgeqError
from edgeq.firmware.tflm_arena import smallest_arena
from tests.conftest import MLPERF_TINY

pytest.importorskip("tflite_micro")


@pytest.fixture(scope="module")
def builds(shared):
    """Sizes of images that TFLM was built into, by core and kernels, then model."""
    return json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())["configs"]


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_parts_are_those_of_builds(name, models, builds):
    for kernels in ("cmsis-nn", "reference"):
        found = tflm_account(models / f"{name}_int8.tflite", "nucleo-f446re", kernels=kernels)
        built = builds[f"cortex-m4/{kernels}"][f"{name}_int8"]
        assert found.memory.flash_const == built["model_bytes"]
        assert found.memory.static == built["other_ram_bytes"]
        assert built["arena_bytes"] <= found.memory.arena <= built["arena_bytes"] * 1.05 + 512
        kinds = {path.rpartition(".")[2]: figure.kind for path, figure in found.figures.items()}
        assert (kinds["arena"], kinds["static"], kinds["flash_const"]) == (
            "estimated", "estimated", "measured",
        )  # fmt: skip
        assert {kinds[x] for x in ("flash_code", "flash_total", "stack", "cycles")} == {"unknown"}
        assert found.latency_ms.value is None


@pytest.mark.parametrize("name", ["kws", "ad01"])
def test_the_arena_by_trial_is_the_smallest_that_works(name, models):
    model = models / f"{name}_int8.tflite"
    found = smallest_arena(model)
    content = model.read_bytes()
    micro_interpreter(content, arena_bytes=found).invoke()
    with pytest.raises(EdgeqError):
        micro_interpreter(content, arena_bytes=found - 17)
    parts = {part.owner: part for part in tflm_account(model, "nucleo-f446re").parts}
    trial = parts["arena by trial"].ram
    assert (trial.value, trial.kind) == (found, "stand-in")
    assert trial.provenance.core  # this machine's, with pointers of 64 bits


def test_every_command_gives_the_same(cli, models, tmp_path):
    model = models / "sww_int8.tflite"
    tflm = ("--target", "nucleo-f446re", "--runtime", "tflm", "--json")
    fit = cli("inspect", model, *tflm).json["fit"]
    made = cli("compile", model, *tflm, "--project", "bare-metal", "-o", tmp_path / "fw").json
    listed = cli("targets", "nucleo-f446re", "--fits", model, "--runtime", "tflm", "--json")
    (row,) = listed.json["targets"]
    assert fit["parts"] == made["programs"][0]["parts"] == row["parts"]
    assert [part["owner"] for part in row["parts"]][:4] == [
        "model", "arena", "resolver", "interpreter",
    ]  # fmt: skip
    words = cli("inspect", model, *tflm[:-1]).out
    assert "resolver        200 bytes (estimated) RAM" in words
    assert "kernels         unknown flash" in words
    assert "whether it fits is not known before it is linked" in words


def test_too_much_is_known_before_a_build(models):
    found = fit_tflm(models / "vww_int8.tflite", "nucleo-f103rb")
    assert not found.fits
    assert not found.unknown
    assert {check.name for check in found.checks} == {"flash bytes", "RAM bytes"}
    assert fit_tflm(models / "kws_int8.tflite", "nucleo-f446re").unknown
    assert not fit_tflm(models / "kws_int8.tflite", "nucleo-f446re").fits  # unknown is no yes
