"""`serial:PORT`: a board whose firmware speaks edgeq's serial protocol."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from edgeq.devices.address import Address
from edgeq.devices.base import Array, CompileOptions, Latency, Measurement, Memory, ProfileOptions
from edgeq.devices.query import allow_only, positive
from edgeq.devices.serial_link import BoardReset, SerialLink
from edgeq.devices.serial_protocol import BODY_LIMIT, Request
from edgeq.devices.tensors import TensorSpec, check_batch, graph_specs
from edgeq.errors import EdgeqError, UsageError
from edgeq.inputs import xorshift_inputs

_RESETS = 5
_SMALLEST_CHUNK = 16
_WORK_S = 60.0


@dataclass(frozen=True)
class _Model:
    """What the board says about one of its models."""

    index: int
    name: str
    sha256: str
    inputs: int
    outputs: int
    has_state: bool
    arena_bytes: int


@dataclass(frozen=True)
class SerialDevice:
    """A board on a serial port."""

    address: str
    port: str
    baud: int
    timeout_s: float

    def open(self, model: Path, options: CompileOptions) -> SerialSession:  # noqa: ARG002
        """A session with the model that the board has in its flash, if it is this one.

        Raises:
            EdgeqError: The port cannot be opened, nobody answers, or the board has another model.
        """
        from edgeq.graph import read_graph

        graph = read_graph(model)
        sha256 = hashlib.sha256(Path(model).read_bytes()).hexdigest()
        link = SerialLink(self.port, self.baud, self.timeout_s)
        try:
            return SerialSession(
                self,
                link,
                sha256,
                graph_specs(graph, graph.main.inputs),
                graph_specs(graph, graph.main.outputs),
            )
        except BaseException:
            link.close()
            raise


def device(address: Address) -> SerialDevice:
    """The device of an address such as `serial:/dev/ttyACM0?baud=115200&timeout=10`."""
    allow_only(address, ("baud", "timeout"))
    baud = address.query.get("baud", "115200")
    if not baud.isdecimal() or not 300 <= int(baud) <= 12_000_000:
        raise UsageError(f"'{address.text}': baud={baud} is not possible.", hint="baud=115200")
    timeout_s = positive(address, "timeout", 10)
    return SerialDevice(address.text, address.rest, int(baud), timeout_s)


def board_models(port: str, baud: int, timeout_s: float = 10) -> dict[str, str]:
    """SHA-256 of the models in a board's firmware, by name.

    Raises:
        EdgeqError: The port cannot be opened, or nobody answers.
    """
    link = SerialLink(port, baud, timeout_s)
    try:
        count = _greet(link)[0]
        return {model.name: model.sha256 for model in (_describe(link, k) for k in range(count))}
    finally:
        link.close()


def _greet(link: SerialLink) -> tuple[int, int]:
    """Begin a session: the number of models and the core's clock."""
    body = link.begin()
    if len(body) < 7 or body[0] != 1:
        raise EdgeqError(
            "The board's firmware speaks another version of the protocol.",
            link.port,
            "compile and flash the project again with this version of edgeq",
        )
    return body[1], struct.unpack_from("<I", body, 3)[0]


def _describe(link: SerialLink, index: int) -> _Model:
    body = link.ask(Request.MODEL, bytes([index]))
    inputs, outputs, has_state, arena = struct.unpack_from("<BBBI", body, 32)
    name = body[39:].decode("utf-8", "replace")
    return _Model(index, name, body[:32].hex(), inputs, outputs, bool(has_state), arena)


class SerialSession:
    """One model on one board."""

    def __init__(
        self,
        device: SerialDevice,
        link: SerialLink,
        sha256: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:
        self._device = device
        self._link = link
        self._inputs = inputs
        self._outputs = outputs
        self._chunk = BODY_LIMIT
        self._work_s = _WORK_S
        count, self._clock_hz = _greet(link)
        self._model = self._find_model(sha256, count)
        self._check_tensors()

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

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:  # noqa: ARG002
        """Not possible: a board keeps no intermediate tensors."""
        raise EdgeqError(
            "A board does not show what lies between its ops.",
            self._device.address,
            "--on sim:CPU shows it with the same arithmetic",
        )

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        self._link.ask(Request.RESET, bytes([self._model.index]))

    def profile(self, options: ProfileOptions) -> Measurement:
        """Cycles of warm calls by the board's own counter, its stack and the arena."""
        calls = 1 + (options.runs or 3)
        shapes = [spec.shape for spec in self._inputs]
        dtypes = [spec.dtype for spec in self._inputs]
        values = [x.tobytes() for x in xorshift_inputs(shapes, dtypes, options.input_index)]
        outputs: list[bytes] = []
        cycles = []
        self.reset()
        for _ in range(calls):
            outputs, counted = self._call(values)
            cycles.append(counted)
        stack = struct.unpack("<I", self._link.ask(Request.STATS, b""))[0]
        warm = cycles[1]
        return Measurement(
            device={
                "address": self._device.address,
                "target": None,
                "cpu": None,
                "runtime": "edgeq firmware",
                "runtime_version": None,
                "clock_hz": self._clock_hz or None,
            },
            latency_us=self._latency(cycles) if any(cycles) else None,
            cycles=warm or None,
            cycles_estimated=False,
            memory_bytes=Memory(arena=self._model.arena_bytes, stack=stack or None),
            output_sha256=hashlib.sha256(b"".join(outputs)).hexdigest(),
            environment={"baud": self._device.baud, "repeated_frames": self._link.repeats},
        )

    def close(self) -> None:
        """Free the port."""
        self._link.close()

    def __enter__(self) -> SerialSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find_model(self, sha256: str, count: int) -> _Model:
        found = [_describe(self._link, index) for index in range(count)]
        for model in found:
            if model.sha256 == sha256:
                return model
        there = ", ".join(f"{model.name} ({model.sha256[:12]}...)" for model in found)
        raise EdgeqError(
            f"The board does not have this model ({sha256[:12]}...); it has {there}.",
            self._device.address,
            "edgeq compile --project, edgeq build, edgeq flash",
        )

    def _check_tensors(self) -> None:
        for is_output, specs in ((0, self._inputs), (1, self._outputs)):
            for position, spec in enumerate(specs):
                question = bytes([self._model.index, is_output, position])
                size = struct.unpack("<I", self._link.ask(Request.TENSOR, question))[0]
                if size != spec.bytes:
                    raise EdgeqError(
                        f"The board's tensor '{spec.name}' has {size} bytes, not {spec.bytes}.",
                        self._device.address,
                    )

    def _call(self, inputs: Sequence[bytes]) -> tuple[list[bytes], int]:
        """Outputs and cycles of one call; a board that was reset on the way is asked again."""
        for _ in range(_RESETS):
            try:
                return self._call_once(inputs)
            except BoardReset as error:
                if self._model.has_state:
                    raise EdgeqError(
                        f"{error.what} This model has state, which is lost.",
                        self._device.address,
                        "run the whole stream again",
                    ) from error
                _greet(self._link)
        raise EdgeqError("The board resets again and again.", self._device.address, "its supply?")

    def _call_once(self, inputs: Sequence[bytes]) -> tuple[list[bytes], int]:
        crc = 0
        for position, value in enumerate(inputs):
            self._write(position, value)
            crc = zlib.crc32(value, crc)
        question = struct.pack("<BI", self._model.index, crc)
        cycles = struct.unpack("<I", self._link.ask(Request.INVOKE, question, self._work_s))[0]
        outputs = [self._read(position, spec.bytes) for position, spec in enumerate(self._outputs)]
        return outputs, cycles

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
            value += self._adapt(Request.READ, question)
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

    def _latency(self, cycles: Sequence[int]) -> Latency | None:
        if not self._clock_hz:
            return None
        times = np.asarray(cycles, np.float64) * 1e6 / self._clock_hz
        warm = times[1:]
        return Latency(
            n=len(warm),
            warmup=1,
            first=float(times[0]),
            min=float(warm.min()),
            mean=float(warm.mean()),
            p50=float(np.percentile(warm, 50)),
            p90=float(np.percentile(warm, 90)),
            p95=float(np.percentile(warm, 95)),
            p99=float(np.percentile(warm, 99)),
            max=float(warm.max()),
            stdev=float(warm.std()),
        )
