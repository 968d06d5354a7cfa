"""Kernels that leave blocks of zeros out: TensorFlow Lite Micro's bytes, and when they pay."""

import re
from dataclasses import replace

import numpy as np
import pytest

from edgeq.analysis.profiling import profile
from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.shared.blocks import find_blocks
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import random_case
from tests.oracle.generators.blocks import GENERATORS

CPUS = ("cortex-m0plus", "cortex-m3", "cortex-m4", "rv32imc")


def fully_connected(zeros, *, input_c=128, output_c=64, per_channel=True, zero_point=-128):
    """A layer of which a share of the blocks is zero."""
    rng = np.random.default_rng(0)
    kept = rng.permutation(np.linspace(0, 1, input_c * output_c // 16) >= zeros)
    kept = kept.reshape(output_c // 4, -1).repeat(4, axis=0).repeat(4, axis=1)
    data = rng.integers(-127, 128, (output_c, input_c)).astype(np.int8) * kept
    scales = [0.01 + 0.001 * (k % 7) for k in range(output_c)] if per_channel else 0.01
    source = TensorSpec((1, input_c), "int8", 0.05, zero_point)
    bias = rng.integers(-9000, 9000, output_c)
    layer = [
        source,
        TensorSpec(data.shape, "int8", scales, 0, data),
        TensorSpec((output_c,), "int32", np.multiply(scales, 0.05).tolist(), 0, bias),
    ]
    output = TensorSpec((1, output_c), "int8", 0.5, 3)
    return single_op("FULLY_CONNECTED", layer, [output], version=5)


def written(path, model):
    path.write_bytes(model)
    return path


def kernel(path, target, optimize="balanced"):
    sources = generate(path, target=target, options=CompileOptions(optimize=optimize))
    (op,) = sources.manifest["ops"]
    return op


def outputs(address, path, case):
    inputs = [np.stack(calls) for calls in zip(*case.calls, strict=True)]
    with open_device(address).open(path, CompileOptions()) as session:
        return [output.tobytes() for output in session.run(inputs)]


@pytest.mark.parametrize("layer", sorted(GENERATORS))
@pytest.mark.parametrize("cpu", CPUS)
def test_random_layers_give_tflms_bytes(cpu, layer, tmp_path):
    taken = 0
    for seed in range(10):
        case = GENERATORS[layer](np.random.default_rng([seed, 7]), 1 + seed % 9)
        path = written(tmp_path / f"{seed}.tflite", case.model)
        assert outputs(f"sim:{cpu}", path, case) == outputs("tflm", path, case), seed
        taken += "_blocks_" in kernel(path, cpu)["kernel"]
    assert taken >= 3


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("zero_point", [-128, 127])
@pytest.mark.parametrize("zeros", [0.5, 1.1])
def test_zero_points_at_the_ends_and_no_weight_at_all(cpu, zero_point, zeros, tmp_path):
    for per_channel in (True, False):
        model = fully_connected(zeros, zero_point=zero_point, per_channel=per_channel)
        path = written(tmp_path / f"{per_channel}.tflite", model)
        case = random_case("ends", model)
        assert "_blocks_" in kernel(path, cpu)["kernel"]
        assert outputs(f"sim:{cpu}", path, case) == outputs("tflm", path, case)


@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m4"])
def test_half_the_blocks_take_less_flash_and_fewer_instructions(cpu, tmp_path):
    def measured(zeros):
        path = written(tmp_path / "m.tflite", fully_connected(zeros))
        return profile(path, on=f"sim:{cpu}", profile_options=ProfileOptions(ops=False)).measurement

    dense, half, few = (measured(zeros) for zeros in (0, 0.5, 0.9))
    assert half.memory_bytes.flash_total < 0.7 * dense.memory_bytes.flash_total
    assert half.instructions < 0.7 * dense.instructions
    assert few.memory_bytes.flash_total < 0.4 * dense.memory_bytes.flash_total
    assert few.instructions < 0.4 * dense.instructions


@pytest.mark.parametrize(
    ("zeros", "optimize", "blocks"),
    [
        (0, "size", False),
        (0.09, "balanced", False),  # flash would fall, instructions would not
        (0.09, "speed", False),
        (0.13, "size", True),
        (0.3, "balanced", True),
        (0.3, "speed", True),
        (0.3, "ram", True),
    ],
)
def test_blocks_are_left_out_where_that_pays(zeros, optimize, blocks, tmp_path):
    path = written(tmp_path / "m.tflite", fully_connected(zeros, input_c=256))
    assert ("_blocks_" in kernel(path, "cortex-m4", optimize)["kernel"]) is blocks


def test_the_manifest_and_the_c_say_how_many_blocks_are_stored(tmp_path):
    path = written(tmp_path / "m.tflite", fully_connected(0.75))
    sources = generate(path, target="cortex-m4")
    (op,) = sources.manifest["ops"]
    assert op["weight_blocks"] == {"stored": 128, "all": 512}
    assert "128 of 512 blocks of 4x4, the others zero" in sources.files["m_weights.c"]
    assert sources.manifest["constant_bytes"] == 128 * 16 + 16 * (16 + 32) + 16 * 2 + 128


def test_long_runs_of_zeros_are_broken_up():
    weights = np.zeros((4, 4 * 700), np.int64)
    weights[:, -1] = weights[:, 0] = 1
    found = find_blocks(weights, 255)
    assert np.flatnonzero(found.stored[0]).tolist() == [0, 256, 512, 699]
    table = found.table()
    assert table.tolist() == [4, 0, 0, 255, 255, 186]
    assert find_blocks(weights, 80).table(3).max() == 240
    nothing = find_blocks(np.zeros((5, 9), np.int64))
    assert (nothing.count, nothing.stored.shape) == (2, (2, 3))
    assert re.fullmatch(r"2 of 6 blocks .*", nothing.note)
    assert replace(found, stored=found.stored[:, :300]).count == 2
