"""Which ops of a model the rows of a delegate are of.

A delegate tells what it ran by names of its own, in its own numbering, and neither rows nor ops
are one to one: some of its rows are helpers, some ops are folded into others. What can be known
follows from two things: which ops the runtime gave to each delegated part, and which sequence of
the delegate's rows each op can have become. Where only one answer fits both, it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

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


# Beginnings of ops among rows that are followed up; one op has one or a few where all is plain.
_MOST_STATES = 200_000

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
    made = {tensor for op in graph.ops for tensor in op.outputs}
    missing = [made.intersection(op.inputs) for op in graph.ops]
    readers: dict[int, list[int]] = {}
    for position, tensors in enumerate(missing):
        for tensor in tensors:
            readers.setdefault(tensor, []).append(position)
    # What can run, by who runs it: in which round through the ops it is met, and its position.
    ready: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for position, tensors in enumerate(missing):
        if not tensors:
            ready[position not in own].append((0, position))
    parts: list[Part] = []
    while any(ready.values()):  # a circle, which no runtime takes either, is left over
        kind = min((waiting[0], kind) for kind, waiting in ready.items() if waiting)[1]
        taken: list[int] = []
        while ready[kind]:
            turn, position = heappop(ready[kind])
            taken.append(position)
            for tensor in graph.ops[position].outputs:
                for reader in readers.pop(tensor, ()):
                    missing[reader].discard(tensor)
                    if missing[reader]:
                        continue
                    same = (reader not in own) == kind
                    heappush(
                        ready[reader not in own],
                        (turn + (reader < position) if same else 0, reader),
                    )
        parts.append(Part(kind, tuple(taken)))
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
    steps: list[dict[int, set[int]]] = []  # by op: how many rows it can be, by the row it begins at
    reached, states = {0}, 0
    for op in ops:
        steps.append({j: set(_lengths(graph, op, families, j)) for j in reached})
        reached = {j + n for j, lengths in steps[-1].items() for n in lengths}
        states += len(reached)
        if states > _MOST_STATES:
            return [part.ops] * len(rows)
    if len(rows) not in reached:
        return [part.ops] * len(rows)
    found: list[set[int]] = [set() for _ in rows]
    ends = {len(rows)}
    for position, begins in zip(reversed(part.ops), reversed(steps), strict=True):
        fits = [(j, n) for j, lengths in begins.items() for n in lengths if j + n in ends]
        for j, n in fits:
            for row in found[j : j + n]:
                row.add(position)
        ends = {j for j, _ in fits}
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
    homes: dict[int, int | None] = {position: position for position in known}
    for position in part.ops:
        way: list[int] = []
        at: int | None = position
        while at is not None and at not in homes:
            homes[at] = None  # so that a circle ends
            way.append(at)
            op = graph.ops[at]
            forward = _constant(graph, op) or _XNNPACK[op.name].joins == "next"
            at = readers.get(op.outputs[0]) if forward else made.get(op.inputs[0])
        homes.update(dict.fromkeys(way, None if at is None else homes[at]))
    return {
        position: home for position, home in homes.items() if home is not None and home != position
    }


def _lengths(graph: Subgraph, op: Op, families: Sequence[str], first: int) -> Iterator[int]:
    """How many of the rows from the first on an op can have become."""
    kind = _XNNPACK[op.name]
    least, most = kind.least, kind.most or len(op.inputs) + len(op.outputs)
    if _constant(graph, op):
        yield 0  # computed once, when the model is loaded
        return
    if least == 0:
        yield 0
    clamps = str(op.options.get("fused_activation_function", "0")) not in ("0", "NONE")
    for front in range(3):
        start = first + front
        if start > len(families) or any(f not in kind.before for f in families[first:start]):
            break
        for number in range(1, most + 1):
            end = start + number
            if end > len(families) or families[end - 1] not in kind.main:
                break
            if number >= max(least, 1):
                yield end - first
                if clamps and families[end : end + 1] == ["Clamp"]:
                    yield end - first + 1


def _constant(graph: Subgraph, op: Op) -> bool:
    return all(index < 0 or graph.tensors[index].is_constant for index in op.inputs)
