"""Dense layers of cores without SIMD: every number of outputs and inputs, and the largest sums."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.emulator import EmulatorSession
from edgeq.devices.generated import generate
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op

CPUS = ("cortex-m0plus", "cortex-m3", "rv32imc")
OUTPUTS = (1, 2, 3, 4, 5, 7, 8, 19)
INPUTS = (1, 3, 8, 9, 700)


def sides(outputs, inputs, weights):
    """Input, weights and output of a dense layer."""
    return [
        TensorSpec((1, inputs), "int8", 0.05, -7),
        TensorSpec((outputs, inputs), "int8", 0.02, 0, weights.astype(np.int8)),
        TensorSpec((1, outputs), "int8", 0.008 * inputs, 3),
    ]


def layers():
    """Layers of all these sizes that have nothing to do with each other, in one model."""
    rng = np.random.default_rng(0)
    tensors, ops = [], []
    for outputs, inputs in itertools.product(OUTPUTS, INPUTS):
        weights = rng.integers(-127, 128, (outputs, inputs))
        # Rows whose products all have one sign, in both halves of a word and at its ends.
        weights[::3] = -127
        weights[1::4] = 127
        first = len(tensors)
        tensors += sides(outputs, inputs, weights)
        ops.append(OpSpec("FULLY_CONNECTED", [first, first + 1], [first + 2], {}))
    numbers = range(0, len(tensors), 3)
    return build([SubgraphSpec(tensors, ops, list(numbers), [n + 2 for n in numbers])])


def samples():
    """For each layer the least and the largest values, and random ones."""
    rng = np.random.default_rng(1)
    for _, inputs in itertools.product(OUTPUTS, INPUTS):
        rows = rng.integers(-128, 128, (4, 1, inputs))
        rows[0], rows[1] = -128, 127
        yield rows.astype(np.int8)


def outputs_on(address, path, optimize="balanced"):
    with open_device(address).open(path, CompileOptions(optimize)) as session:
        return [values.tobytes() for values in session.run(list(samples()))]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "layers.tflite"
    path.write_bytes(layers())
    return path, outputs_on("tflm", path)


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["balanced", "size", "speed"])
@pytest.mark.parametrize("cpu", CPUS)
def test_layers_of_every_size_give_tflms_bytes(cpu, optimize, model):
    path, expected = model
    assert any("rows" in name for name in generate(path, load_target(cpu), CompileOptions()).files)
    found = outputs_on(f"sim:{cpu}", path, optimize)
    sizes = list(itertools.product(OUTPUTS, INPUTS))
    assert [s for s, a, b in zip(sizes, found, expected, strict=True) if a != b] == []


def test_words_of_weights_off_their_place_are_an_error(tmp_path):
    """Two words are loaded at once, which a Cortex-M3 does at multiples of four bytes alone."""
    rng = np.random.default_rng(2)
    source, weights, output = sides(8, 16, rng.integers(-127, 128, (8, 16)))
    path = tmp_path / "dense.tflite"
    path.write_bytes(single_op("FULLY_CONNECTED", [source, weights], [output], {}))
    target = load_target("cortex-m3")
    sources = generate(path, target, CompileOptions())
    assert all("EQ_ALIGN(4)" in text for name, text in sources.files.items() if "weights" in name)
    inputs = [np.zeros((1, 1, 16), np.int8)]
    with EmulatorSession("sim:cortex-m3", target, sources) as session:
        session.run(inputs)
    moved = {
        name: text.replace("_op0_weights,", "_op0_weights + 1,") if name.endswith(".c") else text
        for name, text in sources.files.items()
    }
    assert moved != sources.files
    elsewhere = replace(sources, files=moved)
    with (
        EmulatorSession("sim:cortex-m3", target, elsewhere) as session,
        pytest.raises(EdgeqError, match="misaligned"),
    ):
        session.run(inputs)
