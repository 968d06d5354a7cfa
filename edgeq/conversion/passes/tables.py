"""Activations without an integer kernel become tables, in ops that everything has.

A chain of ops that together are a function of one value (softplus is EXP, ADD and LOG) would be
rounded at each step, and many of its ops have no integer kernel. The values that an integer tensor
can hold are few, so the whole chain becomes one table:

- int8: `CAST, ADD, GATHER` look each of the 256 values up, exact to half a step.
- int16: `QUANTIZE, SUB, CAST, ADD` split a value into the number of its segment and the rest,
  two `GATHER` give the segment's result and slope, `MUL, ADD` put the straight line together.

`choose_tables` runs before the quantizer and lets one op that the quantizer leaves alone stand for
the chain; `integerize` makes `look_up`'s ops of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import TENSOR_CODES, drop_unused, indices
from edgeq.conversion.network import LIMITS, Function, Network, Range, Scale
from edgeq.conversion.passes.pointwise import CHOICES, COMPARISONS, Chain, chains, function_of
from edgeq.support.array import Array

STAND_IN = "CEIL"
# Kernels of both widths in LiteRT, TensorFlow Lite Micro and edgeq's C, or said in such.
_EVERYWHERE = frozenset(
    {"ABS", "ADD", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG",
     "RELU", "RELU6", "RELU_N1_TO_1", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH"}
)  # fmt: skip
# Single ops that have kernels of their own for a type.
_ALONE = {"int8": frozenset({"ELU", "EXP", "GELU", "LOG", "RELU_0_TO_1", "RSQRT"}),
          "int16": frozenset({"RELU_0_TO_1", "RSQRT"})}  # fmt: skip
_LONG = 3
# Widths of a segment as powers of two, the widest first: 257, 513 or 1025 of them.
_WIDTHS = (8, 7, 6)
_GOOD_STEPS = 1.0
# Further off than that, there is a jump that straight lines cannot follow.
_JUMP_STEPS = 256.0
_ROOM = 1 + 1 / 64
_HALF_BYTE = 128
_GENERAL = {"potScaleInt16": False}


def choose_tables(network: Network) -> Network:
    """The float network with one op in place of each chain that becomes a table."""
    for chain in chains(network):
        kinds = [network.kind(op) for op in chain.ops]
        if not _worth(kinds, network.dtype):
            continue
        function = function_of(network, chain)
        if network.dtype == "int16":
            if not _smooth(network, chain, kinds, function):
                continue
            # Room for the end of the last piece, whose middle may lie beyond the range.
            low, high = network.range(chain.result)
            network.ranges[network.name(chain.result)] = (low * _ROOM, high * _ROOM)
        network.tables[network.name(chain.result)] = function
        stand_in = network.new_op(STAND_IN, [chain.source], [chain.result])
        last = chain.ops[-1]
        network.ops = [stand_in if op is last else op for op in network.ops]
    if network.tables:
        drop_unused(network.model)
    return network


def _worth(kinds: list[str], dtype: str) -> bool:
    """Whether a chain is better off as a table."""
    if len(kinds) == 1:
        return kinds[0] not in _EVERYWHERE | _ALONE[dtype] | COMPARISONS | CHOICES
    missing = not _EVERYWHERE.issuperset(kinds)
    return missing or (dtype == "int8" and len(kinds) >= _LONG)


def _smooth(network: Network, chain: Chain, kinds: list[str], function: Function) -> bool:
    """Whether straight lines follow a function, or nothing else can be done."""
    low, high = network.range(chain.source)
    (source, _), (result, _) = (
        network.scale_for(low, high),
        network.scale_for(*network.range(chain.result)),
    )
    error = segments(function, source, result, (low, high)).error
    return error < _JUMP_STEPS or not (_EVERYWHERE | COMPARISONS | CHOICES).issuperset(kinds)


def is_stand_in(network: Network, op: Any) -> bool:
    """Whether an op stands for a table."""
    named = network.name(indices(op.outputs)[0]) in network.tables
    return named and network.kind(op) == STAND_IN


def look_up(
    network: Network, source: int, result: int, function: Function, seen: Range
) -> list[Any]:
    """The ops that make an integer tensor as a function of another.

    Args:
        network: The quantized network.
        source, result: Tensors of the network's type of activations, with scales.
        function: Of real values.
        seen: Range of the source.
    """
    steps = _Steps(network, source, result)
    if network.dtype == "int8":
        return steps.by_value(function)
    return steps.by_segment(function, seen)


class _Steps:
    """Ops on the way from one integer tensor to another, with names and scales in between."""

    def __init__(self, network: Network, source: int, result: int) -> None:
        self._network, self._source, self._result = network, source, result
        self._name = network.name(result).removesuffix("/integer")
        self._shape = network.graph.tensors[result].shape

    def by_value(self, function: Function) -> list[Any]:
        """Every value of int8 looked up."""
        network = self._network
        (scale, zero_point), out = network.scale(self._source), network.scale(self._result)
        least, most = LIMITS["int8"]
        reals = scale * (np.arange(least, most + 1, dtype=np.float64) - zero_point)
        wanted: Array = np.round(_evaluated(function, reals) / out[0]) + out[1]
        table = self._constant("table", np.clip(wanted, least, most).astype(np.int8), out)
        number, ops = self._number(self._source, "int8", _HALF_BYTE)
        return [*ops, network.new_op("GATHER", [table, number], [self._result], "Gather")]

    def by_segment(self, function: Function, seen: Range) -> list[Any]:
        """Each value on the straight line of its segment."""
        network = self._network
        (scale, zero_point), out = network.scale(self._source), network.scale(self._result)
        lines = segments(function, scale, out[0], seen)
        source, ops = self._source, []
        if lines.shift:
            source = self._tensor("shifted", "int16", (scale, zero_point))
            shift = self._constant("shift", np.array([lines.shift], np.int16), (scale, 0))
            ops = [network.new_op("SUB", [self._source, shift], [source], "Sub", **_GENERAL)]
        steepest = max(float(np.abs(lines.slopes).max()), 1e-30)
        least, most = LIMITS["int16"]
        width = 1 << lines.power
        # Slopes so small that their product with the rest is an int16 as it is: rounding it is
        # where runtimes differ.
        slope = steepest / (most // (width // 2))
        rise = scale * slope
        starts = np.clip(np.round(lines.starts / out[0]), least, most).astype(np.int16)
        slopes = np.clip(np.round(lines.slopes / slope), least, most).astype(np.int16)
        number = self._tensor("segment", "int16", (scale * width, 0))
        rest = self._tensor("rest", "int16", (scale, 0))
        index, numbering = self._number(number, "int16", 1 << (15 - lines.power))
        start, steep = (
            self._tensor("start", "int16", out),
            self._tensor("slope", "int16", (slope, 0)),
        )
        risen = self._tensor("rise", "int16", (rise, 0))
        return [
            *ops,
            network.new_op("QUANTIZE", [source], [number]),
            network.new_op("SUB", [source, number], [rest], "Sub", **_GENERAL),
            *numbering,
            network.new_op(
                "GATHER", [self._constant("starts", starts, out), index], [start], "Gather"
            ),
            network.new_op(
                "GATHER", [self._constant("slopes", slopes, (slope, 0)), index], [steep], "Gather"
            ),
            network.new_op("MUL", [rest, steep], [risen], "Mul"),
            network.new_op("ADD", [start, risen], [self._result], "Add", **_GENERAL),
        ]

    def _number(self, index: int, dtype: str, offset: int) -> tuple[int, list[Any]]:
        """An integer tensor as numbers from 0 on, and the ops that make them."""
        network = self._network
        wide, number = self._tensor("wide", "int32"), self._tensor("number", "int32")
        first = self._constant("first", np.array([offset], np.int32))
        codes = {"inDataType": TENSOR_CODES[dtype], "outDataType": TENSOR_CODES["int32"]}
        return number, [
            network.new_op("CAST", [index], [wide], "Cast", **codes),
            network.new_op("ADD", [wide, first], [number], "Add"),
        ]

    def _tensor(self, name: str, dtype: str, scale: Scale | None = None) -> int:
        return self._network.add_tensor(f"{self._name}/{name}", self._shape, dtype, scale)

    def _constant(self, name: str, values: Array, scale: Scale | None = None) -> int:
        return self._network.add_constant(f"{self._name}/{name}", values, scale)


@dataclass(frozen=True)
class Segments:
    """A function as straight lines over equal pieces of what an int16 can hold.

    Attributes:
        power: The pieces are two to that power wide, each around a multiple of that width.
        shift: What is taken off the source first, so that pieces meet at 0.
        starts: The line in the middle of each piece.
        slopes: Its rise per unit of the source.
        error: The largest deviation in steps of the result, where the source was seen.
    """

    power: int
    shift: int
    starts: NDArray[np.float64]
    slopes: NDArray[np.float64]
    error: float


def segments(function: Function, source: float, result: float, seen: Range) -> Segments:
    """The fewest straight lines that follow a function to a step; the most if none do.

    Args:
        function: Of real values.
        source, result: Scales.
        seen: Where to follow it.
    """
    least, most = LIMITS["int16"]
    found = None
    for power in _WIDTHS:
        # Many functions have a corner at 0, which is the middle of a piece unless it is shifted.
        for shift in (0, 1 << (power - 1), -(1 << (power - 1))):
            reals = source * (np.arange(least, most + 1, dtype=np.float64) + shift)
            values = np.clip(_evaluated(function, reals), least * result, most * result)
            ends = (seen[0] - source, seen[1] + source)
            matters = (reals >= ends[0]) & (reals <= ends[1])
            lines = _lines(values, matters, source, result, power)
            # What a shift moves beyond the integers is off by as much.
            lost = max(reals[0] - seen[0], seen[1] - reals[-1], 0.0) if shift else 0.0
            error = max(lines.error, lost / source)
            if found is None or error < _GOOD_STEPS or error < found.error / 2:
                found = replace(lines, shift=shift, error=error)
            if found.error < _GOOD_STEPS:
                return found
    assert found is not None
    return found


def _lines(
    values: NDArray[np.float64],
    matters: NDArray[np.bool_],
    source: float,
    result: float,
    power: int,
) -> Segments:
    """Straight lines of least largest error over pieces of one width."""
    least, most = LIMITS["int16"]
    half = 1 << (power - 1)
    around = np.arange(-half, half + 1)
    middles = np.arange(least, most + 2, 1 << power)
    places = np.clip(middles[:, None] + around, least, most) - least
    pieces = values[places]
    slopes = (pieces[:, -1] - pieces[:, 0]) / (2 * half * source)
    rests = pieces - slopes[:, None] * around * source
    starts = (rests.max(1) + rests.min(1)) / 2
    errors = np.abs(rests - starts[:, None])[matters[places]]
    return Segments(power, 0, starts, slopes, float(errors.max(initial=0.0)) / result)


def _evaluated(function: Function, reals: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function's values; where it has none, that of the nearest place where it has."""
    with np.errstate(all="ignore"):
        values = np.asarray(function(reals.astype(np.float32)), np.float64)
    sound = np.isfinite(values)
    if sound.all() or not sound.any():
        return np.nan_to_num(values)
    return np.asarray(np.interp(reals, reals[sound], values[sound]), np.float64)
