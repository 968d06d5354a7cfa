"""Other people's programs: run one, and say what went wrong."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError
from edgeq.support.commands import with_family


@dataclass(frozen=True)
class Finished:
    """A program that has ended.

    Attributes:
        code: Its exit code.
        said: All that it printed.
    """

    code: int
    said: str

    def tail(self, lines: int) -> str:
        """The last lines of what it said."""
        return "\n".join(self.said.strip().splitlines()[-lines:])


def run_tool(
    command: Sequence[str], timeout_s: float, *, folder: Path | None = None, hint: str = ""
) -> Finished:
    """What a program says; nothing of it is left running afterwards, whatever happens.

    Args:
        command: The program and its arguments.
        timeout_s: How long it may take.
        folder: Where it runs; by default in an empty folder. Flashing tools read scripts and
            settings from the current one (pyOCD runs pyocd_user.py), which may have come with
            somebody's model.
        hint: What to do when it hangs.

    Raises:
        EdgeqError: It did not end in time, or could not be started.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgeq-")))
        return _run(command, timeout_s, folder, hint)


def _run(command: Sequence[str], timeout_s: float, folder: Path, hint: str) -> Finished:
    where = " ".join(command)
    try:
        with with_family(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, errors="replace",
        ) as process:  # fmt: skip
            said, _ = process.communicate(timeout=timeout_s)
    except OSError as error:
        raise EdgeqError(f"{command[0]} cannot be started: {error}.", where) from error
    except subprocess.TimeoutExpired as error:
        raise EdgeqError(
            f"{command[0]} did not end within {timeout_s:g} s.", where, hint
        ) from error
    return Finished(process.returncode, said)
