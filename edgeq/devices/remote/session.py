"""A model on a device behind a link: run it, measure it, survive the link's faults."""

from __future__ import annotations

import base64
import binascii
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.devices.base import (
    Array,
    CompileOptions,
    Latency,
    Measurement,
    Memory,
    OpProfile,
    ProfileOptions,
)  # fmt: skip
from edgeq.devices.remote import artifacts, memory, record
from edgeq.devices.remote.facts import HostFacts, read_facts
from edgeq.devices.remote.failures import explain
from edgeq.devices.remote.link import Link, LinkLost
from edgeq.devices.remote.ops import op_shares
from edgeq.devices.remote.options import RemoteOptions
from edgeq.devices.remote.push import push
from edgeq.devices.remote.runtimes import Plan, Request, choose, possible
from edgeq.devices.remote.shell import Message, Shell
from edgeq.devices.tensors import TensorSpec, check_batch, digest, graph_specs, profile_inputs
from edgeq.devices.timing import DEFAULT_SECONDS, summarize
from edgeq.errors import EdgeqError
from edgeq.graph import Graph, read_graph

# Seconds that may pass -> a connection; None for the usual patience.
Connect = Callable[[float | None], Link]

_CHUNK_BYTES = 1 << 20
_OPS_RUNS = 20
_STATEFUL = {"VAR_HANDLE", "ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE"}
_MOST_SAMPLES = 100_000
_LARGEST_ANSWER_BYTES = 48 << 20


@dataclass(frozen=True)
class RemoteDevice:
    """A host behind a link."""

    address: str
    connect: Connect
    options: RemoteOptions

    def open(self, model: Path, options: CompileOptions) -> RemoteSession:
        """A session with `model` on the device, loaded."""
        return RemoteSession(self, model, options)

    def probe(self) -> tuple[HostFacts, dict[str, str]]:
        """What the device is, and why it cannot take each runtime ("" where it can)."""
        link = self.connect(None)
        try:
            shell = Shell(link)
            facts = read_facts(shell.probe(self.options.folder, {}))
            request = Request(facts, self.options.agent, Path(), CompileOptions(), shell.do)
            return facts, possible(request)
        finally:
            link.close()


class RemoteSession:
    """One model on one device. After a lost link it connects again and goes on, if it can."""

    def __init__(self, device: RemoteDevice, model: Path, options: CompileOptions) -> None:
        self._device = device
        self._options = device.options
        self._compile = options
        self._model = model
        self._graph: Graph = read_graph(model)
        self._inputs = graph_specs(self._graph, self._graph.main.inputs)
        self._outputs = graph_specs(self._graph, self._graph.main.outputs)
        self._model_artifact = artifacts.artifact(model, ".tflite")
        self._plan: Plan | None = None
        self._link: Link | None = None
        self._shell: Shell | None = None
        self._snapshots: list[record.Snapshot] = []
        self._next_id = 0
        self._loaded: Message | None = None
        self._used = False
        self.timings: dict[str, float] = {}
        self.pushed_bytes = 0
        self._start()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order; a lost link is mended in between."""
        count = check_batch(inputs, self._inputs)
        results = [np.empty((count, *spec.shape), spec.dtype) for spec in self._outputs]
        size = sum(spec.bytes for spec in (*self._inputs, *self._outputs))
        step = max(1, _CHUNK_BYTES // max(1, size))
        for start in range(0, count, step):
            part = [array[start : start + step] for array in inputs]
            for result, values in zip(results, self._run_part(part), strict=True):
                result[start : start + step] = values
        return results

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:  # noqa: ARG002
        """Not possible: the runtimes that edgeq brings along do not keep intermediate tensors."""
        raise EdgeqError(
            "Intermediate tensors cannot be read on this device.",
            self._device.address, "--on local or --on c shows them",
        )  # fmt: skip

    def reset(self) -> None:
        """Set the model's state back, by loading it into a fresh process."""
        if self._used:
            self._load()

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency, memory, per-op shares, and the state of the device around them."""
        feed = b"".join(
            np.ascontiguousarray(array).tobytes()
            for array in profile_inputs(self._inputs, options.input_index)
        )
        data = base64.b64encode(feed).decode()
        extra = dict(options.extra)
        if self._used or extra.keys() & {"threads", "cpu"}:
            self._load(**{key: extra[key] for key in ("threads", "cpu") if extra.get(key)})
        loaded = self._loaded or {}
        samples: list[float] = []
        try:
            measured = self._measure(options, data, samples)
        except LinkLost as error:
            raise LinkLost(
                error.where, f"{error.what.rstrip('.')} after {len(samples)} timed calls"
            ) from None
        ops = self._op_shares(data) if options.ops else []
        return self._measurement(options, loaded, measured, samples, ops)

    def close(self) -> None:
        """End the agent and the connection."""
        if self._shell is not None:
            with contextlib.suppress(EdgeqError):
                self._shell.send(do="end")
            self._shell.close()
        if self._link is not None:
            self._link.close()
        self._shell = self._link = None

    def __enter__(self) -> RemoteSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, within_s: float | None = None) -> None:
        """Connect, probe, push what is missing, start the agent."""
        begin = time.monotonic()
        self._link = self._device.connect(within_s)
        try:
            self.timings["connect_s"] = time.monotonic() - begin
            self._shell = shell = Shell(self._link)
            self.facts = facts = self._probe(self._link, shell)
            self.timings["probe_s"] = time.monotonic() - begin
            if self._plan is None:
                request = Request(facts, self._options.agent, self._model, self._compile, shell.do)
                self._plan = choose(request, self._options.runtime)
            plan = self._plan
            wanted = [self._model_artifact, plan.program, *([plan.library] if plan.library else [])]
            self.pushed_bytes += push(self._link, shell, facts, wanted, self._options.cache_bytes)
            self.timings["pushed_s"] = time.monotonic() - begin
            try:
                shell.become(plan.command(facts))
            except EdgeqError:
                memory.forget(self._link.name, self._options.folder)
                raise
            shell.send(do="watch", sources="\n".join(record.watch_list(facts)))
            self.timings["agent_s"] = time.monotonic() - begin
        except BaseException:
            self.close()
            raise

    def _probe(self, link: Link, shell: Shell) -> HostFacts:
        folder = self._options.folder
        known = memory.recall(link.name, folder)
        sections = shell.probe(folder, known)
        if sections.get("boot") != known.get("boot"):
            memory.remember(link.name, folder, sections)
        return read_facts(sections)

    def _load(self, *, profiling: bool = False, **overrides: Any) -> None:
        plan = self._plan
        assert plan is not None
        root = self.facts.root
        self._loaded = self._ask(
            "load",
            model=f"{root}/{self._model_artifact.name}",
            library=f"{root}/{plan.library.name}" if plan.library else "",
            runtime=plan.runtime,
            threads=int(overrides.get("threads") or self._options.threads),
            delegate=self._options.delegate,
            cpu=str(overrides.get("cpu") or self._options.cpu),
            profiling=profiling,
        )
        self._check_tensors(self._loaded)
        self._used = profiling

    def _check_tensors(self, loaded: Message) -> None:
        """The runtime must see the tensors that the file has; else bytes would be misread."""
        for kind, specs in (("input", self._inputs), ("output", self._outputs)):
            dtypes, shapes = loaded.get(f"{kind}_dtypes"), loaded.get(f"{kind}_shapes")
            expected = [(spec.dtype, list(spec.shape)) for spec in specs]
            if list(zip(dtypes or [], shapes or [], strict=False)) != expected:
                raise EdgeqError(
                    f"The device's runtime sees {kind}s {dtypes} {shapes}, the model has "
                    f"{expected}.",
                    self._device.address,
                )

    def _ask(self, do: str, on_samples: list[float] | None = None, **fields: Any) -> Message:
        """Send one command and wait for its answer; beats and samples are kept on the way."""
        shell = self._shell
        if shell is None:
            raise LinkLost(self._device.address, "it is closed")
        self._next_id += 1
        shell.send(do=do, id=self._next_id, wait_s=self._options.wait_s, **fields)
        while True:
            message = shell.receive()
            event = message["event"]
            if event == "beat":
                self._snapshots.append(record.read_snapshot(message, self.facts))
            elif message.get("id") != self._next_id:
                continue
            elif event == "samples" and on_samples is not None:
                on_samples += [float(each) for each in message["us"]]
            elif event == "error":
                raise explain(message, self._device.address, self.facts, self._model, do)
            else:
                return message

    def _run_part(self, part: Sequence[Array]) -> list[Array]:
        try:
            return self._run_once(part)
        except LinkLost as error:
            if any(op.name in _STATEFUL for op in self._graph.main.ops):
                raise EdgeqError(
                    f"{error.what} The model keeps state, which was lost with it.",
                    error.where, "run it again from the first sample",
                ) from None  # fmt: skip
            self._reconnect(error)
            # The part's answer never came, so no sample of it has been counted.
            return self._run_once(part)

    def _reconnect(self, lost: LinkLost) -> None:
        end = time.monotonic() + self._options.reconnect_s
        pause = 0.2
        while (left := end - time.monotonic()) > 0:
            self.close()
            try:
                self._start(left)
                self._load()
            except EdgeqError:
                time.sleep(min(random.uniform(0.1, pause), left))  # noqa: S311
                pause = min(2 * pause, 5.0)
            else:
                return
        raise lost

    def _run_once(self, part: Sequence[Array]) -> list[Array]:
        count = len(part[0]) if part else 1
        flat = [np.ascontiguousarray(array).reshape(count, -1).view(np.uint8) for array in part]
        feed = np.concatenate(flat, axis=1).tobytes() if flat else b""
        self._used = True
        answer = self._ask("run", calls=count, data=base64.b64encode(feed).decode())
        return _split(self._bytes(answer), self._outputs, count, self._device.address)

    def _bytes(self, answer: Message) -> bytes:
        try:
            return base64.b64decode(answer["data"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise EdgeqError("The device's answer is damaged.", self._device.address) from None

    def _measure(self, options: ProfileOptions, data: str, samples: list[float]) -> Message:
        extra = options.extra
        self._used = True
        seconds = float(extra.get("sustained_s") or options.seconds or DEFAULT_SECONDS)
        self._snapshots = self._snapshots[-1:]
        measured = self._ask(
            "measure",
            samples,
            warmup=-1 if options.warmup is None else options.warmup,
            runs=0 if extra.get("sustained_s") else options.runs or 0,
            seconds=seconds,
            pace_hz=float(extra.get("paced_hz") or 0.0),
            data=data,
        )
        if not samples:
            raise EdgeqError("The device sent no samples.", self._device.address)
        return measured

    def _op_shares(self, data: str) -> list[OpProfile]:
        """Shares per op, from a process of its own: profiling slows a model down."""
        self._load(profiling=True)
        answer = self._ask("ops", runs=_OPS_RUNS, data=data)
        return op_shares(answer, self._graph)

    def _measurement(
        self,
        options: ProfileOptions,
        loaded: Message,
        measured: Message,
        samples: list[float],
        ops: list[OpProfile],
    ) -> Measurement:
        plan, facts = self._plan, self.facts
        assert plan is not None
        threads = int(options.extra.get("threads") or self._options.threads)
        verdict = record.judge(self._snapshots, samples, float(measured["cpu_s"]), facts, threads)
        outputs = _split(self._bytes(measured), self._outputs, 1, self._device.address)
        first = float(measured["first_us"])
        latency: Latency = summarize(samples, warmup=1 + int(measured["warmup"]), first=first)
        warnings = [*verdict.reasons, *verdict.remarks]
        step = -(-len(samples) // _MOST_SAMPLES)
        if step > 1:
            warnings.append(f"one in {step} raw samples is kept; the statistics are over all")
        return Measurement(
            device={
                "address": self._device.address,
                "target": facts.board or facts.architecture,
                "cpu": facts.cpu,
                "runtime": plan.runtime,
                "runtime_version": plan.version,
                "threads": threads,
                "delegate": loaded.get("delegate"),
                "architecture": facts.architecture,
                "os": facts.os_name,
                "kernel": facts.kernel,
                "libc": facts.libc,
            },
            latency_us=latency,
            memory_bytes=Memory(peak_rss=int(measured["peak_rss_bytes"])),
            ops=ops,
            output_sha256=digest(outputs),
            environment={
                "agent_version": __version__,
                "sha256": {
                    "model": self._model_artifact.sha256,
                    "runtime": plan.library.sha256 if plan.library else None,
                    "agent": plan.program.sha256,
                },
                "python": ".".join(map(str, facts.python.version)) if facts.python else None,
                "cpu_features": list(facts.cpu_features),
                "cores": facts.cores,
                "affinity": loaded.get("affinity"),
                "delegate_asked": self._options.delegate,
                "cold_start": {"load_us": loaded.get("load_us"), "first_us": first},
                "p50_confidence_95_us": record.median_interval(samples),
                "paced_hz": options.extra.get("paced_hz"),
                "elapsed_s": measured.get("elapsed_s"),
                "pushed_bytes": self.pushed_bytes,
                "seconds_since_connecting": dict(self.timings),
                **record.environment_json(self._snapshots),
            },
            valid=not verdict.reasons,
            warnings=warnings,
            samples_us=samples[::step],
        )


def _split(raw: bytes, specs: Sequence[TensorSpec], count: int, where: str) -> list[Array]:
    """Arrays of shape (count, ...) out of the bytes of `count` calls."""
    size = sum(spec.bytes for spec in specs)
    if len(raw) != count * size:
        raise EdgeqError(
            f"The device answered {len(raw)} bytes, {count * size} were expected.", where
        )
    rows = np.frombuffer(raw, np.uint8).reshape(count, size)
    arrays: list[Array] = []
    start = 0
    for spec in specs:
        piece = np.ascontiguousarray(rows[:, start : start + spec.bytes])
        arrays.append(piece.view(spec.dtype).reshape(count, *spec.shape))
        start += spec.bytes
    return arrays
