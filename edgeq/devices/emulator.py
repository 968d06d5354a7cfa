"""`sim:CPU`: the generated C, cross-compiled, in the embedded emulator."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from edgeq import __version__
from edgeq.boards.target import Target, load_target
from edgeq.compiler.build.image import Image, link_image, shipped_text
from edgeq.compiler.build.toolchain import Toolchain, cross_toolchain
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import CompileOptions
from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.base import Heard, Measurement, ProfileOptions, Session
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
from edgeq.devices.recordings import (
    ANSWER_HEADER,
    answer_arrays,
    check_samples,
    emulator_stream_source,
    event_words,
    events_of,
    stream_of,
)
from edgeq.devices.sim.accuracy import accuracy_note
from edgeq.devices.sim.machine import CORES, MEMORY, EmulationError, Machine
from edgeq.devices.sim.watch import MISALIGNED, Watch
from edgeq.devices.tensors import TensorSpec, check_batch, digest, one_call, profile_inputs
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.stream import Stream
from edgeq.support.array import Array


def device(address: Address) -> EmulatorDevice:
    """The device of a `sim:` address: a CPU's name, or a target with such a CPU."""
    query.allow_only(address, ())
    target = load_target(address.rest)
    if target.cpu not in CORES:
        raise UsageError(
            f"The emulator has no {target.cpu}.", address.text, f"it has {', '.join(CORES)}"
        )
    return EmulatorDevice(address.text, target)


class EmulatorDevice:
    """One CPU in the emulator."""

    def __init__(self, address: str, target: Target) -> None:
        self.address = address
        self._target = target

    def open(self, model: Path, options: CompileOptions) -> EmulatorSession:
        """A session with the code of `model` compiled for the CPU."""
        return EmulatorSession(self.address, self._target, generate(model, self._target, options))


def link(
    sources: Sources,
    toolchain: Toolchain,
    *,
    more: Mapping[str, str] | None = None,
    include: str = "",
    roots: Sequence[str] = (),
) -> Image:
    """The image of a model alone, with marks that tell where each op begins.

    Args:
        sources: The model.
        toolchain: A cross compiler.
        more: Further files beside it, of which `include` comes before every other.
        roots: What of them is kept.
    """
    return link_image(
        toolchain,
        {**sources.files, **(more or {}), "eq_mark.h": shipped_text("hooks/eq_mark.h")},
        MEMORY,
        flags=[
            *compile_flags(sources),
            *("-include", "eq_mark.h"),
            *(("-include", include) if include else ()),
        ],
        roots=[*public_functions(sources), *roots],
        entry=f"{NAME}_invoke",
    )


class EmulatorSession(Session):
    """One model on one emulated CPU.

    The first call of a session runs under a watch that checks every instruction and access; the
    following ones run at full speed, with memory protection by the page.
    """

    def __init__(self, address: str, target: Target, sources: Sources) -> None:
        self._address = address
        self._target = target
        self._sources = sources
        self._toolchain = cross_toolchain(target)
        self._image = link(sources, self._toolchain)
        self._ops = op_entries(sources)
        self._inputs = tensor_specs(sources, "inputs")
        self._outputs = tensor_specs(sources, "outputs")
        self._machine = self._new_machine()
        self._in = self._addresses("inputs")
        self._out = self._addresses("outputs")
        self._checked = False
        self._pushing: Machine | None = None

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        count = check_batch(inputs, self._inputs)
        results = [np.empty((count, *spec.shape), spec.dtype) for spec in self._outputs]
        for number in range(count):
            outputs = self._call([array[number] for array in inputs])
            for result, value in zip(results, outputs, strict=True):
                result[number] = value
        return results

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """The answers to one recording from the initial state; pieces end at an answer at most."""
        stream = stream_of(self._sources, self._address)
        samples = check_samples(samples, stream)
        most = stream.step * stream.frame_step
        chunk = min(chunk or most, most)
        if self._pushing is None:
            self._pushing = Machine(self._pushing_image(most, stream), CORES[self._target.cpu])
        machine, results = self._pushing, answer_arrays(stream, len(samples), self._outputs)
        addresses = [machine.call(name) for name in address_functions(self._sources, "outputs")]
        buffer, count = (machine.image.symbols[name][0] for name in ("eq_samples", "eq_count"))
        machine.call(f"{NAME}_reset")
        made = 0
        events: list[tuple[int, ...]] = []
        words = event_words(stream)
        for start in range(0, len(samples), chunk):
            piece = samples[start : start + chunk]
            machine.write(buffer, piece.tobytes())
            machine.write(count, len(piece).to_bytes(4, "little"))
            if self._push(machine):
                for result, address, spec in zip(results, addresses, self._outputs, strict=True):
                    result[made] = _value(machine, address, spec)
                events += [(*event, made) for event in _events(machine, words)]
                made += 1
        return Heard(
            results, events_of(np.asarray(events, np.uint32).reshape(-1, words + 1), stream)
        )

    def _push(self, machine: Machine) -> int:
        try:
            return machine.call("eq_stream")
        except EmulationError as error:
            raise self._error(error, 0, None) from None

    def _pushing_image(self, samples: int, stream: Stream) -> Image:
        """The image with a buffer of samples beside it, and what pushes them."""
        files = {
            "eq_answer.h": ANSWER_HEADER,
            "eq_stream.c": emulator_stream_source(samples, stream),
        }
        return link(
            self._sources,
            self._toolchain,
            more=files,
            include="eq_answer.h",
            roots=("eq_stream", "eq_samples", "eq_count", "eq_take", "eq_event"),
        )

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every stored activation of one call from the initial state, by tensor index."""
        import unicorn

        check_batch(one_call(inputs), self._inputs)
        machine = self._new_machine()
        arena, size = self._image.symbols[f"{NAME}_arena"]
        found: dict[int, Array] = {}

        def on_mark(engine: object, address: int, length: int, user: object) -> None:
            del engine, length, user
            content = machine.read(arena, size)
            for mark, op in self._image.marks:
                if mark == address and op:
                    found.update(stored_outputs(self._ops[op - 1], content))

        for address in sorted({mark for mark, _ in self._image.marks}):
            machine.engine.hook_add(unicorn.UC_HOOK_CODE, on_mark, begin=address, end=address)
        self._feed(machine, inputs)
        self._invoke(machine, inputs)
        return found

    def reset(self) -> None:
        """Set the model's state back to its initial value."""
        if self._machine.has(f"{NAME}_reset"):
            self._machine.call(f"{NAME}_reset")

    def profile(self, options: ProfileOptions) -> Measurement:
        """Instructions, cycles where documented, stack and memory of the second call."""
        inputs = profile_inputs(self._inputs, options.input_index)
        machine = self._new_machine()
        watch = self._watch(machine)
        self._watched_call(machine, watch, inputs)
        outputs = self._read(machine)
        first, each = calls_of_answer(self._sources)
        for number in range(2, first + each):
            self._feed(machine, inputs)
            self._invoke(machine, inputs)
            if number == first:
                outputs = self._read(machine)
        watch.restart()
        machine.paint_stack()
        self._watched_call(machine, watch, inputs)
        counts = watch.counts()
        known = [count.cycles for count in counts if count.cycles is not None]
        sizes = self._image.sizes(*ARENA_SYMBOLS)
        return Measurement(
            device={
                "address": self._address,
                "target": self._target.name,
                "cpu": self._target.cpu,
                "runtime": "c",
                "runtime_version": __version__,
                "compiler": self._toolchain.version,
                "compiler_flags": [*self._toolchain.flags, *compile_flags(self._sources)],
                "emulator": f"unicorn {metadata.version('unicorn')}",
                "cycles_note": accuracy_note(self._target.cpu),
            },
            instructions=sum(count.instructions for count in counts),
            cycles=sum(known) if known else None,
            memory_bytes=memory_of(sizes, machine.stack_used()),
            ops=counted_ops(self._ops, counts) if options.ops else (),
            output_sha256=digest(outputs),
        )

    def close(self) -> None:
        """Nothing to free: the machine goes with the session."""

    def _new_machine(self) -> Machine:
        machine = Machine(self._image, CORES[self._target.cpu])
        # A program that keeps its input beside its state resets both before it gives the place.
        for name in address_functions(self._sources, "inputs"):
            machine.call(name)
        return machine

    def _watch(self, machine: Machine) -> Watch:
        aligned = CORES[self._target.cpu].always_aligned
        return Watch(
            machine,
            self._target,
            len(self._ops),
            always_aligned=aligned,
            memory=self._target.memory_timing,
        )

    def _addresses(self, kind: str) -> list[int]:
        return [self._machine.call(name) for name in address_functions(self._sources, kind)]

    def _feed(self, machine: Machine, values: Sequence[Array]) -> None:
        for address, value in zip(self._in, values, strict=True):
            machine.write(address, np.ascontiguousarray(value).tobytes())

    def _read(self, machine: Machine) -> list[Array]:
        return [_value(machine, a, spec) for a, spec in zip(self._out, self._outputs, strict=True)]

    def _call(self, values: Sequence[Array]) -> list[Array]:
        if not self._checked:
            machine = self._new_machine()
            self._copy_ram(self._machine, machine)
            self._watched_call(machine, self._watch(machine), values)
            self._copy_ram(machine, self._machine)
            self._checked = True
        else:
            self._feed(self._machine, values)
            self._invoke(self._machine, values)
        return self._read(self._machine)

    def _copy_ram(self, source: Machine, destination: Machine) -> None:
        for address, content in source.ram():
            destination.write(address, content)

    def _invoke(self, machine: Machine, values: Sequence[Array]) -> None:
        """Call at full speed; what goes wrong is found again under a watch, which knows the op."""
        try:
            machine.call(f"{NAME}_invoke")
        except EmulationError as error:
            watched = self._new_machine()
            self._watched_call(watched, self._watch(watched), values)
            raise self._error(error, 0, None) from None

    def _watched_call(self, machine: Machine, watch: Watch, values: Sequence[Array]) -> None:
        self._feed(machine, values)
        failure: EmulationError | None = None
        try:
            machine.call(f"{NAME}_invoke")
        except EmulationError as error:
            failure = error
        fault = watch.fault()
        if fault:
            verb = "writes" if fault.writes else "reads"
            what = "misaligned" if fault.kind == MISALIGNED else "outside the program's own memory"
            access = f"{verb} {fault.size_bytes} bytes at {fault.address:#010x}, {what}"
            raise self._problem(access, fault.op, fault.pc, watch)
        forbidden = watch.forbidden()
        if forbidden:
            what = f"executes '{forbidden.text}', which a {self._target.cpu} does not have"
            raise self._problem(what, forbidden.op, forbidden.pc, watch)
        if failure:
            raise self._error(failure, watch.op_at(watch.op, failure.pc), watch)

    def _error(self, error: EmulationError, op: int, watch: Watch | None) -> EdgeqError:
        what = f"stops the CPU: {error.text}"
        if watch and CORES[self._target.cpu].always_aligned and watch.accesses_memory(error.pc):
            # The address is mapped, or Unicorn would have said so; this is what is left.
            what = "accesses memory at a misaligned address"
        if error.access:
            verb, address, count = error.access
            what = f"{verb} {count} bytes at {address:#010x}, outside the program's own memory"
        return self._problem(what, op, error.pc, watch)

    def _problem(self, what: str, op: int, pc: int, watch: Watch | None) -> EdgeqError:
        subject = "The generated code"
        if 0 < op <= len(self._ops):
            entry = self._ops[op - 1]
            subject = f'Op {entry.index} {entry.op} "{entry.name}"'
        instruction = watch.instruction_at(pc) if watch else None
        text = f" ({instruction.mnemonic} {instruction.op_str})" if instruction else ""
        function = self._image.symbol_at(pc)
        return EdgeqError(f"{subject} {what}.", f"{self._address}, {pc:#010x} in {function}{text}")


def _events(machine: Machine, words: int) -> Iterator[tuple[int, ...]]:
    """The events that can be taken now, each of so many words."""
    while machine.has("eq_take") and machine.call("eq_take"):
        raw = machine.read(machine.image.symbols["eq_event"][0], 4 * words)
        yield struct.unpack(f"<{words}I", raw)


def _value(machine: Machine, address: int, spec: TensorSpec) -> Array:
    return np.frombuffer(machine.read(address, spec.bytes), spec.dtype).reshape(spec.shape)
