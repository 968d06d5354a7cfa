"""Layers of which whole blocks of 4x4 weights are zero, large enough that C leaves them out."""

from dataclasses import replace

import numpy as np

from tests.oracle.build import single_op
from tests.oracle.check import random_case
from tests.oracle.generators.values import (
    bias,
    case_seed,
    chance,
    extent,
    output_scale,
    tensor,
    weights,
)


def kept_blocks(rng, channels, taps):
    """A mask (channels, taps) of blocks; some groups of channels may have none, or all."""
    groups, steps = -(-channels // 4), -(-taps // 4)
    kept = rng.random((groups, steps)) >= rng.choice([0.3, 0.5, 0.75, 0.95, 1.0])
    kept[rng.random(groups) < 0.1] = False
    kept[rng.random(groups) < 0.1] = True
    return kept.repeat(4, axis=0).repeat(4, axis=1)[:channels, :taps]


def _sparse(rng, shape, axis):
    filters = weights(rng, shape, "int8", axis=axis)
    if chance(rng, 0.7):  # the others often have scales that no fast kernel takes
        scales = np.asarray(filters.scale)
        filters = replace(filters, scale=list(0.02 * rng.uniform(0.5, 2, scales.shape)))
    kept = kept_blocks(rng, shape[0], int(np.prod(shape[1:]))).reshape(shape)
    return replace(filters, data=filters.data * kept)


def fully_connected(target):
    """A generator of FULLY_CONNECTED models, with the kernels of a target."""

    def make(rng, size):
        batches, input_c, output_c = extent(rng, 3), 32 + extent(rng, 64), 24 + extent(rng, 24)
        if size == 1:
            input_c = 1100 + extent(rng, 8)  # more zero blocks in a row than a byte counts
        filters = _sparse(rng, (output_c, input_c), 0 if chance(rng, 0.5) else None)
        source = tensor(rng, (batches, input_c))
        biases = bias(rng, source, filters, output_c, "int32")
        scale = output_scale(rng, source, filters, input_c)
        output = tensor(rng, (batches, output_c), scale=scale)
        options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
        name = "FULLY_CONNECTED"
        model = single_op(name, [source, filters, biases], [output], options, version=5)
        return random_case(f"{name} blocks", model, seed=case_seed(rng), target=target)

    return make


GENERATORS = {"FULLY_CONNECTED int8 blocks": fully_connected("rv32imc")}
