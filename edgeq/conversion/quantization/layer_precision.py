"""Layers with a scheme of their own: which ops are theirs, and whether they have what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from edgeq.conversion.quantization.schemes import Scheme, find_scheme
from edgeq.model.graph import Graph, Op
from edgeq.model.loops import LOOPS

# What follows a layer bears its name, and no type of its own.
_CONVERSIONS = frozenset({"DEQUANTIZE", "QUANTIZE"})


def layer_names(graph: Graph, op: Op) -> tuple[str, ...]:
    """The layers that an op came from: `conv;relu` came from `conv` and `relu`."""
    name = graph.main.tensors[op.outputs[0]].name
    return (name, *name.split(";"), *(part.split("/")[0] for part in name.split(";")))


def without_effect(made: Graph, precision: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The layers that have not what they were given, as they were named, and why, in a sentence.

    Args:
        made: The quantized model.
        precision: As in `Recipe`.
    """
    found = {}
    for pattern, name in precision:
        ops = [
            op
            for op in made.main.ops
            if op.name not in _CONVERSIONS
            and any(fnmatchcase(layer, pattern) for layer in layer_names(made, op))
        ]
        why = _missing(made, ops, find_scheme(name)) if ops else ""
        if why:
            found[pattern] = why
    return found


def _missing(made: Graph, ops: Sequence[Op], scheme: Scheme) -> str:
    """What none of some ops has of a scheme; empty where one has all."""
    tensors = made.main.tensors
    touched = [tensors[i] for op in ops for i in (*op.inputs, *op.outputs) if i >= 0]
    if scheme.integer and not any(
        t.dtype == scheme.activations for t in touched if not t.is_constant
    ):
        return (
            f"does not compute in {scheme.activations}: it is of an op, or in a loop, that has the "
            "type of the model's scheme."
        )
    # What is inside a loop has names of its own.
    inside = any(op.name in LOOPS for op in ops)
    if scheme.weights == "int4" and not inside and not any(t.dtype == "int4" for t in touched):
        return (
            "has no weights of 4 bits: only convolutions (but depthwise ones) and dense layers can."
        )
    return ""
