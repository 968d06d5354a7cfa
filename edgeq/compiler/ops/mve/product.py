"""Products of two computed int8 matrices for cores with MVE."""

from __future__ import annotations

from edgeq.compiler.ops.mve.layers import LANES
from edgeq.compiler.ops.shared.base import Call
from edgeq.compiler.ops.shared.matrices import Matrices

_BLOCK = 16  # EQ_PRODUCT_BLOCK, columns
_ROWS = 4
_PAIR_BYTES = 24  # besides the columns
_REACH = 1 << 16  # of the distances between outputs of a tile, and of a column's values


def lower_mve(product: Matrices) -> Call | None:
    """The MVE kernel's call; None where the layer does not suit it."""
    shape, scaling, columns = product.shape, product.scaling, product.columns
    near = (_ROWS - 1) * columns + _BLOCK < _REACH and 8 * shape["shape.depth_step2"] < _REACH
    if not product.plain or not near or product.bound >= 1 << 31:
        return None
    if not -31 <= int(scaling["output_shift"]) < 0:
        return None
    steps = -(-product.depth // LANES)
    pairs = min(_BLOCK, columns + columns % 2) // 2
    return product.call(
        "mve",
        {
            "multiplier": scaling["output_multiplier"],
            "shift": scaling["output_shift"],
            "output_offset": scaling["output_offset"],
        },
        scratch_bytes=_ROWS * LANES * steps + pairs * (2 * LANES * steps + _PAIR_BYTES),
    )
