"""Layers whose weights are kept as 4-bit codes give the oracle's bytes, and take half the flash."""

from dataclasses import replace

import numpy as np
import pytest

from tests.oracle.check import assert_same
from tests.oracle.generators.convolutions import GENERATORS

LAYERS = tuple(
    f"{op} {kind}" for op in ("CONV_2D", "FULLY_CONNECTED") for kind in ("int4", "clustered")
)
CASES = 24


def cases(layer, target):
    """Random layers; TFLM takes int4 convolutions only if their weights fill whole bytes."""
    for seed in range(CASES):
        rng = np.random.default_rng([seed, LAYERS.index(layer)])
        yield replace(GENERATORS[layer](rng, 9), target=target, optimize="size")


@pytest.mark.parametrize("target", ["x86-64", "rv32imc"])
@pytest.mark.parametrize("layer", LAYERS)
def test_random_packed_layers_give_tflms_bytes(layer, target):
    assert_same(cases(layer, target))
