"""AVERAGE_POOL_2D, SOFTMAX and TRANSPOSE_CONV in every type that they have."""

from dataclasses import replace

import numpy as np

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import random_case
from tests.oracle.generators.convolutions import window_pair
from tests.oracle.generators.values import (
    case_seed,
    chance,
    data,
    extent,
    output_scale,
    scale,
    shape,
    tensor,
    weights,
)


def average_pool_2d(kind):
    """A generator of AVERAGE_POOL_2D models."""

    def make(rng, size):
        valid, axes = window_pair(rng, size, dilated=False)
        batches, channels = extent(rng, 2), extent(rng, size)
        source = tensor(rng, (batches, axes[0][3], axes[1][3], channels), kind)
        same = {"scale": source.scale, "zero_point": source.zero_point} if source.scale else {}
        output = TensorSpec((batches, axes[0][4], axes[1][4], channels), kind, **same)
        options = {
            "padding": int(valid),
            "filter_height": axes[0][0],
            "filter_width": axes[1][0],
            "stride_h": axes[0][2],
            "stride_w": axes[1][2],
            "fused_activation_function": int(rng.choice([0, 1, 2, 3])),
        }
        model = single_op("AVERAGE_POOL_2D", [source], [output], options, version=3)
        return random_case(f"AVERAGE_POOL_2D {kind}", model, seed=case_seed(rng))

    return make


def softmax(kind, result):
    """A generator of SOFTMAX models from one type to another."""
    fixed = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0), "float32": (None, 0)}[result]
    if (kind, result) == ("int8", "int16"):
        fixed = (1 / 65536, -32768)

    def make(rng, size):
        dimensions = (*shape(rng, 3, int(rng.integers(0, 5))), extent(rng, size * 3))
        if chance(rng, 0.1):
            # From 512 like values on, TFLM shifts by more bits than there are, or stops.
            dimensions = (extent(rng, 511),)
        low, high = (1e-5, 10) if kind == "int16" else (1e-4, 10.0)
        fields = {} if kind == "float32" else {"scale": scale(rng, low, high)}
        source = tensor(rng, dimensions, kind, **fields)
        output = TensorSpec(dimensions, result, *fixed)
        options = {"beta": 1.0 if chance(rng, 0.7) else float(np.float32(rng.uniform(0.1, 5)))}
        model = single_op("SOFTMAX", [source], [output], options, version=3)
        return random_case(f"SOFTMAX {kind} {result}", model, seed=case_seed(rng))

    return make


def transpose_conv(kind):
    """A generator of TRANSPOSE_CONV models."""
    bias_type = {"int8": "int32", "int16": "int64"}.get(kind, kind)

    def make(rng, size):
        valid, axes = window_pair(rng, size, dilated=False)
        batches, input_c, output_c = extent(rng, 2), extent(rng, size), extent(rng, size)
        # The axes are those of the convolution whose gradient this is.
        source = tensor(rng, (batches, axes[0][4], axes[1][4], input_c), kind)
        out = (batches, axes[0][3], axes[1][3], output_c)
        filter_shape = (output_c, axes[0][0], axes[1][0], input_c)
        weight_type = "float32" if kind == "float32" else "int8"
        filters = weights(rng, filter_shape, weight_type, axis=0 if chance(rng, 0.7) else None)
        bias = None
        if chance(rng, 0.6):
            values = data(rng, (output_c,), "float32")
            if kind != "float32":
                values = rng.integers(-5000, 5000, output_c)
            narrow = kind == "int16" and chance(rng, 0.3)
            bias = TensorSpec((output_c,), "int16" if narrow else bias_type, data=values)
        fitting = output_scale(rng, source, filters, input_c * 2)
        fields = {} if kind == "float32" else {"scale": fitting}
        output = tensor(rng, out, kind, **fields)
        options = {
            "padding": int(valid),
            "stride_h": axes[0][2],
            "stride_w": axes[1][2],
            "fused_activation_function": int(rng.choice([0, 1, 2, 3])),
        }
        if chance(rng, 0.1):
            filters = replace(filters, data=None)  # computed
        if chance(rng, 0.2):
            # Rows that no input reaches, or inputs that reach no row.
            out = (batches, extent(rng, size), extent(rng, size), output_c)
            output = replace(output, shape=out)
        extent_of_output = TensorSpec((4,), "int32", data=out)
        operands = [extent_of_output, filters, source, bias]
        operands = operands if bias is not None or chance(rng, 0.5) else operands[:3]
        model = single_op("TRANSPOSE_CONV", operands, [output], options, version=3)
        return random_case(f"TRANSPOSE_CONV {kind}", model, seed=case_seed(rng))

    return make


_TYPES = ("int8", "int16", "float32")
GENERATORS = {
    **{f"AVERAGE_POOL_2D {kind}": average_pool_2d(kind) for kind in _TYPES},
    **{f"SOFTMAX {kind}": softmax(kind, kind) for kind in _TYPES},
    "SOFTMAX int8 to int16": softmax("int8", "int16"),
    **{f"TRANSPOSE_CONV {kind}": transpose_conv(kind) for kind in _TYPES},
}
