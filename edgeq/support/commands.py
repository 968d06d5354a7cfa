"""Short answers of programs: a deadline, and a longest length."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

_MOST_BYTES = 1 << 20
_LAST_WORDS_S = 1.0  # for what is still in the pipes of a program that has ended


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes:
        code: Its exit status.
        out, err: Its streams, of each the first MiB.
        cut: Whether it said more than that, and was ended for it.
    """

    code: int
    out: bytes
    err: bytes
    cut: bool


def answer_of(command: Sequence[str], within_s: float, most: int = _MOST_BYTES) -> Answer:
    """Run a program that has nothing to read and little to say.

    Args:
        command: The program and its arguments.
        within_s: How long it may take.
        most: Most bytes of each stream.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It took longer.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    streams = [_Stream(pipe, most, process) for pipe in (process.stdout, process.stderr) if pipe]
    try:
        code = process.wait(within_s)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        for stream in streams:
            stream.thread.join(_LAST_WORDS_S)
    out, err = (bytes(stream.held[:most]) for stream in streams)
    return Answer(code, out, err, any(len(stream.held) > most for stream in streams))


class _Stream:
    """Holds what comes out of a pipe; ends the program when it is too much."""

    def __init__(self, pipe: IO[bytes], most: int, process: subprocess.Popen[bytes]) -> None:
        self.held = bytearray()
        self._pipe, self._most, self._process = pipe, most, process
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._pipe:
            while len(self.held) <= self._most:
                data = self._pipe.read1(1 << 16)  # type: ignore[attr-defined]
                if not data:
                    return
                self.held += data
            self._process.kill()
