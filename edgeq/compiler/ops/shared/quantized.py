"""Arithmetic that the quantized ops share: requantization tables, clamps, bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Call, Constant, Node, Unsupported, require
from edgeq.model.fixedpoint import SMALLEST_DIVISOR, activation_range, quantize_multipliers
from edgeq.model.graph import Tensor

ACCUMULATOR_LIMIT = 1 << 31
INT8_TYPES = (("int8", "int8", "int8"), ("int8", "int4", "int8"))


def clamp(node: Node, output: int = 0) -> dict[str, int]:
    """The fields activation_min and activation_max for an op's fused activation."""
    tensor = node.output(output)
    code = node.op.options.get("fused_activation_function", 0)
    if code not in (0, 1, 2, 3):
        raise Unsupported(f"fused activation {code} (only none, RELU, RELU_N1_TO_1 and RELU6)")
    low, high = activation_range(code, tensor.dtype, tensor.scale, tensor.zero_point)
    return {"activation_min": low, "activation_max": high}


def smaller(packed: Call | None, call: Call | None) -> Call | None:
    """The call whose tables take less flash: blocks of zeros may save more than packing."""

    def flash(each: Call) -> int:
        return sum(constant.bytes for constant in each.constants)

    if packed is None or call is None:
        return packed or call
    return packed if flash(packed) <= flash(call) else call


def require_quantized(*tensors: Tensor) -> None:
    """Raise Unsupported unless every tensor has a scale."""
    for tensor in tensors:
        require(tensor.quantization is not None, f'tensor "{tensor.name}" has no scale')


def require_divisor(tensor: Tensor) -> None:
    """Raise Unsupported unless floats can be divided by a tensor's scale."""
    require(
        tensor.scale >= SMALLEST_DIVISOR, f'tensor "{tensor.name}" has a scale of {tensor.scale}'
    )


def bias_values(node: Node, position: int, channels: int) -> NDArray[np.int64]:
    """The bias of an op, zeros where it has none."""
    if not node.has_input(position):
        return np.zeros(channels, np.int64)
    dtype = node.input(position).dtype
    require(dtype in ("int32", "int64"), "the bias is no integer")
    narrow = dtype == "int64" and node.input(0).dtype == "int8"
    require(not narrow, "an int64 bias, which TensorFlow Lite Micro takes for int32 in int8 layers")
    bias = node.constant(position).astype(np.int64).reshape(-1)
    require(len(bias) == channels, f"{len(bias)} biases for {channels} channels")
    return bias


def scale_products(source: Tensor, weights: Tensor, output: Tensor, channels: int) -> list[float]:
    """Input scale * weight scale / output scale of every output channel, in double precision.

    Source: TFLM `PopulateConvolutionQuantizationParams`.
    """
    require_quantized(source, weights, output)
    assert weights.quantization is not None
    count = len(weights.quantization.scale)
    require(count in (1, channels), f"{count} scales for {channels} channels")
    scales = np.broadcast_to(weights.quantization.scale, (channels,))
    return [source.scale * float(scale) / output.scale for scale in scales]


def effective_scales(node: Node, channels: int) -> list[float]:
    """`scale_products` of inputs 0 and 1 and the output."""
    return scale_products(node.input(0), node.input(1), node.output(), channels)


def live_bias(bias: NDArray[np.int64], scales: list[float]) -> NDArray[np.int64]:
    """The bias, 0 in channels whose results are 0 whatever the accumulator is.

    Trained models hold channels without weights; their scale is next to nothing, and what is a
    small bias in reals is then near 2^31, where additions overflow, or 2^63.

    Args:
        bias: int32 or int64 values.
        scales: `scale_products`.
    """
    multipliers, _ = quantize_multipliers(np.array(scales))
    return np.where(multipliers > 0, bias, 0)


def layer_bias(node: Node, channels: int) -> NDArray[np.int64]:
    """The bias of a layer that has input, weights and bias in this order; 0 in dead channels."""
    return live_bias(bias_values(node, 2, channels), effective_scales(node, channels))


def requant_constant(node: Node, bias: NDArray[np.int64], channels: int) -> Constant:
    """The eq_requant table of a convolution: a row (bias, multiplier, right shift) per channel."""
    multiplier, shift = quantize_multipliers(np.array(effective_scales(node, channels)))
    rows = np.stack([bias, multiplier, -shift], axis=1)
    require(bool(np.all(np.abs(rows[:, 0]) <= 0x7FFFFFFF)), "a bias does not fit 32 bits")
    return Constant("requant", "eq_requant", rows, "bias, multiplier (Q31), right shift")


def check_accumulator(
    weights_by_channel: NDArray[Any], bias: NDArray[np.int64], zero_point: int, dtype: str = "int8"
) -> NDArray[np.int64]:
    """The bound on every channel's accumulator, proven from this layer's weights.

    Args:
        weights_by_channel: Weights as (channels, taps).
        bias: int32 bias per channel.
        zero_point: Of the input.
        dtype: Of the input.

    Raises:
        Unsupported: Some input could overflow the 32-bit arithmetic.
    """
    info = np.iinfo(dtype)
    largest = max(abs(int(info.min) - zero_point), abs(int(info.max) - zero_point))
    reach = np.abs(weights_by_channel.astype(np.int64)).sum(axis=1) * largest
    bound: NDArray[np.int64] = reach + np.abs(bias)
    require(
        bool(np.all(bound < ACCUMULATOR_LIMIT)),
        f"accumulators can reach {int(bound.max(initial=0))}, more than 32-bit arithmetic holds",
    )
    return bound
