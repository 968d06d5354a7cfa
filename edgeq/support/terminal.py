"""The one place that prints for people: foreign text is made visible, and is never markup.

Names of tensors, words of devices, paths: all that edgeq did not write itself may hold what clears
a screen, renames a window or turns the direction of text. Here it is spelled out instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from edgeq.support.text import visible

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 200


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text on stdout or stderr, with an end of line unless `nl` is off."""
    import click

    click.echo(visible(str(text)), err=err, nl=nl)


def console(*, err: bool = False) -> Console:
    """For tables and colours; wide enough for whole tables in a pipe or a file.

    Square brackets are plain text: colours are given as `style`.
    """
    from rich.console import Console
    from rich.text import Text

    class Visible(Console):
        def render_str(self, text: str, *args: Any, **kwargs: Any) -> Text:
            """Every text passes here, those in cells of tables too."""
            return super().render_str(visible(text), *args, **kwargs)

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Visible(stderr=err, highlight=False, markup=False, emoji=False, width=width)
