"""The options that say how data is read, from what a user types: one declaration for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgeq.data.base import DatasetOptions, Normalization
from edgeq.errors import UsageError

RESIZES = ("stretch", "crop", "pad")
READING_KEYS = (
    "label", "classes", "mean", "std", "resize", "background", "sample_rate", "resample",
    "from_logits",
)  # fmt: skip
"""Names of the options: on the command line, and in the table [reading] of an edgeq.toml."""

_MOST_HZ = 1_000_000_000
_COLOURS = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128)}


def reading_options(given: Mapping[str, Any]) -> DatasetOptions:
    """The options of some values by name; text as it was typed, or numbers and lists.

    Args:
        given: Values of READING_KEYS; those that are None or missing are not given.

    Raises:
        UsageError: A value makes no sense.
    """
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        each = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(part, str | int | float) for part in each):
            raise UsageError(f"{name} = {value!s:.100} is no text, number or list of them.")
    resize = str(values.get("resize", RESIZES[0]))
    if resize not in RESIZES:
        raise UsageError(f"--resize {resize} is not known.", hint=" or ".join(RESIZES))
    background = values.get("background")
    rate = values.get("sample_rate")
    return DatasetOptions(
        label=None if values.get("label") is None else str(values["label"]),
        classes=tuple(_parts(values.get("classes", ()))),
        normalization=_normalization(values.get("mean"), values.get("std")),
        resize=resize,
        background=None if background is None else _colour(background),
        sample_rate=None if rate is None else _rate(rate),
        resample=_flag(values, "resample") or False,
        from_logits=_flag(values, "from_logits"),
    )


def _normalization(mean: Any, std: Any) -> Normalization | None:
    if mean is None and std is None:
        return None
    deviations = _numbers("1" if std is None else std, "--std")
    if min(deviations) <= 0:
        raise UsageError("--std is above 0; values would be turned over.")
    return Normalization(_numbers("0" if mean is None else mean, "--mean"), deviations)


def _parts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = value.split(",")
    parts = [str(part).strip() for part in (value if isinstance(value, Sequence) else [value])]
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise UsageError(f"'{twice[0]}' stands there twice.", ",".join(parts))
    return parts


def _numbers(value: Any, option: str) -> tuple[float, ...]:
    if isinstance(value, str):
        value = value.split(",")
    try:
        found = value if isinstance(value, Sequence) else [value]
        numbers = tuple(float(part) for part in found)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if not numbers or not all(math.isfinite(number) for number in numbers):
        shown = ",".join(map(str, value)) if isinstance(value, list) else value
        raise UsageError(f"{option} {shown}: numbers separated by commas are wanted.")
    return numbers


def _colour(value: Any) -> tuple[int, int, int]:
    """A colour by name, as #rrggbb, as one grey, or as three numbers 0..255."""
    listed = isinstance(value, list | tuple)
    text = ",".join(map(str, value)) if listed else str(value).lower()
    if text in _COLOURS:
        return _COLOURS[text]
    try:
        if text.startswith("#") and len(text) == 7:
            parts = list(bytes.fromhex(text[1:]))
        else:
            parts = [int(part) for part in text.split(",")]
    except ValueError:
        parts = []
    if len(parts) == 1:
        parts *= 3
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise UsageError(
            f"--background {text} is no colour.", hint="black, white, #rrggbb or R,G,B in 0..255"
        )
    return parts[0], parts[1], parts[2]


def _flag(values: Mapping[str, Any], name: str) -> bool | None:
    found = values.get(name)
    if found is not None and not isinstance(found, bool):
        raise UsageError(f"{name} = {found!r} is neither true nor false.")
    return found


def _rate(value: Any) -> int:
    try:
        rate = int(value) if float(value).is_integer() else 0
    except (TypeError, ValueError, OverflowError):
        rate = 0
    if not 0 < rate <= _MOST_HZ:
        raise UsageError(f"--sample-rate {value}: a number of hertz is wanted, such as 16000.")
    return rate
