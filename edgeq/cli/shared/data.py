"""Options that say how data is read, shared by the commands that read data."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from edgeq.data.options import READING_KEYS, RESIZES, reading_options
from edgeq.errors import UsageError


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `READING_KEYS`, collected as `reading: DatasetOptions`."""

    @click.option(
        "--label", help="Label column (CSV) or key (.npz, TFRecord), or a .npy file beside a .npy."
    )
    @click.option("--classes", help="Class names in the model's order, separated by commas.")
    @click.option("--mean", help="Subtracted from all data; one number, or one per channel.")
    @click.option("--std", help="All data is divided by it after --mean; one per channel.")
    @click.option(
        "--resize",
        type=click.Choice(RESIZES),
        default=RESIZES[0],
        show_default=True,
        help="How images meet the input's size.",
    )
    @click.option(
        "--from-logits/--from-probabilities",
        default=None,
        help="What the model's outputs are; found out by default.",
    )
    @click.option(
        "--background", metavar="COLOUR",
        help="Behind transparent pixels: black, white, #rrggbb or R,G,B.",
    )  # fmt: skip
    @click.option("--sample-rate", metavar="HZ", help="Rate of recordings that the model takes.")
    @click.option("--resample", is_flag=True, help="Resample recordings of another rate.")
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        reading = reading_options({name: kwargs.pop(name) for name in READING_KEYS})
        if reading.classes and kwargs.get("labels") is not None:
            raise UsageError("--labels and --classes both name the classes.", hint="leave one out")
        return command(*args, reading=reading, **kwargs)

    return wrapper
