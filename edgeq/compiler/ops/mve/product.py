"""Products of two computed int8 matrices for cores with MVE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.compiler.ops.mve.layers import LANES
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, SCRATCH, Arg, Call, Constant

_BLOCK = 16  # EQ_PRODUCT_BLOCK, columns
_ROWS = 4
_PAIR_BYTES = 24  # besides the columns
_REACH = 1 << 16  # of the distances between outputs of a tile, and of a column's values
_FULL = (-128, 127)


def lower_mve(
    shape: Mapping[str, Any],
    scaling: Mapping[str, Any],
    macs: int,
    *,
    bound: int,
    bias: Constant | None = None,
) -> Call | None:
    """The MVE kernel's call; None where the layer does not suit it.

    Args:
        shape: The fields of eq_matmul_shape.
        scaling: The other fields of eq_batch_matmul_params.
        macs: Multiply-accumulates of one call.
        bound: On the accumulators.
        bias: Of every column.
    """
    depth, columns = int(shape["shape.depth"]), int(shape["shape.columns"])
    contiguous = shape["shape.depth_step1"] == 1 and shape["shape.row_step1"] == depth
    limits = (scaling["activation_min"], scaling["activation_max"])
    near = (_ROWS - 1) * columns + _BLOCK < _REACH and 8 * shape["shape.depth_step2"] < _REACH
    if not contiguous or limits != _FULL or not near or bound >= 1 << 31:
        return None
    if not -31 <= int(scaling["output_shift"]) < 0:
        return None
    steps = -(-depth // LANES)
    params = {
        **{f"batches.{k}": shape[f"shape.batches.{k}"] for k in ("size", "step1", "step2")},
        **{k: shape[f"shape.{k}"] for k in ("rows", "columns", "depth")},
        **{k: shape[f"shape.{k}"] for k in ("depth_step2", "column_step2")},
        "input1_offset": scaling["input1_offset"],
        "input2_offset": scaling["input2_offset"],
        "multiplier": scaling["output_multiplier"],
        "shift": scaling["output_shift"],
        "output_offset": scaling["output_offset"],
    }
    pairs = min(_BLOCK, columns + columns % 2) // 2
    arguments = (INPUT, Arg("input", 1), *((Arg("constant"),) if bias else ()), OUTPUT, SCRATCH)
    return Call(
        "product",
        "eq_product_bias_mve_s8" if bias else "eq_product_mve_s8",
        "eq_product_mve_params",
        params,
        arguments,
        (bias,) if bias else (),
        scratch_bytes=_ROWS * LANES * steps + pairs * (2 * LANES * steps + _PAIR_BYTES),
        macs=macs,
        kernels="mve",
    )
