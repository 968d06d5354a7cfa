"""Progress bars: on stderr, on a terminal only, so that pipes and logs stay clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from edgeq.support.terminal import console, say

Item = TypeVar("Item")


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """The items, one by one, with a progress bar while they are worked on.

    Args:
        items: What is worked on.
        label: What is being done, such as "calibrating".
        total: Number of items; None where it is unknown.
    """
    with counter(label, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def counter(label: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A progress bar for work that somebody else's loop does.

    Args:
        label: What is being done.
        total: How many steps; None where it is unknown.

    Yields:
        What to call after each step.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=console(err=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


def stage(label: str) -> None:
    """Say on stderr what begins now; silent where that is no terminal."""
    if sys.stderr.isatty():
        say(f"{label} ...", err=True)
