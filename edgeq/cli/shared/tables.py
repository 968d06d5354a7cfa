"""How results are printed."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 200


def result_console() -> Console:
    """Stdout, as wide as the terminal; wide enough for whole tables in a pipe or a file."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def short_name(name: str) -> str:
    """A tensor's name without those of the ops that were fused into it."""
    return name.split(";")[0]
