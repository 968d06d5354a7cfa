"""Other people's programs: run one, and say what went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError


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
        # A session of its own, so that the tool's children can be ended with it.
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EdgeqError(f"{command[0]} cannot be started: {error}.", where) from error
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise EdgeqError(
            f"{command[0]} did not end within {timeout_s:g} s.", where, hint
        ) from error
    except BaseException:
        _end(process)
        raise
    return Finished(process.returncode, said)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a program with its children."""
    with suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
