"""A WebAssembly module in wasmtime: its memory, its functions, calls in rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.compilation import Sources
from edgeq.devices.generated import (
    NAME,
    compile_flags,
    tensor_specs,
)
from edgeq.devices.host_c import batch_source
from edgeq.devices.recordings import (
    ANSWER_HEADER,
    host_stream_source,
)
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.support.array import Array

_STACK_BYTES = 1 << 18
_ALIGNMENT = 16
_PAGE_BYTES = 1 << 16


def wasmtime_package() -> Any:
    """The engine.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import wasmtime
    except ImportError:
        raise MissingDependency(
            "wasmtime", "running WebAssembly", "pip install 'edgeq[wasm]'"
        ) from None
    return wasmtime


def module_flags(sources: Sources) -> list[str]:
    """What the compiler is told beside its target."""
    return [*compile_flags(sources), "-O3"]


def last_line(error: Exception) -> str:
    """What the engine says in the end, after the frames."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


@dataclass(frozen=True)
class Extra:
    """What goes into a module besides the model and what makes many calls in a row.

    Attributes:
        header: Text that comes before every source.
        source: A C file of its own.
        exports: Its names that are called or read from here.
    """

    header: str = ""
    source: str = ""
    exports: tuple[str, ...] = ()


def _built(sources: Sources, toolchain: Toolchain, extra: Extra) -> Path:
    """The module's file, built now or taken from the cache."""
    inputs, outputs = tensor_specs(sources, "inputs"), tensor_specs(sources, "outputs")
    files = {**sources.files, "eq_batch.c": batch_source(inputs, outputs)}
    flags, exports = module_flags(sources), ["eq_run", "__heap_base", *extra.exports]
    if sources.stream is not None:
        files |= {
            "eq_answer.h": ANSWER_HEADER,
            "eq_stream.c": host_stream_source(outputs, sources.stream),
        }
        flags += ["-include", "eq_answer.h"]
        exports += ["eq_stream", "eq_events"]
    if f"void {NAME}_reset(void)" in sources.files[f"{NAME}.h"]:
        exports.append(f"{NAME}_reset")
    if extra.header:
        files["eq_wasm_op.h"] = extra.header
        flags += ["-include", "eq_wasm_op.h"]
    if extra.source:
        files["eq_wasm_op.c"] = extra.source
    link = [f"-Wl,-z,stack-size={_STACK_BYTES}", *(f"-Wl,--export={name}" for name in exports)]
    if "wasm32-freestanding" in toolchain.flags:
        link.append("-Wl,--no-entry")
    return build(toolchain, files, flags, link, "model.wasm")


class Module:
    """One instance of the compiled model, with memory of its own."""

    def __init__(
        self,
        sources: Sources,
        toolchain: Toolchain,
        extra: Extra | None = None,
        on_op: Callable[[int, int], None] | None = None,
    ) -> None:
        wasmtime, extra = wasmtime_package(), extra or Extra()
        self._specs = tensor_specs(sources, "inputs"), tensor_specs(sources, "outputs")
        self._trap = wasmtime.Trap, wasmtime.WasmtimeError
        engine = wasmtime.Engine()
        path = _built(sources, toolchain, extra)
        self._store = wasmtime.Store(engine)
        self._store.set_wasi(wasmtime.WasiConfig())
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        if on_op is not None:
            i32 = wasmtime.ValType.i32()
            linker.define_func("edgeq", "op", wasmtime.FuncType([i32, i32], []), on_op)
        try:
            module = wasmtime.Module.from_file(engine, str(path))
            instance = linker.instantiate(self._store, module)
        except self._trap as error:
            raise EdgeqError(
                f"The WebAssembly engine does not start: {last_line(error)}.",
                hint="it reserves some gigabytes of addresses: ulimit -v unlimited",
            ) from None
        self._exports = instance.exports(self._store)
        self._memory = self._exports["memory"]
        self._free = self.global_value("__heap_base")
        if self.has("_initialize"):
            self.call("_initialize")

    def has(self, name: str) -> bool:
        """Whether the module exports something of this name."""
        return self._exports.get(name) is not None

    def global_value(self, name: str) -> int:
        """The value of an exported global: the address of what C knows by that name."""
        return int(self._exports[name].value(self._store))

    def call(self, name: str, *arguments: int) -> int:
        """What an exported function returns.

        Raises:
            EdgeqError: The engine has stopped the module.
        """
        try:
            return int(self._exports[name](self._store, *arguments) or 0)
        except self._trap as error:
            raise EdgeqError(
                f"The WebAssembly engine stops the generated code: {last_line(error)}.", name
            ) from None

    def read(self, address: int, size: int) -> bytes:
        """Some bytes of the module's memory."""
        return bytes(self._memory.read(self._store, address, address + size))

    def write(self, address: int, content: bytes) -> None:
        """Change the module's memory."""
        self._memory.write(self._store, content, address)

    def place(self, sizes: Sequence[int]) -> list[int]:
        """Addresses of free memory for blocks of these sizes; those given before are free again."""
        found, end = [], self._free
        for size in sizes:
            start = -(-end // _ALIGNMENT) * _ALIGNMENT
            found.append(start)
            end = start + size
        missing = end - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // _PAGE_BYTES))
        return found

    def batch(self, inputs: Sequence[Array], calls: int) -> Batch:
        """Calls in a row that can be made again and again."""
        ins, outs = self._specs
        blocks = [spec.bytes * calls for spec in (*ins, *outs)]
        pointers, *places = self.place([4 * len(blocks), *blocks])
        self.write(pointers, np.asarray(places, "<u4").tobytes())
        contents = [np.ascontiguousarray(array).tobytes() for array in inputs]
        results = [
            (place, (calls, *spec.shape), np.dtype(spec.dtype))
            for place, spec in zip(places[len(ins) :], outs, strict=True)
        ]
        feeding = list(zip(places, contents, strict=False))
        return Batch(self, (pointers, pointers + 4 * len(ins), calls), feeding, results)


class Batch:
    """Where inputs and outputs lie, and the calls that lead from one to the other."""

    def __init__(
        self,
        module: Module,
        arguments: tuple[int, int, int],
        inputs: Sequence[tuple[int, bytes]],
        outputs: Sequence[tuple[int, tuple[int, ...], Any]],
    ) -> None:
        self._module = module
        self._arguments = arguments
        self._outputs = outputs
        for place, content in inputs:
            module.write(place, content)

    def __call__(self) -> None:
        """Make the calls."""
        self._module.call("eq_run", *self._arguments)

    def outputs(self) -> list[Array]:
        """The outputs of the last calls."""
        found = []
        for place, shape, dtype in self._outputs:
            raw = self._module.read(place, int(np.prod(shape)) * dtype.itemsize)
            found.append(np.frombuffer(raw, dtype).reshape(shape).copy())
        return found
