"""The cores without SIMD that have inner products of their own: what the host must know of them.

Each entry mirrors the macros of kernels/<name>/core.h; a test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.layers import dsp_scale
from edgeq.compiler.ops.shared.base import Constant, Isa
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.graph import Tensor


@dataclass(frozen=True)
class Core:
    """Shape of a core's inner products.

    Attributes:
        pixels: Output pixels per inner product, EQ_DOT_PIXELS.
        row_outputs: Outputs of a fully-connected layer made at once, EQ_ROW_OUTPUTS.
        bound: Accumulators must stay below, for eq_high_mul to be exact.
        row_unroll: Their number of taps is filled up to a multiple of this, EQ_ROW_UNROLL.
        row_least: A layer of fewer outputs takes fewer instructions in the portable kernel.
        row_turn: Taps of one turn of their loop, EQ_ROW_TURN; 0 if no program chooses them.
        row_step_bytes: Code of one of these taps, EQ_ROW_STEP_BYTES.
        weight_offset: Added to every weight of a convolution, EQ_WEIGHT_OFFSET.
        row_offset: Added to every weight of these layers, EQ_ROW_OFFSET.
    """

    pixels: int
    row_outputs: int
    bound: int
    row_unroll: int = 1
    row_least: int = 1
    row_turn: int = 0
    row_step_bytes: int = 0
    weight_offset: int = 0
    row_offset: int = 0

    def weights(self, values: NDArray[np.int64], *, of_rows: bool = False) -> NDArray[np.int8]:
        """Weights as the core reads them: bytes, with the offset added.

        Args:
            of_rows: Whether they are those of a fully-connected layer's rows.
        """
        offset = self.row_offset if of_rows else self.weight_offset
        return (values + offset).astype(np.uint8).view(np.int8)


LANE_BYTES = 4

CORES = {
    "armv7m": Core(5, 8, 1 << 31, row_least=4, row_turn=8, row_step_bytes=52, row_offset=128),
    "armv6m": Core(5, 4, 1 << 30, row_unroll=8, row_least=2, weight_offset=128, row_offset=128),
    "rv32": Core(4, 4, 1 << 31, row_least=2),
}


def core_of(isa: Isa) -> Core | None:
    """The core whose inner products this processor has; None if it has none."""
    return next((CORES[name] for name in isa.kernels if name in CORES), None)


def column_scale(
    core: Core, channels: Channels, output: Tensor, clamp: dict[str, int]
) -> dict[str, int] | None:
    """The fields of eq_scale, or None where its arithmetic would not be exact."""
    return None if np.any(channels.bound >= core.bound) else dsp_scale(channels, output, clamp)


def column_requant(channels: Channels) -> Constant:
    """Rows of bias, 2 * multiplier - 2^32 and right shift minus one."""
    doubled = channels.multiplier * 2 - (1 << 32)
    rows = np.stack([channels.bias, doubled, channels.shift - 1], axis=1)
    return Constant("requant", "eq_requant", rows, "bias, 2 * multiplier - 2^32, shift - 1")
