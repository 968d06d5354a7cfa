"""Which ops of a model the rows of a delegate are of.

A delegate tells what it ran by names of its own, in its own numbering, and neither rows nor ops
are one to one: some of its rows are helpers, some ops are folded into others. What can be known
follows from two things: which ops the runtime gave to each delegated part, and which sequence of
the delegate's rows each op can have become. Where only one answer fits both, it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeq.model.graph import Op, Subgraph


@dataclass(frozen=True)
class Part:
    """Ops that ran one after another in one place.

    Attributes:
        delegated: Whether a delegate ran them.
        ops: Their positions in the model, in the order that the runtime gave them.
    """

    delegated: bool
    ops: tuple[int, ...]


@dataclass(frozen=True)
class _Becomes:
    """What XNNPACK makes of an op: rows of these families, in this order.

    Attributes:
        main: Families of the rows that do its work.
        least: Fewest of those; 0 where the op can be folded into a neighbour.
        most: At most so many of them; 0 stands for as many as the op has inputs and outputs.
        before: Families of helpers that may stand in front, two at most.
        joins: Where an op without rows goes: "next" or "previous".
    """

    main: tuple[str, ...]
    least: int = 1
    most: int = 1
    before: tuple[str, ...] = ()
    joins: str = "previous"


_SHAPES = ("Static Reshape", "Static Expand Dims", "Split Dims", "Fuse Dims", "Copy")
_CLAMP = _Becomes(("Clamp",), least=0)
_PAD = _Becomes(("Constant Pad",), least=0, joins="next")
_MOVE = _Becomes(_SHAPES)

# Source: XNNPACK's delegate of TensorFlow Lite, the operators that it defines for each op, and the
# names of those in XNNPACK's operator-strings; seen with every op that it takes in LiteRT 2.3.
_XNNPACK: Mapping[str, _Becomes] = {
    "CONV_2D": _Becomes(("Convolution", "Fully Connected"), before=("Convert",)),
    "DEPTHWISE_CONV_2D": _Becomes(("Convolution",), before=("Convert",)),
    "TRANSPOSE_CONV": _Becomes(("Deconvolution",), before=("Convert",)),
    "FULLY_CONNECTED": _Becomes(
        ("Fully Connected", "Dynamic Fully Connected"), before=("Static Reshape", "Convert")
    ),
    "BATCH_MATMUL": _Becomes(
        ("Batch Matrix Multiply", "Fully Connected", "Dynamic Fully Connected"),
        before=("Convert", "Static Reshape"),
    ),
    "AVERAGE_POOL_2D": _Becomes(("Average Pooling",)),
    "MAX_POOL_2D": _Becomes(("Max Pooling",)),
    "ADD": _Becomes(("Add",)),
    "SUB": _Becomes(("Subtract",)),
    "MUL": _Becomes(("Multiply", "Square")),
    "DIV": _Becomes(("Divide",)),
    "POW": _Becomes(("Power",)),
    "MAXIMUM": _Becomes(("Maximum",)),
    "MINIMUM": _Becomes(("Minimum",)),
    "SQUARED_DIFFERENCE": _Becomes(("Squared Difference",)),
    "MEAN": _Becomes(("Mean",)),
    "SUM": _Becomes(("Sum",)),
    "REDUCE_MAX": _Becomes(("Reduce Max",)),
    "REDUCE_MIN": _Becomes(("Reduce Min",)),
    "RESHAPE": _MOVE,
    "SQUEEZE": _MOVE,
    "EXPAND_DIMS": _MOVE,
    "CONCATENATION": _Becomes(("Copy",), most=0),
    "SPLIT": _Becomes(("Copy", "Slice"), most=0),
    "SLICE": _Becomes(("Slice",)),
    "STRIDED_SLICE": _Becomes(("Slice",)),
    "TRANSPOSE": _Becomes(("Transpose",)),
    "DEPTH_TO_SPACE": _Becomes(("Depth To Space",)),
    "SPACE_TO_DEPTH": _Becomes(("Space To Depth",)),
    "RESIZE_BILINEAR": _Becomes(("Resize Bilinear",)),
    "PAD": _PAD,
    "PADV2": _PAD,
    "QUANTIZE": _Becomes(("Convert",)),
    "DEQUANTIZE": _Becomes(("Convert",)),
    "RELU": _CLAMP,
    "RELU6": _CLAMP,
    "RELU_N1_TO_1": _CLAMP,
    "RELU_0_TO_1": _CLAMP,
    "PRELU": _Becomes(("PReLU",)),
    "LEAKY_RELU": _Becomes(("LeakyReLU",)),
    "ELU": _Becomes(("ELU",)),
    "GELU": _Becomes(("GELU", "ApproxGELU")),
    "HARD_SWISH": _Becomes(("HardSwish",)),
    "LOGISTIC": _Becomes(("Sigmoid",)),
    "TANH": _Becomes(("TanH",)),
    "SOFTMAX": _Becomes(("Softmax",)),
    "ABS": _Becomes(("Abs",)),
    "NEG": _Becomes(("Negate",)),
    "SIGN": _Becomes(("Sign",)),
    "CEIL": _Becomes(("Ceiling",)),
    "FLOOR": _Becomes(("Floor",)),
    "ROUND": _Becomes(("Bankders Rounding", "Bankers Rounding")),
    "EXP": _Becomes(("Exp",)),
    "LOG": _Becomes(("Log",)),
    "SIN": _Becomes(("Sine",)),
    "COS": _Becomes(("Cosine",)),
    "SQRT": _Becomes(("Square Root",)),
    "RSQRT": _Becomes(("Reciprocal Square Root",)),
    "SQUARE": _Becomes(("Square",)),
}


def parts_of(graph: Subgraph, own: set[int]) -> list[Part]:
    """The parts that a model falls into, in the order in which they run.

    Args:
        graph: The model's main subgraph.
        own: Positions of the ops that the runtime itself ran; a delegate got all others.

    Source: TensorFlow Lite, PartitionGraphIntoIndependentNodeSubsets in graph_info.cc.
    """
    ready = set(range(len(graph.tensors))) - {t for op in graph.ops for t in op.outputs}
    waiting = list(range(len(graph.ops)))
    parts: list[Part] = []
    while waiting:
        kind: bool | None = None
        taken: list[int] = []
        moved = True
        while moved:
            moved = False
            for position in list(waiting):
                op = graph.ops[position]
                if any(index >= 0 and index not in ready for index in op.inputs):
                    continue
                kind = position not in own if kind is None else kind
                if kind == (position not in own):
                    taken.append(position)
                    waiting.remove(position)
                    ready.update(op.outputs)
                    moved = True
        if not taken:
            break  # a circle, which no runtime takes either
        parts.append(Part(bool(kind), tuple(taken)))
    return parts


def covers(graph: Subgraph, part: Part, rows: Sequence[str]) -> list[tuple[int, ...]]:
    """The ops that each row of a delegated part can be of; one op where that is sure.

    Args:
        graph: The model's main subgraph.
        part: The part.
        rows: What the delegate calls its rows, in the order in which they ran.
    """
    ops = [graph.ops[position] for position in part.ops]
    families = [row.partition(" (")[0] for row in rows]
    if any(op.name not in _XNNPACK for op in ops):
        return [part.ops] * len(rows)
    steps = [[set(_lengths(graph, op, families[j:])) for j in range(len(rows) + 1)] for op in ops]
    before = [{0}]
    for lengths in steps:
        before.append({j + n for j in before[-1] for n in lengths[j]})
    after = [{len(rows)}]
    for lengths in reversed(steps):
        after.append(
            {j for j in range(len(rows) + 1) if any(j + n in after[-1] for n in lengths[j])}
        )
    after.reverse()
    if len(rows) not in before[-1]:
        return [part.ops] * len(rows)
    found: list[set[int]] = [set() for _ in rows]
    for i, lengths in enumerate(steps):
        for j in before[i]:
            for n in lengths[j]:
                if j + n in after[i + 1]:
                    for row in found[j : j + n]:
                        row.add(part.ops[i])
    return [tuple(sorted(row)) for row in found]


def joined(graph: Subgraph, part: Part, known: set[int]) -> dict[int, int]:
    """Ops of a part that have no row of their own, by the op whose row does their work.

    Args:
        graph: The model's main subgraph.
        part: The part.
        known: Ops that have rows.
    """
    made = {index: position for position in part.ops for index in graph.ops[position].outputs}
    readers: dict[int, int] = {}
    for position in reversed(part.ops):
        readers.update(dict.fromkeys(graph.ops[position].inputs, position))
    found: dict[int, int] = {}
    for position in part.ops:
        home: int | None = position
        for _ in part.ops:
            if home is None or home in known:
                break
            op = graph.ops[home]
            forward = _constant(graph, op) or _XNNPACK[op.name].joins == "next"
            home = readers.get(op.outputs[0]) if forward else made.get(op.inputs[0])
        if home is not None and home in known and home != position:
            found[position] = home
    return found


def _lengths(graph: Subgraph, op: Op, families: Sequence[str]) -> Iterator[int]:
    """How many of the next rows an op can have become."""
    kind = _XNNPACK[op.name]
    least, most = kind.least, kind.most or len(op.inputs) + len(op.outputs)
    if _constant(graph, op):
        yield 0  # computed once, when the model is loaded
        return
    if least == 0:
        yield 0
    for front in range(3):
        if any(family not in kind.before for family in families[:front]) or front > len(families):
            break
        length = front
        for number in range(1, most + 1):
            if length >= len(families) or families[length] not in kind.main:
                break
            length += 1
            if number >= max(least, 1):
                yield length
                clamps = str(op.options.get("fused_activation_function", "0")) not in ("0", "NONE")
                if clamps and families[length : length + 1] == ["Clamp"]:
                    yield length + 1


def _constant(graph: Subgraph, op: Op) -> bool:
    return all(index < 0 or graph.tensors[index].is_constant for index in op.inputs)
