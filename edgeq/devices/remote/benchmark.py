"""`?runtime=benchmark_model`: a user's own build of TensorFlow Lite's tool, with its delegates.

It makes its own inputs and gives no answers: its figures are taken as they are, and say so.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from edgeq.devices import query
from edgeq.devices.base import Latency, Measurement, Memory, OpProfile, ProfileOptions, Session
from edgeq.devices.remote import artifacts, memory
from edgeq.devices.remote.benchmark_output import CPU_DELEGATE, BenchmarkOutput, OpRow, read_output
from edgeq.devices.remote.facts import check_cores, read_facts
from edgeq.devices.remote.host import Host
from edgeq.devices.remote.ops import UNKNOWN
from edgeq.devices.remote.push import push
from edgeq.devices.remote.shell import Shell, quoted
from edgeq.devices.remote.turns import Turn
from edgeq.devices.timing import DEFAULT_SECONDS, limit_s
from edgeq.errors import EdgeqError, UsageError, blamed_on_the_device
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array

RUNTIME = "benchmark_model"
_USUAL_PLACES = ("benchmark_model", "/data/local/tmp/benchmark_model")
_LONGEST_OUTPUT_BYTES = 8 << 20
_FETCH_S = 60.0
_SPARE_S = 120.0  # to load, to warm up and to profile, beyond the timed part
# delegate of the address -> (flags, what its log calls it)
_DELEGATES = {
    "xnnpack": (("--use_xnnpack=true",), "XNNPACK"),
    "none": (("--use_xnnpack=false",), ""),
    "gpu": (("--use_gpu=true",), "GPU"),
    "nnapi": (("--use_nnapi=true",), "NNAPI"),
    # Its libraries lie beside the tool. Source: Qualcomm AI Engine Direct, TfLite-Delegate.
    "qnn": (
        (
            "--external_delegate_path={folder}/libQnnTFLiteDelegate.so",
            (
                "--external_delegate_options=backend_type:htp;"
                "library_path:{folder}/libQnnHtp.so;skel_library_dir:{folder}"
            ),
        ),
        "QNN",
    ),
}


def flags(delegate: str, folder: str) -> list[str]:
    """The tool's flags for a delegate.

    Raises:
        UsageError: It has no such delegate.
    """
    if delegate not in _DELEGATES:
        raise UsageError(
            f"{RUNTIME} has no delegate '{delegate}'.", hint=", ".join(map(str, _DELEGATES))
        )
    return [each.format(folder=folder) for each in _DELEGATES[delegate][0]]


class BenchmarkSession(Session):
    """A model and the tool on one device."""

    def __init__(self, device: Host, model: Path) -> None:
        begin = time.monotonic()
        self._device = device
        self._graph = read_graph(model)
        self._delegate = device.options.delegate or "xnnpack"
        flags(self._delegate, "")
        self._model = artifacts.artifact(model, ".tflite")
        self._link = device.connect(None)
        self._turn = Turn(self._link, device.options.wait_s)
        try:
            with blamed_on_the_device():
                self._shell = Shell(self._link)
                known = memory.recall(self._link.identity, device.options.folder)
                sections = self._shell.probe(device.options.folder, known)
                memory.remember(self._link.identity, device.options.folder, sections)
                self._facts = read_facts(sections)
                self._program = self._push()
        except BaseException:
            self._link.close()
            raise
        self._connect_s = time.monotonic() - begin

    def _push(self) -> str:
        """The path of the tool on the device, after everything needed is there."""
        wanted, given = [self._model], self._device.options.program
        own = Path(os.path.expanduser(given)) if given else None  # noqa: PTH111  (~nobody stays)
        if own is not None and own.is_file():
            wanted.append(artifacts.artifact(own, ".bin"))
        push(self._link, self._shell, self._facts, wanted, self._device.options.cache_bytes)
        if len(wanted) > 1:
            return f"{self._facts.root}/{wanted[1].name}"
        for place in (given,) if given else _USUAL_PLACES:
            status, path = self._shell.do(f"command -v {quoted(place)}")
            if status == 0 and path.startswith("/"):
                return path
        raise EdgeqError(
            f"There is no {RUNTIME}: {given or ' or '.join(_USUAL_PLACES)}.", self._device.address,
            "?program= names a file here, which is pushed, or a path on the device",
        )  # fmt: skip

    def alone(self) -> AbstractContextManager[None]:
        """As `Session.alone`."""
        return self._turn.held()

    def run(self, inputs: Sequence[Array]) -> list[Array]:  # noqa: ARG002
        """Not possible."""
        raise EdgeqError(
            f"{RUNTIME} gives no answers, only times.", self._device.address,
            "profile it, or take another runtime",
        )  # fmt: skip

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Not possible."""
        self.run(inputs)
        return {}

    def reset(self) -> None:
        """Nothing: every run of the tool is a process of its own."""

    def profile(self, options: ProfileOptions) -> Measurement:
        """What the tool says, in one run, and per op in another, which is slower.

        Raises:
            UsageError: Calls at a pace, which the tool does not make.
        """
        if options.extra.get("paced_hz"):
            raise UsageError(f"--paced has no meaning for {RUNTIME}.", hint="another ?runtime=")
        found = self._benchmark(options, profiling=False)
        profiled = self._benchmark(options, profiling=True) if options.ops else None
        rows = list(profiled.ops) if profiled else []
        timed = found.timed
        threads = int(options.extra.get("threads") or self._device.options.threads)
        return Measurement(
            device={
                "address": self._device.address,
                "target": self._facts.board or self._facts.architecture,
                "cpu": self._facts.cpu,
                "runtime": RUNTIME,
                "runtime_version": None,
                "threads": threads,
                "delegate": delegate_that_ran(self._delegate, found, rows),
                "architecture": self._facts.architecture,
                "system": self._facts.system,
                "soc": self._facts.soc,
                "os": self._facts.os_name,
                "kernel": self._facts.kernel,
                "libc": self._facts.libc,
            },
            latency_us=Latency(
                n=int(timed["count"]),
                warmup=int(found.warmup.get("count", 0)),
                first=found.warmup.get("first", timed["first"]),
                min=timed["min"],
                mean=timed["avg"],
                p50=timed.get("median"),
                p90=None,
                p95=timed.get("p95"),
                p99=None,
                max=timed["max"],
                stdev=timed["std"],
            ),
            memory_bytes=Memory(),
            ops=op_rows(rows, self._graph),
            environment={
                "program": self._program,
                "sha256": {"model": self._model.sha256},
                "init_us": found.init_us,
                "memory_footprint_bytes": dict(found.memory_bytes),
                "delegate": {
                    "asked": self._delegate,
                    "nodes": found.nodes[0] if found.nodes else None,
                    "of": found.nodes[1] if found.nodes else None,
                    "parts": found.parts,
                    "created": list(found.created),
                    "max_difference": None,
                },
                "answers_verified": False,
            },
            warnings=[
                f"{RUNTIME} gives no answers: they are NOT verified against the CPU's",
                f"{RUNTIME} makes its own inputs, and the device was not watched while it ran",
                *delegate_warnings(self._delegate, found, rows),
            ],
        )

    def _benchmark(self, options: ProfileOptions, *, profiling: bool) -> BenchmarkOutput:
        extra = options.extra
        seconds = limit_s(options)
        root = self._facts.root or "."
        words = [
            self._program,
            f"--graph={root}/{self._model.name}",
            f"--num_threads={int(extra.get('threads') or self._device.options.threads)}",
            f"--num_runs={options.runs or 1}",
            f"--min_secs={0 if options.runs else seconds:g}",
            f"--max_secs={math.ceil(_SPARE_S if seconds is None else max(seconds, 1))}",
            f"--warmup_runs={1 if options.warmup is None else options.warmup}",
            f"--enable_op_profiling={'true' if profiling else 'false'}",
            *flags(self._delegate, self._program.rpartition("/")[0]),
        ]
        cpu = self._device.options.cpu
        if extra.get("cpu"):
            cpu = query.cores(str(extra["cpu"]), "cpu")
        if cpu:
            check_cores(cpu, self._facts, self._device.address)
            words = ["taskset", f"{sum(1 << int(core) for core in cpu.split(',')):x}", *words]
        # Of this session alone ($$ is its shell): others may measure there, with another delegate.
        logs, log = quoted(f"{root}/benchmark."), f"{quoted(f'{root}/benchmark.')}$$.part"
        command = " ".join(map(quoted, words))
        folder = quoted(self._program.rpartition("/")[0])
        with self._turn.held():
            status, _ = self._shell.do(
                f"for f in {logs}*.part; do p=${{f%.part}}; "
                f'kill -0 "${{p##*.}}" 2>/dev/null || rm -f "$f"; done; '
                f"LD_LIBRARY_PATH={folder}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}} "
                f"{command} >{log} 2>&1",
                2 * (seconds or DEFAULT_SECONDS) + _SPARE_S,
            )
        text = self._fetch(log)
        found = read_output(text, self._delegate)
        if status or not found.timed.get("count"):
            last = " / ".join(text.strip().splitlines()[-3:])
            raise EdgeqError(
                f"{RUNTIME} failed with status {status}: {last or 'it said nothing'}",
                f"{self._device.address}, {self._program}",
                "another delegate (?delegate=none), or another build of the tool",
            )
        return found

    def _fetch(self, path: str) -> str:
        """The text of a file on the device, a word of shell; it is removed there."""
        _, text = self._shell.do(
            f"cat {path}; rm -f {path}",
            _FETCH_S, tabs=True, most_bytes=_LONGEST_OUTPUT_BYTES,
        )  # fmt: skip
        return text

    def close(self) -> None:
        """End the connection, and with it what runs on the device."""
        self._shell.close()
        self._link.close()


def op_rows(rows: Sequence[OpRow], graph: Graph) -> list[OpProfile]:
    """Shares of the tool's rows, which gives means alone; indices of the ops that it ran itself.

    An op is known by the number that the tool gives with it, if the model has that op there; what
    a delegate ran is of one of the others.
    """
    total = sum(row.us for row in rows) or 1.0
    names = [op.name for op in graph.main.ops]
    if [row.op for row in rows] == names and all(row.index is None for row in rows):
        rows = [replace(row, index=place) for place, row in enumerate(rows)]  # of an old tool
    places = [
        row.index if row.index is not None and row.op in names[row.index : row.index + 1] else None
        for row in rows
    ]
    rest = tuple(position for position in range(len(names)) if position not in places)
    return [
        OpProfile(
            UNKNOWN if place is None else place, row.op, row.name, share=row.us / total,
            covers=() if place is None else (place,), among=rest if place is None else (),
            delegated=row.delegated,
        )
        for place, row in zip(places, rows, strict=True)
    ]  # fmt: skip


def delegate_that_ran(asked: str, found: BenchmarkOutput, rows: Sequence[OpRow]) -> str | None:
    """The delegate that ran an op, "none" if none did; None where the tool does not tell."""
    if asked == "none" or found.parts == 0 or (found.nodes and found.nodes[0] == 0):
        return "none"
    told = (
        found.nodes
        or found.parts
        or any(
            row.delegated and (asked == CPU_DELEGATE or CPU_DELEGATE not in row.op.lower())
            for row in rows
        )
    )
    return asked if told else None


def delegate_warnings(asked: str, found: BenchmarkOutput, rows: Sequence[OpRow]) -> list[str]:
    """Whether the delegate that was asked for really ran, as far as the tool tells."""
    ran = delegate_that_ran(asked, found, rows)
    if ran == asked:
        return []
    if ran == "none":
        return [f"{asked} was asked for, but ran no op of this model"]
    if _DELEGATES[asked][1] in found.created:
        return [f"{asked} was created, but the tool does not say what it ran"]
    return [f"nothing in the tool's log says that {asked} ran: take the figures as the plain CPU's"]
