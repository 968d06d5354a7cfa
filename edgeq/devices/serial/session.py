"""One model on one board behind a serial port: run it, measure it, survive its resets."""

from __future__ import annotations

import hashlib
import math
import struct
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import Address
from edgeq.devices.base import (
    Heard,
    Latency,
    Measurement,
    Memory,
    OpProfile,
    ProfileOptions,
    Session,
)
from edgeq.devices.numbers import whole
from edgeq.devices.query import allow_only, positive
from edgeq.devices.replay import calls_of, heard_of, input_spec, measured_calls, output_spec
from edgeq.devices.serial.board import BoardModel, board_model, greet, timed_ops, watch_ops
from edgeq.devices.serial.link import BoardReset, DamagedAnswer, SerialLink
from edgeq.devices.serial.protocol import BODY_LIMIT, NO_OP, Request
from edgeq.devices.tensors import check_batch, graph_specs, profile_inputs
from edgeq.devices.timing import MAX_RUNS, summarize
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.joining import FrontEnd, joined
from edgeq.model.model_file import read_graph
from edgeq.model.stream import Stream
from edgeq.support.array import Array

_Result = TypeVar("_Result")
_Call = Sequence[bytes]  # the values of each input

_RESETS = 5
_WARM_RUNS = 3
_SMALLEST_CHUNK = 16
_REPLAY_HEAD_BYTES = 8
# Kernel calls of a model that a board may name: an op becomes a few at most.
_SPARE_OPS, _CALLS_OF_OP = 16, 8
_WORK_S = 60.0
_CONTROL_FLOW = ("IF", "WHILE")
_EMULATED = (
    "this machine exists in an emulator only: its counter follows the emulator's clock, no chip's; "
    "--on sim:CPU estimates a chip's cycles"
)
_EMULATORS_CLOCK = (
    "the counter of cycles is the emulator's: time that passes on the computer that it runs on, "
    "in ticks of the board's clock; it says how long the emulation took, nothing about the chip"
)
_BOARDS_CLOCK = "the counter of cycles is the board's own"
_COUNTS, _LATE_S = 2**32, 1.0  # of the board's counter; by which its clock and ours may differ
_GOES_ROUND = (
    "a call takes longer than the {:.1f} s in which the board's counter of 32 bits goes round: how "
    "many cycles is not known"
)


@dataclass(frozen=True)
class SerialDevice:
    """A board on a serial port."""

    address: str
    port: str
    baud: int
    timeout_s: float

    def open(self, model: Path, options: CompileOptions) -> SerialSession:
        """A session with the model that the board has in its flash, if it is this one.

        Raises:
            EdgeqError: The port cannot be opened, nobody answers, or the board has another model.
        """
        graph = read_graph(model)
        link = SerialLink(self.port, self.baud, self.timeout_s)
        try:
            return SerialSession(self, link, graph, options.frontend)
        except BaseException:
            link.close()
            raise


def device(address: Address) -> SerialDevice:
    """The device of a `serial:` address; the port is not opened yet."""
    allow_only(address, ("baud", "timeout"))
    baud = whole(address.query.get("baud", "115200"))
    if baud is None or not 300 <= baud <= 12_000_000:
        raise UsageError(f"'{address.text}': this baud rate is not possible.", hint="baud=115200")
    timeout_s = positive(address, "timeout", 10)
    return SerialDevice(address.text, address.rest, baud, timeout_s)


class SerialSession(Session):
    """One model on one board."""

    def __init__(
        self,
        device: SerialDevice,
        link: SerialLink,
        graph: Graph,
        front: FrontEnd | None = None,
    ) -> None:
        self._device = device
        self._link = link
        self._inputs = graph_specs(graph, graph.main.inputs)
        self._outputs = self._answers = graph_specs(graph, graph.main.outputs)
        self._stream: Stream | None = None
        known = {graph.sha256: graph.main}
        if front is not None:
            # The board's core decides between the forms of the front end.
            forms = [joined(front, graph, fpu=fpu) for fpu in (True, False)]
            known = {form.sha256: form.main for form in forms}
            self._stream = forms[0].stream
            assert self._stream is not None
            self._inputs = [input_spec(self._stream)]
            self._outputs = [output_spec(self._stream, self._answers)]
        self._chunk = BODY_LIMIT
        self._work_s = _WORK_S
        self._longest_s = 0.0  # that a call took, as seen from here
        self._board = greet(link)
        self._model = self._find_model(known)
        self._graph = known[self._model.sha256]
        self._check_tensors()
        if self._model.has_state:  # of the self-test at start-up, or of whoever was here before
            self.reset()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `edgeq.devices.base.Session.run`."""
        count = check_batch(inputs, self._inputs)
        results: list[list[bytes]] = [[] for _ in self._outputs]
        for sample in range(count):
            values, _ = self._call([array[sample].tobytes() for array in inputs])
            for position, value in enumerate(values):
                results[position].append(value)
        return [
            np.frombuffer(b"".join(values), spec.dtype).reshape((count, *spec.shape))
            for values, spec in zip(results, self._outputs, strict=True)
        ]

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """Answers and events of one recording from the initial state, a piece a call."""
        if self._stream is None:
            return super().hear(samples, chunk)
        calls = calls_of(samples, self._stream, chunk)
        results = np.zeros((len(calls), self._outputs[0].bytes), np.uint8)
        for number, call in enumerate(calls):
            raw = self._surviving_resets(self._replay_once, call.tobytes())
            results[number, : len(raw)] = np.frombuffer(raw, np.uint8)
        return heard_of(results, len(samples), self._stream, self._answers)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:  # noqa: ARG002
        """Not possible: a board keeps no intermediate tensors."""
        raise EdgeqError(
            "A board does not show what lies between its ops.",
            self._device.address,
            "--on sim:CPU shows it with the same arithmetic",
        )

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        question = bytes([self._model.index])
        try:
            self._link.ask(Request.RESET, question)
        except BoardReset:  # nothing is lost by that which shall not be
            greet(self._link)
            self._link.ask(Request.RESET, question)

    def profile(self, options: ProfileOptions) -> Measurement:
        """Cycles of warm calls by the board's own counter, its stack and the arena."""
        first, again = self._measured_calls(options.input_index)
        self.reset()
        self._longest_s = 0.0
        outputs, counted = self._answer(first)
        cycles = [counted, *self._warm(again, options)]
        stack = self._link.numbers(Request.STATS, b"", "<I")[0]
        board, plain = self._board, self._stream is None
        doubt = self._doubt(max(cycles))
        counts = any(cycles) and not doubt
        return Measurement(
            device={
                "address": self._device.address,
                "target": board.target,
                "cpu": board.cpu,
                "runtime": "edgeq firmware",
                "runtime_version": None,
                "clock_hz": board.clock_hz or None,
                "emulated": board.emulated,
                "clock": _EMULATORS_CLOCK if board.emulated else _BOARDS_CLOCK,
            },
            latency_us=self._latency(cycles) if counts and not board.emulated else None,
            cycles=cycles[1] if counts else None,
            cycles_estimated=board.emulated,
            memory_bytes=Memory(arena=self._model.arena_bytes, stack=stack or None),
            ops=self._op_profiles(again) if options.ops and counts else (),
            # The bytes of a replayed call are not those of an answer.
            output_sha256=hashlib.sha256(b"".join(outputs)).hexdigest() if plain else None,
            environment={"baud": self._device.baud, "repeated_frames": self._link.repeats},
            warnings=[*([_EMULATED] if board.emulated else []), *([doubt] if doubt else [])],
        )

    def close(self) -> None:
        """Free the port."""
        self._link.close()

    def _find_model(self, known: Collection[str]) -> BoardModel:
        found = [board_model(self._link, index) for index in range(self._board.models)]
        for model in found:
            if model.sha256 in known:
                return model
        there = ", ".join(f"{model.name} ({model.sha256[:12]}...)" for model in found)
        wanted = ", ".join(sorted(f"{sha256[:12]}..." for sha256 in known))
        behind = "" if self._stream is None else " behind this front end with this decision"
        raise EdgeqError(
            f"The board does not have this model{behind} ({wanted}); it has {there}.",
            self._device.address,
            "edgeq compile --project, edgeq build, edgeq flash",
        )

    def _check_tensors(self) -> None:
        for is_output, specs in ((0, self._inputs), (1, self._outputs)):
            for position, spec in enumerate(specs):
                question = bytes([self._model.index, is_output, position])
                size = self._link.numbers(Request.TENSOR, question, "<I")[0]
                if size != spec.bytes:
                    raise EdgeqError(
                        f"The board's tensor '{spec.name}' has {size} bytes, not {spec.bytes}.",
                        self._device.address,
                    )

    def _measured_calls(self, index: int) -> tuple[Sequence[_Call], Sequence[_Call]]:
        """The inputs of all calls that lead to the first answer, and of those to each further."""
        if self._stream is not None:
            first, again = measured_calls(self._stream, index)
            return [[call.tobytes()] for call in first], [[call.tobytes()] for call in again]
        call = [[x.tobytes() for x in profile_inputs(self._inputs, index)]]
        return call, call

    def _answer(self, calls: Sequence[_Call]) -> tuple[list[bytes], int]:
        """Outputs and cycles of the last of some calls."""
        for call in calls[:-1]:
            self._surviving_resets(self._call_once, call, answers=False)
        return self._call(calls[-1])

    def _call(self, inputs: Sequence[bytes]) -> tuple[list[bytes], int]:
        """Outputs and cycles of one call."""
        return self._surviving_resets(self._call_once, inputs)

    def _surviving_resets(
        self, action: Callable[..., _Result], *arguments: Any, **more: Any
    ) -> _Result:
        """What `action` returns; it is done again when the board was reset on the way."""
        for _ in range(_RESETS):
            try:
                return action(*arguments, **more)
            except BoardReset as error:
                if self._model.has_state:
                    raise EdgeqError(
                        f"{error.what} This model has state, which is lost.",
                        self._device.address,
                        "run the whole stream again",
                    ) from error
                greet(self._link)
        raise EdgeqError("The board resets again and again.", self._device.address, "its supply?")

    def _call_once(self, inputs: _Call, *, answers: bool = True) -> tuple[list[bytes], int]:
        crc = 0
        for position, value in enumerate(inputs):
            self._write(position, value)
            crc = zlib.crc32(value, crc)
        question = struct.pack("<BI", self._model.index, crc)
        begin = time.monotonic()
        cycles = self._link.numbers(Request.INVOKE, question, "<I", self._work_s)[0]
        self._longest_s = max(self._longest_s, time.monotonic() - begin)
        wanted = self._outputs if answers else ()
        return [self._read(position, spec.bytes) for position, spec in enumerate(wanted)], cycles

    def _replay_once(self, call: bytes) -> bytes:
        """The output of a call of the replay; where there is no answer only its head."""
        self._write(0, call)
        question = struct.pack("<BI", self._model.index, zlib.crc32(call))
        self._link.numbers(Request.INVOKE, question, "<I", self._work_s)
        head = self._read(0, _REPLAY_HEAD_BYTES)
        return self._read(0, self._outputs[0].bytes) if any(head) else head

    def _write(self, position: int, value: bytes) -> None:
        offset = 0
        while offset < len(value):
            part = value[offset : offset + self._chunk - 6]
            head = struct.pack("<BBI", self._model.index, position, offset)
            self._adapt(Request.WRITE, head + part)
            offset += len(part)

    def _read(self, position: int, size: int) -> bytes:
        value = b""
        while len(value) < size:
            count = min(size - len(value), self._chunk - 1)
            question = struct.pack("<BBIB", self._model.index, position, len(value), count)
            part = self._adapt(Request.READ, question)
            if len(part) != count:
                raise DamagedAnswer(self._device.port)
            value += part
        return value

    def _adapt(self, kind: Request, question: bytes) -> bytes:
        """Ask, and fit the length of frames to the line: short ones pass a bad line sooner."""
        before = self._link.repeats
        answer = self._link.ask(kind, question)
        if self._link.repeats > before + 1:
            self._chunk = max(_SMALLEST_CHUNK, self._chunk // 2)
        else:
            self._chunk = min(BODY_LIMIT, self._chunk + 2)
        return answer

    def _op_profiles(self, calls: Sequence[_Call]) -> list[OpProfile]:
        """Cycles of each op; as many calls as it takes windows of the board's to see them all."""
        if any(op.name in _CONTROL_FLOW for op in self._graph.ops):
            return []  # the board numbers the ops of each subgraph from 0
        timed: list[tuple[int, int]] = []
        count, most = 1, _SPARE_OPS + _CALLS_OF_OP * len(self._graph.ops)
        while len(timed) < count:
            count, window = self._surviving_resets(self._time_window, calls, len(timed))
            timed += window
            if not window or count > most:  # it would go on for hours
                raise DamagedAnswer(self._device.port)
        total = max(sum(cycles for _, cycles in timed), 1)
        ops = self._graph.ops
        if any(index >= len(ops) and index != NO_OP for index, _ in timed):
            raise DamagedAnswer(self._device.port)
        names = {NO_OP: (-1, "COPY", "")}
        for index, op in enumerate(ops):
            layer = self._graph.tensors[op.outputs[0]].name if op.outputs else ""
            names[index] = (index, op.name, layer)
        return [
            OpProfile(*names[number], cycles=cycles, share=cycles / total)
            for number, cycles in timed
        ]

    def _time_window(self, calls: Sequence[_Call], first: int) -> tuple[int, list[tuple[int, int]]]:
        """How many ops there are, and those from `first` on that one call has timed."""
        if self._stream is None:
            self.reset()
        for call in calls[:-1]:
            self._call_once(call, answers=False)
        count = watch_ops(self._link, self._model.index, first)
        self._call_once(calls[-1])
        return count, timed_ops(self._link, self._model.index, first)

    def _doubt(self, cycles: int) -> str:
        """Why the cycles of a call cannot be known, by the clock of this side; "" where they can.

        Raises:
            EdgeqError: The board says that a call took longer than its answer.
        """
        hertz, longest_s = self._board.clock_hz, self._longest_s
        if not hertz or self._board.emulated:
            return ""
        if longest_s > _COUNTS / hertz:
            return _GOES_ROUND.format(_COUNTS / hertz)
        if cycles / hertz > longest_s + _LATE_S:
            raise EdgeqError(
                f"The board says that a call took {cycles / hertz:.3g} s; its answer came after "
                f"{longest_s:.1f} s.",
                self._device.address, "the clock that its firmware was made for is not the board's",
            )  # fmt: skip
        return ""

    def _latency(self, cycles: Sequence[int]) -> Latency | None:
        if not self._board.clock_hz:
            return None
        first, *warm = (count * 1e6 / self._board.clock_hz for count in cycles)
        return summarize(warm, warmup=1, first=first)

    def _warm(self, calls: Sequence[_Call], options: ProfileOptions) -> list[int]:
        """Cycles of calls: of so many as are asked for, in the time that is asked for."""
        seconds = options.seconds
        most = options.runs or (_WARM_RUNS if seconds is None else MAX_RUNS)
        end = time.monotonic() + (math.inf if seconds is None else seconds)
        counted: list[int] = []
        while not counted or (len(counted) < most and time.monotonic() < end):
            counted.append(self._answer(calls)[1])
        return counted
