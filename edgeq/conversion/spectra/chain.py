"""What a model makes of a Fourier transform: power, bands and logarithm, op by op."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.graph import Op, Subgraph

_ALIKE = 1e-6  # of the largest: biases that are one number
_SHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")

COMPLEX, REAL, IMAG, SQUARED_REAL, SQUARED_IMAG = "complex", "real", "imag", "real2", "imag2"
POWER, LOG = "power", "log"


@dataclass(frozen=True, eq=False)
class Values:
    """What a tensor holds: max(gain * |spectrum| ** power under the bands + offset, floor).

    Attributes:
        stage: One of the names above.
        tensor: Its number.
        matrix: Bands, shape (bands, bins); None before there are any.
    """

    stage: str
    tensor: int
    power: int = 2
    gain: float = 1.0
    offset: float = 0.0
    floor: float = 0.0
    matrix: NDArray[np.float64] | None = None


def followed(main: Subgraph, transform: Op) -> list[Values]:
    """What is made of a transform, in order, as far as a front end may make it.

    Args:
        main: The model.
        transform: The op that gives complex bins.
    """
    known = {transform.outputs[0]: Values(COMPLEX, transform.outputs[0])}
    found = [known[transform.outputs[0]]]
    for op in main.ops[transform.index + 1 :]:
        given = [known[i] for i in op.inputs if i in known]
        if not given:
            continue
        made = _made(main, op, given)
        if made is not None:
            known[op.outputs[0]] = replace(made, tensor=op.outputs[0])
            found.append(known[op.outputs[0]])
    return found


def _made(main: Subgraph, op: Op, given: Sequence[Values]) -> Values | None:
    """What an op gives; None where it is not for a front end."""
    values = given[0]
    if op.name in _SHAPES:
        before, after = (
            [size for size in main.tensors[index].shape if size > 1]
            for index in (values.tensor, op.outputs[0])
        )
        return values if before == after else None
    if op.options.get("fused_activation_function"):
        return None
    if len(given) == 2:
        return _joined(op.name, *given)
    step = _STEPS.get(op.name)
    others = [main.tensors[i].data for i in op.inputs if i >= 0 and i != values.tensor]
    return None if step is None or any(o is None for o in others) else step(values, op, others)


def _joined(kind: str, one: Values, other: Values) -> Values | None:
    """Of two that come from the same transform."""
    stages = {one.stage, other.stage}
    if kind == "MUL" and one is other:
        return _squared(one)
    if kind == "ADD" and stages == {SQUARED_REAL, SQUARED_IMAG}:
        return replace(one, stage=POWER, power=2)
    return None


def _squared(values: Values, *_: Any) -> Values | None:
    stage = {REAL: SQUARED_REAL, IMAG: SQUARED_IMAG}.get(values.stage)
    if stage is not None:
        return replace(values, stage=stage)
    plain = values.offset == values.floor == 0 and values.matrix is None
    if values.stage != POWER or values.power != 1 or not plain:
        return None
    return replace(values, power=2, gain=values.gain**2)


def _part(stage: str, power: int = 2) -> Callable[..., Values | None]:
    def step(values: Values, *_: Any) -> Values | None:
        return replace(values, stage=stage, power=power) if values.stage == COMPLEX else None

    return step


def _root(values: Values, *_: Any) -> Values | None:
    plain = values.offset == values.floor == 0 and values.matrix is None
    if values.stage != POWER or values.power != 2 or not plain:
        return None
    return replace(values, power=1, gain=math.sqrt(values.gain))


def _power(values: Values, _: Op, others: Sequence[Any]) -> Values | None:
    exponent = one_number(others[0])
    if exponent == 2:
        return _squared(values)
    return _root(values) if exponent == 0.5 else None


def _scaled(values: Values, op: Op, others: Sequence[Any]) -> Values | None:
    factor = one_number(others[0])
    reciprocal = op.name == "DIV"
    if values.stage != POWER or not factor or (reciprocal and op.inputs[0] != values.tensor):
        return None
    factor = 1 / factor if reciprocal else factor
    if factor < 0:
        return None
    return replace(
        values, gain=values.gain * factor, offset=values.offset * factor,
        floor=values.floor * factor,
    )  # fmt: skip


def _raised(values: Values, _: Op, others: Sequence[Any]) -> Values | None:
    number = one_number(others[0])
    if values.stage != POWER or number is None or number < 0:
        return None
    floor = values.floor + number if values.floor else 0.0
    return replace(values, offset=values.offset + number, floor=floor)


def _lifted(values: Values, _: Op, others: Sequence[Any]) -> Values | None:
    number = one_number(others[0])
    if values.stage != POWER or number is None or number < 0:
        return None
    return replace(values, floor=max(values.floor, number))


def _banded(values: Values, op: Op, others: Sequence[Any]) -> Values | None:
    """A product with a constant matrix, over bins that are as the transform gave them."""
    plain = values.stage == POWER and values.offset == values.floor == 0 and values.matrix is None
    matrix = np.asarray(others[0], np.float64)
    if not plain or matrix.ndim != 2 or op.inputs[0] != values.tensor:
        return None
    if op.name == "BATCH_MATMUL":
        if op.options.get("adj_x"):
            return None
        matrix = matrix if op.options.get("adj_y") else matrix.T
    bias = one_number(others[1]) if len(others) > 1 else 0.0
    if bias is None or bias < 0:
        return None
    return replace(values, matrix=matrix, offset=bias)


def _logarithm(values: Values, *_: Any) -> Values | None:
    return replace(values, stage=LOG) if values.stage == POWER else None


_STEPS: Mapping[str, Callable[..., Values | None]] = {
    "COMPLEX_ABS": _part(POWER, 1),
    "REAL": _part(REAL),
    "IMAG": _part(IMAG),
    "SQUARE": _squared,
    "SQRT": _root,
    "POW": _power,
    "MUL": _scaled,
    "DIV": _scaled,
    "ADD": _raised,
    "MAXIMUM": _lifted,
    "FULLY_CONNECTED": _banded,
    "BATCH_MATMUL": _banded,
    "LOG": _logarithm,
}


def one_number(data: Any) -> float | None:
    """A constant that is one number, however often it stands there."""
    if data is None or not np.size(data):
        return None
    low, high = float(np.min(data)), float(np.max(data))
    return high if high - low <= _ALIKE * max(abs(high), abs(low)) else None
