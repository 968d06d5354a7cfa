"""Activations without an integer kernel become tables, in ops that everything has.

A chain of ops that together are a function of one value (softplus is EXP, ADD and LOG) would be
rounded at each step, and many of its ops have no integer kernel. The values that an integer tensor
can hold are few, so the whole chain becomes one table:

- int8: `CAST, ADD, GATHER` look each of the 256 values up, exact to half a step.
- int16: `QUANTIZE, SUB, CAST, ADD` split a value into the number of its segment and the rest,
  two `GATHER` give the segment's result and slope, `MUL, ADD` put the straight line together.
  Where a function is too steep for lines, as 1/x near 0 or at a jump, `SUB, QUANTIZE, CAST, ADD,
  GATHER, ADD` look up what the lines are off by, for each of the thousand values around there.

`choose_tables` runs before the quantizer and lets one op that the quantizer leaves alone stand for
the chain; `integerize` makes `look_up`'s ops of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import TENSOR_CODES, drop_unused, indices
from edgeq.conversion.network import LIMITS, Function, Network, Range, Scale
from edgeq.conversion.passes.learned_ranges import is_learned_bound
from edgeq.conversion.piecewise import AROUND, around, evaluated, segments, straight
from edgeq.conversion.pointwise import CHOICES, COMPARISONS, EQUALITY, Chain, chains, function_of
from edgeq.support.array import Array

STAND_IN = "CEIL"
# Kernels of both widths in LiteRT, TensorFlow Lite Micro and edgeq's C, or said in such.
_EVERYWHERE = frozenset(
    {"ABS", "ADD", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG",
     "RELU", "RELU6", "RELU_N1_TO_1", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH"}
)  # fmt: skip
# Single ops that have kernels of their own for a type.
_ALONE = {"int8": frozenset({"ELU", "EXP", "GELU", "LOG", "RELU_0_TO_1", "RSQRT"}),
          # RSQRT has one for int16 that is off by 4 to 40 % of the range of its result.
          "int16": frozenset({"RELU_0_TO_1"})}  # fmt: skip
_LONG = 3
# Further off than that, there is a jump that straight lines cannot follow.
_JUMP_STEPS = 256.0
# The SUB that is in steps as fine as 2**-5 ends where the values around a steep place do.
_FINER = 5
_ROOM = 1 + 1 / 64
_HALF_BYTE = 128
_GENERAL = {"potScaleInt16": False}


def choose_tables(network: Network) -> Network:
    """The float network with one op in place of each chain that becomes a table."""
    for chain in chains(network):
        # Integers whose range was learned end there without ops.
        kinds = [network.kind(op) for op in chain.ops if not is_learned_bound(network, op)]
        if not kinds or not _worth(kinds, network.dtype):
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
    if EQUALITY.intersection(kinds) and (_EVERYWHERE | COMPARISONS | CHOICES).issuperset(kinds):
        # No step of a table may be the number that values are to be equal to.
        return False
    return missing or (dtype == "int8" and len(kinds) >= _LONG)


def _smooth(network: Network, chain: Chain, kinds: list[str], function: Function) -> bool:
    """Whether straight lines follow a function, or nothing else can be done."""
    if not (_EVERYWHERE | COMPARISONS | CHOICES).issuperset(kinds):
        return True
    low, high = network.range(chain.source)
    (source, _), (result, _) = (
        network.scale_for(low, high),
        network.scale_for(*network.range(chain.result)),
    )
    return straight(function, source, result, (low, high)).error < _JUMP_STEPS


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
        wanted: Array = np.round(evaluated(function, reals) / out[0]) + out[1]
        table = self._constant("table", np.clip(wanted, least, most).astype(np.int8), out)
        number, ops = self._number(self._source, "int8", _HALF_BYTE)
        return [*ops, network.new_op("GATHER", [table, number], [self._result], "Gather")]

    def by_segment(self, function: Function, seen: Range) -> list[Any]:
        """Each value on the straight line of its segment."""
        network = self._network
        (scale, zero_point), out = network.scale(self._source), network.scale(self._result)
        found = segments(function, scale, out[0], seen)
        lines, source = found.lines, self._source
        ops = []
        if lines.shift:
            source = self._tensor("shifted", "int16", (scale, zero_point))
            shift = self._constant("shift", np.array([lines.shift], np.int16), (scale, 0))
            ops = [network.new_op("SUB", [self._source, shift], [source], "Sub", **_GENERAL)]
        number = self._tensor("segment", "int16", (scale * lines.width, 0))
        rest = self._tensor("rest", "int16", (scale, 0))
        index, numbering = self._number(number, "int16", 1 << (15 - lines.power))
        start, steep = (
            self._tensor("start", "int16", out),
            self._tensor("slope", "int16", (lines.slope, 0)),
        )
        risen = self._tensor("rise", "int16", (scale * lines.slope, 0))
        starts = self._constant("starts", lines.starts, out)
        slopes = self._constant("slopes", lines.slopes, (lines.slope, 0))
        last = self._tensor("line", "int16", out) if found.steep else self._result
        return [
            *ops,
            network.new_op("QUANTIZE", [source], [number]),
            network.new_op("SUB", [source, number], [rest], "Sub", **_GENERAL),
            *numbering,
            network.new_op("GATHER", [starts, index], [start], "Gather"),
            network.new_op("GATHER", [slopes, index], [steep], "Gather"),
            network.new_op("MUL", [rest, steep], [risen], "Mul"),
            network.new_op("ADD", [start, risen], [last], "Add", **_GENERAL),
            *self._mended(last, found.missing, found.steep),
        ]

    def _mended(self, line: int, missing: Array, places: tuple[int, ...]) -> list[Any]:
        """What the lines lack around steep places, looked up value by value and added."""
        network = self._network
        ops: list[Any] = []
        scale, out = network.scale(self._source)[0], network.scale(self._result)
        for number, (place, values) in enumerate(zip(places, around(missing, places), strict=True)):
            size = max(float(np.abs(values).max()), out[0]) / LIMITS["int16"][1]
            # Values further away end at an edge, where nothing is added.
            entries = np.pad(np.round(values / size).astype(np.int16), 1)
            name = f"steep_{number}"
            centre = self._constant(f"{name}/place", np.array([place], np.int16), (scale, 0))
            near = self._tensor(f"{name}/near", "int16", (scale / (1 << _FINER), 0))
            whole = self._tensor(f"{name}/whole", "int16", (scale, 0))
            index, numbering = self._number(whole, "int16", AROUND + 1, f"{name}/")
            table = self._constant(f"{name}/table", entries, (size, 0))
            added = self._tensor(f"{name}/added", "int16", (size, 0))
            last = number == len(places) - 1
            mended = self._result if last else self._tensor(f"{name}/line", "int16", out)
            ops += [
                network.new_op("SUB", [self._source, centre], [near], "Sub", **_GENERAL),
                network.new_op("QUANTIZE", [near], [whole]),
                *numbering,
                network.new_op("GATHER", [table, index], [added], "Gather"),
                network.new_op("ADD", [line, added], [mended], "Add", **_GENERAL),
            ]
            line = mended
        return ops

    def _number(
        self, index: int, dtype: str, offset: int, prefix: str = ""
    ) -> tuple[int, list[Any]]:
        """An integer tensor as numbers from 0 on, and the ops that make them."""
        network = self._network
        wide, number = (self._tensor(f"{prefix}{name}", "int32") for name in ("wide", "number"))
        first = self._constant(f"{prefix}first", np.array([offset], np.int32))
        codes = {"inDataType": TENSOR_CODES[dtype], "outDataType": TENSOR_CODES["int32"]}
        return number, [
            network.new_op("CAST", [index], [wide], "Cast", **codes),
            network.new_op("ADD", [wide, first], [number], "Add"),
        ]

    def _tensor(self, name: str, dtype: str, scale: Scale | None = None) -> int:
        return self._network.add_tensor(f"{self._name}/{name}", self._shape, dtype, scale)

    def _constant(self, name: str, values: Array, scale: Scale | None = None) -> int:
        return self._network.add_constant(f"{self._name}/{name}", values, scale)
