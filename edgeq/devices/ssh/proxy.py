"""ProxyCommand: a program of the user whose stdin and stdout are the connection."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from edgeq.devices.ssh.auth import SECRETS
from edgeq.errors import EdgeqError
from edgeq.support.text import visible

_LAST_WORDS = 500
_A_MOMENT_S = 0.5


class ProxyProcess:
    """The running command.

    Attributes:
        socket: What the SSH transport speaks through.
    """

    def __init__(self, command: str, where: str) -> None:
        self._command = command
        self._where = where
        self._errors = b""
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = _start(command, theirs)
        threading.Thread(target=self._pass_on, daemon=True).start()

    def failure(self) -> EdgeqError | None:
        """Why the command ended, if it did."""
        try:
            status = self._process.wait(_A_MOMENT_S)
        except subprocess.TimeoutExpired:
            return None
        words = visible(self._errors.decode("utf-8", "replace")).strip()
        return EdgeqError(
            f"The ProxyCommand ended with status {status}: {words or 'it said nothing'}",
            f"{self._where}, {self._command}",
            "the same command in a shell shows what is wrong",
        )

    def close(self) -> None:
        """End the command, and what it has started: of a pipeline the shell is only the parent."""
        self.socket.close()
        # Whoever has lost its parent cannot be found any more, so the list is made first.
        family = _descendants(self._process.pid) if self._process.poll() is None else []
        self._signal(family, signal.SIGTERM)
        try:
            self._process.wait(_A_MOMENT_S)
        except subprocess.TimeoutExpired:
            self._signal(family, signal.SIGKILL)
        self._process.wait()

    def _signal(self, family: list[int], number: signal.Signals) -> None:
        self._process.send_signal(number)
        for each in family:
            with contextlib.suppress(OSError):
                os.kill(each, number)

    def _pass_on(self) -> None:
        """Show the user what it says, such as the address of a page to log in; keep the end."""
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read1(1 << 12):  # type: ignore[attr-defined]
                self._errors = (self._errors + data)[-_LAST_WORDS:]
                sys.stderr.write(visible(data.decode("utf-8", "replace")))
                sys.stderr.flush()


def _descendants(number: int) -> list[int]:
    """The processes that a process has started, and those that they have; on Linux."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = entry.read_text(errors="replace").rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(entry.parent.name))
    found = children.get(number, [])
    for each in found:
        found += children.get(each, [])
    return found


def _start(command: str, theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start a command as OpenSSH does: by the user's own shell, which it replaces."""
    if os.name != "posix":
        raise EdgeqError("A ProxyCommand needs a POSIX system.", command, "ProxyJump works here")
    shell = os.environ.get("SHELL") or "/bin/sh"
    # A password that edgeq was given is not the command's business.
    environment = {key: value for key, value in os.environ.items() if key not in SECRETS}
    try:
        return subprocess.Popen(
            [shell, "-c", command if command.startswith("exec ") else f"exec {command}"],
            stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
    except OSError as error:
        raise EdgeqError(
            f"The ProxyCommand does not start: {error.strerror}.", f"{shell}, {command}"
        ) from None
