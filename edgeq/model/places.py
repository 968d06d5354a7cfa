"""Which values a model's inputs may have where they count something.

Values that edgeq draws itself must lie inside the tables that they count the rows of, the tensors
that they begin slices of, and within loops that end. What an op needs of its inputs is carried from
the model's end to its beginning, element by element where the ops between hand each on; bounds
that would need more than that are those of all elements together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.model.graph import NUMPY_TYPES, Op, Subgraph, Tensor
from edgeq.support.array import Array

Range = tuple[Array, Array]
Asked = tuple[int, Array, Array]
"""A tensor, and the least and the largest values of its elements: float64, infinite where any is
right."""

# The input that counts rows, and the table; and ops that hand values on as they are, or elsewhere.
_COUNTING = {"GATHER": (1, 0), "EMBEDDING_LOOKUP": (0, 1)}
_KEEPING = frozenset(
    {"CAST", "CEIL", "EXPAND_DIMS", "FLOOR", "RELU", "RESHAPE", "ROUND", "SQUEEZE"}
)
_MOVING = frozenset(
    {"REDUCE_MAX", "REDUCE_MIN", "REVERSE_V2", "SLICE", "SPLIT", "STRIDED_SLICE", "TILE",
     "TRANSPOSE", "UNPACK"}
)  # fmt: skip
_CHOOSING = frozenset({"SELECT", "SELECT_V2"})
_ARITHMETIC = frozenset(
    {"ADD", "DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "MUL", "SUB"}
)
_OF_PLACES = re.compile(r"gather|embedding|out of bounds|Invalid begin", re.IGNORECASE)
_FIRST_TURN, _LAST_TURN = 1.0, 8.0  # of what a loop counts by: a step of 0 would never end
_WIDEST = 2.0**53  # whole numbers that float64 has all of
_CLOSE = 1e-6
_MOST_VALUES = 1 << 22  # of a tensor that is looked at element by element


@dataclass(frozen=True)
class Bounds:
    """The least and the largest value of an input: for each element, or of all the same."""

    low: int | tuple[int, ...]
    high: int | tuple[int, ...]

    def arrays(self, shape: tuple[int, ...]) -> Range:
        """Both as int64 of the input's shape."""
        low, high = (
            np.broadcast_to(each.reshape(shape) if each.size > 1 else each, shape)
            for each in (np.asarray(self.low, np.int64), np.asarray(self.high, np.int64))
        )
        return low, high

    @classmethod
    def of(cls, entry: Mapping[str, Any] | None) -> Bounds | None:
        """The same out of JSON."""
        if entry is None:
            return None
        low, high = (
            tuple(value) if isinstance(value, list | tuple) else value
            for value in (entry["low"], entry["high"])
        )
        return cls(low, high)

    def entry(self) -> dict[str, int | tuple[int, ...]]:
        """As JSON has it."""
        return {"low": self.low, "high": self.high}


def is_of_places(words: str) -> bool:
    """Whether a runtime that failed says that values lay outside what they count."""
    return _OF_PLACES.search(words) is not None


def input_bounds(main: Subgraph, subgraphs: Sequence[Subgraph] = ()) -> dict[int, Bounds]:
    """The bounds of inputs that count rows, begin slices or turn loops; by tensor.

    Args:
        main: The model.
        subgraphs: All of them, if others are called.
    """
    asked = _Asker(subgraphs).asked(main, ())
    found = {
        index: _whole(main.tensors[index], asked[index]) for index in main.inputs if index in asked
    }
    return {index: bounds for index, bounds in found.items() if bounds is not None}


def _whole(tensor: Tensor, asked: Range) -> Bounds | None:
    """Bounds in an input's own type; None where any value is right, or none."""
    kind = NUMPY_TYPES.get(tensor.dtype)
    if kind is None or kind.kind not in "iuf" or not asked[0].size:
        return None
    if not np.isfinite(asked).any():
        return None
    if kind.kind == "f":
        least, largest = -(2.0 ** (np.finfo(kind).nmant + 1)), 2.0 ** (np.finfo(kind).nmant + 1)
    else:
        least, largest = float(np.iinfo(kind).min), float(np.iinfo(kind).max)
    if kind.kind == "f":  # beside places, real numbers as others are
        free = ~np.isfinite(asked).any(axis=0)
        asked = np.where(free, -1.0, asked[0]), np.where(free, 1.0, asked[1])
    low = np.ceil(np.maximum(asked[0], max(least, -_WIDEST)))
    high = np.floor(np.minimum(asked[1], min(largest, _WIDEST)))
    if (low > high).any():
        return None
    return Bounds(_short(low), _short(high))


def _short(values: Array) -> int | tuple[int, ...]:
    every = [int(value) for value in values.reshape(-1)]
    return every[0] if len(set(every)) == 1 else tuple(every)


def _is_counted(tensor: Tensor) -> bool:
    return 0 < tensor.elements <= _MOST_VALUES


class _Asker:
    """Goes through a model and what it calls, from the last op to the first."""

    def __init__(self, subgraphs: Sequence[Subgraph]) -> None:
        self._subgraphs = subgraphs
        self._known: dict[int, dict[int, Range]] = {}

    def asked(self, subgraph: Subgraph, path: tuple[int, ...]) -> dict[int, Range]:
        """What a subgraph's ops ask of its tensors."""
        found: dict[int, Range] = {}
        for op in reversed(subgraph.ops):
            wanted: list[Asked] = []
            with suppress(IndexError, ValueError):  # a damaged file, which others refuse in words
                wanted += self._of_op(subgraph, op, found, path)
            for index, low, high in wanted:
                if index < 0 or not low.size or not _is_counted(subgraph.tensors[index]):
                    continue
                low, high = _fitted(low, high, subgraph.tensors[index].shape)
                if index in found:
                    low, high = np.maximum(low, found[index][0]), np.minimum(high, found[index][1])
                found[index] = low, high
        return found

    def _of_op(
        self, subgraph: Subgraph, op: Op, found: dict[int, Range], path: tuple[int, ...]
    ) -> Iterator[Asked]:
        if op.name == "WHILE":
            yield from self._of_loop(op, (*path, subgraph.index))
        elif op.name == "IF":
            for option in ("then_subgraph_index", "else_subgraph_index"):
                inner, needs = self._called(op, option, (*path, subgraph.index))
                yield from _handed_in(inner, needs, op.inputs[1:])
        yield from _of_itself(subgraph, op)
        for output in op.outputs:
            if output in found:
                taken = _taken(subgraph, op, output)
                if taken is None:
                    yield from _carried(subgraph, op, *found[output])
                else:
                    yield _put_back(subgraph.tensors[taken[0]], *taken, *found[output])

    def _called(
        self, op: Op, option: str, path: tuple[int, ...]
    ) -> tuple[Subgraph | None, dict[int, Range]]:
        index = op.options.get(option, -1)
        if not 0 <= index < len(self._subgraphs) or index in path:
            return None, {}
        if index not in self._known:
            self._known[index] = self.asked(self._subgraphs[index], path)
        return self._subgraphs[index], self._known[index]

    def _of_loop(self, op: Op, path: tuple[int, ...]) -> Iterator[Asked]:
        body, inside = self._called(op, "body_subgraph_index", path)
        condition, tested = self._called(op, "cond_subgraph_index", path)
        yield from _handed_in(body, inside, op.inputs)
        yield from _handed_in(condition, tested, op.inputs)
        if body is None or condition is None:
            return
        counters = [p for p in _counters(condition, body) if p < len(op.inputs)]
        # What is counted may be the place of something in the body, the limit behind its last.
        ends = [float(inside[i][1].min()) + 1 for p in counters if (i := body.inputs[p]) in inside]
        last = max(_FIRST_TURN, min([_LAST_TURN, *ends]))
        for position in counters:
            yield op.inputs[position], np.array(_FIRST_TURN), np.array(last)


def _handed_in(
    inner: Subgraph | None, needs: dict[int, Range], outer: Sequence[int]
) -> Iterator[Asked]:
    for index, place in zip(outer, inner.inputs if inner else (), strict=False):
        if place in needs:
            yield index, *needs[place]


def _counters(condition: Subgraph, body: Subgraph) -> list[int]:
    """Positions of whole numbers, and single floats, that a loop's number of turns hangs on."""
    if len(condition.inputs) != len(body.inputs) or len(body.outputs) != len(body.inputs):
        return []
    reached: set[int] = set()
    new = _reaching(condition, condition.outputs)
    while new - reached:
        reached |= new
        new = _reaching(body, [body.outputs[position] for position in sorted(reached)])
    return [p for p in sorted(reached) if _may_count(condition.tensors[condition.inputs[p]])]


def _may_count(tensor: Tensor) -> bool:
    kind = NUMPY_TYPES.get(tensor.dtype)
    if kind is None or tensor.quantization is not None or tensor.dtype == "resource":
        return False
    return kind.kind in "iu" or (kind.kind == "f" and tensor.elements == 1)


def _reaching(subgraph: Subgraph, outputs: Sequence[int]) -> set[int]:
    """Positions of a subgraph's inputs that some tensors are made of."""
    wanted = set(outputs)
    for op in reversed(subgraph.ops):
        if wanted.intersection(op.outputs):
            wanted.update(op.inputs)
    return {p for p, index in enumerate(subgraph.inputs) if index in wanted}


def _of_itself(model: Subgraph, op: Op) -> Iterator[Asked]:
    """The tensor whose values an op takes for places, and how many there are for each of them."""
    shape = model.tensors[op.inputs[0]].shape if op.inputs else ()
    ends: Array = np.zeros(0)
    at = -1
    if op.name == "SLICE":
        at, taken = op.inputs[1], model.tensors[op.outputs[0]].shape
        if len(shape) == len(taken) == model.tensors[at].elements:
            ends = np.subtract(shape, taken) + 1.0
    elif op.name == "GATHER_ND":
        at = op.inputs[1]
        axes = (model.tensors[at].shape[-1:] or (0,))[0]
        if len(shape[:axes]) == axes > 0:
            ends = np.broadcast_to(np.asarray(shape[:axes], np.float64), model.tensors[at].shape)
    elif op.name in _COUNTING:
        at, table = (op.inputs[position] for position in _COUNTING[op.name])
        rows = model.tensors[table].shape[op.options.get("axis", 0) :][:1]
        ends = np.asarray(rows, np.float64)
    if ends.size and (ends > 0).all():
        yield at, np.zeros_like(ends), ends - 1


def _fitted(low: Array, high: Array, shape: tuple[int, ...]) -> Range:
    """Bounds of a tensor out of those of something that it is spread over, or a part of."""
    if low.size == math.prod(shape):
        return low.reshape(shape), high.reshape(shape)
    more = low.ndim - len(shape)
    if more >= 0 and all(n in (1, low.shape[more + axis]) for axis, n in enumerate(shape)):
        axes = (*range(more), *(more + axis for axis, n in enumerate(shape) if n == 1))
        return low.max(axis=axes).reshape(shape), high.min(axis=axes).reshape(shape)
    return np.full(shape, low.max()), np.full(shape, high.min())


def _taken(model: Subgraph, op: Op, output: int) -> tuple[int, Array] | None:
    """The tensor of which an op's output is a part, and where in it each value lies."""
    if op.name not in ("SPLIT", "STRIDED_SLICE", "TRANSPOSE", "UNPACK"):
        return None
    source = op.inputs[1 if op.name == "SPLIT" else 0]
    if source < 0 or not _is_counted(model.tensors[source]):
        return None
    settings = [model.tensors[index].data for index in op.inputs if index != source]
    places = np.arange(model.tensors[source].elements).reshape(model.tensors[source].shape)
    position, count = op.outputs.index(output), len(op.outputs)
    found: Array | None = None
    if op.name == "UNPACK":
        found = np.take(places, position, op.options.get("axis", 0))
    elif any(given is None for given in settings):
        return None
    elif op.name == "SPLIT":
        found = np.split(places, count, int(np.asarray(settings[0]).reshape(-1)[0]))[position]
    elif op.name == "TRANSPOSE":
        found = places.transpose(np.asarray(settings[0]).reshape(-1).tolist())
    elif not any(op.options.get(mask) for mask in ("ellipsis_mask", "new_axis_mask")):
        found = places[_slices(op, [np.asarray(each).tolist() for each in settings])]
    if found is None or found.size != model.tensors[output].elements:
        return None
    return source, found.reshape(-1)


def _slices(op: Op, settings: Sequence[Sequence[int]]) -> tuple[slice | int, ...]:
    """What a STRIDED_SLICE takes of each axis."""
    masks = [op.options.get(f"{name}_mask", 0) for name in ("begin", "end", "shrink_axis")]
    return tuple(
        ((0 if step > 0 else -1) if masks[0] >> axis & 1 else begin)
        if masks[2] >> axis & 1
        else slice(
            None if masks[0] >> axis & 1 else begin, None if masks[1] >> axis & 1 else end, step
        )
        for axis, (begin, end, step) in enumerate(zip(*settings, strict=True))
    )


def _put_back(tensor: Tensor, source: int, taken: Array, low: Array, high: Array) -> Asked:
    """Bounds of a whole tensor out of those of a part."""
    least, most = np.full(tensor.elements, -np.inf), np.full(tensor.elements, np.inf)
    least[taken], most[taken] = low.reshape(-1), high.reshape(-1)
    return source, least.reshape(tensor.shape), most.reshape(tensor.shape)


def _carried(model: Subgraph, op: Op, low: Array, high: Array) -> Iterator[Asked]:
    """What an op's inputs must be, so that its output lies between bounds."""
    tensors, name = model.tensors, op.name
    all_of = np.array(low.max()), np.array(high.min())
    if name in _KEEPING:
        yield op.inputs[0], low, high
    elif name in ("CONCATENATION", "PACK"):
        yield from _parted(model, op, low, high)
    elif name in _MOVING:
        yield from ((index, *all_of) for index in op.inputs if not tensors[index].is_constant)
    elif name in _CHOOSING:
        yield from ((index, low, high) for index in op.inputs[1:])
    elif name == "NEG":
        yield op.inputs[0], -high, -low
    elif name == "ABS":
        yield op.inputs[0], np.maximum(low, 0), high
    elif name == "DEQUANTIZE" and tensors[op.inputs[0]].scale > 0:
        stored = tensors[op.inputs[0]]
        first = np.ceil(low / stored.scale - _CLOSE) + stored.zero_point
        yield op.inputs[0], first, np.floor(high / stored.scale + _CLOSE) + stored.zero_point
    elif name in _ARITHMETIC and all(tensors[i].quantization is None for i in op.inputs):
        yield from _computed(model, op, low, high)


def _parted(model: Subgraph, op: Op, low: Array, high: Array) -> Iterator[Asked]:
    """Each part of what was joined."""
    shapes = [model.tensors[index].shape for index in op.inputs]
    axis = op.options.get("axis", 0)
    wide = [1] * len(shapes) if op.name == "PACK" else [s[axis] if s else 1 for s in shapes]
    if not -low.ndim <= axis < low.ndim or sum(wide) != low.shape[axis]:
        return
    cuts = np.cumsum(wide)[:-1]
    yield from zip(op.inputs, np.split(low, cuts, axis), np.split(high, cuts, axis), strict=True)


def _computed(model: Subgraph, op: Op, low: Array, high: Array) -> Iterator[Asked]:
    """The inputs of arithmetic: bounds shifted by the constant, or shared among two inputs."""
    first, second = op.inputs
    left, right = (model.tensors[index].data for index in op.inputs)
    if left is None and right is None:
        if op.name == "ADD":
            yield from ((index, low / 2, high / 2) for index in op.inputs)
        elif op.name in ("MAXIMUM", "MINIMUM"):
            yield from ((index, low, high) for index in op.inputs)
    elif right is not None:
        found = _of_first(op.name, np.broadcast_to(right.astype(np.float64), low.shape), low, high)
        yield from [(first, *found)] if found else []
    elif left is not None:
        c = np.broadcast_to(left.astype(np.float64), low.shape)
        turned = op.name in ("ADD", "MAXIMUM", "MINIMUM", "MUL")
        found = _of_first(op.name, c, low, high) if turned else None
        found = (c - high, c - low) if op.name == "SUB" else found
        yield from [(second, *found)] if found else []


def _of_first(name: str, c: Array, low: Array, high: Array) -> Range | None:
    """What the first operand must be, where the second one is the constant c; None if unknown."""
    if name == "ADD":
        return low - c, high - c
    if name == "SUB":
        return low + c, high + c
    if name == "MINIMUM":
        return low, np.where(c <= high, np.inf, high)
    if name == "MAXIMUM":
        return np.where(c >= low, -np.inf, low), high
    if (c < 1).any():
        return None
    if name == "MUL":
        return np.ceil(low / c), np.floor(high / c)
    if name == "FLOOR_MOD":
        free = (low <= 0) & (high >= c - 1)
        kept = np.minimum(high, c - 1)
        return np.where(free, -np.inf, low), np.where(free, np.inf, kept)
    return low * c, high * c + c - 1
