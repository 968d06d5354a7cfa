"""`adb:SERIAL`: an Android phone over adb, without root and with nothing installed on it."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import threading
import time

from edgeq.devices.address import Address
from edgeq.devices.remote.device import RemoteDevice
from edgeq.devices.remote.link import KILLED, SILENCE_S, Link, LinkLost, complaint, silence
from edgeq.devices.remote.options import read_options
from edgeq.errors import EdgeqError, MissingDependency, blamed_on_the_device, first_few
from edgeq.support.commands import answer_of
from edgeq.support.text import lines_of, visible_line

_ANSWER_S = 8.0
_LONGEST = 100  # of a serial number or a state
_HINTS = {
    "unauthorized": "unlock the phone and allow this computer to debug it",
    "offline": "plug it in again, or adb reconnect",
    "no permissions": "a udev rule for the phone's maker is missing on this computer",
}


def device(address: Address) -> RemoteDevice:
    """The device of an `adb:` address; nothing is connected yet."""
    options = read_options(address)

    def connect(within_s: float | None) -> Link:
        with blamed_on_the_device():
            return AdbLink(find_serial(address.rest), within_s or _ANSWER_S)

    return RemoteDevice(address.text, connect, options)


def find_serial(wanted: str) -> str:
    """The serial number of a phone that is ready; `any` takes the only one that is attached.

    Raises:
        MissingDependency: adb is not installed.
        EdgeqError: The phone is not there, not allowed, or not the only one.
    """
    if shutil.which("adb") is None:
        raise MissingDependency("adb", "a phone", "apt install adb, or Android's platform-tools")
    states = attached()
    if wanted == "any" and len(states) == 1:
        wanted = next(iter(states))
    if wanted not in states:
        known = [f"adb:{serial} ({state})" for serial, state in states.items()]
        there = ", ".join(first_few(known))
        raise EdgeqError(
            f"There is no phone '{wanted}'; attached: {there or 'none'}.", f"adb:{wanted}",
            "adb devices; is USB debugging switched on?",
        )  # fmt: skip
    state = states[wanted]
    if state != "device":
        hint = next((text for name, text in _HINTS.items() if state.startswith(name)), "")
        raise EdgeqError(f"The phone is not ready: {state}.", f"adb:{wanted}", hint)
    return wanted


def attached() -> dict[str, str]:
    """The state of every attached phone by its serial number: "device" when it is ready."""
    lines = lines_of(_adb("devices"))[1:]
    pairs = [line.split("\t", 1) for line in lines if "\t" in line]
    return {
        visible_line(serial)[:_LONGEST]: visible_line(state)[:_LONGEST] for serial, state in pairs
    }


def _adb(*arguments: str) -> str:
    try:
        done = answer_of(["adb", *arguments], _ANSWER_S)
    except subprocess.TimeoutExpired:
        raise EdgeqError("adb does not answer.", hint="adb kill-server") from None
    if done.cut:
        raise EdgeqError("adb does not come to an end.", hint="adb kill-server")
    if done.code:
        raise EdgeqError(f"adb failed: {complaint(done.err).strip()}")
    return done.out.decode("utf-8", "replace")


class AdbProcess:
    """A program on a phone, behind an `adb shell` of its own."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._name = name
        self._process = process
        self._stderr = b""
        self._output = selectors.DefaultSelector()
        self._input = selectors.DefaultSelector()
        assert process.stdout is not None
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        self._input.register(process.stdin, selectors.EVENT_WRITE)
        self._output.register(process.stdout, selectors.EVENT_READ)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._process.stderr.fileno(), 1 << 16):
                self._stderr = (self._stderr + data)[-4000:]

    def write(self, data: bytes) -> None:
        """Put bytes on its stdin; a phone that takes none of them has stalled."""
        assert self._process.stdin is not None
        end = time.monotonic() + SILENCE_S
        try:
            while data:
                if not self._input.select(SILENCE_S) or time.monotonic() > end:
                    raise LinkLost(self._name, "the device takes no data")
                data = data[self._process.stdin.write(data) or 0 :]
        except (OSError, ValueError):
            raise LinkLost(self._name, "adb ended") from None

    def read(self) -> bytes:
        """Some bytes of its stdout; b"" at the end of the stream."""
        try:
            if not self._output.select(SILENCE_S):
                raise silence(self._name)
            data: bytes = os.read(self._process.stdout.fileno(), 1 << 16)  # type: ignore[union-attr]
        except (OSError, ValueError):
            raise LinkLost(self._name, "closed") from None
        return data

    def end_input(self) -> None:
        """Close its stdin."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def errors(self) -> str:
        """The last of what it wrote on stderr."""
        return complaint(self._stderr)

    def status(self) -> int | None:
        """Exit status; KILLED if the program was; None if adb has no phone any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(1.0)
            if 0 <= status < 255:
                return status if status <= 128 else KILLED
        return None

    def close(self) -> None:
        """Let go of it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()


class AdbLink:
    """A phone, over the adb server of this machine."""

    def __init__(self, serial: str, within_s: float) -> None:
        self.name = self.identity = f"adb:{serial}"
        self.silence_s = SILENCE_S
        self._serial = serial
        self._processes: list[AdbProcess] = []
        try:
            done = answer_of(["adb", "-s", serial, "shell", "-T", "true"], within_s)
        except subprocess.TimeoutExpired:
            raise EdgeqError("The phone does not answer.", self.name, "plug it in again") from None
        if done.cut or done.code:
            text = "it does not come to an end" if done.cut else complaint(done.err).strip()[:200]
            raise EdgeqError(f"The phone has no shell: {text}", self.name)

    def start(self, command: str) -> AdbProcess:
        """Start a shell command on the phone; -T: no terminal, which would mangle bytes."""
        process = subprocess.Popen(
            ["adb", "-s", self._serial, "shell", "-T", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._processes.append(AdbProcess(self.name, process))
        return self._processes[-1]

    def abort(self) -> None:
        """Cut every connection at once, from any thread."""
        for process in self._processes:
            process._process.kill()

    def close(self) -> None:
        """End the connection."""
        for process in self._processes:
            process.close()
