"""The generated C as WebAssembly: kernels for vectors against portable C that zig vectorises.

    python -m benchmarks.wasm

prints the table of docs/hosts.md. All forms of a model run in turns in one process, in wasmtime;
each figure is the least mean of the turns, in time of the CPU, so that other programs count little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.ledger import TINY, shared_models
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import wasm_toolchain
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import generate, tensor_specs
from edgeq.devices.tensors import profile_inputs
from edgeq.devices.wasm.module import Module

_TURNS = 15
_TURN_S = 0.03
# Of a table's column: whose kernels, and whether the module has vectors.
FORMS = ((PORTABLE, True), ("wasm32", True), (PORTABLE, False), ("wasm32", False))


def calls_of(model: Path) -> list[tuple[Callable[[], None], Callable[[], bytes]]]:
    """For each form: what makes one call, and what gives its first output's bytes."""
    made = []
    for target, simd in FORMS:
        sources = generate(model, load_target(target), CompileOptions())
        specs = tensor_specs(sources, "inputs")
        inputs = [
            np.asarray(array).reshape(1, *spec.shape)
            for array, spec in zip(profile_inputs(specs, 0), specs, strict=True)
        ]
        batch = Module(sources, wasm_toolchain(simd=simd, math=False)).batch(inputs, 1)
        made.append((batch, lambda batch=batch: batch.outputs()[0].tobytes()))
    return made


def microseconds(calls: list[Callable[[], None]]) -> list[float]:
    """The least mean of each."""
    once = []
    for call in calls:
        call()
        start = time.process_time()
        call()
        once.append(max(time.process_time() - start, 1e-6))
    found = [float("inf")] * len(calls)
    for _ in range(_TURNS):
        for k, call in enumerate(calls):
            count = max(3, int(_TURN_S / once[k]))
            start = time.process_time()
            for _ in range(count):
                call()
            found[k] = min(found[k], (time.process_time() - start) / count * 1e6)
    return found


def main() -> None:
    """Print a row for each model."""
    for name in TINY:
        made = calls_of(shared_models() / f"{name}_int8.tflite")
        figures = microseconds([call for call, _ in made])
        assert len({output() for _, output in made}) == 1, name
        vectors, ours, plain, ours_plain = figures
        print(
            f"| {name} | {vectors:,.0f} | {ours:,.0f} | {vectors / ours:.1f}x "
            f"| {plain:,.0f} | {ours_plain:,.0f} | {plain / ours_plain:.1f}x |",
            flush=True,
        )


if __name__ == "__main__":
    main()
