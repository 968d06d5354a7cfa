"""The conversation with a device: one process on it, first a shell, then the agent.

The shell says what the device is and obeys lines; the agent, which replaces it, speaks JSON
lines. Both are kept alive by a beat every second and both end by themselves without it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.devices.remote.link import KILLED, Link, LinkLost
from edgeq.errors import EdgeqError

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
_TRICKLE_BYTES = 1024  # of one line, in the time after which silence means a lost link
_MOST_LINES_WAITING = 10_000
_LONGEST_LINE_BYTES = 64 << 20
_LONGEST_PROBE_BYTES = 4 << 20


class Shell:
    """One long-lived process on a device."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._process = link.start(_START.replace("{silence}", str(link.silence_s)))
        self._beat = b"beat\n"
        self._lines: queue.Queue[str | EdgeqError] = queue.Queue(_MOST_LINES_WAITING)
        self._closed = threading.Event()
        self._writing = threading.Lock()
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
            "EDGEQ_DIR": folder,
            "EDGEQ_BOOT": known.get("boot", "").strip(),
            "EDGEQ_ROOT": known.get("root", "").strip(),
        }
        given = "".join(f"{name}={quoted(value)}\n" for name, value in values.items())
        self._write((given + _BOOTSTRAP.read_text()).encode())
        sections: dict[str, str] = {}
        name, size = "", 0
        end = time.monotonic() + _MOMENT_S
        while name != "ready":
            if time.monotonic() > end:
                raise EdgeqError("The device is too slow: its probe does not end.", self._link.name)
            try:
                line = self._line()
            except LinkLost:
                if "edgeq" not in sections and self._process.status() not in (None, KILLED):
                    raise EdgeqError(
                        "There is no POSIX shell on the device.", self._link.name,
                        self._process.errors().strip()[:200],
                    ) from None  # fmt: skip
                raise
            size += len(line)
            if size > _LONGEST_PROBE_BYTES:
                raise EdgeqError("The device's answer is too long to be true.", self._link.name)
            if line.startswith("@@"):
                name = line[2:].strip()
                if name != "beat":
                    sections[name] = ""
            elif "edgeq" in sections:  # whatever a login script printed came before
                # These texts go to the user's terminal: what could steer it is left out.
                sections[name] = sections.get(name, "") + _plain(line) + "\n"
        return sections if "uname" in sections else {**known, **sections}

    def do(self, command: str, more_s: float = 0.0) -> tuple[int, str]:
        """Exit status and output of one line of shell.

        Args:
            command: The line.
            more_s: How much longer than a moment it may take.

        Raises:
            EdgeqError: The device lives, but does not finish.
            LinkLost: The link is gone.
        """
        self._write(command.encode() + b"\n")
        lines: list[str] = []
        end = time.monotonic() + _MOMENT_S + more_s
        while True:
            if time.monotonic() > end:
                raise EdgeqError("The device is too slow: it does not finish.", self._link.name)
            line = self._line()
            if line.startswith("@@done "):
                status = line[7:].strip()
                text = "\n".join(lines).strip()
                return int(status) if status.isdecimal() else 1, text
            if line != "@@beat":
                lines.append(_plain(line))
            if len(lines) > _MOST_LINES_WAITING:
                raise EdgeqError("The device's answer is too long to be true.", self._link.name)

    def become(self, command: str) -> Message:
        """Let an agent take the shell's place; its `hello`.

        Raises:
            EdgeqError: The agent did not start; its stderr is in the message.
        """
        self._beat = b""
        self._write(f"start {command}\n".encode())
        try:
            message = self.receive()
        except LinkLost:
            if self._process.status() is None:
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

    def receive(self) -> Message:
        """The agent's next message.

        Raises:
            EdgeqError: What came is no message.
            LinkLost: The link is gone.
        """
        while True:
            line = self._line()
            if line.startswith("@@") or not line:
                continue  # the shell's last words
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict) and isinstance(message.get("event"), str):
                    return message
            raise EdgeqError("The device did not speak edgeq's protocol.", self._link.name)

    def errors(self) -> str:
        """The last of what the process wrote on stderr."""
        return self._process.errors()

    def close(self) -> None:
        """End the process; the link stays."""
        self._closed.set()
        self._process.close()

    def _write(self, data: bytes) -> None:
        try:
            with self._writing:
                self._process.write(data)
        except LinkLost as error:
            # The listener knows better why.
            raise self._reason() or error from None

    def _reason(self) -> EdgeqError | None:
        """Why the conversation ended, if the listener has said so."""
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._lines.get(timeout=0.2)
                if isinstance(item, EdgeqError):
                    self._lines.put(item)
                    return item
        return None

    def _line(self) -> str:
        item = self._lines.get()
        if isinstance(item, EdgeqError):
            self._lines.put(item)  # whoever asks again gets the same answer
            raise item
        return item

    def _listen(self) -> None:
        """Split what the device says into lines, until it ends or falls silent."""
        buffer = bytearray()
        recent, mark = 0, time.monotonic()
        try:
            while True:
                data = self._process.read()
                if not data:
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
                        self._lines.put(line.decode("utf-8", "replace").rstrip("\r"))
                    buffer = bytearray(rest)
                elif len(buffer) > _LONGEST_LINE_BYTES:
                    raise EdgeqError("The device's answer is too long to be true.", self._link.name)
        except EdgeqError as error:
            self._lines.put(error)
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


def _plain(line: str) -> str:
    return "".join(each for each in line.replace("\t", " ") if each.isprintable())


def quoted(text: str) -> str:
    """One word for a POSIX shell, whatever it contains."""
    return "'" + text.replace("'", "'\\''") + "'"
