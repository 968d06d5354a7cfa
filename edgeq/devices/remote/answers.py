"""What an agent answers, checked: a device may send anything, and must not confuse the host."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.devices.numbers import MOST_CORES
from edgeq.devices.tensors import TensorSpec
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.text import visible

_MOST_SAMPLES_AT_ONCE = 1_000_000
_LONGEST_TEXT = 200
_MOST_AXES, _MOST_TENSORS, _MOST_OPS = 32, 1000, 100_000


@dataclass(frozen=True)
class Loaded:
    """A model that a fresh process holds.

    Attributes:
        tensors: (dtype, shape) of the inputs and of the outputs.
        affinity: The cores that the process may use.
    """

    load_us: float
    delegate: str
    tensors: tuple[list[tuple[str, list[int]]], list[tuple[str, list[int]]]]
    affinity: list[int]


@dataclass(frozen=True)
class Measured:
    """The end of a measurement; its samples came before.

    Attributes:
        cpu_s: Processor time of the process from the first call to the last, warm-up included.
        outputs: Bytes of all outputs for the given input.
    """

    first_us: float
    warmup: int
    elapsed_s: float
    cpu_s: float
    peak_rss_bytes: int
    outputs: bytes


@dataclass(frozen=True)
class OpTime:
    """One row of the per-op pass.

    Attributes:
        index: Of the op, in the model or in a delegate's part of it.
        op: The op, or what a delegate calls what it ran.
        us: Microseconds in each call of the pass.
        delegated: Whether a delegate ran it.
    """

    index: int
    op: str
    us: tuple[float, ...]
    delegated: bool


class DamagedAnswer(EdgeqError):
    """What came from the device does not follow the protocol."""

    of_device = True

    def __init__(self, field: str) -> None:
        super().__init__(
            f"The device's answer is damaged: '{field}' is not as it should be.",
            hint="is something else than edgeq's agent running there?",
        )


def read_loaded(message: Mapping[str, Any]) -> Loaded:
    """The answer to `load`."""
    return Loaded(
        load_us=number(message, "load_us"),
        delegate=text(message, "delegate"),
        tensors=(_tensors(message, "input"), _tensors(message, "output")),
        affinity=[int(each) for each in _numbers(message, "affinity", MOST_CORES, MOST_CORES)],
    )


def read_measured(message: Mapping[str, Any]) -> Measured:
    """The answer to `measure`."""
    return Measured(
        first_us=number(message, "first_us"),
        warmup=int(number(message, "warmup")),
        elapsed_s=number(message, "elapsed_s"),
        cpu_s=number(message, "cpu_s"),
        peak_rss_bytes=int(number(message, "peak_rss_bytes")),
        outputs=read_bytes(message),
    )


def read_op_times(message: Mapping[str, Any]) -> list[OpTime]:
    """The answer to `ops`."""
    indices = _numbers(message, "index", _MOST_OPS, _MOST_OPS)
    times = message.get("us")
    names, delegated = message.get("op"), message.get("delegated")
    if not isinstance(names, list) or not isinstance(delegated, list):
        raise DamagedAnswer("op")
    if not isinstance(times, list) or len({len(indices), *map(len, (times, names, delegated))}) > 1:
        raise DamagedAnswer("us")
    calls = [tuple(_numbers({"us": each}, "us")) for each in times]
    if len({len(each) for each in calls}) > 1 or not all(calls):
        raise DamagedAnswer("us")
    return [
        OpTime(int(index), text({"op": name}, "op"), us, bool(by_delegate))
        for index, name, us, by_delegate in zip(indices, names, calls, delegated, strict=True)
    ]


def read_samples(message: Mapping[str, Any]) -> list[float]:
    """The microseconds of a `samples` event."""
    return _numbers(message, "us")


def read_bytes(message: Mapping[str, Any]) -> bytes:
    """The `data` of a message."""
    try:
        return base64.b64decode(message["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise DamagedAnswer("data") from None


def split_outputs(raw: bytes, specs: Sequence[TensorSpec], count: int) -> list[Array]:
    """Arrays of shape (count, ...) out of the bytes of `count` calls.

    Raises:
        DamagedAnswer: The bytes are too many or too few.
    """
    size = sum(spec.bytes for spec in specs)
    if len(raw) != count * size:
        raise DamagedAnswer("data")
    rows = np.frombuffer(raw, np.uint8).reshape(count, size)
    arrays: list[Array] = []
    start = 0
    for spec in specs:
        piece = np.ascontiguousarray(rows[:, start : start + spec.bytes])
        arrays.append(piece.view(spec.dtype).reshape(count, *spec.shape))
        start += spec.bytes
    return arrays


def number(message: Mapping[str, Any], field: str, most: float = 1e18) -> float:
    """A finite number, from 0 to `most`."""
    value = message.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedAnswer(field)
    if not 0 <= value <= most:  # which NaN is not either
        raise DamagedAnswer(field)
    return float(value)


def text(message: Mapping[str, Any], field: str, most: int = _LONGEST_TEXT) -> str:
    """A text of `most` characters at most that can be shown on a terminal."""
    found = message.get(field, "")
    return visible(found[:most]) if isinstance(found, str) else ""


def _numbers(
    message: Mapping[str, Any], field: str, count: int = _MOST_SAMPLES_AT_ONCE, most: float = 1e18
) -> list[float]:
    """Finite numbers, at most so many, from 0 to `most`."""
    values = message.get(field)
    if not isinstance(values, list) or len(values) > count:
        raise DamagedAnswer(field)
    return [number({field: value}, field, most) for value in values]


def _tensors(message: Mapping[str, Any], kind: str) -> list[tuple[str, list[int]]]:
    dtypes, shapes = message.get(f"{kind}_dtypes"), message.get(f"{kind}_shapes")
    if not isinstance(dtypes, list) or not isinstance(shapes, list) or len(dtypes) != len(shapes):
        raise DamagedAnswer(f"{kind}_shapes")
    if len(shapes) > _MOST_TENSORS:
        raise DamagedAnswer(f"{kind}_shapes")
    return [
        (
            text({"dtype": dtype}, "dtype"),
            [int(each) for each in _numbers({"shape": shape}, "shape", _MOST_AXES)],
        )
        for dtype, shape in zip(dtypes, shapes, strict=True)
    ]
