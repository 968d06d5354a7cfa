"""Options that say how data is read, shared by the commands that read data."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import click

from edgeq.data import DatasetOptions, Normalization
from edgeq.errors import UsageError


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --label, --classes, --mean, --std, ... as `reading: DatasetOptions`."""

    @click.option("--label", help="Label column (CSV) or key (.npz, TFRecord).")
    @click.option("--classes", help="Class names in the model's order, separated by commas.")
    @click.option("--mean", help="Subtracted from raw data (images, integers); one per channel.")
    @click.option("--std", help="Raw data is divided by it after --mean; one per channel.")
    @click.option(
        "--resize",
        type=click.Choice(["stretch", "crop", "pad"]),
        default="stretch",
        show_default=True,
        help="How images meet the input's size.",
    )
    @click.option(
        "--from-logits/--from-probabilities",
        default=None,
        help="What the model's outputs are; found out by default.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        label: str | None,
        classes: str | None,
        mean: str | None,
        std: str | None,
        resize: str,
        from_logits: bool | None,
        **kwargs: Any,
    ) -> Any:
        normalization = None
        if mean is not None or std is not None:
            means, deviations = _numbers(mean or "0", "--mean"), _numbers(std or "1", "--std")
            if 0.0 in deviations:
                raise UsageError("--std cannot be 0.")
            normalization = Normalization(means, deviations)
        names = tuple(name.strip() for name in classes.split(",")) if classes else ()
        reading = DatasetOptions(label, names, normalization, resize, from_logits)
        return command(*args, reading=reading, **kwargs)

    return wrapper


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
        if all(math.isfinite(number) for number in numbers):
            return numbers
        raise ValueError
    except ValueError:
        raise UsageError(f"{option} {text}: numbers separated by commas are wanted.") from None
