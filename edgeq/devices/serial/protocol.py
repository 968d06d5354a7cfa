"""Frames of edgeq's serial protocol: COBS between zero bytes, a CRC-32 at the end.

The board's side, with the meaning of every request, is firmware_templates/common/eq_serial.h.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

BODY_LIMIT = 240
"""Longest body of a frame, so that a frame fits one COBS block."""

NO_OP = 0xFFFF
"""Number of a step that no op of the model is, such as a copy that the plan has put in."""

_HEAD = struct.Struct("<HHB")
_CRC = struct.Struct("<I")


class Request(IntEnum):
    """What is asked; the answer has the same number."""

    HELLO = 1
    MODEL = 2
    TENSOR = 3
    WRITE = 4
    INVOKE = 5
    READ = 6
    RESET = 7
    STATS = 8
    TEST = 9
    WATCH = 10
    OPS = 11
    DAMAGED = 255


class Status(IntEnum):
    """First byte of an answer's body."""

    OK = 0
    BAD_REQUEST = 1
    NO_SESSION = 2
    BAD_INPUT = 3
    WORKING = 4


@dataclass(frozen=True)
class Frame:
    """One request or answer.

    Attributes:
        session: Number that the computer chose for this connection.
        sequence: Number of the request, from 1; an answer repeats it.
        type: A `Request`.
        body: Arguments, or a status and a result.
    """

    session: int
    sequence: int
    type: int
    body: bytes


def encode(frame: Frame) -> bytes:
    """The bytes on the line: a zero byte before, and two after in case that one is lost."""
    raw = _HEAD.pack(frame.session, frame.sequence, frame.type) + frame.body
    return b"\0" + cobs_encode(raw + _CRC.pack(zlib.crc32(raw))) + b"\0\0"


def decode(block: bytes) -> Frame | None:
    """The frame between two zero bytes, or None if it is damaged or no frame at all."""
    raw = cobs_decode(block)
    if raw is None or len(raw) < _HEAD.size + _CRC.size:
        return None
    content, crc = raw[: -_CRC.size], raw[-_CRC.size :]
    if zlib.crc32(content) != _CRC.unpack(crc)[0]:
        return None
    session, sequence, kind = _HEAD.unpack_from(content)
    return Frame(session, sequence, kind, content[_HEAD.size :])


def cobs_encode(data: bytes) -> bytes:
    """`data` without zero bytes.

    Source: Cheshire and Baker, "Consistent Overhead Byte Stuffing" (1999).
    """
    encoded = bytearray()
    for part in data.split(b"\0"):
        while len(part) >= 254:
            encoded.append(255)
            encoded += part[:254]
            part = part[254:]
        encoded.append(len(part) + 1)
        encoded += part
    return bytes(encoded)


def cobs_decode(data: bytes) -> bytes | None:
    """What was encoded, or None if `data` is not the result of an encoding."""
    decoded = bytearray()
    position = 0
    while position < len(data):
        code = data[position]
        end = position + code
        if code == 0 or end > len(data):
            return None
        decoded += data[position + 1 : end]
        position = end
        if code != 255 and position < len(data):
            decoded.append(0)
    return bytes(decoded)


class Splitter:
    """Cuts a stream of bytes at its zero bytes."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The non-empty blocks that `data` completes."""
        self._pending += data
        if 0 not in data:
            return []
        *blocks, rest = bytes(self._pending).split(b"\0")
        self._pending = bytearray(rest)
        return [block for block in blocks if block]

    @property
    def pending(self) -> bytes:
        """What has come since the last zero byte."""
        return bytes(self._pending)
