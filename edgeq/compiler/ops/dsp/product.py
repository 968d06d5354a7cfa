"""Products of two computed int8 matrices for cores with the DSP extension."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Call
from edgeq.compiler.ops.shared.matrices import Matrices

_COLUMNS = 4  # EQ_PRODUCT_COLUMNS
_WORD = 4


def lower_dsp(product: Matrices) -> Call | None:
    """The DSP kernel's call; None where the layer does not suit it."""
    scaling = product.scaling
    multiplier, right = int(scaling["output_multiplier"]), -int(scaling["output_shift"])
    # A row is read in whole words, which may reach over its end into the next row, not beyond.
    if not product.plain or product.columns < _COLUMNS or product.depth < _WORD:
        return None
    if multiplier < 1 << 30 or not 1 <= right <= 31:
        return None
    rounding = (2 * int(scaling["output_offset"]) + 1) << (right - 1)
    if product.bound + 1 + abs(rounding) >= 1 << 31:
        return None
    words = -(-product.depth // 4)
    return product.call(
        "dsp",
        {"doubled": 2 * multiplier - (1 << 32), "rounding": rounding, "shift_1": right - 1},
        scratch_bytes=4 * _COLUMNS + (8 * _COLUMNS + 4) * words,
    )
