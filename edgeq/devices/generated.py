"""The generated C as the devices see it: sources, tensors, ops, and the marks between ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeq.boards.levels import Level
from edgeq.boards.target import Target
from edgeq.compiler.build.image import Sizes
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Memory, OpProfile
from edgeq.devices.tensors import TensorSpec
from edgeq.model.places import Bounds
from edgeq.support.array import Array

if TYPE_CHECKING:
    from edgeq.compiler.compilation import Sources
    from edgeq.devices.sim.blocks import OpCount

# The name that devices give to the model: its prefix in C.
NAME = "model"


@dataclass(frozen=True)
class OpOutput:
    """Where an op leaves one result.

    Attributes:
        tensor: Index in subgraph 0.
        arena_offset: Place in the arena; None if the value is never stored.
        spec: Shape and dtype.
    """

    tensor: int
    arena_offset: int | None
    spec: TensorSpec


@dataclass(frozen=True)
class OpEntry:
    """One op of the manifest, in order of execution."""

    index: int
    op: str
    name: str
    macs: int | None
    outputs: tuple[OpOutput, ...]
    subgraph: int = 0


# The arena in all figures: activations, scratch, inputs, outputs, and what outlives a call.
ARENA_SYMBOLS = (f"{NAME}_arena", f"{NAME}_state")


def generate(
    model: Path, target: Target, options: CompileOptions, *, loaded: bool = False
) -> Sources:
    """The C of a model for a target, under the name that the devices use."""
    from edgeq.compiler.compilation import generate as generate_c

    return generate_c(model, name=NAME, target=target, options=options, loaded=loaded)


def compile_flags(sources: Sources) -> tuple[str, ...]:
    """The options that generated code is always compiled with."""
    optimize = tuple(sources.manifest.get("cflags") or ("-O2",))
    own = ("-ffunction-sections", "-fdata-sections", "-fno-common")
    return ("-std=c99", *optimize, *own, *thread_flags(sources))


def thread_flags(sources: Sources) -> tuple[str, ...]:
    """The options for compiling and linking a program with threads of its own."""
    return ("-pthread",) if "threads" in sources.manifest else ()


def level_of(manifest: Mapping[str, Any], best: Level) -> str:
    """The level that a program runs at (`edgeq.boards.levels`).

    Args:
        manifest: Of its sources.
        best: That of the CPU, which a program that has all levels chooses.
    """
    if manifest.get("dispatch"):
        return best.name
    first = str(manifest["kernels"][0])
    return "portable" if first == "host" else first


def tensor_specs(sources: Sources, kind: str) -> list[TensorSpec]:
    """The specs of the "inputs" or "outputs"."""
    return [
        TensorSpec(
            entry["name"], tuple(entry["shape"]), entry["dtype"], Bounds.of(entry.get("values"))
        )
        for entry in sources.manifest[kind]
    ]


def op_entries(sources: Sources) -> list[OpEntry]:
    """The ops in order of execution; EQ_OP(i) stands before entry i."""
    return [
        OpEntry(
            index=entry["index"],
            op=entry["op"],
            name=entry["name"],
            macs=entry.get("macs"),
            subgraph=entry.get("subgraph", 0),
            outputs=tuple(
                OpOutput(
                    tensor=output["tensor"],
                    arena_offset=output.get("arena_offset"),
                    spec=TensorSpec("", tuple(output["shape"]), output["dtype"]),
                )
                for output in entry["outputs"]
            ),
        )
        for entry in sources.manifest["ops"]
    ]


def address_functions(sources: Sources, kind: str) -> list[str]:
    """The C functions that return the address of each of the "inputs" or "outputs"."""
    stem = f"{NAME}_{kind.removesuffix('s')}"
    return [stem + (f"_{k}" if k else "") for k in range(len(sources.manifest[kind]))]


def calls_of_answer(sources: Sources) -> tuple[int, int]:
    """How many calls lead from the initial state to the first answer, and from it to each further.

    With a front end a call is one frame, and what is measured ends in an answer.
    """
    stream = sources.stream
    return (1, 1) if stream is None else (stream.frames, stream.frame_step)


def public_functions(sources: Sources) -> list[str]:
    """Every C function that a program may call; the reset only exists where there is state."""
    names = [*address_functions(sources, "inputs"), *address_functions(sources, "outputs")]
    own = ("invoke", "reset", "push", "decision", "detection")
    return [*(f"{NAME}_{function}" for function in own), *names]


def timed_ops(ops: Sequence[OpEntry], spent_us: Array) -> list[OpProfile]:
    """One entry per op, with the median time and its share.

    Args:
        ops: The ops in order of execution.
        spent_us: Microseconds of each op in each call, shape (calls, ops).
    """
    low, middle, high = np.percentile(spent_us, (10, 50, 90), axis=0)
    total = max(float(middle.sum()), 1e-3)
    return [
        OpProfile(
            op.index, op.op, op.name, op.macs, share=float(us) / total,
            us=float(us), us_p10=float(p10), us_p90=float(p90), subgraph=op.subgraph,
        )
        for op, us, p10, p90 in zip(ops, middle, low, high, strict=True)
    ]  # fmt: skip


def stored_outputs(op: OpEntry, arena: bytes) -> dict[int, Array]:
    """The values that `op` has just left in the arena, by tensor index.

    Args:
        op: The op that has ended.
        arena: Content of the whole arena.
    """
    found = {}
    for output in op.outputs:
        if output.arena_offset is not None:
            end = output.arena_offset + output.spec.bytes
            raw = np.frombuffer(arena[output.arena_offset : end], output.spec.dtype)
            found[output.tensor] = raw.reshape(output.spec.shape)
    return found


def memory_of(sizes: Sizes, stack: int) -> Memory:
    """The memory that a linked model takes, with the stack of one call in bytes."""
    return Memory(
        arena=sizes.arena,
        static=sizes.static,
        stack=stack,
        ram_total=sizes.arena + sizes.static + stack,
        flash_code=sizes.flash_code,
        flash_const=sizes.flash_const,
        flash_total=sizes.flash_code + sizes.flash_const,
    )


def counted_ops(ops: Sequence[OpEntry], counts: Sequence[OpCount]) -> list[OpProfile]:
    """One entry per op; its share is of the cycles, or of the instructions if there are none."""
    weights = [count.instructions if count.cycles is None else count.cycles for count in counts]
    total = max(sum(weights), 1)
    return [
        OpProfile(
            op.index,
            op.op,
            op.name,
            op.macs,
            instructions=count.instructions,
            cycles=count.cycles,
            share=weight / total,
            subgraph=op.subgraph,
        )
        for op, count, weight in zip(ops, counts[1:-1], weights[1:-1], strict=True)
    ]
