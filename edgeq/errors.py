"""Errors that say what is wrong, where, and what to do next.

The library raises these; only the command line turns them into text and an exit code.
Any other exception is a bug in edgeq and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_MOST_SHOWN = 50
_LONGEST = 16_000  # characters of one error: a foreign file can make any text part of it


class EdgeqError(Exception):
    """A failure with a cause that the user can act on (exit code 1).

    Attributes:
        what: One sentence, with the value found and what would have been allowed.
        where: File, tensor, op or device concerned; empty if there is none.
        hint: What to type or change next; empty if there is nothing to suggest.
        of_device: Whether it says nothing of the model: the device could not be reached, was lost,
            busy or full, or does not speak as it should.
    """

    exit_code = 1
    of_device = False

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        self.what = _with_its_ends(what)
        super().__init__(self.what)
        self.where = _with_its_ends(where)
        self.hint = _with_its_ends(hint)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  try:   {self.hint}")
        return "\n".join(lines)


class UsageError(EdgeqError):
    """The command was given arguments that cannot be (exit code 2)."""

    exit_code = 2


class LimitError(EdgeqError):
    """A limit that the user asked for is not met, or bytes differ (exit code 3)."""

    exit_code = 3


class MissingDependency(EdgeqError):
    """A package or program that this step needs is not installed, or cannot be loaded."""

    def __init__(
        self, name: str, needed_for: str, install: str, error: ImportError | None = None
    ) -> None:
        if error is None or isinstance(error, ModuleNotFoundError):
            super().__init__(f"{name} is not installed; {needed_for} needs it.", hint=install)
            return
        super().__init__(
            f"{name} is installed and cannot be loaded: {error}; {needed_for} needs it.",
            hint=f"more memory for this process, if a limit is set (ulimit -v); or {install}",
        )


@contextmanager
def blamed_on_the_device() -> Iterator[None]:
    """What fails in the block is the device's failure, whatever model is on it."""
    try:
        yield
    except EdgeqError as error:
        error.of_device = True
        raise


def _with_its_ends(text: str) -> str:
    """A text that is too long, without its middle."""
    left_out = len(text) - _LONGEST
    if left_out <= 0:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} ... ({left_out:,} more characters) ... {text[-half:]}"


def first_few(problems: Sequence[str]) -> list[str]:
    """The first of many problems, and how many more there are as the last."""
    more = len(problems) - _MOST_SHOWN
    return [*problems[:_MOST_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]


def raise_problems(problems: Sequence[EdgeqError]) -> None:
    """Raise every collected problem at once, as one error.

    Args:
        problems: Errors found so far; nothing happens if there are none.

    Raises:
        EdgeqError: The single problem itself, or one error that lists all of them: the first few,
            and how many more, where a file holds thousands.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    text = "\n".join(first_few([str(problem) for problem in problems]))
    raise EdgeqError(f"{len(problems):,} problems:\n{text}")
