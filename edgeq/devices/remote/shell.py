"""The conversation with a device: one process on it, first a shell, then the agent.

The shell says what the device is and obeys lines; the agent, which replaces it, speaks JSON
lines. Both are kept alive by a beat every second and both end by themselves without it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.devices.numbers import whole
from edgeq.devices.remote.link import KILLED, SILENCE_S, Link, LinkLost, Silence
from edgeq.devices.remote.mailbox import Mailbox
from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_json

Message = dict[str, Any]

_BOOTSTRAP = Path(__file__).resolve().parent.parent / "far" / "bootstrap.sh"
# The watchdog ends the SSH server's process that serves us, and the shell with all that it started,
# when no signal has come for EDGEQ_SILENCE seconds; before the first one, a slow device has 30 s
# for the probe. One line, single quotes, no `!`: every login shell hands it on unchanged.
_START = (
    "exec sh -c 'EDGEQ_SILENCE={silence}; "
    "(trap n=0 USR1; n=$((EDGEQ_SILENCE-30)); while [ $n -lt $EDGEQ_SILENCE ]; do sleep 1; "
    "n=$((n+1)); kill -0 $$ 2>/dev/null || exit; done; read c </proc/$PPID/comm; "
    "case $c in sshd*|dropbear*) kill $PPID;; esac; kill -9 -$$; kill -9 $$) "
    "</dev/null >/dev/null 2>&1 & EDGEQ_WATCHDOG=$!; export EDGEQ_WATCHDOG EDGEQ_SILENCE; exec sh'"
)
_BEAT_S = 1.0
_MOMENT_S = 9.0  # for a probe, and for everything else that a device does before it measures
_LONGEST_LOGIN_S = 30  # the watchdog of _START gives it as long
_TRICKLE_BYTES = 1024  # of one line, in the time after which silence means a lost link
_START_S = 60.0  # for Python to start on a slow, busy device
_LONGEST_ANSWER_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 64 << 20
_LONGEST_PROBE_BYTES = 4 << 20
# Handed over at once: a link that takes so much before it counts as silent is slow, and stands.
_BLOCK_BYTES = 1 << 15


class TooSlow(EdgeqError):
    """The device lives, but its answer has not come in time."""


_OPEN: weakref.WeakSet[Shell] = weakref.WeakSet()


def abort_all() -> None:
    """Cut all connections to devices that this process has: whoever waits on one gets LinkLost."""
    for shell in list(_OPEN):
        shell._link.abort()


class Shell:
    """One long-lived process on a device."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._process = link.start(_START.replace("{silence}", str(link.silence_s)))
        # Nobody else's words begin so: a login text that looks like ours, a file that is printed.
        self._token = secrets.token_hex(8)
        self._mark = f"@@{self._token}:"
        self._beat = b""  # until the shell is ready: it could take a part of one for its script
        self._lines = Mailbox()
        self._status: int | None = None  # of the process, if it ended while the link stood
        self._closed = threading.Event()
        self._writing = threading.Lock()
        _OPEN.add(self)
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def probe(self, folder: str, known: Mapping[str, str]) -> dict[str, str]:
        """What the device says about itself: sections of text by name.

        Args:
            folder: The folder on the device that the user wants used; "" for none.
            known: What it said last time; it is asked for less while that is still true.

        Raises:
            EdgeqError: There is no POSIX shell behind the link.
            LinkLost: The link is gone.
        """
        values = {
            "EDGEQ_MARK": self._token,
            "EDGEQ_DIR": folder,
            "EDGEQ_BOOT": known.get("boot", "").strip(),
            "EDGEQ_ROOT": known.get("root", "").strip("\n"),
        }
        given = "".join(f"{name}={quoted(value)}\n" for name, value in values.items())
        sections: dict[str, str] = {}
        name, size = "", 0
        end = time.monotonic() + self._login_s()
        try:
            self._write((given + _BOOTSTRAP.read_text()).encode())
            while name != "ready":
                line = self._line(end, "its probe does not end")
                size += len(line)
                if size > _LONGEST_PROBE_BYTES:
                    raise EdgeqError("The device's answer is too long to be true.", self._link.name)
                if line.startswith(self._mark):
                    name = line.removeprefix(self._mark).strip()
                    if name != "beat":
                        sections[name] = ""
                elif "edgeq" in sections:  # whatever a login script printed came before
                    # These texts go to the user's terminal: what could steer it is left out.
                    sections[name] = sections.get(name, "") + _plain(line) + "\n"
        except (LinkLost, TooSlow) as failure:
            raise failure if "edgeq" in sections else self._no_shell(failure) from None
        self._beat = b"beat\n"
        return sections if "uname" in sections else {**known, **sections}

    def _login_s(self) -> float:
        """How long a login and a probe may take: longer where the user waits longer for hosts."""
        return _MOMENT_S + max(min(self._link.silence_s, _LONGEST_LOGIN_S) - SILENCE_S, 0)

    def _no_shell(self, failure: EdgeqError) -> EdgeqError:
        """Why a link that stands has no shell behind it, or else that it does not stand."""
        if isinstance(failure, TooSlow):
            told = f"does not answer as a shell does within {self._login_s():g} s"
        elif isinstance(failure, Silence):
            return LinkLost(
                self._link.name,
                f"nothing came from the device for {self._link.silence_s} s; where a login takes "
                "longer over ssh, ServerAliveInterval 10 in ~/.ssh/config waits for it",
            )
        elif self._status is None:
            return failure
        elif self._status == KILLED:
            told = "was ended"
        else:
            told = f"ended with status {self._status}"
        words = self._process.errors().strip()[:200]
        return EdgeqError(
            "There is no POSIX shell on the device: what its server starts instead "
            + told + (f" and says: {words}" if words else "."),
            self._link.name,
            "a login shell such as /bin/sh, for this user no ForceCommand (internal-sftp, say) and "
            "no `exec` of a shell in login scripts",
        )  # fmt: skip

    def do(
        self,
        command: str,
        more_s: float = 0.0,
        *,
        data: bytes | None = None,
        tabs: bool = False,
        most_bytes: int = _LONGEST_ANSWER_BYTES,
    ) -> tuple[int, str]:
        """Exit status and output of one line of shell.

        Args:
            command: The line.
            more_s: How much longer than a moment it may take.
            data: What the line reads from its stdin, to the last byte; nobody else may speak
                until it has ended.
            tabs: Whether tabs in the output are kept.
            most_bytes: Longest output.

        Raises:
            EdgeqError: The device lives, but does not finish.
            LinkLost: The link is gone.
        """
        end = time.monotonic() + _MOMENT_S + more_s
        if data is None:
            self._write(command.encode() + b"\n")
            return self._done(end, tabs=tabs, most_bytes=most_bytes)
        with self._writing:  # a beat would be taken for data
            # A line that takes no more ends the shell, after it has said why.
            with contextlib.suppress(LinkLost):
                self._hand_over(b"take " + command.encode() + b"\n" + data)
            return self._done(end, tabs=tabs, most_bytes=most_bytes)

    def _done(self, end: float, *, tabs: bool, most_bytes: int) -> tuple[int, str]:
        lines: list[str] = []
        size = 0
        while True:
            line = self._line(end, "it does not finish")
            if line.startswith(f"{self._mark}done "):
                status = whole(line.rpartition(" ")[2])
                return 1 if status is None else status, "\n".join(lines).strip()
            if line != f"{self._mark}beat":
                lines.append(_plain(line, tabs=tabs))
            size += len(line) + 1
            if size > most_bytes:
                raise EdgeqError("The device's answer is too long to be true.", self._link.name)

    def become(self, command: str) -> Message:
        """Let an agent take the shell's place; its `hello`.

        Raises:
            EdgeqError: The agent did not start; its stderr is in the message.
        """
        self._beat = b""
        self._write(f"start {command}\n".encode())
        try:
            message = self.receive(time.monotonic() + _START_S)
        except LinkLost:
            if self._status is None:
                raise
            raise EdgeqError(
                f"The agent did not start: {self._process.errors().strip() or 'no reason given'}",
                self._link.name,
            ) from None
        self._beat = b'{"do":"ping"}\n'
        return message

    def send(self, **message: Any) -> None:
        """Say something to the agent."""
        self._write(json.dumps(message).encode() + b"\n")

    def receive(self, end: float) -> Message:
        """The agent's next message.

        Args:
            end: `time.monotonic()` when the exchange that it belongs to must be over.

        Raises:
            EdgeqError: What came is no message, or nothing came in time.
            LinkLost: The link is gone.
        """
        while True:
            line = self._line(end, "its answer does not come")
            if line.startswith(self._mark) or not line:
                continue  # the shell's last words
            with contextlib.suppress(EdgeqError):
                message = parse_json(line, self._link.name)
                if isinstance(message, dict) and isinstance(message.get("event"), str):
                    return message
            raise EdgeqError("The device did not speak edgeq's protocol.", self._link.name)

    def errors(self) -> str:
        """The last of what the process wrote on stderr."""
        return self._process.errors()

    def close(self) -> None:
        """End the process; the link stays."""
        _OPEN.discard(self)
        self._closed.set()
        self._process.close()
        self._lines.close()

    def _write(self, data: bytes) -> None:
        with self._writing:
            self._put(data)

    def _hand_over(self, data: bytes) -> None:
        for start in range(0, len(data), _BLOCK_BYTES):
            self._process.write(data[start : start + _BLOCK_BYTES])

    def _put(self, data: bytes) -> None:
        try:
            self._hand_over(data)
        except LinkLost as error:
            # The listener knows better why.
            raise self._lines.reason(0.2) or error from None

    def _line(self, end: float, trouble: str) -> str:
        line = self._lines.get(end)
        # A device that never stops talking must not hold the time up either.
        if line is None or time.monotonic() > end:
            raise TooSlow(f"The device is too slow: {trouble}.", self._link.name)
        return line

    def _listen(self) -> None:
        """Split what the device says into lines, until it ends or falls silent."""
        buffer = bytearray()
        recent, mark = 0, time.monotonic()
        try:
            while not self._closed.is_set():
                data = self._process.read()
                if not data:
                    self._status = self._process.status()
                    raise LinkLost(self._link.name, "the device closed it")
                buffer += data
                recent += len(data)
                if b"\n" in data or recent >= _TRICKLE_BYTES:
                    recent, mark = 0, time.monotonic()
                elif time.monotonic() > mark + self._link.silence_s:
                    raise LinkLost(self._link.name, "the device answers too slowly")
                if b"\n" in data:
                    *lines, rest = bytes(buffer).split(b"\n")
                    for line in lines:
                        self._lines.put(line)
                    buffer = bytearray(rest)
                elif len(buffer) > _LONGEST_LINE_BYTES:
                    raise EdgeqError("The device's answer is too long to be true.", self._link.name)
        except EdgeqError as error:
            self._lines.end(error)
            if not self._closed.is_set():
                self._closed.set()
                self._link.abort()  # a push that still waits must not wait any longer

    def _keep_alive(self) -> None:
        """Beat every second; what is written otherwise is proof of life enough."""
        while not self._closed.wait(_BEAT_S):
            if self._beat and self._writing.acquire(blocking=False):
                try:
                    self._process.write(self._beat)
                except LinkLost:
                    return
                finally:
                    self._writing.release()


def _plain(line: str, *, tabs: bool = False) -> str:
    """A line without what could steer a terminal."""
    if not tabs:
        line = line.replace("\t", " ")
    return "".join(each for each in line if each.isprintable() or each == "\t")


def quoted(text: str) -> str:
    """One word for a POSIX shell, whatever it contains."""
    return "'" + text.replace("'", "'\\''") + "'"
