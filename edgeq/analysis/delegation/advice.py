"""What to change in a model so that a delegate takes more of it, and what comes of each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edgeq.boards.delegates.facts import Delegate
from edgeq.model.graph import Graph, Op

_SMOOTH = {
    "HARD_SWISH": "RELU6",
    "GELU": "RELU",
    "ELU": "RELU",
    "LEAKY_RELU": "RELU",
    "PRELU": "RELU",
}
# By words of the reason.
_BY_REASON = (
    ("leaves open", "a fixed batch and fixed sizes: edgeq convert sets the batch to 1"),
    ("left open", "a fixed batch and fixed sizes: edgeq convert sets the batch to 1"),
    ("int4 weights", "8-bit weights: edgeq convert --scheme int8"),
    ("a bias", "a bias in each layer (use_bias=True)"),
    ("per channel", "one scale for all channels: edgeq convert --scheme int8-per-tensor"),
    ("fused", "activations other than RELU and RELU6 as layers of their own"),
    ("above its window", "a pooling window that is no smaller than its stride"),
)
_Parts = Callable[[set[int]], list[tuple[int, ...]]]


@dataclass(frozen=True)
class Advice:
    """One change to a model.

    Attributes:
        text: What to do.
        ops: The ops that it is about.
        taken: Ops that the delegate takes then.
        partitions: Parts that they fall into then.
    """

    text: str
    ops: tuple[int, ...]
    taken: int
    partitions: int


def advice(
    graph: Graph, found: Delegate, reasons: Mapping[int, tuple[str, ...]], parts: _Parts
) -> tuple[Advice, ...]:
    """The changes that would help, those first after which most ops are taken.

    Args:
        graph: The model.
        found: The delegate.
        reasons: By position, why an op is refused; a change helps it that answers all of them.
        parts: The parts that the delegate is given when the runtime keeps some ops.
    """
    answers = {
        index: [set(_changes(graph, found, index, reason)) for reason in why]
        for index, why in reasons.items()
    }
    now = parts(set(reasons))
    changes = []
    for line in dict.fromkeys(line for each in answers.values() for one in each for line in one):
        ops = {index for index, each in answers.items() if all(line in one for one in each)}
        then = parts(set(reasons) - ops)
        changes.append(Advice(line, tuple(sorted(ops)), sum(map(len, then)), len(then)))
    helpful = [each for each in changes if each.taken > sum(map(len, now))]
    together = {index for index, each in answers.items() if all(each)}
    then = parts(set(reasons) - together)
    best = sum(map(len, then))
    if changes and best > max((each.taken for each in helpful), default=sum(map(len, now))):
        lines = {line for index in together for one in answers[index] for line in one}
        rest = [each for each in changes if each.text in lines and each not in helpful]
        helpful += [*rest, Advice("all of these", tuple(sorted(together)), best, len(then))]
    return tuple(sorted(helpful, key=lambda change: (-change.taken, change.partitions)))


def _changes(graph: Graph, found: Delegate, index: int, reason: str) -> Iterator[str]:
    op = graph.main.ops[index]
    yield from _other_types(found, op, reason)
    ends = set(op.inputs) & set(graph.main.inputs) or set(op.outputs) & set(graph.main.outputs)
    if op.name in ("QUANTIZE", "DEQUANTIZE") and ends:
        kind = _end_type(graph, found, op)
        yield f"{kind} inputs and outputs: edgeq convert --io {kind}"
    elif op.name in ("SOFTMAX", "LOG_SOFTMAX", "ARG_MAX") and _last(graph, op):
        yield f"leave {op.name} at the end to the app: edgeq convert --head logits"
    elif op.name in _SMOOTH and _SMOOTH[op.name] in found.rows:
        yield f"{_SMOOTH[op.name]} in place of {op.name}, trained anew or by edgeq compress qat"
    elif op.name == "AVERAGE_POOL_2D" and "MEAN" in found.rows and _whole(graph, op):
        yield "GlobalAveragePooling2D, which becomes MEAN, in place of AveragePooling2D"
    yield from (change for words, change in _BY_REASON if words in reason)


def _other_types(found: Delegate, op: Op, reason: str) -> Iterator[str]:
    """Another scheme, where the table has this op in other types."""
    types = {kind for row in found.rows.get(op.name, ()) for kind in row.get("types", ())}
    if reason == "without a scale" and "float32" not in types:
        yield "8-bit integers: edgeq convert --scheme int8"
    if " activations" not in reason or not types:
        return
    if reason.startswith(("no float32", "no int16")) and "int8" in types:
        yield "8-bit integers: edgeq convert --scheme int8"
    elif reason.startswith(("no int8", "no uint8")) and not _takes(found, "int8"):
        yield "floats: edgeq convert --scheme float16"


def _takes(found: Delegate, kind: str) -> bool:
    return any(kind in row.get("types", ()) for rows in found.rows.values() for row in rows)


def _end_type(graph: Graph, found: Delegate, op: Op) -> str:
    """The type of inputs and outputs with which an op that only turns theirs is not needed."""
    kinds = {graph.main.tensors[index].dtype for index in (*op.inputs, *op.outputs)}
    if kinds == {"int8", "uint8"}:
        return "int8"  # that of the layers
    return "uint8" if "android" in found.os else "int8"


def _last(graph: Graph, op: Op) -> bool:
    return bool(set(op.outputs) & set(graph.main.outputs))


def _whole(graph: Graph, op: Op) -> bool:
    return graph.main.tensors[op.outputs[0]].shape[1:3] == (1, 1)
