"""What the runtimes that models run on compute wrongly, told from a model alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgeq.model.fixedpoint import quantize_multiplier
from edgeq.model.graph import Graph, Op, Subgraph

# Ops by the types that LiteRT's plain kernels compute wrongly: the sums that they give are unlike
# numpy's, those of its usual kernels are like them (tests/devices/test_local.py).
_WRONG_IN_PLAIN = {"SUM": ("int8", "int16")}
# Where the bias is of ops whose kernels ask an option, not the tensor, whether it has 32 bits.
_BIASED = {"CONV_2D": 2, "TRANSPOSE_CONV": 3}
_BIASED_IN_PLAIN = {"FULLY_CONNECTED": 2}
_INT32 = 2  # TFLite's TensorType
_NAMED = 3


def faults_of_plain_kernels(graph: Graph) -> tuple[str, ...]:
    """What LiteRT's Python package computes wrongly of a model with its plain kernels.

    Its C library has plain kernels, too, and these are right.
    """
    found = _ops_that(graph, _is_wrong_in_plain)
    said = (
        "LiteRT's reference kernels compute SUM of int8 and int16 wrongly, and so all that follows "
        f"{_few(found)}. These answers are not the model's: LiteRT without "
        "them (delegate=none), TensorFlow Lite Micro and edgeq's C sum right."
    )
    return ((said,) if found else ()) + _misread_biases(graph, _BIASED_IN_PLAIN)


def faults_of_litert(graph: Graph) -> tuple[str, ...]:
    """What all of LiteRT's kernels compute wrongly of a model."""
    return (*_misread_biases(graph, _BIASED), *misdivisions(graph))


def misdivisions(graph: Graph) -> tuple[str, ...]:
    """The divisions that the kernels of LiteRT and TensorFlow Lite Micro compute wrongly.

    They lift a dividend of -1 by 31 bits, one of 1 by 30, and shift the quotient down again by as
    many and 31 - (leading zeros of the divisor) - (shift of the output): where that is more than
    31 in all, C leaves open what comes, and most processors shift by the number modulo 32.
    """
    found = _ops_that(graph, _shifts_too_far)
    if not found:
        return ()
    said = (
        f"LiteRT and TensorFlow Lite Micro compute {_few(found)} wrongly where the dividend is one "
        "step from zero and the divisor is large: on most processors the answer is the least or "
        "the largest that there is, in place of about zero. edgeq's C is right; a product with the "
        "reciprocal is right everywhere."
    )
    return (said,)


def misclamps(graph: Graph) -> tuple[str, ...]:
    """The clamps that TensorFlow Lite Micro, and edgeq's C, leave in the scale of their input."""
    found = _ops_that(graph, _is_misclamped)
    if not found:
        return ()
    said = (
        f"TensorFlow Lite Micro, whose bytes edgeq's C gives, computes {_few(found)} otherwise "
        "than LiteRT: its kernel of RELU6 takes the result for one of the input's scale, and it "
        "has another. The model means what LiteRT gives; edgeq convert of the float model makes "
        "one that is right on all of them."
    )
    return (said,)


def _is_misclamped(where: Subgraph, op: Op) -> bool:
    """Whether an op is a RELU6 of integers to another scale."""
    if op.name != "RELU6":
        return False
    source, result = where.tensors[op.inputs[0]], where.tensors[op.outputs[0]]
    apart = (source.scale, source.zero_point) != (result.scale, result.zero_point)
    return result.dtype in ("int8", "int16") and apart


def _shifts_too_far(where: Subgraph, op: Op) -> bool:
    """Whether an op is a DIV of int8 whose kernel shifts by more than 31 bits."""
    if op.name != "DIV":
        return False
    dividend, divisor, result = (where.tensors[index] for index in (*op.inputs, *op.outputs))
    if {each.dtype for each in (dividend, divisor, result)} != {"int8"}:
        return False
    if min(dividend.scale, divisor.scale, result.scale) <= 0:
        return False
    _, shift = quantize_multiplier(dividend.scale / (divisor.scale * result.scale))
    largest = max(127 - divisor.zero_point, divisor.zero_point + 128)
    lifted = 31 if dividend.zero_point > -128 else 30  # -1, or else 1, is the smallest dividend
    return shift < largest.bit_length() - 1 + lifted - 31


def _misread_biases(graph: Graph, biased: Mapping[str, int]) -> tuple[str, ...]:
    found = _ops_that(
        graph,
        lambda where, op: op.name in biased and _is_undeclared(where, op, biased[op.name]),
    )
    if not found:
        return ()
    said = (
        f"The bias of {_few(found)} is int32, and the op's option quantized_bias_type does not say "
        "so: LiteRT reads it wrongly, as int64. These answers are not the model's; a converter "
        "that sets both makes it whole."
    )
    return (said,)


def _is_undeclared(where: Subgraph, op: Op, position: int) -> bool:
    """Whether an op of int16 has an int32 bias that its options do not declare."""
    bias = op.inputs[position] if position < len(op.inputs) else -1
    wide = any(where.tensors[index].dtype == "int16" for index in op.outputs)
    declared = op.options.get("quantized_bias_type", 0) == _INT32
    return bias >= 0 and wide and where.tensors[bias].dtype == "int32" and not declared


def _is_wrong_in_plain(where: Subgraph, op: Op) -> bool:
    types = _WRONG_IN_PLAIN.get(op.name, ())
    return bool(op.outputs) and where.tensors[op.outputs[0]].dtype in types


def _ops_that(graph: Graph, are_so: Callable[[Subgraph, Op], bool]) -> list[str]:
    """What a message calls the ops of a model of which something is true."""
    return [
        where.describe(op) for where in graph.subgraphs for op in where.ops if are_so(where, op)
    ]


def _few(found: Sequence[str]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
