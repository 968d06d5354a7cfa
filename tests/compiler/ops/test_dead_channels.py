"""Channels that training left without weights: their scale is next to nothing, their bias huge."""

import numpy as np
import pytest

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import assert_same, random_case

SCALES = (0.01, 1e-21, 0.02, 3e-20)
BIAS = (100, (1 << 31) - 1, -2000, -(1 << 31) + 1)
NAMES = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
STEPS = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}


def layer(name, kind, bias_kind):
    """A layer of four channels, two of them dead."""
    rng = np.random.default_rng(1)
    shapes = {
        "CONV_2D": ((1, 5, 5, 3), (4, 3, 3, 3), 0),
        "DEPTHWISE_CONV_2D": ((1, 5, 5, 4), (1, 3, 3, 4), 3),
        "FULLY_CONNECTED": ((1, 12), (4, 12), 0),
        "TRANSPOSE_CONV": ((1, 5, 5, 3), (4, 3, 3, 3), 0),
    }
    source, filters, axis = shapes[name]
    out = (1, 4) if len(source) == 2 else (1, 5, 5, 4)
    bias = [np.clip(b << 40, -(1 << 62), 1 << 62) if abs(b) > 1 << 30 else b for b in BIAS]
    operands = [
        TensorSpec(source, kind, 0.05, -7 if kind == "int8" else 0),
        TensorSpec(filters, "int8", SCALES, 0, rng.integers(-127, 128, filters), axis=axis),
        TensorSpec((4,), bias_kind, data=bias if bias_kind == "int64" else BIAS),
    ]
    options = {} if len(source) == 2 else {"padding": 0, **STEPS}
    if name == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 1
    if name == "TRANSPOSE_CONV":
        options = {"padding": 0, "stride_h": 1, "stride_w": 1}
        x, weights, values = operands
        operands = [TensorSpec((4,), "int32", data=out), weights, x, values]
    output = TensorSpec(out, kind, 0.3 if kind == "int8" else 0.002, 4 if kind == "int8" else 0)
    return single_op(name, operands, [output], options, version=3)


LAYERS = [
    *((name, "int8", "int32") for name in NAMES),
    *((name, "int16", "int64") for name in NAMES),
    ("CONV_2D", "int16", "int32"),
    ("FULLY_CONNECTED", "int16", "int32"),
]


@pytest.mark.parametrize(("name", "kind", "bias_kind"), LAYERS)
def test_their_bias_is_no_overflow(name, kind, bias_kind):
    assert_same([random_case(f"{name} {kind}", layer(name, kind, bias_kind))])
