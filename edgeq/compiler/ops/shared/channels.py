"""Output channels of a quantized layer, in the form that the fast kernels take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Node
from edgeq.compiler.ops.shared.quantized import effective_scales
from edgeq.model.fixedpoint import multiply_by_quantized_multiplier, quantize_multipliers


@dataclass(frozen=True, eq=False)
class Channels:
    """Weights and scales of a layer whose input is raw int8 (zero point folded into the bias).

    Attributes:
        weights: int64 (channels, taps).
        bias: int64 (channels,), the input's zero point folded in.
        multiplier: int64 (channels,), Q31.
        shift: int64 (channels,), right shift of the product's high half; negative is left.
        bound: int64 (channels,), no finished accumulator is larger in magnitude.
    """

    weights: NDArray[np.int64]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    bound: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of output channels."""
        return len(self.bias)


def fold_channels(
    node: Node,
    weights: NDArray[np.int8],
    bias: NDArray[np.int64],
    clamp: dict[str, int],
    *,
    shared: tuple[int, int] | None = None,
    filler: int = 0,
) -> Channels:
    """Channels for raw int8 inputs, with constant ones replaced by harmless equivalents.

    Trained models hold dead channels whose weights cannot change the output but whose bias is
    near 2^31. Where every reachable accumulator gives the same output value, the channel gets zero
    weights and a small bias and multiplier that give exactly that value. Where zero is not among
    the few values that weights may have, another small weight does: what it adds is shifted out.

    Args:
        node: The layer; its input 0, input 1 (weights) and output give the scales.
        weights: (channels, taps).
        bias: int32 values (channels,).
        clamp: activation_min and activation_max of the output.
        shared: One multiplier and shift (positive is left) for all channels; constant ones then
            stay as they are.
        filler: The weight that constant channels get.
    """
    source, output = node.input(0), node.output()
    zero_point, output_zero_point = source.zero_point, output.zero_point
    limits = clamp["activation_min"], clamp["activation_max"]
    taps: NDArray[np.int64] = weights.astype(np.int64)
    bias = bias.astype(np.int64)
    if shared is not None:
        multiplier = np.full(len(bias), shared[0], np.int64)
        shift = np.full(len(bias), -shared[1], np.int64)
    else:
        multiplier, left = quantize_multipliers(np.array(effective_scales(node, len(bias))))
        shift = -left
    low, high = -128 - zero_point, 127 - zero_point
    least = bias + np.minimum(taps * low, taps * high).sum(axis=1)
    most = bias + np.maximum(taps * low, taps * high).sum(axis=1)
    if shared is None:
        ends = np.stack([least, most])
        scaled = multiply_by_quantized_multiplier(ends, multiplier, -shift) + output_zero_point
        first, last = np.clip(scaled, *limits)
        dead = first == last
        taps[dead] = filler
        reach = abs(filler) * taps.shape[1] * max(-low, high)
        right = max(reach.bit_length() + 1, 7)
        # value * 2^8, times 2^30 in Q31 (one half), shifted right by 7: the value itself.
        bias[dead] = (first[dead] - output_zero_point) << (right + 1)
        multiplier[dead], shift[dead] = 1 << 30, right
        least[dead], most[dead] = bias[dead] - reach, bias[dead] + reach
    folded = bias - zero_point * taps.sum(axis=1)
    return Channels(taps, folded, multiplier, shift, np.maximum(np.abs(least), np.abs(most)))
