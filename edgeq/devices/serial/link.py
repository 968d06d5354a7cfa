"""Questions and answers over a serial line that loses, doubles and damages bytes."""

from __future__ import annotations

import os
import secrets
import struct
import time
from typing import Any

from edgeq.devices.serial.protocol import (
    BODY_LIMIT,
    Frame,
    Request,
    Splitter,
    Status,
    decode,
    encode,
)
from edgeq.errors import EdgeqError, MissingDependency

_ATTEMPTS = 200
# Time for an answer besides that of its bytes on the line: at first, at least, at most.
_FIRST_S, _LEAST_S, _MOST_S = 0.25, 0.02, 0.5

_LONGEST_ANSWER = BODY_LIMIT + 14


class BoardReset(EdgeqError):
    """The board has forgotten the session: it was reset, or lost its power."""


class DamagedAnswer(EdgeqError):
    """The board's firmware does not answer as edgeq's does."""

    def __init__(self, port: str) -> None:
        super().__init__(
            "The board's answer is damaged: it is not what edgeq's firmware says.",
            port, "compile and flash the project again with this version of edgeq",
        )  # fmt: skip


class SerialLink:
    """One open port with a board behind it that speaks the protocol.

    Every question is repeated until its answer has come undamaged. The board carries a question
    that it has seen before out only once, so repeating is always safe.
    """

    def __init__(self, port: str, baud: int, timeout_s: float) -> None:
        self.port = port
        self.timeout_s = timeout_s
        self._serial = open_port(port, baud)
        self._baud = baud
        self._splitter = Splitter()
        self._session = 0
        self._sequence = 0
        self._noise = bytearray()
        self._usual_s = _FIRST_S
        self.repeats = 0

    def close(self) -> None:
        """Free the port."""
        self._serial.close()

    def begin(self) -> bytes:
        """Begin a session; the board may still be starting, and say other things first.

        Returns:
            The body of the board's answer to HELLO.

        Raises:
            EdgeqError: Nothing, or something else, answers on this port.
        """
        self._session = secrets.randbelow(0xFFFF) + 1
        self._sequence = 0
        return self.ask(Request.HELLO, b"")

    def ask(self, kind: Request, body: bytes, work_s: float = 0.0) -> bytes:
        """The body of the answer, without its status.

        Args:
            kind: What is asked.
            body: Its arguments.
            work_s: Time that the board may need before it answers.

        Raises:
            BoardReset: The board does not know this session any more.
            EdgeqError: No answer within the time-out, or the board refuses.
        """
        self._sequence = self._sequence % 0xFFFF + 1
        question = encode(Frame(self._session, self._sequence, kind, body))
        line_s = (len(question) + _LONGEST_ANSWER) * 10 / self._baud
        patience_s = min(_MOST_S, max(_LEAST_S, 4 * self._usual_s))
        deadline = time.monotonic() + self.timeout_s
        latest = deadline + work_s
        for attempt in range(_ATTEMPTS):
            self.repeats += attempt > 0
            start = time.monotonic()
            self._write(question)
            answer = self._wait(kind, line_s + patience_s, work_s)
            if answer is not None:
                if not work_s:
                    self._usual_s += (time.monotonic() - start - self._usual_s) / 8
                return self._checked(kind, answer)
            if time.monotonic() > (deadline if attempt >= 2 else latest):
                break
            if time.monotonic() - start >= patience_s:
                patience_s = min(_MOST_S, 2 * patience_s)
        raise self._silence()

    def numbers(
        self, kind: Request, body: bytes, layout: str, work_s: float = 0.0
    ) -> tuple[int, ...]:
        """The numbers of an answer that holds nothing else.

        Args:
            kind, body, work_s: As `ask` takes them.
            layout: As `struct` takes it.

        Raises:
            DamagedAnswer: The answer has another length.
        """
        numbers, _ = self.head(self.ask(kind, body, work_s), layout, tail=False)
        return numbers

    def head(
        self, answer: bytes, layout: str, *, tail: bool = True
    ) -> tuple[tuple[int, ...], bytes]:
        """The numbers at the start of an answer, and what follows them.

        Raises:
            DamagedAnswer: The answer is shorter, or longer where nothing may follow.
        """
        size = struct.calcsize(layout)
        if len(answer) < size or (len(answer) > size and not tail):
            raise DamagedAnswer(self.port)
        return struct.unpack_from(layout, answer), answer[size:]

    def _checked(self, kind: Request, answer: bytes) -> bytes:
        status = answer[0] if answer else Status.BAD_REQUEST
        if status == Status.OK:
            return answer[1:]
        if status == Status.NO_SESSION:
            raise BoardReset("The board was reset in the middle of its work.", self.port)
        if status == Status.BAD_INPUT:
            raise BoardReset("The board's input memory changed before the call.", self.port)
        raise EdgeqError(
            f"The board refuses the request {kind.name}.",
            self.port,
            "flash firmware made by this version of edgeq: edgeq compile --project, edgeq flash",
        )

    def _wait(self, kind: Request, answer_s: float, work_s: float) -> bytes | None:
        """The answer to the present question; None when it is better to ask again."""
        end = time.monotonic() + answer_s
        latest = end + work_s
        while time.monotonic() < end:
            for block in self._splitter.feed(self._read()):
                frame = decode(block)
                if frame is None:
                    self._noise += block[:200]
                    if self._session_known(kind):
                        return None
                    continue
                if frame.type == Request.DAMAGED:
                    return None
                if frame.sequence != self._sequence or frame.type != kind:
                    continue
                if frame.body[:1] == bytes([Status.WORKING]):
                    end = latest  # from our question on: a board may say it again and again
                    continue
                return frame.body
        return None

    def _session_known(self, kind: Request) -> bool:
        """Whether the board has answered already, so that a bad block is a damaged answer."""
        return kind != Request.HELLO

    def _write(self, data: bytes) -> None:
        import serial

        try:
            self._serial.write(data)
        except serial.SerialException as error:
            raise EdgeqError(
                f"The port does not take data any more: {error}.", self.port
            ) from error

    def _read(self) -> bytes:
        return read_waiting(self._serial, self.port)

    def _silence(self) -> EdgeqError:
        """Why no answer may have come, from what has come instead."""
        heard = bytes(self._noise + self._splitter.pending)
        text = "".join(chr(byte) for byte in heard if 32 <= byte < 127)
        if not heard:
            return EdgeqError(
                f"The board says nothing for {self.timeout_s:g} s.",
                self.port,
                "is the firmware flashed (edgeq flash), the port the right one, the board hung?",
            )
        if len(text) >= len(heard) * 0.7:
            return EdgeqError(
                f'Other firmware answers: "{text[:60]}".',
                self.port,
                "flash edgeq's: edgeq flash DIR",
            )
        return EdgeqError(
            f"{len(heard)} bytes have come, and none of it is edgeq's protocol.",
            self.port,
            f"is {self._baud} the board's baud rate? serial:{self.port}?baud=...",
        )


def open_port(port: str, baud: int) -> Any:
    """A serial port, opened for this program alone.

    Raises:
        EdgeqError: It is missing, in use, or may not be opened; the error says which.
    """
    try:
        import serial
    except ImportError:
        raise MissingDependency(
            "pyserial", "serial ports", 'pip install "edgeq[firmware]"'
        ) from None
    try:
        return serial.Serial(port, baud, timeout=0.01, write_timeout=10, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        raise _port_error(port, error) from error


def read_waiting(line: Any, port: str) -> bytes:
    """What has arrived on an open port, or the next byte.

    Raises:
        EdgeqError: The port is gone: unplugged, or a board with USB of its own that was reset.
    """
    import serial

    try:
        return bytes(line.read(max(1, line.in_waiting)))
    except (serial.SerialException, OSError) as error:
        raise EdgeqError(f"The port is gone: {error}.", port, "is it plugged in?") from error


def _port_error(port: str, error: Exception) -> EdgeqError:
    if not os.path.exists(port) and os.name == "posix":  # noqa: PTH110  (COM3 is no path)
        return EdgeqError(f"There is no port '{port}'.", hint="edgeq doctor lists the ports")
    text = str(error).lower()
    if "permission" in text or (os.name == "posix" and not os.access(port, os.R_OK | os.W_OK)):
        return EdgeqError(f"The port '{port}' may not be opened.", hint=_group_hint(port))
    if "lock" in text or "busy" in text or "access is denied" in text:
        return EdgeqError(f"The port '{port}' is in use by another program.", hint="close it there")
    return EdgeqError(f"The port '{port}' cannot be opened: {error}.")


def _group_hint(port: str) -> str:
    """How to get access: on Linux, the group that owns the port."""
    group = "dialout"
    try:
        import grp
        from pathlib import Path

        group = grp.getgrgid(Path(port).stat().st_gid).gr_name
    except (ImportError, KeyError, OSError):
        pass
    return f"sudo usermod -aG {group} $USER, then log in again"
