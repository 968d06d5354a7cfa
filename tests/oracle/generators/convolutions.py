"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED: types, strides, padding, groups, scales."""

from dataclasses import replace

import numpy as np

from tests.oracle.build import single_op
from tests.oracle.check import random_case
from tests.oracle.generators.values import (
    bias,
    case_seed,
    chance,
    data,
    extent,
    output_scale,
    tensor,
    weights,
)

POINTWISE = "CONV_2D int8 1x1 of eight channels"
THREES = "CONV_2D int8 3x3 of sixteen channels"
LINES = "DEPTHWISE_CONV_2D int8 of one line"
TYPES = {
    "int8": ("int8", "int8", "int32"),
    "int4": ("int8", "int4", "int32"),
    "clustered": ("int8", "clustered", "int32"),
    "int16": ("int16", "int8", "int64"),
    "int16 bias32": ("int16", "int8", "int32"),
    "float32": ("float32", "float32", "float32"),
}


def out_length(valid, window, dilation, stride, length):
    effective = (window - 1) * dilation + 1
    return -(-(length - effective + 1 if valid else length) // stride)


def window_pair(rng, size, *, dilated=True):
    """Two axes with one padding: (valid, [(window, dilation, stride, in, out), ...])."""
    axes, valid = [], chance(rng, 0.5)
    for _ in range(2):
        window = extent(rng, min(size, 5))
        dilation = extent(rng, 2) if dilated and chance(rng, 0.3) else 1
        stride = extent(rng, 3)
        length = extent(rng, size) + ((window - 1) * dilation if valid else 0)
        axes.append(
            (window, dilation, stride, length, out_length(valid, window, dilation, stride, length))
        )
    return valid, axes


def _layer(rng, name, case, source, filters, shape, options, taps, bias_type):
    several = name == "FULLY_CONNECTED" and len(np.atleast_1d(filters.scale)) > 1
    if chance(rng, 0.1) and filters.dtype in ("int8", "float32") and not several:
        filters = replace(filters, data=None)
    elif chance(rng, 0.05):
        source = replace(source, data=data(rng, source.shape, source.dtype))
    biases = bias(rng, source, filters, shape[-1], bias_type, needed=name == "DEPTHWISE_CONV_2D")
    if biases is None and bias_type == "int32" and source.dtype == "int16":
        options = {**options, "quantized_bias_type": 2}
    output = tensor(rng, shape, source.dtype, scale=output_scale(rng, source, filters, taps))
    model = single_op(name, [source, filters, biases], [output], options, version=5)
    return random_case(case, model, seed=case_seed(rng))


def _options(rng, valid, axes):
    (_, dilation_h, stride_h, _, _), (_, dilation_w, stride_w, _, _) = axes
    return {
        "padding": int(valid),
        "stride_h": stride_h,
        "stride_w": stride_w,
        "dilation_h_factor": dilation_h,
        "dilation_w_factor": dilation_w,
        "fused_activation_function": int(rng.choice([0, 0, 1, 2, 3])),
    }


def conv_2d(kind):
    """A generator of CONV_2D models of one of TYPES."""
    activations, weight_type, bias_type = TYPES[kind]

    def make(rng, size):
        valid, axes = window_pair(rng, size)
        groups = extent(rng, 3) if chance(rng, 0.2) and weight_type != "int4" else 1
        input_c = extent(rng, size)
        output_c = groups * extent(rng, size)
        batches = extent(rng, 2)
        shape = (output_c, axes[0][0], axes[1][0], input_c)
        axis = 0 if chance(rng, 0.7) else None
        filters = weights(rng, shape, weight_type, axis=axis)
        source = tensor(rng, (batches, axes[0][3], axes[1][3], input_c * groups), activations)
        out = (batches, axes[0][4], axes[1][4], output_c)
        taps = int(np.prod(shape[1:]))
        options = _options(rng, valid, axes)
        return _layer(
            rng, "CONV_2D", f"CONV_2D {kind}", source, filters, out, options, taps, bias_type
        )

    return make


def pointwise(rng, size):
    """1x1 convolutions of eight channels, which a core may have a form for."""
    height, width, output_c = extent(rng, size), extent(rng, size), 2 * extent(rng, size)
    batches = extent(rng, 2)
    filters = weights(rng, (output_c, 1, 1, 8), "int8", axis=0 if chance(rng, 0.7) else None)
    source = tensor(rng, (batches, height, width, 8), "int8")
    options = _options(rng, chance(rng, 0.5), [(1, 1, 1, height, height), (1, 1, 1, width, width)])
    out = (batches, height, width, output_c)
    return _layer(rng, "CONV_2D", POINTWISE, source, filters, out, options, 8, "int32")


def three_by_three(rng, size):
    """3x3 convolutions of stride 1 and 16, 32.. channels, which a host may have a form for."""
    valid = chance(rng, 0.5)
    least = 4 if valid else 2
    axes = [
        (3, 1, 1, side, side - 2 if valid else side)
        for side in map(int, rng.integers(least, 16, 2))
    ]
    input_c, output_c = 16 * extent(rng, max(size // 8, 1)), 15 + extent(rng, size)
    batches = extent(rng, 2)
    filters = weights(rng, (output_c, 3, 3, input_c), "int8", axis=0 if chance(rng, 0.7) else None)
    source = tensor(rng, (batches, axes[0][3], axes[1][3], input_c), "int8")
    out = (batches, axes[0][4], axes[1][4], output_c)
    options = _options(rng, valid, axes)
    taps = 9 * input_c
    return _layer(rng, "CONV_2D", THREES, source, filters, out, options, taps, "int32")


def depthwise_conv_2d(kind):
    """A generator of DEPTHWISE_CONV_2D models of one of TYPES."""
    activations, weight_type, bias_type = TYPES[kind]

    def make(rng, size):
        valid, axes = window_pair(rng, size)
        input_c, multiplier = extent(rng, size), extent(rng, 3)
        output_c = input_c * multiplier
        batches = extent(rng, 2)
        shape = (1, axes[0][0], axes[1][0], output_c)
        filters = weights(rng, shape, weight_type, axis=3 if chance(rng, 0.7) else None)
        source = tensor(rng, (batches, axes[0][3], axes[1][3], input_c), activations)
        out = (batches, axes[0][4], axes[1][4], output_c)
        options = {**_options(rng, valid, axes), "depth_multiplier": multiplier}
        taps = axes[0][0] * axes[1][0]
        name = "DEPTHWISE_CONV_2D"
        case = f"{name} {kind}"
        return _layer(rng, name, case, source, filters, out, options, taps, bias_type)

    return make


def depthwise_line(rng, size):
    """Filters of some taps over one line of values, which a core may have a form for."""
    valid, taps = chance(rng, 0.5), int(rng.integers(2, 14))
    length = int(rng.integers(taps if valid else 1, 24 + 4 * size))
    line = (taps, 1, 1, length, out_length(valid, taps, 1, 1, length))
    axes = [line, (1, 1, 1, 1, 1)] if chance(rng, 0.5) else [(1, 1, 1, 1, 1), line]
    channels, batches = extent(rng, 2 * size), extent(rng, 2)
    shape = (1, axes[0][0], axes[1][0], channels)
    filters = weights(rng, shape, "int8", axis=3 if chance(rng, 0.7) else None)
    source = tensor(rng, (batches, axes[0][3], axes[1][3], channels), "int8")
    out = (batches, axes[0][4], axes[1][4], channels)
    options = {**_options(rng, valid, axes), "depth_multiplier": 1}
    return _layer(rng, "DEPTHWISE_CONV_2D", LINES, source, filters, out, options, taps, "int32")


def fully_connected(kind):
    """A generator of FULLY_CONNECTED models of one of TYPES."""
    activations, weight_type, bias_type = TYPES[kind]

    def make(rng, size):
        batches, input_c, output_c = extent(rng, 3), extent(rng, size * 4), extent(rng, size)
        per_channel = chance(rng, 0.5) and weight_type != "int4"
        shape = (output_c, input_c)
        filters = weights(rng, shape, weight_type, axis=0 if per_channel else None)
        if kind == "int8" and not per_channel and chance(rng, 0.15):
            filters = replace(filters, zero_point=int(rng.integers(-128, 128)))
        before = tuple(extent(rng, 2) for _ in range(int(rng.integers(0, 3))))
        source = tensor(rng, (*before, batches, input_c), activations)
        keep = chance(rng, 0.5)
        options = {
            "fused_activation_function": int(rng.choice([0, 0, 1, 2, 3])),
            "keep_num_dims": keep,
        }
        out = (*before, batches, output_c) if keep else (int(np.prod(before)) * batches, output_c)
        case = f"FULLY_CONNECTED {kind}"
        return _layer(
            rng, "FULLY_CONNECTED", case, source, filters, out, options, input_c, bias_type
        )

    return make


GENERATORS = {
    **{f"CONV_2D {kind}": conv_2d(kind) for kind in TYPES},
    POINTWISE: pointwise,
    THREES: three_by_three,
    **{
        f"DEPTHWISE_CONV_2D {kind}": depthwise_conv_2d(kind)
        for kind in TYPES
        if kind != "int16 bias32"
    },
    LINES: depthwise_line,
    **{f"FULLY_CONNECTED {kind}": fully_connected(kind) for kind in TYPES},
}
