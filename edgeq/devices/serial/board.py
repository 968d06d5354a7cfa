"""What a board on a serial line says about itself and its models."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeq.boards.target import target_called
from edgeq.devices.serial.link import DamagedAnswer, SerialLink
from edgeq.devices.serial.protocol import Request
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

_PROTOCOL = 2
_HELLO = "<BBBIB"
_MODEL = "<BBBI"
_SHA256_BYTES = 32
_TIMED_OP = struct.Struct("<HI")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Board:
    """A board, as its firmware knows it.

    Attributes:
        models: Number of models in its flash.
        clock_hz: Of its core; 0 if the firmware does not know.
        emulated: Whether it is a machine that exists in an emulator only.
        target: Name of the target that the firmware was made for.
    """

    models: int
    clock_hz: int
    emulated: bool
    target: str

    @property
    def cpu(self) -> str | None:
        """The target's CPU; None of a target that is unknown here, such as a user's own."""
        known = target_called(self.target)
        return None if known is None else known.cpu


@dataclass(frozen=True)
class BoardModel:
    """One of a board's models, as its firmware knows it."""

    index: int
    name: str
    sha256: str
    inputs: int
    outputs: int
    has_state: bool
    arena_bytes: int


def greet(link: SerialLink) -> Board:
    """Begin a session.

    Raises:
        EdgeqError: Nobody answers, or firmware of another version does.
    """
    body = link.begin()
    if body[:1] != bytes([_PROTOCOL]) or len(body) < struct.calcsize(_HELLO):
        raise EdgeqError(
            "The board's firmware speaks another version of the protocol.",
            link.port,
            "compile and flash the project again with this version of edgeq",
        )
    (_, models, _, clock_hz, emulated), name = link.head(body, _HELLO)
    return Board(models, clock_hz, bool(emulated), _name(name))


def _name(raw: bytes) -> str:
    """A name that the board tells, as a terminal may show it."""
    return visible_line(raw.decode("utf-8", "replace"))[:_LONGEST_NAME]


def board_model(link: SerialLink, index: int) -> BoardModel:
    """One of the board's models, by its number."""
    body = link.ask(Request.MODEL, bytes([index]))
    sha256, rest = body[:_SHA256_BYTES], body[_SHA256_BYTES:]
    (inputs, outputs, has_state, arena), name = link.head(rest, _MODEL)
    return BoardModel(index, _name(name), sha256.hex(), inputs, outputs, bool(has_state), arena)


def board_models(port: str, baud: int, timeout_s: float = 10) -> dict[str, str]:
    """SHA-256 of the models in a board's firmware, by name.

    Raises:
        EdgeqError: The port cannot be opened, or nobody answers.
    """
    link = SerialLink(port, baud, timeout_s)
    try:
        found = [board_model(link, index) for index in range(greet(link).models)]
        return {model.name: model.sha256 for model in found}
    finally:
        link.close()


def watch_ops(link: SerialLink, model: int, first: int) -> int:
    """Time the ops from number `first` on at the next call; returns how many ops there are."""
    return link.numbers(Request.WATCH, struct.pack("<BH", model, first), "<H")[0]


def timed_ops(link: SerialLink, model: int, first: int) -> list[tuple[int, int]]:
    """Number in the .tflite file and cycles of the ops that `watch_ops` has had timed.

    Raises:
        DamagedAnswer: There are none, or not whole ones.
    """
    body = link.ask(Request.OPS, struct.pack("<BH", model, first))
    if not body or len(body) % _TIMED_OP.size:
        raise DamagedAnswer(link.port)
    return list(_TIMED_OP.iter_unpack(body))
