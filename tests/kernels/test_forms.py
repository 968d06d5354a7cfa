"""The manifest and `inspect` say which kernel a layer takes, and what keeps it from a better."""

import json

import numpy as np
import pytest

from edgeq.analysis.inspection import inspect
from edgeq.compiler.compilation import generate
from tests.oracle.build import TensorSpec, single_op

RANDOM = np.random.default_rng(0)


def conv(*, dilation=1, groups=1, low=-127):
    weights = np.full((8, 3, 3, 8 // groups), -3, np.int8)
    weights[0] = low
    filters = TensorSpec(weights.shape, "int8", [0.01] * 8, 0, weights)
    source, output = (
        TensorSpec((1, 9, 9, 8), "int8", 0.02, 3),
        TensorSpec((1, 9, 9, 8), "int8", 0.5),
    )
    bias = TensorSpec((8,), "int32", 0.0002, 0, np.zeros(8, np.int32))
    options = {"padding": 0, "stride_h": 1, "stride_w": 1}
    options |= {"dilation_h_factor": dilation, "dilation_w_factor": dilation}
    return single_op("CONV_2D", [source, filters, bias], [output], options, version=5)


def depthwise(multiplier):
    weights = RANDOM.integers(-127, 128, (1, 3, 3, 8 * multiplier)).astype(np.int8)
    count = 8 * multiplier
    filters = TensorSpec(weights.shape, "int8", [0.01] * count, 0, weights, axis=3)
    source = TensorSpec((1, 9, 9, 8), "int8", 0.02, 3)
    output = TensorSpec((1, 5, 5, count), "int8", 0.05)
    bias = TensorSpec((count,), "int32", 0.0002, 0, np.zeros(count, np.int32))
    options = {"padding": 0, "stride_h": 2, "stride_w": 2, "depth_multiplier": multiplier}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    return single_op("DEPTHWISE_CONV_2D", [source, filters, bias], [output], options, version=5)


def transposed(channels, *, kind="int8", stride=2):
    side = 4 * stride
    shape = TensorSpec((4,), "int32", data=np.array([1, side, side, 6], np.int32))
    weights = RANDOM.integers(-127, 128, (6, 3, 3, channels)).astype(np.int8)
    filters = TensorSpec(weights.shape, "int8", [0.003] * 6, 0, weights)
    small = 2.0**-8 if kind == "int16" else 1.0
    source = TensorSpec((1, 4, 4, channels), kind, 0.05 * small)
    output = TensorSpec((1, side, side, 6), kind, 0.06 * small)
    options = {"padding": 0, "stride_w": stride, "stride_h": stride}
    return single_op("TRANSPOSE_CONV", [shape, filters, source], [output], options)


def product(depth):
    a, b = TensorSpec((1, 5, depth), "int8", 0.05, 3), TensorSpec((1, depth, 6), "int8", 0.03, -7)
    output = TensorSpec((1, 5, 6), "int8", 0.3, 1)
    return single_op("BATCH_MATMUL", [a, b], [output], {"adj_x": False, "adj_y": False})


@pytest.mark.parametrize(
    ("model", "form", "why"),
    [
        (conv(), "dsp", ""),
        (conv(dilation=2), "portable", "dilated"),
        (conv(groups=2), "portable", "grouped"),
        (conv(low=-128), "portable", "a weight of -128 beside a negative one"),
        (depthwise(1), "dsp", ""),
        (depthwise(2), "portable", "2 outputs of each channel"),
        (transposed(8), "dsp", ""),
        (transposed(8, kind="int16"), "dsp", ""),
        (transposed(6), "portable", "6 channels are not a multiple of four"),
        (transposed(6, kind="int16"), "portable", "6 channels are not a multiple of four"),
        (transposed(8, stride=4), "portable", "a stride above 4 or above the filter's size"),
        (product(5), "dsp", ""),
        # A word of its last rows but one would reach over the end of the tensor.
        (product(1), "portable", "no form for this op, type or shape"),
    ],
    ids=[
        *("conv", "dilated", "grouped", "-128", "depthwise", "multiplier", "transposed"),
        *("transposed16", "six", "six16", "steps", "product", "thin"),
    ],
)
def test_a_layer_says_which_kernel_it_takes_and_why(model, form, why, tmp_path):
    path = tmp_path / "layer.tflite"
    path.write_bytes(model)
    (entry,) = generate(path, target="cortex-m4").manifest["ops"]
    (op,) = inspect(path, target="cortex-m4").ops
    assert entry["form"] == op.form == form
    assert entry.get("why_portable", "") == op.why_portable
    assert why in op.why_portable
    assert bool(why) == bool(op.why_portable)


def test_portable_c_gives_no_reasons(tmp_path):
    path = tmp_path / "layer.tflite"
    path.write_bytes(conv(dilation=2))
    found = inspect(path).to_json()
    assert found["ops"][0]["form"] == "portable"
    assert found["ops"][0]["why_portable"] == ""
    assert json.dumps(found)
