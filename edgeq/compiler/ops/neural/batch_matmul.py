"""BATCH_MATMUL: products of matrices, either of which may be transposed."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.neural.products import lower_product
from edgeq.compiler.ops.shared.base import Call, Node, OpKind, ParamValue, require
from edgeq.compiler.ops.shared.broadcast import merged
from edgeq.compiler.ops.shared.matrices import Matrices
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.compiler.ops.shared.wide import reduced_multiplier
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier

_TYPES = ("int8", "int16", "float32")
# 2**31 / 255**2, and 2**47 / 2**30.
MAX_DEPTH = {"int8": 33_025, "int16": 1 << 17}


def _matrix(shape: tuple[int, ...], *, transposed: bool) -> tuple[int, int, int, int]:
    """Rows, columns, and the elements from row to row and from column to column."""
    require(len(shape) >= 2, f"{shape} is no matrix")
    rows, columns = shape[-2:]
    return (columns, rows, 1, columns) if transposed else (rows, columns, columns, 1)


def _shape(node: Node) -> tuple[dict[str, ParamValue], int]:
    """The field `shape`, an eq_matmul_shape, and the depth of the products."""
    a, b, output = node.input(0).shape, node.input(1).shape, node.output().shape
    rows, depth, row_step, depth_step1 = _matrix(a, transposed=node.option("adj_x"))
    depth2, columns, depth_step2, column_step = _matrix(b, transposed=node.option("adj_y"))
    fits = depth == depth2 and output[-2:] == (rows, columns)
    require(fits, f"{a} times {b} does not give {output}")
    sizes, steps = merged([a[:-2], b[:-2]], output[:-2])
    return {
        "shape.batches.size": sizes,
        "shape.batches.step1": [step * rows * depth for step in steps[0]],
        "shape.batches.step2": [step * depth * columns for step in steps[1]],
        "shape.rows": rows,
        "shape.columns": columns,
        "shape.depth": depth,
        "shape.row_step1": row_step,
        "shape.depth_step1": depth_step1,
        "shape.depth_step2": depth_step2,
        "shape.column_step2": column_step,
    }, depth


def _scaling(node: Node, depth: int) -> dict[str, ParamValue]:
    """The fields of the quantized kernels besides the shape."""
    a, b, output = node.input(0), node.input(1), node.output()
    require_quantized(a, b, output)
    require(depth <= MAX_DEPTH[a.dtype], f"products of {depth} may overflow the accumulator")
    real = a.scale * b.scale / output.scale
    if a.dtype == "int16":
        require(a.zero_point == b.zero_point == output.zero_point == 0, "a zero point is not 0")
        multiplier, shift = reduced_multiplier(real)
    else:
        multiplier, shift = quantize_multiplier(real)
    low, high = dtype_range(a.dtype)
    return {
        "input1_offset": -a.zero_point,
        "input2_offset": -b.zero_point,
        "output_offset": output.zero_point,
        "output_multiplier": multiplier,
        "output_shift": shift,
        "activation_min": low,
        "activation_max": high,
    }


def macs(node: Node) -> int:
    """Multiply-accumulates of one call."""
    return node.output().elements * _shape(node)[1]


def lower(node: Node) -> Call:
    """The kernel call for one BATCH_MATMUL."""
    a, b, output = node.input(0), node.input(1), node.output()
    require_same_type(a, b, output)
    require(a.dtype in _TYPES, f"{a.dtype} values")
    shape, depth = _shape(node)
    is_float = a.dtype == "float32"
    if a.dtype == "int8":
        product = Matrices(shape, _scaling(node, depth), macs(node), depth * 255 * 255)
        call = lower_product(node, product)
        if call is not None:
            return call
    return Call(
        "batch_matmul",
        f"eq_batch_matmul_{SUFFIXES[a.dtype]}",
        f"eq_batch_matmul{'_f32' if is_float else ''}_params",
        {**shape, **({} if is_float else _scaling(node, depth))},
        PAIR,
        macs=macs(node),
    )


BATCH_MATMUL = OpKind("BATCH_MATMUL", lower, _TYPES, macs)
