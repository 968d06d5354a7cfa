"""Boards that answer in edgeq's protocol what no firmware of edgeq's would."""

import os
import struct
import threading
import time
import tty

import pytest

from edgeq.analysis.kinds import figures_of
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.serial.protocol import Frame, Request, Splitter, Status, decode, encode
from edgeq.errors import EdgeqError
from edgeq.model.model_file import read_graph

OK = bytes([Status.OK])


class Board:
    """Answers as firmware with the keyword model does, but for one request."""

    def __init__(self, model, lies):
        graph = read_graph(model)
        self._honest = {
            Request.HELLO: OK + struct.pack("<BBBIB", 2, 1, 0, 1_000_000, 1) + b"qemu-microbit",
            Request.MODEL: OK
            + bytes.fromhex(graph.sha256)
            + struct.pack("<BBBI", 1, 1, 0, 9)
            + b"m",
            Request.WRITE: OK,
            Request.RESET: OK,
            Request.INVOKE: OK + struct.pack("<I", 1000),
            Request.STATS: OK + struct.pack("<I", 64),
            Request.WATCH: OK + struct.pack("<H", 1),
            Request.OPS: OK + struct.pack("<HI", 0, 10),
        }
        self._lies = lies
        self._end, other = os.openpty()
        tty.setraw(self._end)
        tty.setraw(other)
        self.port = os.ttyname(other)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        splitter = Splitter()
        while True:
            try:
                data = os.read(self._end, 4096)
            except OSError:
                return
            for block in splitter.feed(data):
                frame = decode(block)
                if frame is not None:
                    body = self._lies.get(frame.type, self._honest.get(frame.type))
                    self._say(frame, self._sized(frame) if body is None else body)

    def _sized(self, frame):
        if frame.type == Request.TENSOR:
            return OK + struct.pack("<I", 12 if frame.body[1] else 490)
        return OK + bytes(frame.body[6])  # READ: as many zeros as were asked for

    def _say(self, frame, body):
        os.write(self._end, encode(Frame(frame.session, frame.sequence, frame.type, body)))


def use(models, lies, how=ProfileOptions(runs=1)):  # noqa: B008
    model = models / "kws_int8.tflite"
    board = Board(model, lies)
    with open_device(f"serial:{board.port}?timeout=1").open(model, CompileOptions()) as session:
        return session.profile(how)


def test_a_board_is_kept_at_work_as_long_as_a_meter_looks(models):
    """It made three calls, whatever time was asked for."""
    lies = {Request.HELLO: OK + struct.pack("<BBBIB", 2, 1, 0, 1_000_000, 0) + b"my-board"}
    start = time.monotonic()
    found = use(models, lies, ProfileOptions(seconds=1, ops=False)).latency_us
    assert time.monotonic() - start > 1
    assert found.n > 3
    assert found.mean == found.p99 == 1000
    assert use(models, lies, ProfileOptions(runs=5, ops=False)).latency_us.n == 5


def test_an_honest_one(models):
    found = use(models, {})
    assert found.cycles == 1000
    figure = figures_of(found)["cycles"]
    assert figure.kind == "emulated"
    assert "time that passes on the computer" in figure.provenance.note


LIES = {
    "short hello": {Request.HELLO: OK + b"\x02"},
    "empty hello": {Request.HELLO: OK},
    "short model": {Request.MODEL: OK + bytes(31)},
    "another model": {Request.MODEL: OK + bytes(39) + b"\033]0;owned\007\033[31m" + b"x" * 150},
    "no tensors": {Request.TENSOR: OK},
    "long tensor": {Request.TENSOR: OK + bytes(9)},
    "short cycles": {Request.INVOKE: OK + b"\x01"},
    "no outputs": {Request.READ: OK},
    "too many outputs": {Request.READ: OK + bytes(200)},
    "no stack": {Request.STATS: OK},
    "no count of ops": {Request.WATCH: OK},
    "ops that never come": {Request.WATCH: OK + struct.pack("<H", 60_000), Request.OPS: OK},
    "half an op": {Request.OPS: OK + b"\x01\x02"},
    "an op that is not there": {Request.OPS: OK + struct.pack("<HI", 9999, 1)},
    "refuses": {Request.INVOKE: bytes([Status.BAD_REQUEST])},
    "no status": {Request.INVOKE: b""},
    "an odd status": {Request.INVOKE: b"\xee"},
    "works for ever": {Request.INVOKE: bytes([Status.WORKING])},
    "resets for ever": {Request.INVOKE: bytes([Status.NO_SESSION])},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_an_error_in_time(models, lie, monkeypatch):
    monkeypatch.setattr("edgeq.devices.serial.session._WORK_S", 1.0)
    begin = time.monotonic()
    with pytest.raises(EdgeqError) as caught:
        use(models, LIES[lie])
    assert time.monotonic() - begin < 5
    assert "\033" not in str(caught.value)
    assert len(str(caught.value)) < 500


def chip(models, lies, clock_hz=84_000_000):
    """What a board says that is no emulator's."""
    hello = OK + struct.pack("<BBBIB", 2, 1, 0, clock_hz, 0) + b"nucleo-f446re"
    return use(models, {Request.HELLO: hello, **lies})


def test_a_call_takes_no_longer_than_its_answer(models):
    with pytest.raises(EdgeqError, match=r"call took 51.1 s; its answer came after 0.0 s"):
        chip(models, {Request.INVOKE: OK + struct.pack("<I", 2**32 - 1)})


def test_a_counter_that_goes_round(models, monkeypatch):
    """Of 32 bits: at 4 GHz for a second, here."""
    honest = Board._say

    def slow(self, frame, body):
        if frame.type == Request.INVOKE:
            honest(self, frame, bytes([Status.WORKING]))
            time.sleep(1.2)
        honest(self, frame, body)

    monkeypatch.setattr(Board, "_say", slow)
    found = chip(models, {}, clock_hz=2**32 - 1)
    assert found.cycles is None
    assert found.latency_us is None
    assert found.ops == ()
    assert "longer than the 1.0 s in which the board's counter" in found.warnings[0]
