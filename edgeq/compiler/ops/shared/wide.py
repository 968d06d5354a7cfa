"""int16 activations with int8 weights: 64-bit accumulators, 16-bit multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Constant, Node, require
from edgeq.compiler.ops.shared.quantized import (
    bias_values,
    check_accumulator,
    effective_scales,
    live_bias,
    requant_constant,
)
from edgeq.model.fixedpoint import quantize_multiplier

_ACCUMULATOR_LIMIT = 1 << 47
_INT32 = 2  # TFLite's TensorType


def reduced_multiplier(real: float) -> tuple[int, int]:
    """A real multiplier as Q15 multiplier and right shift, for a 64-bit accumulator.

    Source: TFLite `MultiplyByQuantizedMultiplier(int64_t, ...)`.

    Raises:
        Unsupported: It is outside what that function takes.
    """
    multiplier, shift = quantize_multiplier(real)
    require(-31 <= shift < 8, f"the scales ask for a shift of {shift} bits; -31 to 7 are possible")
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    return reduced, 15 - shift


def has_int32_accumulator(node: Node, position: int = 2) -> bool:
    """Whether TFLM adds up in 32 bits, which the type of the bias decides.

    Source: TFLM conv.cc and fully_connected.cc, `requires_int32_accum`.
    """
    if node.has_input(position):
        return node.input(position).dtype == "int32"
    return bool(node.op.options.get("quantized_bias_type", 0) == _INT32)


def requant_table(
    node: Node, weights_by_channel: NDArray[Any], *, zero_point: int = 0, narrow: bool = False
) -> Constant:
    """Bias, multiplier and shift of every channel, after the accumulator's bound is proven.

    Args:
        weights_by_channel: Weights as (channels, taps).
        zero_point: Of the input; 0 where the kernel leaves it out.
        narrow: Whether the accumulator has 32 bits.
    """
    channels = len(weights_by_channel)
    scales = effective_scales(node, channels)
    bias = live_bias(bias_values(node, 2, channels), scales)
    if narrow:
        check_accumulator(weights_by_channel, bias, zero_point, "int16")
        return requant_constant(node, bias, channels)
    if node.has_input(2):
        require(node.input(2).dtype == "int64", f"{node.input(2).dtype} bias; int64 is possible")
    return wide_rows(weights_by_channel, bias, scales, zero_point)


def wide_rows(
    weights_by_channel: NDArray[Any],
    bias: NDArray[np.int64],
    scales: Sequence[float],
    zero_point: int = 0,
) -> Constant:
    """Bias, reduced multiplier and shift of every channel, after the bound is proven."""
    reach = np.abs(weights_by_channel.astype(np.int64)).sum(axis=1) * (32768 + abs(zero_point))
    bound = reach.astype(float) + np.abs(bias.astype(float))
    require(bool(np.all(bound < _ACCUMULATOR_LIMIT)), "accumulators can reach 2**47")
    rows = np.zeros((len(bias), 3), np.int64)
    for channel, scale in enumerate(scales):
        rows[channel] = bias[channel], *reduced_multiplier(scale)
    return Constant("requant", "eq_requant_wide", rows, "bias, multiplier (Q15), right shift")
