"""`qemu:CPU`: the generated C as a bare-metal image in QEMU."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq import __version__
from edgeq.boards.target import Target, load_target
from edgeq.compiler.build.image import Image, MemoryMap, link_image, shipped_text
from edgeq.compiler.build.toolchain import cross_toolchain
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import CompileOptions
from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.base import Heard, Measurement, OpProfile, ProfileOptions, Session
from edgeq.devices.generated import (
    ARENA_SYMBOLS,
    NAME,
    address_functions,
    calls_of_answer,
    compile_flags,
    counted_ops,
    generate,
    memory_of,
    op_entries,
    public_functions,
    stored_outputs,
    tensor_specs,
)
from edgeq.devices.recordings import stream_of
from edgeq.devices.replay import calls_of, heard_of, input_spec, output_spec, replay_files
from edgeq.devices.sim.accuracy import accuracy_note
from edgeq.devices.sim.blocks import OpCount, Program
from edgeq.devices.sim.plugin import plugins, read_counts, write_plan
from edgeq.devices.tensors import TensorSpec, check_batch, digest, one_call, profile_inputs
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.support.array import Array

# With shift=7 every instruction takes 2^7 ns of the machine's time, which its timers show.
_ICOUNT = ("-icount", "shift=7,align=off,sleep=off")
_INSTRUCTION_NS = 128
_TIMEOUT_S = 1800
_MAX_OPS = 1024  # MAX_OPS of eq_harness.c
_NO_PLUGIN = "unknown: this QEMU does not load the plugin that counts what runs"


@dataclass(frozen=True)
class Board:
    """A machine of QEMU.

    Attributes:
        program: The QEMU that has it.
        machine: What -M takes.
        memory: Where code and data go.
        timer: EQ_TIMER of eq_harness.c.
        tick_ns: Time between two ticks of that timer.
    """

    program: str
    machine: str
    memory: MemoryMap
    timer: int
    tick_ns: float


_MPS2 = MemoryMap(flash=0, flash_bytes=4 << 20, ram=0x20000000, ram_bytes=4 << 20)
_AN547 = Board(
    "qemu-system-arm",
    "mps3-an547",
    MemoryMap(0x70000000, 64 << 20, 0x31000000, 4 << 20, boot=0x10000000),
    2,
    31.25,
)
# Source: QEMU 7.2, hw/arm/mps2.c (25 MHz), mps2-tz.c (AN547: 32 MHz, boots from the secure alias
# of the ITCM; DDR and SRAM have room for most models), hw/riscv/virt.c; with -icount, mcycle counts
# nanoseconds, which the harness divides.
BOARDS = {
    "cortex-m3": Board("qemu-system-arm", "mps2-an385", _MPS2, 1, 40),
    "cortex-m4": Board("qemu-system-arm", "mps2-an386", _MPS2, 1, 40),
    "cortex-m55": _AN547,
    # No QEMU has this core; to a program it is the other one, with the same instructions.
    "cortex-m85": _AN547,
    "rv32imc": Board(
        "qemu-system-riscv32",
        "virt",
        MemoryMap(flash=0x80000000, flash_bytes=16 << 20, ram=0x81000000, ram_bytes=16 << 20),
        3,
        _INSTRUCTION_NS,
    ),
}


def device(address: Address) -> QemuDevice:
    """The device of a `qemu:` address."""
    query.allow_only(address, ())
    target = load_target(address.rest)
    if target.cpu not in BOARDS:
        raise UsageError(
            f"QEMU is not set up for {target.cpu}.", address.text, f"it is for {', '.join(BOARDS)}"
        )
    return QemuDevice(address.text, target)


class QemuDevice:
    """One CPU in QEMU."""

    def __init__(self, address: str, target: Target) -> None:
        self.address = address
        self._target = target

    def open(self, model: Path, options: CompileOptions) -> QemuSession:
        """A session with an image of `model` for the CPU."""
        return QemuSession(self.address, self._target, generate(model, self._target, options))


@dataclass(frozen=True)
class _Figures:
    """What the harness measured at the last call."""

    instructions: int
    stack_bytes: int
    hook: bytes
    empty_hook_ticks: int


class QemuSession(Session):
    """One model in bare-metal images; every batch of calls is one run of QEMU.

    The model's RAM goes from run to run through a file, so a model with state sees a stream.
    """

    def __init__(self, address: str, target: Target, sources: Sources) -> None:
        self._address = address
        self._target = target
        self._board = BOARDS[target.cpu]
        self._program = _find(self._board.program)
        self._sources = sources
        self._toolchain = cross_toolchain(target)
        self._ops = op_entries(sources)
        self._inputs = tensor_specs(sources, "inputs")
        self._outputs = tensor_specs(sources, "outputs")
        self._image = self._link(hook=0)
        self._replaying: Image | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="edgeq-qemu-"))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        check_batch(inputs, self._inputs)
        return self._execute(self._image, inputs, self._folder)[0]

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """Answers and events of one recording from the initial state, in one run of QEMU."""
        stream = stream_of(self._sources, self._address)
        calls = calls_of(samples, stream, chunk)
        if self._replaying is None:
            self._replaying = self._link(hook=0, replay=True)
        spec = output_spec(stream, self._outputs)
        with tempfile.TemporaryDirectory(prefix="edgeq-qemu-") as folder:
            self._feed(self._replaying, [calls], Path(folder))
            (results,) = _split((Path(folder) / "out.bin").read_bytes(), len(calls), [spec])
        return heard_of(results, len(samples), stream, self._outputs)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every stored activation of one call from the initial state, by tensor index."""
        batch = one_call(inputs)
        check_batch(batch, self._inputs)
        _, figures = self._fresh(self._link(hook=1), batch)
        size = self._sources.manifest["arena_bytes"]
        found: dict[int, Array] = {}
        # Report i comes at the start of op i, when op i - 1 has ended; the last one at the end.
        for position, op in enumerate(self._ops):
            start = (position + 1) * size
            found.update(stored_outputs(op, figures.hook[start : start + size]))
        return found

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        (self._folder / "state.bin").unlink(missing_ok=True)

    def profile(self, options: ProfileOptions) -> Measurement:
        """Instructions, stack and memory of the second answer; ops in a run of their own."""
        batch = one_call(profile_inputs(self._inputs, options.input_index))
        first, each = calls_of_answer(self._sources)
        calls = [np.repeat(array, first + each, axis=0) for array in batch]
        outputs, figures, counts = self._counted(calls)
        cycles = [count.cycles for count in counts if count.cycles is not None]
        ops = counted_ops(self._ops, counts) if counts else self._op_profiles(calls, options)
        note = accuracy_note(self._target.cpu) if cycles else _NO_PLUGIN
        return Measurement(
            device={
                "address": self._address,
                "target": self._target.name,
                "cpu": self._target.cpu,
                "runtime": "c",
                "runtime_version": __version__,
                "compiler": self._toolchain.version,
                "compiler_flags": [*self._toolchain.flags, *compile_flags(self._sources)],
                "emulator": f"{self._board.program} -M {self._board.machine}",
                "cycles_note": note,
            },
            instructions=sum(c.instructions for c in counts) or figures.instructions,
            cycles=sum(cycles) if cycles else None,
            memory_bytes=memory_of(self._image.sizes(*ARENA_SYMBOLS), figures.stack_bytes),
            ops=ops if options.ops else (),
            output_sha256=digest(array[first - 1 : first] for array in outputs),
        )

    def close(self) -> None:
        """Delete the temporary files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _link(self, hook: int, *, replay: bool = False) -> Image:
        """The image with the harness; `hook` is EQ_HOOK of eq_harness.c, 0 for none."""
        flags = [*compile_flags(self._sources), f"-DEQ_TIMER={self._board.timer}"]
        flags += ["-include", "eq_trace.h" if hook else "eq_mark.h", f"-DEQ_HOOK={hook}"]
        files = {
            **self._sources.files,
            "eq_harness.c": shipped_text("baremetal/eq_harness.c"),
            "eq_trace.h": shipped_text("hooks/eq_trace.h"),
            "eq_mark.h": shipped_text("hooks/eq_mark.h"),
            "eq_io.h": self._io_text(replay=replay),
        }
        if replay:
            files |= replay_files(NAME, stream_of(self._sources, self._address), self._outputs)
        return link_image(
            self._toolchain,
            files,
            self._board.memory,
            flags=flags,
            roots=public_functions(self._sources),
            entry="eq_start",
        )

    def _io_text(self, *, replay: bool) -> str:
        """eq_io.h: how the harness feeds this model and reads it."""
        stem, inputs, outputs = NAME, self._inputs, self._outputs
        functions = [address_functions(self._sources, kind) for kind in ("inputs", "outputs")]
        if replay:
            stem = f"{NAME}_replay"
            stream = stream_of(self._sources, self._address)
            inputs, outputs = [input_spec(stream)], [output_spec(stream, self._outputs)]
            functions = [[f"{stem}_input"], [f"{stem}_output"]]
        reads = [
            f"    eq_read(file, {function}(), {spec.bytes}u);"
            for function, spec in zip(functions[0], inputs, strict=True)
        ]
        writes = [
            f"    eq_write(file, {function}(), {spec.bytes}u);"
            for function, spec in zip(functions[1], outputs, strict=True)
        ]
        return "\n".join(
            [
                f'#include "{NAME}.h"',
                *([f'#include "{stem}.h"'] if replay else []),
                f"#define EQ_INVOKE {stem}_invoke",
                f"#define EQ_ARENA_BYTES {NAME.upper()}_ARENA_BYTES",
                "static void eq_read_inputs(intptr_t file)\n{",
                *reads,
                "}\nstatic void eq_write_outputs(intptr_t file)\n{",
                *writes,
                "}\n",
            ]
        )

    def _fresh(self, image: Image, inputs: Sequence[Array]) -> tuple[list[Array], _Figures]:
        """A run from the initial state that leaves the session's state alone."""
        with tempfile.TemporaryDirectory(prefix="edgeq-qemu-") as folder:
            return self._execute(image, inputs, Path(folder))

    def _counted(self, inputs: Sequence[Array]) -> tuple[list[Array], _Figures, Sequence[OpCount]]:
        """A run from the initial state, and what each op did in the last call.

        That is empty where QEMU does not load the plugin that counts.
        """
        program = Program(self._image, self._target)
        entry = self._image.symbols[f"{NAME}_invoke"][0]
        for plugin in plugins():
            with tempfile.TemporaryDirectory(prefix="edgeq-qemu-") as name:
                folder = Path(name)
                write_plan(folder, program, entry, len(self._ops))
                try:
                    outputs, figures = self._execute(self._image, inputs, folder, plugin)
                except EdgeqError as error:
                    if "plugin" not in error.what:
                        raise
                    continue
                counts = program.counts(read_counts(folder), len(self._ops))
                return outputs, figures, counts
        return *self._fresh(self._image, inputs), ()

    def _execute(
        self, image: Image, inputs: Sequence[Array], folder: Path, plugin: Path | None = None
    ) -> tuple[list[Array], _Figures]:
        count = self._feed(image, inputs, folder, plugin)
        ticks, empty, stack, empty_hook = struct.unpack(
            "<4I", (folder / "figures.bin").read_bytes()
        )
        hook = folder / "hook.bin"
        figures = _Figures(
            # The empty function is one instruction long: its return.
            self._instructions(ticks - empty) + 1,
            stack,
            hook.read_bytes() if hook.exists() else b"",
            empty_hook,
        )
        return _split((folder / "out.bin").read_bytes(), count, self._outputs), figures

    def _feed(
        self, image: Image, inputs: Sequence[Array], folder: Path, plugin: Path | None = None
    ) -> int:
        """Make the calls, which leave their files in the folder; returns how many."""
        count = len(inputs[0]) if inputs else 1
        rows = [np.ascontiguousarray(array).reshape(count, -1).view(np.uint8) for array in inputs]
        data = np.concatenate(rows, axis=1).tobytes() if rows else b""
        (folder / "in.bin").write_bytes(struct.pack("<I", count) + data)
        for name in ("out.bin", "figures.bin", "hook.bin"):
            (folder / name).unlink(missing_ok=True)
        self._start(image, folder, plugin)
        return count

    def _start(self, image: Image, folder: Path, plugin: Path | None) -> None:
        command = [self._program, "-M", self._board.machine, *_ICOUNT, "-display", "none"]
        command += ["-monitor", "none", "-serial", "none", "-bios", "none"]
        command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image.path)]
        if plugin is not None:
            command += ["-plugin", str(plugin).replace(",", ",,")]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EdgeqError(f"QEMU did not end in {_TIMEOUT_S} s.", self._address) from None
        if done.returncode or not (folder / "figures.bin").exists():
            words = done.stderr.strip().splitlines()
            text = words[-1] if words else "the CPU took a fault"
            raise EdgeqError(
                f"The image failed in QEMU: {text}.",
                self._address,
                f"--on sim:{self._target.cpu} names the op, where the emulator has the CPU",
            )

    def _instructions(self, ticks: int) -> int:
        return round(ticks % (1 << 32) * self._board.tick_ns / _INSTRUCTION_NS)

    def _op_profiles(self, batch: Sequence[Array], options: ProfileOptions) -> list[OpProfile]:
        if not options.ops or len(self._ops) >= _MAX_OPS:
            return []
        _, figures = self._fresh(self._link(hook=2), batch)
        times = np.frombuffer(figures.hook, np.uint32).reshape(-1, 2).astype(int)
        counts = [
            max(0, self._instructions(times[k + 1, 0] - times[k, 1] - figures.empty_hook_ticks))
            for k in range(len(self._ops))
        ]
        total = max(sum(counts), 1)
        return [
            OpProfile(
                op.index,
                op.op,
                op.name,
                op.macs,
                instructions=count,
                share=count / total,
                subgraph=op.subgraph,
            )
            for op, count in zip(self._ops, counts, strict=True)
        ]


def _split(data: bytes, count: int, outputs: Sequence[TensorSpec]) -> list[Array]:
    """The arrays of every output out of what the harness wrote call by call."""
    rows = np.frombuffer(data, np.uint8).reshape(count, -1)
    results, start = [], 0
    for spec in outputs:
        part = np.ascontiguousarray(rows[:, start : start + spec.bytes])
        results.append(part.view(spec.dtype).reshape(count, *spec.shape))
        start += spec.bytes
    return results


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        package = "qemu-system-arm" if program.endswith("arm") else "qemu-system-misc"
        raise MissingDependency(program, "the qemu devices", f"apt install {package}")
    return found
