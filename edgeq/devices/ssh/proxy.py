"""ProxyCommand: a program of the user whose stdin and stdout are the connection."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading

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
        """End the command."""
        self.socket.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_A_MOMENT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def _pass_on(self) -> None:
        """Show the user what it says, such as the address of a page to log in; keep the end."""
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read1(1 << 12):  # type: ignore[attr-defined]
                self._errors = (self._errors + data)[-_LAST_WORDS:]
                sys.stderr.write(visible(data.decode("utf-8", "replace")))
                sys.stderr.flush()


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
