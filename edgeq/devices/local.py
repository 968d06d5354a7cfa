"""`local`: LiteRT on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgeq.compiler.options import CompileOptions
from edgeq.devices import probe, query
from edgeq.devices.address import Address
from edgeq.devices.base import Measurement, Memory, ProfileOptions, Session
from edgeq.devices.fatal import guarded
from edgeq.devices.faults import faults_of_litert, faults_of_plain_kernels
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter
from edgeq.devices.remote.answers import read_op_times
from edgeq.devices.remote.ops import op_shares, passes
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
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array

T = TypeVar("T")


def device(address: Address) -> LocalDevice:
    """The device of a `local` address: options threads=N, delegate=none, kernels=reference."""
    query.allow_only(address, ("threads", "delegate", "kernels"))
    kernels = query.choice(address, "kernels", ("default", "reference"), "default")
    usual = "none" if kernels == "reference" else "xnnpack"
    allowed = ("none",) if kernels == "reference" else ("xnnpack", "none")
    options = LiteRtOptions(
        threads=query.positive(address, "threads", 1),
        delegate=query.choice(address, "delegate", allowed, usual),
        kernels=kernels,
    )
    return LocalDevice(address.text, options)


class LocalDevice:
    """LiteRT on this machine."""

    def __init__(self, address: str, options: LiteRtOptions) -> None:
        self.address = address
        self._options = options

    def open(self, model: Path, options: CompileOptions) -> LocalSession:  # noqa: ARG002
        """A session with `model` loaded; compile options have no meaning here."""
        return LocalSession(self.address, model, self._options)


class LocalSession(Session):
    """One model in a LiteRT interpreter."""

    def __init__(self, address: str, model: Path, options: LiteRtOptions) -> None:
        self._address = address
        self._path = model
        self._options = options
        self._graph = read_graph(model)
        check_outputs(self._graph)
        self._model = model.read_bytes()
        self._inputs = graph_specs(self._graph, self._graph.main.inputs)
        self._outputs = graph_specs(self._graph, self._graph.main.outputs)
        self._interpreter = self._open()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the kernels compute wrongly of this model."""
        plain = self._options.kernels == "reference"
        found = faults_of_plain_kernels(self._graph) if plain else ()
        return (*found, *faults_of_litert(self._graph))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        return call_in_order(
            inputs,
            self._inputs,
            self._outputs,
            lambda values: self._guarded(self._interpreter, values),
        )

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every activation of one call from the initial state, by tensor index.

        What a loop hands on to nobody has no value. The call is made in an interpreter of its own,
        so the session's state stays as it is.
        """
        check_batch(one_call(inputs), self._inputs)
        interpreter = self._open(preserve=True)
        self._guarded(interpreter, inputs)
        produced = [index for op in self._graph.main.ops for index in op.outputs]
        found = {}
        for index in produced:
            with suppress(ValueError):
                found[index] = interpreter.get_tensor(index)
        return found

    def reset(self) -> None:
        """Set all variables back, those of resource handles too, by starting anew."""
        self._interpreter = self._open()

    def _open(self, *, preserve: bool = False) -> Any:
        return self._tried(
            lambda: litert_interpreter(self._model, self._options, preserve=preserve)
        )

    def _guarded(self, interpreter: Any, values: Sequence[Array]) -> list[Array]:
        """The outputs of a call that might end the process."""
        if self._options.threads == 1:
            return self._tried(lambda: self._call(interpreter, values))

        def alone() -> list[Array]:
            # A copy of this process has none of the threads that an interpreter has begun.
            one = litert_interpreter(self._model, replace(self._options, threads=1))
            return self._call(one, values)

        return self._tried(lambda: self._call(interpreter, values), alone)

    def _tried(self, call: Callable[[], T], trial: Callable[[], object] | None = None) -> T:
        plain = self._options.kernels == "reference"
        runtime = "LiteRT with its plain kernels" if plain else "LiteRT"
        return guarded(self._graph, runtime, call, plain=plain, trial=trial)

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency by the clock, and the peak memory of a fresh process."""
        import ai_edge_litert

        values = profile_inputs(self._inputs, options.input_index)
        outputs = self._guarded(self._open(), values)
        interpreter = self._open()  # whose first call is the first that is timed
        _feed(interpreter, self._graph, values)
        latency, samples = measure_latency(interpreter.invoke, options)
        memory = probe.ProbeResult({})
        if options.memory:
            memory = probe.memory(self._path, "litert", self._options)
        times = None
        if options.ops:
            times = probe.op_times(self._path, self._options, values, passes(latency.typical))
        disturbed = disturbances(samples)
        return Measurement(
            device={
                "address": self._address,
                "target": "host",
                "cpu": platform.machine(),
                "runtime": "litert",
                "runtime_version": getattr(ai_edge_litert, "__version__", None),
                "threads": self._options.threads,
                "delegate": self._options.delegate,
                "kernels": self._options.kernels,
            },
            latency_us=latency,
            samples_us=samples,
            valid=not disturbed,
            warnings=disturbed,
            memory_bytes=Memory(peak_rss=memory.peak_rss),
            ops=op_shares(read_op_times(times), self._graph) if times else (),
            output_sha256=digest(outputs),
            environment={"rss_bytes": memory.stages, "cpus": os.cpu_count()},
        )

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None

    def _call(self, interpreter: Any, values: Sequence[Array]) -> list[Array]:
        _feed(interpreter, self._graph, values)
        try:
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise EdgeqError(f"LiteRT failed: {error}", str(self._path)) from None
        return [interpreter.get_tensor(index) for index in self._graph.main.outputs]


def _feed(interpreter: Any, graph: Graph, values: Sequence[Array]) -> None:
    for index, value in zip(graph.main.inputs, values, strict=True):
        interpreter.set_tensor(index, value)
