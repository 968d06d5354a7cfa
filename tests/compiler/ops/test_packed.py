"""Layers whose weights are kept as 4-bit codes: which they are, and what comes of them."""

from dataclasses import replace

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.shared.packed import codes_of
from edgeq.compiler.options import CompileOptions
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import assert_same
from tests.oracle.generators.convolutions import GENERATORS

LAYERS = tuple(
    f"{op} {kind}" for op in ("CONV_2D", "FULLY_CONNECTED") for kind in ("int4", "clustered")
)


@pytest.mark.parametrize("target", ["x86-64", "rv32imc"])
@pytest.mark.parametrize("layer", LAYERS)
def test_random_packed_layers_give_tflms_bytes(layer, target):
    assert_same(
        replace(
            GENERATORS[layer](np.random.default_rng([seed, LAYERS.index(layer)]), 9),
            target=target,
            optimize="size",
        )
        for seed in range(24)
    )


def test_codes_stand_for_the_weights():
    rng = np.random.default_rng(0)
    for values in (range(-8, 8), [-128, -3, 0, 127], rng.choice(256, 16, replace=False) - 128):
        weights = rng.choice(np.array(values), (5, 7)).astype(np.int8)
        found = codes_of(weights)
        assert (found.values[found.codes] == weights).all()
    assert codes_of(np.arange(17, dtype=np.int8)) is None


def dense(tmp_path, weights, dtype):
    """A FULLY_CONNECTED model with these weights."""
    outputs, inputs = weights.shape
    model = single_op(
        "FULLY_CONNECTED",
        [
            TensorSpec((1, inputs), "int8", 0.1, 3),
            TensorSpec(weights.shape, dtype, [0.01], 0, weights),
            TensorSpec((outputs,), "int32", [0.001], 0, np.zeros(outputs, np.int64)),
        ],
        [TensorSpec((1, outputs), "int8", 0.2, 5)],
        version=5,
    )
    path = tmp_path / "dense.tflite"
    path.write_bytes(model)
    return path


@pytest.mark.parametrize(
    ("kind", "target", "packed"),
    [
        ("int4", "cortex-m4", {"balanced", "ram", "size"}),
        ("int4", "cortex-m3", {"size"}),
        ("int4", "cortex-m55", set()),
        ("clustered", "cortex-m4", {"size"}),
        ("int8", "cortex-m4", set()),
    ],
)
def test_what_is_packed(tmp_path, kind, target, packed):
    values = {"int4": range(-8, 8), "clustered": range(-64, 64, 8), "int8": range(-64, 64)}[kind]
    weights = np.random.default_rng(0).choice(np.array(values), (16, 64)).astype(np.int8)
    path = dense(tmp_path, weights, "int4" if kind == "int4" else "int8")
    sizes = {}
    for optimize in ("balanced", "ram", "size", "speed"):
        manifest = generate(path, target=target, options=CompileOptions(optimize)).manifest
        assert manifest["ops"][0]["packed"] == (optimize in packed), optimize
        sizes[optimize] = manifest["constant_bytes"]
    for optimize in packed:
        assert sizes["speed"] - sizes[optimize] >= weights.size // 2 - 16
