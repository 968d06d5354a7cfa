"""A small net that several tests of kernels run."""

import numpy as np

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build


def mixed_net(height: int, width: int, channels: int) -> bytes:
    """A convolution of five channels, a depthwise one, and the sum of what both give."""
    random = np.random.default_rng(5)
    filters = random.integers(-127, 128, (channels, 3, 3, 5)).astype(np.int8)
    depthwise = random.integers(-127, 128, (1, 3, 3, channels)).astype(np.int8)
    image = (1, height, width, channels)
    tensors = [
        TensorSpec((1, height, width, 5), "int8", 0.05, 3),
        TensorSpec(filters.shape, "int8", 0.01, 0, filters),
        TensorSpec((channels,), "int32", 0.0005, 0, random.integers(-900, 900, channels)),
        TensorSpec(image, "int8", 0.1, -5),
        TensorSpec(depthwise.shape, "int8", 0.01, 0, depthwise),
        TensorSpec((channels,), "int32", 0.001, 0, random.integers(-900, 900, channels)),
        TensorSpec(image, "int8", 0.1, 4),
        TensorSpec(image, "int8", 0.2, 1),
    ]
    window = {"padding": 0, "stride_h": 1, "stride_w": 1, "fused_activation_function": 0}
    window |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    ops = [
        OpSpec("CONV_2D", [0, 1, 2], [3], window),
        OpSpec("DEPTHWISE_CONV_2D", [3, 4, 5], [6], {**window, "depth_multiplier": 1}),
        OpSpec("ADD", [3, 6], [7], {"fused_activation_function": 0}),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [7])])
