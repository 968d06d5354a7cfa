"""EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS and LESS_EQUAL."""

from __future__ import annotations

from functools import partial

from edgeq.compiler.ops.elementwise.arithmetic import PAIR, SUFFIXES
from edgeq.compiler.ops.shared.base import Call, Node, OpKind, ParamValue, require
from edgeq.compiler.ops.shared.broadcast import in_place, pair_shape
from edgeq.compiler.ops.shared.movement import require_same_type
from edgeq.compiler.ops.shared.quantized import require_quantized
from edgeq.model.fixedpoint import quantize_multiplier
from edgeq.model.graph import Tensor

_TYPES = ("int8", "int16", "int32", "int64", "bool", "float32")


def _scaling(a: Tensor, b: Tensor) -> dict[str, ParamValue]:
    """What brings both inputs to one scale. Source: TFLM `ComparisonsPrepare`."""
    require_quantized(a, b)
    multiplier1, shift1 = quantize_multiplier(a.scale)
    multiplier2, shift2 = quantize_multiplier(b.scale)
    # Values of at most 2^16 * 2^8, and then the shift, must stay below 2^31.
    require(max(shift1, shift2) <= 6, f"scales {a.scale} and {b.scale} are too large")
    return {
        "input1_offset": -a.zero_point,
        "input1_multiplier": multiplier1,
        "input1_shift": shift1,
        "input2_offset": -b.zero_point,
        "input2_multiplier": multiplier2,
        "input2_shift": shift2,
    }


def _lower(name: str, node: Node) -> Call:
    a, b = node.input(0), node.input(1)
    require_same_type(a, b)
    require(a.dtype in _TYPES, f"{a.dtype} (there are {', '.join(_TYPES)})")
    require(node.output().dtype == "bool", f"a {node.output().dtype} output")
    # int16 is LiteRT's, which minds the scales for equality only; TFLM has GREATER only, with
    # scales that it never sets.
    equality = name in ("EQUAL", "NOT_EQUAL") and a.quantization is not None
    scaled = a.dtype == "int8" or (a.dtype == "int16" and equality)
    return Call(
        "comparisons",
        f"eq_{'scaled_' if scaled else ''}{name.lower()}_{SUFFIXES[a.dtype]}",
        "eq_scaled_comparison_params" if scaled else "eq_comparison_params",
        {**pair_shape(node), **(_scaling(a, b) if scaled else {})},
        PAIR,
        overlaps=in_place(node, 0, 1),
    )


def _kind(name: str) -> OpKind:
    return OpKind(name, partial(_lower, name), _TYPES)


EQUAL = _kind("EQUAL")
NOT_EQUAL = _kind("NOT_EQUAL")
GREATER = _kind("GREATER")
GREATER_EQUAL = _kind("GREATER_EQUAL")
LESS = _kind("LESS")
LESS_EQUAL = _kind("LESS_EQUAL")
