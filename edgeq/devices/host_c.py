"""`c`: the generated C, compiled for this machine."""

from __future__ import annotations

import ctypes
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.boards.levels import best_here, level, runs_here
from edgeq.boards.target import Target, load_target
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.image import shipped_text
from edgeq.compiler.build.toolchain import Toolchain, host_toolchain
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import MOST_THREADS, CompileOptions
from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.base import Heard, Measurement, Memory, OpProfile, ProfileOptions, Session
from edgeq.devices.generated import (
    NAME,
    calls_of_answer,
    compile_flags,
    generate,
    level_of,
    op_entries,
    stored_outputs,
    tensor_specs,
    thread_flags,
    timed_ops,
)
from edgeq.devices.recordings import (
    ANSWER_HEADER,
    answer_arrays,
    check_samples,
    event_words,
    events_of,
    host_stream_source,
    most_events,
    stream_of,
)
from edgeq.devices.tensors import TensorSpec, check_batch, digest, one_call, profile_inputs
from edgeq.devices.timing import disturbances, measure_latency
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array

_CPUS = {
    "amd64": "x86-64",
    "x86_64": "x86-64",
    "arm64": "aarch64",
    "aarch64": "aarch64",
    "armv7l": "armv7",
    "armv6l": "armv6",
}
_OP_CALLS = 20
# How deep a call goes: memory below the stack pointer is painted, and looked at after the call.
_STACK_LIMIT_BYTES = 1 << 18
_STACK = f"""
#if defined(__GNUC__)
#define NOT_INLINE __attribute__((noinline))
#else
#define NOT_INLINE
#endif
enum {{ EQ_PAINTED = {_STACK_LIMIT_BYTES} }};

static NOT_INLINE void paint(void)
{{
    volatile uint8_t area[EQ_PAINTED];
    for (size_t i = 0; i < EQ_PAINTED; i++) {{
        area[i] = 0xA5;
    }}
}}

static NOT_INLINE size_t depth(void)
{{
    volatile uint8_t area[EQ_PAINTED];
    size_t i = 0;
    while (i < EQ_PAINTED && area[i] == 0xA5) {{
        i++;
    }}
    return EQ_PAINTED - i;
}}

size_t eq_stack_bytes(void);
size_t eq_stack_bytes(void)
{{
    paint();
    {NAME}_invoke();
    return depth();
}}
"""
_OnOp = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)


def device(address: Address) -> HostDevice:
    """The device of a `c` address: option threads=N, 1 to 64."""
    query.allow_only(address, ("threads",))
    threads = query.positive(address, "threads", 1)
    if threads > MOST_THREADS:
        raise UsageError(
            f"'{address.text}': this threads is not possible.",
            hint=f"threads= takes 1 to {MOST_THREADS}",
        )
    return HostDevice(address.text, threads)


def host_target() -> Target:
    """The target that stands for this machine; x86-64 where its CPU is unknown."""
    return load_target(_CPUS.get(platform.machine().lower(), "x86-64"))


def batch_source(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str:
    """C that makes many calls in a row: `eq_run(inputs, outputs, calls)`.

    Each of the arrays that `inputs` and `outputs` point to holds the values of all calls.
    """
    lines = [f'#include "{NAME}.h"', "", "#include <stddef.h>", "#include <string.h>", ""]
    head = "void eq_run(const uint8_t *const *inputs, uint8_t *const *outputs, size_t calls)"
    lines += [head + ";", head, "{", "    for (size_t i = 0; i < calls; i++) {"]
    for k, spec in enumerate(inputs):
        place = f"{NAME}_input" + (f"_{k}" if k else "")
        size = f"(size_t){spec.bytes}"
        lines.append(f"        memcpy({place}(), inputs[{k}] + i * {size}, {size});")
    lines.append(f"        {NAME}_invoke();")
    for k, spec in enumerate(outputs):
        place = f"{NAME}_output" + (f"_{k}" if k else "")
        size = f"(size_t){spec.bytes}"
        lines.append(f"        memcpy(outputs[{k}] + i * {size}, {place}(), {size});")
    return "\n".join([*lines, "    }", "}", ""])


def _flags(sources: Sources) -> list[str]:
    return ["-fPIC", *compile_flags(sources), "-O3"]


def _memory(manifest: Mapping[str, Any], stack: int) -> Memory:
    """RAM of the model; code and constants are the shared library's, and no flash."""
    arena = manifest["arena_bytes"] + manifest.get("state_bytes", 0)
    static = manifest.get("static_bytes", 0)
    return Memory(arena=arena, static=static, stack=stack, ram_total=arena + static + stack)


class HostDevice:
    """The generated C on this machine."""

    def __init__(self, address: str, threads: int = 1) -> None:
        self.address = address
        self._threads = threads

    def open(self, model: Path, options: CompileOptions) -> HostSession:
        """A session with the code of `model` compiled and loaded."""
        options = replace(options, threads=self._threads)
        if options.dispatch:
            made = generate(model, host_target(), options, loaded=True)
            return HostSession(self.address, made)
        chosen = level(options.isa, host_target().cpu) if options.isa else best_here()
        if not runs_here(chosen):
            raise EdgeqError(
                f"this machine's CPU cannot run code of level {chosen.name}.",
                self.address,
                hint=f"--isa {best_here().name} is the best that it has",
            )
        made = generate(model, host_target(), replace(options, isa=chosen.name), loaded=True)
        # What nobody chose may use all that this machine has.
        return HostSession(self.address, made, chosen.flags if options.isa else None)


class _Library:
    """One loaded copy of the compiled model, with memory of its own."""

    def __init__(self, sources: Sources, toolchain: Toolchain, *, traced: bool) -> None:
        inputs, outputs = tensor_specs(sources, "inputs"), tensor_specs(sources, "outputs")
        self._outputs = outputs
        files = {**sources.files, "eq_batch.c": batch_source(inputs, outputs) + _STACK}
        flags = _flags(sources)
        if sources.stream is not None:
            files |= {
                "eq_answer.h": ANSWER_HEADER,
                "eq_stream.c": host_stream_source(outputs, sources.stream),
            }
            flags += ["-include", "eq_answer.h"]
        if traced:
            files |= {name: shipped_text(f"hooks/{name}") for name in ("eq_trace.h", "eq_trace.c")}
            flags += ["-include", "eq_trace.h"]
        suffix = ".dll" if sys.platform == "win32" else ".so"
        built = build(
            toolchain, files, flags, ["-shared", *thread_flags(sources)], f"model{suffix}"
        )
        # The loader gives the same memory to everyone who opens the same file, so every session
        # opens a copy.
        self._folder = Path(tempfile.mkdtemp(prefix="edgeq-"))
        try:
            self.code: Any = ctypes.CDLL(str(shutil.copy(built, self._folder)))
        except BaseException:  # a full disk
            self.close()
            raise
        if sys.platform != "win32":  # what is mapped stays; a process that is killed leaves nothing
            self.close()
        for name, values in sources.loaded.items():
            room = (ctypes.c_char * values.nbytes).in_dll(self.code, name)
            ctypes.memmove(room, values.ctypes.data, values.nbytes)
        self.code.eq_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self.code.eq_run.restype = None
        self.code.eq_stack_bytes.restype = ctypes.c_size_t

    def batch(self, inputs: Sequence[Array], calls: int) -> _Batch:
        """Calls in a row that can be made again and again."""
        results = [np.empty((calls, *spec.shape), spec.dtype) for spec in self._outputs]
        return _Batch(self.code.eq_run, [np.ascontiguousarray(a) for a in inputs], results, calls)

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        if hasattr(self.code, f"{NAME}_reset"):
            self.code[f"{NAME}_reset"]()

    def close(self) -> None:
        """Delete the copy; the code stays mapped until the process ends."""
        shutil.rmtree(self._folder, ignore_errors=True)


class _Batch:
    """Arrays of inputs and outputs, and the calls that lead from one to the other."""

    def __init__(
        self, run: Any, inputs: Sequence[Array], outputs: Sequence[Array], calls: int
    ) -> None:
        self._run = run
        self._calls = calls
        self._inputs = inputs  # the pointers below do not keep their memory alive
        self.outputs = list(outputs)
        self._from = (ctypes.c_void_p * len(inputs))(*[array.ctypes.data for array in inputs])
        self._to = (ctypes.c_void_p * len(outputs))(*[array.ctypes.data for array in outputs])

    def __call__(self) -> list[Array]:
        """The outputs of all calls, in arrays that are used again by the next time."""
        self._run(self._from, self._to, self._calls)
        return self.outputs


class HostSession(Session):
    """One compiled model in this process; threads that call it take turns."""

    def __init__(
        self, address: str, sources: Sources, flags: tuple[str, ...] | None = None
    ) -> None:
        self._address = address
        self._toolchain = host_toolchain(flags)
        self._sources = sources
        self._inputs = tensor_specs(sources, "inputs")
        self._library = _Library(sources, self._toolchain, traced=False)
        # The C keeps everything in memory of its own, and ctypes lets other threads run meanwhile.
        self._turn = threading.Lock()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        call = self._library.batch(inputs, check_batch(inputs, self._inputs))
        with self._turn:
            return call()

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """The answers to one recording from the initial state, and its events."""
        stream = stream_of(self._sources, self._address)
        samples = check_samples(samples, stream)
        chunk = chunk or stream.step * stream.frame_step
        results = answer_arrays(stream, len(samples), tensor_specs(self._sources, "outputs"))
        to = (ctypes.c_void_p * len(results))(*[array.ctypes.data for array in results])
        most = most_events(stream, stream.answers(len(samples)))
        events = np.zeros((most, event_words(stream) + 1), np.uint32)
        push = self._library.code.eq_stream
        push.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p
        ]  # fmt: skip
        with self._turn:
            made = push(samples.ctypes.data, len(samples), chunk, to, events.ctypes.data)
            count = ctypes.c_size_t.in_dll(self._library.code, "eq_events").value
        assert all(made == len(array) for array in results)
        return Heard(results, events_of(events[:count], stream))

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every stored activation of one call from the initial state, by tensor index."""
        return self.trace_calls(inputs, 1)[0]

    def trace_calls(self, inputs: Sequence[Array], calls: int) -> list[dict[int, Array]]:
        """What each of several calls with the same inputs stores, from the initial state."""
        batch = one_call(inputs)
        check_batch(batch, self._inputs)
        ops = op_entries(self._sources)
        size = self._sources.manifest["arena_bytes"]
        found: list[dict[int, Array]] = []

        def on_op(op: int, arena: int) -> None:
            if op == 0:
                found.append({})
            else:
                found[-1].update(stored_outputs(ops[op - 1], ctypes.string_at(arena, size)))

        self._traced(on_op, [np.repeat(array, calls, axis=0) for array in batch], calls)
        return found

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        self._library.reset()

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency by the clock; each op's share in a pass of its own."""
        batch = one_call(profile_inputs(self._inputs, options.input_index))
        library = _Library(self._sources, self._toolchain, traced=False)
        first, each = calls_of_answer(self._sources)
        try:
            lead, call, between = (
                library.batch([np.repeat(array, calls, axis=0) for array in batch], calls)
                for calls in (first, each, each - 1)
            )
            if self._sources.stream is not None:
                lead()
            latency, samples = measure_latency(call, options)
            library.reset()
            sha256 = digest(array[-1:] for array in lead())
            between()
            stack = int(library.code.eq_stack_bytes())
        finally:
            library.close()
        manifest = self._sources.manifest
        toolchain = self._toolchain
        disturbed = disturbances(samples)
        return Measurement(
            device={
                "address": self._address,
                "target": "host",
                "cpu": platform.machine(),
                "runtime": "c",
                "runtime_version": __version__,
                "threads": manifest.get("threads", 1),
                "isa": level_of(manifest, best_here()),
                "compiler": toolchain.version,
                "compiler_flags": [*toolchain.flags, *_flags(self._sources)],
            },
            latency_us=latency,
            samples_us=samples,
            valid=not disturbed,
            warnings=disturbed,
            memory_bytes=_memory(manifest, stack),
            ops=self._op_shares(batch) if options.ops else (),
            output_sha256=sha256,
        )

    def close(self) -> None:
        """Delete the temporary copy of the library."""
        self._library.close()

    def _op_shares(self, batch: Sequence[Array]) -> list[OpProfile]:
        ops = op_entries(self._sources)
        first, each = calls_of_answer(self._sources)
        calls = first + _OP_CALLS * each
        spent = np.zeros((calls, len(ops) + 1))
        seen, running, begun = 0, len(ops), 0

        def on_op(op: int, arena: int) -> None:  # noqa: ARG001
            nonlocal seen, running, begun
            now = time.perf_counter_ns()
            # An op inside of a loop is there once a turn.
            spent[seen, running] += now - begun
            running, seen = op, seen + (op == len(ops))
            begun = time.perf_counter_ns()

        self._traced(on_op, [np.repeat(array[:1], calls, axis=0) for array in batch], calls)
        # With a front end all calls from one answer to the next, as the latency has them.
        answers = spent[first:seen, :-1].reshape(-1, each, len(ops)).sum(axis=1)
        return timed_ops(ops, answers / 1e3)

    def _traced(
        self, on_op: Callable[[int, int], None], batch: Sequence[Array], calls: int
    ) -> None:
        """Make calls in a fresh copy that reports the start of every op, and the end."""
        library = _Library(self._sources, self._toolchain, traced=True)
        try:
            callback = _OnOp(on_op)
            ctypes.c_void_p.in_dll(library.code, "eq_on_op").value = ctypes.cast(
                callback, ctypes.c_void_p
            ).value
            library.batch(batch, calls)()
        finally:
            library.close()
