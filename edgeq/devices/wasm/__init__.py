"""`wasm:`: the generated C as WebAssembly, in wasmtime on this machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from edgeq import __version__
from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import Toolchain, wasm_toolchain
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import CompileOptions
from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.base import Heard, Measurement, Memory, OpProfile, ProfileOptions, Session
from edgeq.devices.generated import (
    NAME,
    calls_of_answer,
    generate,
    op_entries,
    stored_outputs,
    tensor_specs,
    timed_ops,
)
from edgeq.devices.recordings import (
    answer_arrays,
    check_samples,
    event_words,
    events_of,
    most_events,
    stream_of,
)
from edgeq.devices.tensors import check_batch, digest, one_call, profile_inputs
from edgeq.devices.timing import disturbances, measure_latency
from edgeq.devices.wasm.module import Batch, Extra, Module, module_flags, wasmtime_package
from edgeq.support.array import Array

_OP_CALLS = 20
# Inputs and outputs of so many bytes go through the module's memory at once.
_BATCH_BYTES = 16 << 20
# Included before the model: who is told of every op, with the arena, and when it began.
_TRACE_HEADER = f"""
#ifndef EQ_WASM_OP_H
#define EQ_WASM_OP_H
__attribute__((import_module("edgeq"), import_name("op"))) void eq_op(int op, const void *arena);
#define EQ_OP(i) eq_op((i), {NAME}_arena);
#endif
"""
_CLOCK_HEADER = """
#ifndef EQ_WASM_OP_H
#define EQ_WASM_OP_H
void eq_op(int op);
#define EQ_OP(i) eq_op(i);
#endif
"""
# The engine's own clock, in nanoseconds: to ask it from inside costs less than to be called.
_CLOCK_SOURCE = """
#include <stdint.h>

__attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get")))
int32_t eq_clock(int32_t clock, int64_t precision, uint64_t *time);
void eq_op(int op);
extern uint64_t eq_times[];
uint64_t eq_times[%d];

/* Ops inside of a loop have the time of all turns. The last entry is the running op's, plus one. */
void eq_op(int op)
{
    static uint64_t begun;
    uint64_t now;
    uint64_t *running = &eq_times[%d];
    (void)eq_clock(1, 1, &now);
    if (*running != 0) {
        eq_times[*running - 1] += now - begun;
    }
    *running = (uint64_t)op + 1;
    begun = now;
}
"""


def device(address: Address) -> WasmDevice:
    """The device of a `wasm:` address; `?simd=off` leaves the 128-bit vectors out."""
    query.allow_only(address, ("simd",))
    simd = query.choice(address, "simd", ("on", "off"), "on") == "on"
    return WasmDevice(address.text, simd=simd)


class WasmDevice:
    """The generated C in a WebAssembly engine on this machine."""

    def __init__(self, address: str, *, simd: bool) -> None:
        self.address = address
        self._simd = simd

    def open(self, model: Path, options: CompileOptions) -> WasmSession:
        """A session with the module of `model` compiled and instantiated."""
        wasmtime_package()
        sources = generate(model, load_target("wasm32"), options)
        math = any("#include <math.h>" in text for text in sources.files.values())
        return WasmSession(self.address, sources, wasm_toolchain(simd=self._simd, math=math))


class WasmSession(Session):
    """One model in a WebAssembly engine."""

    def __init__(self, address: str, sources: Sources, toolchain: Toolchain) -> None:
        self._address = address
        self._sources = sources
        self._toolchain = toolchain
        self._inputs = tensor_specs(sources, "inputs")
        self._outputs = tensor_specs(sources, "outputs")
        self._module = Module(sources, toolchain)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        count = check_batch(inputs, self._inputs)
        each = sum(spec.bytes for spec in (*self._inputs, *self._outputs))
        most = max(1, _BATCH_BYTES // max(each, 1))
        results = [np.empty((count, *spec.shape), spec.dtype) for spec in self._outputs]
        for start in range(0, count, most):
            piece = [array[start : start + most] for array in inputs]
            batch = self._module.batch(piece, min(most, count - start))
            batch()
            for result, value in zip(results, batch.outputs(), strict=True):
                result[start : start + most] = value
        return results

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """The answers to one recording from the initial state, and its events."""
        module, stream = self._module, stream_of(self._sources, self._address)
        samples = check_samples(samples, stream)
        chunk = chunk or stream.step * stream.frame_step
        results = answer_arrays(stream, len(samples), self._outputs)
        row = (event_words(stream) + 1) * np.dtype(np.uint32).itemsize
        most = row * most_events(stream, stream.answers(len(samples)))
        sizes = [4 * len(results), samples.nbytes, most, *(array.nbytes for array in results)]
        pointers, place, events, *places = module.place(sizes)
        module.write(pointers, np.asarray(places, "<u4").tobytes())
        module.write(place, samples.tobytes())
        made = module.call("eq_stream", place, len(samples), chunk, pointers, events)
        assert all(made == len(array) for array in results)
        for k, (array, at) in enumerate(zip(results, places, strict=True)):
            raw = module.read(at, array.nbytes)
            results[k] = np.frombuffer(raw, array.dtype).reshape(array.shape).copy()
        count = int.from_bytes(module.read(module.global_value("eq_events"), 4), "little")
        rows = np.frombuffer(module.read(events, row * count), "<u4").reshape(-1, row // 4)
        return Heard(results, events_of(rows, stream))

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every stored activation of one call from the initial state, by tensor index."""
        batch = one_call(inputs)
        check_batch(batch, self._inputs)
        ops = op_entries(self._sources)
        size = self._sources.manifest["arena_bytes"]
        found: dict[int, Array] = {}

        def on_op(op: int, arena: int) -> None:
            if op:
                found.update(stored_outputs(ops[op - 1], module.read(arena, size)))

        module = Module(self._sources, self._toolchain, Extra(header=_TRACE_HEADER), on_op)
        module.batch(batch, 1)()
        return found

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        _reset(self._module)

    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency by the clock, seen from outside the engine; each op's share in its own pass."""
        inputs = one_call(profile_inputs(self._inputs, options.input_index))
        first, each = calls_of_answer(self._sources)
        module = Module(self._sources, self._toolchain)

        def batch(calls: int) -> Batch:
            return module.batch([np.repeat(array, calls, axis=0) for array in inputs], calls)

        if self._sources.stream is not None:
            batch(first)()
        latency, samples = measure_latency(batch(each), options)
        _reset(module)
        lead = batch(first)
        lead()
        sha256 = digest(array[-1:] for array in lead.outputs())
        manifest = self._sources.manifest
        arena = manifest["arena_bytes"] + manifest.get("state_bytes", 0)
        static = manifest.get("static_bytes", 0)
        disturbed = disturbances(samples)
        return Measurement(
            device={
                "address": self._address,
                "target": "wasm32",
                "cpu": "wasm32",
                "runtime": "c",
                "runtime_version": __version__,
                "compiler": f"zig {self._toolchain.version}",
                "compiler_flags": [*self._toolchain.flags, *module_flags(self._sources)],
                "engine": f"wasmtime {metadata.version('wasmtime')}",
                "machine": platform.machine(),
            },
            latency_us=latency,
            samples_us=samples,
            valid=not disturbed,
            warnings=disturbed,
            memory_bytes=Memory(arena=arena, static=static),
            ops=self._op_shares(inputs) if options.ops else (),
            output_sha256=sha256,
        )

    def close(self) -> None:
        """Nothing to free: the instance goes with the session."""

    def _op_shares(self, inputs: Sequence[Array]) -> list[OpProfile]:
        """The median time of each op over some answers, with all calls that each of them takes."""
        ops = op_entries(self._sources)
        marks = len(ops) + 1
        clock = Extra(_CLOCK_HEADER, _CLOCK_SOURCE % (marks + 1, marks), ("eq_times",))
        module = Module(self._sources, self._toolchain, clock)
        times = module.global_value("eq_times")
        first, each = calls_of_answer(self._sources)
        call = module.batch(inputs, 1)
        spent = []
        for _ in range(first + _OP_CALLS * each):
            module.write(times, bytes(8 * (marks + 1)))
            call()
            seen = np.frombuffer(module.read(times, 8 * (marks + 1)), "<u8")
            spent.append(seen[: len(ops)].astype(np.float64))
        answers = np.asarray(spent[first:]).reshape(-1, each, len(ops)).sum(axis=1)
        return timed_ops(ops, answers / 1e3)


def _reset(module: Module) -> None:
    if module.has(f"{NAME}_reset"):
        module.call(f"{NAME}_reset")
