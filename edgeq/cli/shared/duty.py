"""Options about energy: how often an inference is made, out of which battery, by which meter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def duty_options(command: _Command) -> _Command:
    """Add --every and --battery."""
    every = click.option(
        "--every",
        metavar="TIME",
        help="One inference every so often (500ms, 1s, 10min), sleep between: average power.",
    )
    battery = click.option(
        "--battery", metavar="MAH", help="Battery, such as 230mAh or 1000mAh@3.7V: its life."
    )
    return every(battery(command))


power_option = click.option(
    "--power",
    metavar="METER",
    help="Measure energy: rapl, hwmon[:CHIP], pmic, battery, ppk2:PORT[?mv=3300&trigger=0], "
    "joulescope.",
)
