"""Channels that always hold the same value are neither computed nor stored."""

import numpy as np
import pytest

from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate, isa_of
from edgeq.compiler.plan.program import lower_graph
from edgeq.model.model_file import parse_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import assert_same, random_case

RELU = 1


def net(*, above=0, window=3, read=False):
    """1x1, depthwise, 1x1: of the 16 channels in between nine have no weights.

    Args:
        above: What those channels are above the zero point.
        read: Whether the model gives what is in between, too.
    """
    rng = np.random.default_rng(0)
    first = rng.integers(-127, 128, (16, 1, 1, 4)).astype(np.int8)
    first[5:14] = 0
    biases = np.where(np.arange(16) // 5 % 3 > 0, 20 * above, 0)
    tensors = [TensorSpec((1, 6, 6, 4), "int8", 0.05, -3)]
    tensors += [
        TensorSpec(first.shape, "int8", 0.02, 0, first),
        TensorSpec((16,), "int32", 0.001, 0, biases),
        TensorSpec((1, 6, 6, 16), "int8", 0.02, -128),
        TensorSpec(
            (1, window, window, 16), "int8", 0.01, 0, rng.integers(-9, 9, (1, window, window, 16))
        ),
        TensorSpec((16,), "int32", 0.0002, 0, np.zeros(16, np.int32)),
        TensorSpec((1, 6, 6, 16), "int8", 0.02, -128),
        TensorSpec((8, 1, 1, 16), "int8", 0.01, 0, rng.integers(-127, 128, (8, 1, 1, 16))),
        TensorSpec((8,), "int32", 0.0002, 0, rng.integers(-99, 99, 8)),
        TensorSpec((1, 6, 6, 8), "int8", 0.05, 5),
    ]
    options = {"padding": 0, "stride_h": 1, "stride_w": 1, "fused_activation_function": RELU}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    ops = [
        OpSpec("CONV_2D", [0, 1, 2], [3], options),
        OpSpec("DEPTHWISE_CONV_2D", [3, 4, 5], [6], {**options, "depth_multiplier": 1}),
        OpSpec("CONV_2D", [6, 7, 8], [9], options),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [9, 6] if read else [9])])


def lowered(model, target=PORTABLE):
    return lower_graph(parse_graph(model), isa_of(load_target(target)))


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        (net(), 8),  # seven live ones, and one more for whole fours
        (net(above=30), 16),  # the border of the image shows them
        (net(above=30, window=1), 8),  # no border: they go into the next bias
        (net(read=True), 16),
    ],
    ids=["zero point", "above it", "no border", "read"],
)
def test_channels_without_weights_are_left_out(model, channels):
    program = lowered(model, "cortex-m4")
    assert [program.tensor(step.op.outputs[0]).shape[3] for step in program.steps] == [
        channels,
        channels,
        8,
    ]
    assert_same([random_case("thin", model)])


def test_what_is_told_of_a_layer_is_the_models():
    """Multiply-accumulates are those of the model; a tensor without all channels is not shown."""
    program = lowered(net(), "cortex-m4")
    assert program.macs == 36 * (16 * 4 + 16 * 9 + 16 * 8)
    assert [step.completes for step in program.steps] == [(), (), (9,)]
    ops = generate(parse_graph(net()), name="thin", target="cortex-m4").manifest["ops"]
    assert [op["macs"] for op in ops] == [36 * 64, 36 * 144, 36 * 128]


def test_vector_cores_keep_whole_sixteens():
    program = lowered(net(), "cortex-m55")
    assert program.tensor(program.steps[0].op.outputs[0]).shape[3] == 16
