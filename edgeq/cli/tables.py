"""Where results are printed."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 200


def result_console() -> Console:
    """Stdout, as wide as the terminal; wide enough for whole tables in a pipe or a file."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
