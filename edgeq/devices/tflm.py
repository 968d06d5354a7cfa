"""`tflm`: TensorFlow Lite Micro on this machine, through the `tflite-micro` package."""

from __future__ import annotations

import importlib.metadata
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from edgeq.boards.runtimes.check import wrong_on_tflm
from edgeq.boards.runtimes.faults import misdivisions
from edgeq.compiler.options import CompileOptions
from edgeq.devices import probe, query
from edgeq.devices.address import Address
from edgeq.devices.base import Measurement, Memory, OpProfile, ProfileOptions, Session
from edgeq.devices.fatal import guarded
from edgeq.devices.interpreters import micro_interpreter
from edgeq.devices.native_output import captured_stderr
from edgeq.devices.tensors import (
    call_in_order,
    check_batch,
    digest,
    graph_specs,
    one_call,
    profile_inputs,
)
from edgeq.devices.timing import disturbances, measure_latency
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, check_outputs
from edgeq.model.loops import loop_turns
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array

T = TypeVar("T")


def device(address: Address) -> TflmDevice:
    """The device of a `tflm` address, which takes no options."""
    query.allow_only(address, ())
    return TflmDevice(address.text)


def refuse_wrong(graph: Graph) -> None:
    """Refuse what TensorFlow Lite Micro would run without an error, and with wrong results.

    Raises:
        EdgeqError: There are such ops.
    """
    wrong = wrong_on_tflm(graph)
    if wrong:
        raise EdgeqError(
            "TensorFlow Lite Micro would give wrong results, and no error.",
            f"{graph.path}, {wrong[0]}" + (f" ({len(wrong)} such ops)" if wrong[1:] else ""),
            "edgeq's C and LiteRT have such models; or scheme int8, or int8-per-tensor",
        )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ctrl-C and its like end the process at once: loops may not, and no thread runs beside them.

    LiteRT and generated C let go of Python's lock, so `edgeq.cli.shared.interrupt` sees to theirs.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers if main}
    taken = {number: how for number, how in before.items() if callable(how)}
    for number in taken:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, how in taken.items():
            signal.signal(number, how)


class TflmDevice:
    """TensorFlow Lite Micro on this machine."""

    def __init__(self, address: str) -> None:
        self.address = address

    def open(self, model: Path, options: CompileOptions) -> TflmSession:  # noqa: ARG002
        """A session with `model` loaded; compile options have no meaning here."""
        return TflmSession(self.address, model)


class TflmSession(Session):
    """One model in a TensorFlow Lite Micro interpreter."""

    def __init__(self, address: str, model: Path) -> None:
        self._address = address
        self._path = model
        self._graph = read_graph(model)
        check_outputs(self._graph)
        if self._graph.external_buffers:
            raise EdgeqError(
                "the model keeps constants outside the flatbuffer; TFLM would read garbage.",
                str(model),
                "convert it again with `edgeq convert`, which puts them inside",
            )
        refuse_wrong(self._graph)
        self._endless = None in loop_turns(self._graph).values()  # for all that its file tells
        self._model = model.read_bytes()
        self._inputs = graph_specs(self._graph, self._graph.main.inputs)
        self._outputs = graph_specs(self._graph, self._graph.main.outputs)
        self._interpreter = self._open()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        with self._errors():
            return call_in_order(
                inputs,
                self._inputs,
                self._outputs,
                lambda values: self._guarded(lambda: self._call(self._interpreter, values)),
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What TensorFlow Lite Micro computes wrongly of this model."""
        return misdivisions(self._graph)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every activation of one call from the initial state, by tensor index.

        The call is made in an interpreter of its own, so the session's state stays as it is.
        """
        check_batch(one_call(inputs), self._inputs)
        interpreter = self._open(preserve=True)
        with self._errors():
            self._guarded(lambda: self._call(interpreter, inputs))
        produced = [index for op in self._graph.main.ops for index in op.outputs]
        return {index: interpreter.GetTensor(index, 0)["tensor_data"] for index in produced}

    def reset(self) -> None:
        """Set all variables back, those of resource handles too, by starting anew."""
        self._interpreter = self._open()

    def _open(self, *, preserve: bool = False) -> Any:
        return self._guarded(lambda: micro_interpreter(self._model, preserve=preserve))

    def _guarded(self, call: Callable[[], T]) -> T:
        return guarded(self._graph, "TensorFlow Lite Micro", call)

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency by the clock, the arena that was used, the peak memory of a fresh process."""
        interpreter = self._open()
        values = profile_inputs(self._inputs, options.input_index)
        with self._errors():
            spare = self._open()
            outputs = self._guarded(lambda: self._call(spare, values))
            latency, samples = measure_latency(lambda: self._call(interpreter, values), options)
        found = probe.memory(self._path, "tflm") if options.memory else probe.ProbeResult({})
        disturbed = disturbances(samples)
        return Measurement(
            device={
                "address": self._address,
                "target": "host",
                "cpu": platform.machine(),
                "runtime": "tflm",
                "runtime_version": importlib.metadata.version("tflite-micro"),
            },
            latency_us=latency,
            samples_us=samples,
            valid=not disturbed,
            warnings=disturbed,
            memory_bytes=Memory(arena=found.arena, peak_rss=found.peak_rss),
            ops=self._ops() if options.ops else (),
            output_sha256=digest(outputs),
            environment={"rss_bytes": found.stages},
        )

    def _ops(self) -> list[OpProfile]:
        """The ops without figures: TFLM's Python package has no clock for them."""
        tensors = self._graph.main.tensors
        return [
            OpProfile(op.index, op.name, tensors[op.outputs[0]].name if op.outputs else "")
            for op in self._graph.main.ops
        ]

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None

    def _call(self, interpreter: Any, values: Sequence[Array]) -> list[Array]:
        # An inference may reuse the memory of its inputs, so all are set before every call.
        for position, value in enumerate(values):
            interpreter.set_input(value, position)
        with _ended_by_signals() if self._endless else nullcontext():
            interpreter.invoke()
        return [interpreter.get_output(position) for position in range(len(self._outputs))]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn a failing call into an EdgeqError that quotes what TFLM printed."""
        with captured_stderr() as printed:
            try:
                yield
            except (RuntimeError, ValueError) as error:
                detail = printed.text().replace("\r", "").strip() or str(error)
                raise EdgeqError(f"TFLM failed: {detail}", str(self._path)) from None
