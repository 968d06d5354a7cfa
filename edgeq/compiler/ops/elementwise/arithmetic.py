"""Arithmetic of plain numbers: the path of ADD, SUB, MUL and DIV that knows no scales."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, OpKind, Unsupported, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.float32 import float_clamp
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.model.fixedpoint import INT32_MAX, INT32_MIN

SUFFIXES = {
    "int8": "s8",
    "uint8": "u8",
    "int16": "s16",
    "int32": "i32",
    "int64": "i64",
    "float32": "f32",
    "bool": "b",
}
PAIR = (Arg("input", 0), Arg("input", 1), OUTPUT)
_LIMITS = {0: (INT32_MIN, INT32_MAX), 1: (0, INT32_MAX), 2: (-1, 1), 3: (0, 6)}


def plain_clamp(node: Node) -> dict[str, int] | dict[str, float]:
    """The fields activation_min and activation_max for plain numbers.

    Source: TFLite `CalculateActivationRange`.
    """
    dtype = node.output().dtype
    if dtype == "float32":
        return float_clamp(node)
    code = node.op.options.get("fused_activation_function", 0)
    if code not in _LIMITS:
        raise Unsupported(f"fused activation {code} (only none, RELU, RELU_N1_TO_1 and RELU6)")
    if dtype == "int64":
        require(code == 0, "a fused activation of int64")
        return {}
    # TFLM's ADD of int32 ignores the activation, and so do we.
    low, high = _LIMITS[0 if (node.op.name, dtype) == ("ADD", "int32") else code]
    return {"activation_min": low, "activation_max": high}


def plain_call(node: Node, function: str, types: tuple[str, ...], header: str = "") -> Call:
    """The kernel call for two inputs of plain numbers.

    Args:
        function: "add", "maximum", ...
        types: What the kernel is there for.
        header: Kernel file, if it is not the common one.
    """
    a, b, output = node.input(0), node.input(1), node.output()
    require_same_type(a, b, output)
    require(a.dtype in types, f"{a.dtype} (there are {', '.join(types)})")
    kind = "eq_arithmetic_f32_params" if a.dtype == "float32" else "eq_arithmetic_params"
    return Call(
        header or "arithmetic",
        f"eq_arithmetic_{function}_{SUFFIXES[a.dtype]}",
        kind,
        {**pair_shape(node), **plain_clamp(node)},
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


_FLOOR_TYPES = ("int32", "float32")


def _lower_floor(node: Node, function: str) -> Call:
    is_float = node.input(0).dtype == "float32"
    return plain_call(node, function, _FLOOR_TYPES, "floor_f32" if is_float else "")


FLOOR_DIV = OpKind("FLOOR_DIV", lambda node: _lower_floor(node, "floor_div"), _FLOOR_TYPES)
FLOOR_MOD = OpKind("FLOOR_MOD", lambda node: _lower_floor(node, "floor_mod"), _FLOOR_TYPES)
