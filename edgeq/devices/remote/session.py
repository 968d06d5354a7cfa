"""A model on a device behind a link: run it, measure it, survive the link's faults."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.compiler.build.cache import cache_dir
from edgeq.compiler.options import CompileOptions
from edgeq.devices import query
from edgeq.devices.base import Heard, Measurement, ProfileOptions, Session
from edgeq.devices.faults import faults_of_litert, faults_of_plain_kernels
from edgeq.devices.remote import agent, answers, artifacts
from edgeq.devices.remote.host import Host
from edgeq.devices.remote.link import LinkLost, OtherDevice
from edgeq.devices.remote.ops import op_shares, passes
from edgeq.devices.remote.result import Run, measurement
from edgeq.devices.remote.runtimes import INTERPRETERS
from edgeq.devices.remote.samples import Samples
from edgeq.devices.remote.turns import Turn
from edgeq.devices.replay import (
    HOST_BYTES,
    calls_of,
    heard_of,
    input_spec,
    measured_calls,
    output_spec,
    piece,
)
from edgeq.devices.tensors import TensorSpec, check_batch, graph_specs, profile_inputs
from edgeq.devices.timing import limit_s
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import check_outputs
from edgeq.model.joining import joined
from edgeq.model.model_file import read_graph
from edgeq.model.stream import Stream
from edgeq.support.array import Array
from edgeq.support.output import write_whole

_CHUNK_BYTES = 1 << 20
_CHUNK_S = 2.0
_FIRST_CALLS = 32
_OPS_RUNS = 20
_MOST_SHOWN = 400


@dataclass(frozen=True)
class _Setting:
    """How the process that holds the model was started."""

    threads: int
    cpu: str
    delegate: str
    profiling: bool = False


class RemoteSession(Session):
    """One model on one device. After a lost link it connects again and goes on, if it can."""

    def __init__(self, device: Host, model: Path, options: CompileOptions) -> None:
        self._device = device
        self._compile = options
        self._graph = read_graph(model)
        check_outputs(self._graph)
        self._inputs = graph_specs(self._graph, self._graph.main.inputs)
        self._outputs = self._answers = graph_specs(self._graph, self._graph.main.outputs)
        self._stream: Stream | None = None
        # What runs there: with a front end its stages are ops, too.
        self._program = self._graph
        if options.frontend is not None:
            self._program = joined(options.frontend, self._graph, fpu=True)
            self._stream = self._program.stream
            assert self._stream is not None
            self._inputs = [input_spec(self._stream, HOST_BYTES)]
            self._outputs = [output_spec(self._stream, self._answers)]
        self._model = artifacts.artifact(model, ".tflite")
        self._setting = _Setting(
            device.options.threads, device.options.cpu, device.options.delegate
        )
        self._fresh = False  # no call was made yet in the process on the device
        self._holds = self._setting  # how that process was started
        self._measured = False  # it was used for a measurement, so its state means nothing
        self._agent = self._start(None, None)
        self._turn = Turn(self._agent.link, device.options.wait_s)
        try:
            self._loaded = self._load(self._setting)
        except BaseException:
            self.close()
            raise

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the kernels of LiteRT there compute wrongly of this model."""
        runtime = self._agent.plan.runtime
        plain = self._setting.delegate == "reference" and runtime in INTERPRETERS
        found = faults_of_plain_kernels(self._graph) if plain else ()
        return found if runtime == "c" else (*found, *faults_of_litert(self._graph))

    @property
    def pushed_bytes(self) -> int:
        """Bytes that had to be sent to the device for the current connection."""
        return self._agent.pushed_bytes

    @property
    def timings(self) -> dict[str, float]:
        """Seconds from connecting until each step was done."""
        return dict(self._agent.timings)

    def alone(self) -> AbstractContextManager[None]:
        """As `Session.alone`."""
        return self._turn.held()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order; a lost link is mended in between."""
        count = check_batch(inputs, self._inputs)
        results = [np.empty((count, *spec.shape), spec.dtype) for spec in self._outputs]
        size = sum(spec.bytes for spec in (*self._inputs, *self._outputs))
        most = max(1, _CHUNK_BYTES // max(1, size))
        start, step = 0, min(most, _FIRST_CALLS)
        while start < count:
            begin = time.monotonic()
            part = [array[start : start + step] for array in inputs]
            values = self._run_part(part, min(step, count - start))
            for result, value in zip(results, values, strict=True):
                result[start : start + step] = value
            start += step
            # As many as the device does in a moment: a lost link costs no more than that.
            slow = time.monotonic() - begin > _CHUNK_S
            step = max(1, step // 2) if slow else min(most, 2 * step)
        return results

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """Answers and events of one recording from the initial state, a piece a call."""
        if self._stream is None:
            return super().hear(samples, chunk)
        (results,) = self.run([calls_of(samples, self._stream, chunk, HOST_BYTES)])
        return heard_of(results, len(samples), self._stream, self._answers)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:  # noqa: ARG002
        """Not possible: the runtimes that edgeq brings along keep no intermediate tensors."""
        raise EdgeqError(
            "Intermediate tensors cannot be read on this device.",
            self._device.address, "--on local or --on c shows them",
        )  # fmt: skip

    def reset(self) -> None:
        """Set the model's state back, by loading it into a fresh process."""
        self._loaded = self._load(self._setting)
        self._measured = False

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency, memory, per-op shares, and the state of the device around them.

        The measurement has a process of its own, so a model's state starts anew after it.
        """
        extra = options.extra
        wanted = _Setting(
            int(extra.get("threads") or self._setting.threads),
            query.cores(str(extra["cpu"]), "cpu") if extra.get("cpu") else self._setting.cpu,
            self._setting.delegate,
        )
        if not self._fresh or wanted != self._holds:
            self._loaded = self._load(wanted)
        loaded = self._loaded
        data = self._measured_input(options.input_index)
        self._fresh, self._measured = False, True
        self._lead_in(options.input_index)
        self._agent.snapshots.clear()
        samples = Samples(self._device.address)
        asked_s = time.monotonic()
        try:
            measured = self._measure(options, data, samples)
            waited_s = max(0.0, self._agent.began_s - asked_s)
            snapshots = list(self._agent.snapshots)
            count = passes(float(np.median(samples.us)))
            times = self._op_times(wanted, data, count, options) if options.ops else []
            plain = self._plain_outputs(wanted, data, times)
        except EdgeqError as error:
            if samples.us:
                error.hint = "; ".join(filter(None, (error.hint, self._keep(samples))))
            raise
        run = Run(
            self._device.address, self._agent, loaded, measured, samples, snapshots,
            wanted.threads, options, times, plain, waited_s,
        )  # fmt: skip
        found = measurement(run, self._outputs, op_shares(times, self._program))
        # The bytes of a replayed call are not those of an answer.
        return found if self._stream is None else replace(found, output_sha256=None)

    def close(self) -> None:
        """End the agent and the connection."""
        self._agent.close()

    def _start(self, earlier: agent.Agent | None, within_s: float | None) -> agent.Agent:
        begin = time.monotonic()
        link = self._device.connect(within_s)
        if earlier is not None and link.identity != earlier.link.identity:
            link.close()
            raise OtherDevice(
                f"Another device answers now than the one that the work began on: {link.name}.",
                self._device.address, "run it again; adb:SERIAL names one phone, adb:any does not",
            )  # fmt: skip
        return agent.start(
            link,
            self._model,
            self._device.options,
            self._compile,
            earlier.plan if earlier else None,
            begin,
        )

    def _load(self, setting: _Setting) -> answers.Loaded:
        loaded = self._agent.load(
            threads=setting.threads,
            cpu=setting.cpu,
            delegate=setting.delegate,
            profiling=setting.profiling,
        )
        # The runtime must see the tensors that the file has; else bytes would be misread.
        expected = (_as_told(self._inputs), _as_told(self._outputs))
        if loaded.tensors != expected:
            seen, real = (str(tensors)[:_MOST_SHOWN] for tensors in (loaded.tensors, expected))
            raise EdgeqError(
                f"The device's runtime sees inputs and outputs {seen}, the model has {real}.",
                self._device.address,
            )
        asked = setting.delegate or self._agent.plan.usual_delegate
        if loaded.delegate not in (asked, "none"):  # none: an interpreter without the one asked for
            raise EdgeqError(
                f"The device says that it runs {loaded.delegate or 'a delegate without a name'}; "
                f"{asked} was asked for.",
                self._device.address,
            )
        self._fresh, self._holds = True, setting
        return loaded

    def _run_part(self, part: Sequence[Array], count: int) -> list[Array]:
        try:
            return self._run_once(part, count)
        except LinkLost as lost:
            if self._graph.keeps_state or self._stream is not None:
                lost.what += " The model keeps state, which was lost with it."
                lost.hint = "run it again from the first sample"
                raise
            self._reconnect(lost)
            # The part's answer never came, so no sample of it has been counted.
            return self._run_once(part, count)

    def _run_once(self, part: Sequence[Array], count: int) -> list[Array]:
        if self._measured:
            self.reset()
        flat = [np.ascontiguousarray(array).reshape(count, -1).view(np.uint8) for array in part]
        feed = np.concatenate(flat, axis=1).tobytes() if flat else b""
        self._fresh = False
        answer = self._agent.ask("run", calls=count, data=base64.b64encode(feed).decode())
        return answers.split_outputs(answers.read_bytes(answer), self._outputs, count)

    def _reconnect(self, lost: LinkLost) -> None:
        end = time.monotonic() + self._device.options.reconnect_s
        pause = 0.2
        while (left := end - time.monotonic()) > 0:
            self._agent.close()
            try:
                self._agent = self._start(self._agent, left)
                self.reset()
            except OtherDevice:
                raise  # nothing is sent to whoever has taken the device's place
            except EdgeqError:
                time.sleep(min(random.uniform(0.1, pause), left))  # noqa: S311
                pause = min(2 * pause, 5.0)
            else:
                return
        raise lost

    def _measure(self, options: ProfileOptions, data: str, samples: Samples) -> answers.Measured:
        runs, seconds = options.runs or 0, limit_s(options)
        limit = -1.0 if seconds is None else seconds
        pace_hz = float(options.extra.get("paced_hz") or 0.0)
        device = self._device.options
        with self._turn.held():
            samples.begin(runs, seconds or 0.0, device.wait_s + device.patience_s)
            message = self._agent.ask(
                "measure",
                samples.take,
                (seconds or 0.0) + (1 / pace_hz if pace_hz else 0.0),
                warmup=-1 if options.warmup is None else options.warmup,
                runs=runs,
                seconds=limit,
                pace_hz=pace_hz,
                data=data,
            )
        if not samples.us or (runs and seconds is None and len(samples.us) != runs):
            raise answers.DamagedAnswer("samples")
        return answers.read_measured(message)

    def _measured_input(self, index: int) -> str:
        """The input of a call that is measured; with a front end all samples of an answer."""
        if self._stream is None:
            values = profile_inputs(self._inputs, index)
            feed = b"".join(np.ascontiguousarray(array).tobytes() for array in values)
        else:
            feed = self._replayed(index)[1].tobytes()
        return base64.b64encode(feed).decode()

    def _lead_in(self, index: int) -> None:
        """With a front end: make the calls before the first answer, so that each has one then."""
        if self._stream is None:
            return
        calls = self._replayed(index)[0]
        self._agent.ask("run", calls=len(calls), data=base64.b64encode(calls.tobytes()).decode())

    def _replayed(self, index: int) -> tuple[Array, Array]:
        """The calls up to the first answer, and the one of each answer after it."""
        assert self._stream is not None
        period = self._stream.step * self._stream.frame_step
        if piece(self._stream, HOST_BYTES) < period:
            raise UsageError(
                f"An answer of {period:,} samples is not measured on this device.",
                self._device.address, "--on c, or --on sim:CPU",
            )  # fmt: skip
        return measured_calls(self._stream, index, period, HOST_BYTES)

    def _op_times(
        self, setting: _Setting, data: str, runs: int, options: ProfileOptions
    ) -> list[answers.OpTime]:
        """Times per op, from a process of its own: profiling slows a model down."""
        self._load(replace(setting, profiling=True))
        self._lead_in(options.input_index)
        message = self._agent.ask("ops", runs=runs, data=data)
        return answers.read_op_times(message)

    def _plain_outputs(
        self, setting: _Setting, data: str, times: Sequence[answers.OpTime]
    ) -> bytes | None:
        """What the runtime answers without a delegate, where one ran any op; else None."""
        if not any(time.delegated for time in times):
            return None
        self._load(replace(setting, delegate="none"))
        self._fresh = False
        return answers.read_bytes(self._agent.ask("run", calls=1, data=data))

    def _keep(self, samples: Samples) -> str:
        """Write what was measured before a failure into a file; a sentence that says so."""
        kept, step = samples.thinned()
        path = cache_dir() / "interrupted" / f"{self._model.sha256[:16]}.json"
        write_whole(
            path,
            json.dumps(
                {
                    "model": self._model.sha256,
                    "address": self._device.address,
                    "complete": False,
                    "samples_us": kept,
                    "snapshots": [each.to_json() for each in self._agent.snapshots],
                }
            ),
        )
        which = "which are" if step == 1 else f"of which one in {step} is"
        return f"{len(samples.us)} timed calls had been made, {which} kept in {path}"


def _as_told(specs: Sequence[TensorSpec]) -> list[tuple[str, list[int]]]:
    return [(spec.dtype, list(spec.shape)) for spec in specs]
