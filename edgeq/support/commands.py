"""Other programs: short answers within a deadline, and long work of which nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MOST_BYTES = 1 << 20
_GRACE_S = 2.0  # in which a program may end its own children and take away what is half done
_BEGINS_S = 10.0  # in which a thread has started a program
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


@contextlib.contextmanager
def with_family(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A running program that speaks text; an error in the block ends it, with all its children.

    Args:
        command: The program and its arguments.
        options: As `subprocess.Popen` takes them.

    Raises:
        OSError: It cannot be started.
    """
    process = _start(command, options)
    try:
        yield process
    except BaseException:
        _end(process)
        raise


def _start(command: Sequence[str], options: dict[str, Any]) -> subprocess.Popen[str]:
    """The program, in a session of its own.

    Python raises what a signal becomes in the main thread: in another one it cannot come between
    the start of a program and the name by which that can be ended.
    """
    started: Future[subprocess.Popen[str]] = Future()

    def start() -> None:
        try:
            started.set_result(
                subprocess.Popen(command, text=True, start_new_session=True, **options)
            )
        except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
            started.set_exception(error)

    thread = threading.Thread(target=start)
    try:
        thread.start()
        return started.result()
    except KeyboardInterrupt:
        # It may have come while the thread began, or before there was one: nobody waits for ever.
        with contextlib.suppress(NotYet):
            if started.exception(_BEGINS_S) is None:
                _end(started.result())
        raise


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and what it has started: kindly first, since ninja knows its children best."""
    try:
        _signal_family(process, gently=True)
        process.wait(_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        _signal_family(process, gently=False)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _signal_family(process: subprocess.Popen[str], *, gently: bool) -> None:
    if os.name != "posix":
        process.kill()
        return
    number = signal.SIGTERM if gently else signal.SIGKILL
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)
    if not gently:  # some children are in groups of their own, as ninja puts them
        for each in _of_session(process.pid):
            with contextlib.suppress(OSError):
                os.kill(each, number)


def _of_session(session: int) -> list[int]:
    """The processes of a session; on Linux."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append(int(entry.parent.name))
    return found


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
