"""Products of two computed int8 matrices for cores with the DSP extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, SCRATCH, Arg, Call, Constant

_COLUMNS = 4  # EQ_PRODUCT_COLUMNS
_WORD = 4
_FULL = (-128, 127)


def lower_dsp(
    shape: Mapping[str, Any],
    scaling: Mapping[str, Any],
    macs: int,
    *,
    bound: int,
    bias: Constant | None = None,
) -> Call | None:
    """The DSP kernel's call; None where the layer does not suit it.

    Args:
        shape: The fields of eq_matmul_shape.
        scaling: The other fields of eq_batch_matmul_params.
        macs: Multiply-accumulates of one call.
        bound: On the accumulators.
        bias: Of every column.
    """
    depth, columns = int(shape["shape.depth"]), int(shape["shape.columns"])
    multiplier, right = int(scaling["output_multiplier"]), -int(scaling["output_shift"])
    contiguous = shape["shape.depth_step1"] == 1 and shape["shape.row_step1"] == depth
    limits = (scaling["activation_min"], scaling["activation_max"])
    # A row is read in whole words, which may reach over its end into the next row, not beyond.
    if not contiguous or columns < _COLUMNS or depth < _WORD or limits != _FULL:
        return None
    if multiplier < 1 << 30 or not 1 <= right <= 31:
        return None
    rounding = (2 * int(scaling["output_offset"]) + 1) << (right - 1)
    if bound + 1 + abs(rounding) >= 1 << 31:
        return None
    words = -(-depth // 4)
    params = {
        **{f"batches.{k}": shape[f"shape.batches.{k}"] for k in ("size", "step1", "step2")},
        **{k: shape[f"shape.{k}"] for k in ("rows", "columns", "depth")},
        **{k: shape[f"shape.{k}"] for k in ("depth_step2", "column_step2")},
        "input1_offset": scaling["input1_offset"],
        "input2_offset": scaling["input2_offset"],
        "doubled": 2 * multiplier - (1 << 32),
        "rounding": rounding,
        "shift_1": right - 1,
    }
    arguments = (INPUT, Arg("input", 1), *((Arg("constant"),) if bias else ()), OUTPUT, SCRATCH)
    return Call(
        "product",
        "eq_product_bias_dsp_s8" if bias else "eq_product_dsp_s8",
        "eq_product_dsp_params",
        params,
        arguments,
        (bias,) if bias else (),
        scratch_bytes=4 * _COLUMNS + (8 * _COLUMNS + 4) * words,
        macs=macs,
        kernels="dsp",
    )
