"""Products of two computed int8 matrices: what the kernels of all cores take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, SCRATCH, Arg, Call, Constant

_FULL = (-128, 127)


@dataclass(frozen=True, eq=False)
class Matrices:
    """One product, or one for each pair of matrices of a batch.

    Attributes:
        shape: The fields of eq_matmul_shape.
        scaling: The other fields of eq_batch_matmul_params.
        macs: Multiply-accumulates of one call.
        bound: On the accumulators.
        bias: Of every column.
    """

    shape: Mapping[str, Any]
    scaling: Mapping[str, Any]
    macs: int
    bound: int
    bias: Constant | None = None

    @property
    def columns(self) -> int:
        """Of the second matrix."""
        return int(self.shape["shape.columns"])

    @property
    def depth(self) -> int:
        """Products in a sum."""
        return int(self.shape["shape.depth"])

    @property
    def plain(self) -> bool:
        """Whether rows of the first matrix lie in a row, and all int8 values may come out."""
        shape, scaling = self.shape, self.scaling
        contiguous = shape["shape.depth_step1"] == 1 and shape["shape.row_step1"] == self.depth
        return contiguous and (scaling["activation_min"], scaling["activation_max"]) == _FULL

    def call(self, kernels: str, scale: Mapping[str, Any], scratch_bytes: int) -> Call:
        """The call of the kernel in a folder.

        Args:
            kernels: The folder, and what its names end with.
            scale: The fields of its own, which scale the sums.
            scratch_bytes: What it needs.
        """
        shape, bias = self.shape, self.bias
        params = {
            **{f"batches.{k}": shape[f"shape.batches.{k}"] for k in ("size", "step1", "step2")},
            **{k: shape[f"shape.{k}"] for k in ("rows", "columns", "depth")},
            **{k: shape[f"shape.{k}"] for k in ("depth_step2", "column_step2")},
            **{k: self.scaling[k] for k in ("input1_offset", "input2_offset")},
            **scale,
        }
        return Call(
            "product",
            f"eq_product_{'bias_' if bias else ''}{kernels}_s8",
            f"eq_product_{kernels}_params",
            params,
            (INPUT, Arg("input", 1), *((Arg("constant"),) if bias else ()), OUTPUT, SCRATCH),
            (bias,) if bias else (),
            scratch_bytes=scratch_bytes,
            macs=self.macs,
            kernels=kernels,
        )
