"""What an op becomes in C, and what each file in this folder has to say about its op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.model.graph import Op, Subgraph, Tensor

ParamValue = int | float | Sequence[int] | Sequence[float] | Mapping[str, int]

C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float32": "float",
    "bool": "uint8_t",
    "int4": "uint8_t",
}


class Unsupported(Exception):
    """This op, as it stands in the model, has no kernel here. The text says what is in the way."""


@dataclass(frozen=True)
class Isa:
    """What the kernels may assume about the processor.

    Attributes:
        kernels: Kernel folders to choose from, the best first: "mve", "dsp", "fpu", "armv7m",
            "armv6m", "rv32", "host", "portable", or a level of `edgeq.boards.levels` before "host".
        attribute: What functions ask the compiler for; "" where its command line says all.
        levels: Those among which the program chooses when it runs; none where it does not.
        threads: How many threads share the work of large layers.
    """

    kernels: tuple[str, ...] = ("portable",)
    attribute: str = ""
    levels: tuple[str, ...] = ()
    threads: int = 1

    def has(self, kernels: str) -> bool:
        """Whether kernels of this folder may be used."""
        return kernels in self.kernels


@dataclass(frozen=True)
class Node:
    """An op with its tensors and the choices that hold for the whole model.

    Attributes:
        optimize: "balanced", "speed", "ram" or "size".
        packed: Weight tensors that are wanted as 4-bit codes, by index.
    """

    op: Op
    subgraph: Subgraph
    isa: Isa = field(default_factory=Isa)
    optimize: str = "balanced"
    packed: frozenset[int] = frozenset()

    def input(self, position: int) -> Tensor:
        """The tensor at an input position.

        Raises:
            Unsupported: The op has no such input.
        """
        if not self.has_input(position):
            raise Unsupported(f"input {position} is missing")
        return self.subgraph.tensors[self.op.inputs[position]]

    def has_input(self, position: int) -> bool:
        """Whether the input is there (optional ones may be left out)."""
        return position < len(self.op.inputs) and self.op.inputs[position] >= 0

    def output(self, position: int = 0) -> Tensor:
        """The tensor at an output position.

        Raises:
            Unsupported: The op has no such output.
        """
        if position >= len(self.op.outputs):
            raise Unsupported(f"output {position} is missing")
        return self.subgraph.tensors[self.op.outputs[position]]

    def constant(self, position: int) -> NDArray[Any]:
        """The value of an input that must be known when compiling.

        Raises:
            Unsupported: It is computed at run time.
        """
        tensor = self.input(position)
        if tensor.data is None:
            raise Unsupported(f"input {position} must be a constant")
        return tensor.data

    def integers(self, position: int) -> list[int]:
        """The numbers of an input that must be known when compiling: axes, sizes, paddings.

        Raises:
            Unsupported: It is computed at run time, or is not of an integer type.
        """
        values = self.constant(position)
        require(values.dtype.kind in "iu", f"input {position} must be integers")
        return [int(value) for value in values.reshape(-1)]

    def option(self, name: str) -> Any:
        """A field of the op's option table."""
        return self.op.options[name]


@dataclass(frozen=True, eq=False)
class Constant:
    """A table that goes to flash.

    Attributes:
        suffix: Last part of its C name ("weights", "requant", "exp_table").
        ctype: Element type in C; "eq_requant" takes int32 rows of (bias, multiplier, shift).
        values: The numbers, in the order in which the kernel reads them.
        note: What a reader of the C should know: layout, scale.
    """

    suffix: str
    ctype: str
    values: NDArray[Any]
    note: str = ""

    @property
    def bytes(self) -> int:
        """What it takes of flash."""
        sizes = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2}
        sizes |= {"int64_t": 8, "uint64_t": 8}
        return int(self.values.size) * sizes.get(self.ctype, 4)


@dataclass(frozen=True)
class Arg:
    """One pointer argument of a kernel, in the order of its C signature.

    Attributes:
        kind: "input", "output", "constant", "scratch", or "state" for an input that the op changes
            and finds again in the next call.
        index: Position among the op's inputs, outputs or the call's constants.
    """

    kind: Literal["input", "output", "constant", "scratch", "state"]
    index: int = 0


@dataclass(frozen=True)
class Overlap:
    """How the memory of an input and of the output may overlap during the op.

    The input's address must be at least the output's plus `distance` bytes; with `exact` they may
    only be the same address. Without an Overlap, input and output are kept apart.
    """

    input: int
    distance: int = 0
    exact: bool = False
    output: int = 0


@dataclass(frozen=True)
class Loop:
    """A loop of a kernel that is unrolled as often as it is worth in a program.

    Attributes:
        macro: The C macro that says how often.
        most: What it is in the kernel's header.
        function: The C function that the loop is in.
        step_bytes: Code of one step.
        turn: Instructions of a turn besides its steps.
        entries: How often the loop is entered in one call of the layer.
        steps: How many steps it does each time.
    """

    macro: str
    most: int
    function: str
    step_bytes: int
    turn: int
    entries: int
    steps: int


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one kernel: all that code generation needs to know about an op.

    Attributes:
        header: Kernel file without folder and ".h": "conv_2d".
        kernels: Folder it lies in: "dsp", "mve", "host"; "portable" for those that lie by family
            in portable/ and scalar/.
        function: C function.
        params_type: Its params struct.
        params: Fields of that struct.
        args: Pointer arguments, after the params.
        constants: Tables the arguments refer to.
        scratch_bytes: Working memory during this op only.
        overlaps: Where memory may be shared.
        macs: Multiply-accumulates of one call.
        grouped: The inputs (or outputs) go to the kernel as one array of pointers, for ops that
            take any number of them.
        packed: Whether its weights are kept as 4-bit codes.
        blocks: How many blocks of weights are stored, and of how many; None where all are.
        why_portable: What keeps the layer from the form that this core has for it.
        parts: In how many parts threads share its work; 1 for a call that one thread makes.
        stages: How many times they do, each stage behind all of the one before.
        told: Parameters that cost little to look up instead of being constants, "scale.rectified"
            for those in a struct: layers that differ in them alone share a function.
        alike: What must be the same in such layers beside their other parameters.
        loops: What may be unrolled less (`edgeq.compiler.codegen.unrolling`).
    """

    header: str
    function: str
    params_type: str
    params: Mapping[str, Any]
    args: tuple[Arg, ...]
    constants: tuple[Constant, ...] = ()
    scratch_bytes: int = 0
    overlaps: tuple[Overlap, ...] = ()
    macs: int = 0
    kernels: str = "portable"
    grouped: Literal["input", "output"] | None = None
    packed: bool = False
    blocks: tuple[int, int] | None = None
    why_portable: str = ""
    parts: int = 1
    stages: int = 1
    told: tuple[str, ...] = ()
    alike: tuple[object, ...] = ()
    loops: tuple[Loop, ...] = ()

    def form(self, isa: Isa) -> tuple[str, str]:
        """The folder of its kernel, and on a core with forms of its own why it is not one of them.

        Args:
            isa: What the call was lowered for.
        """
        plain = self.kernels == "portable" and (isa.has("dsp") or isa.has("mve"))
        why = self.why_portable or "the core has no form for this op, type or shape"
        return self.kernels, why if plain else ""


@dataclass(frozen=True)
class State:
    """Memory of an op that lives from call to call and is no tensor of the model.

    Attributes:
        dtype: Type of its elements.
        elements: How many there are.
        fill: The byte it is filled with at first.
    """

    dtype: str
    elements: int
    fill: int = 0


@dataclass(frozen=True)
class OpKind:
    """What one file of this folder knows about its op.

    Attributes:
        name: TFLite's name of the op.
        lower: Turns a node into a Call, or None where the output is the input's memory (RESHAPE).
            Raises Unsupported where there is no kernel.
        types: Activation types that have kernels, for the op table.
        macs: Multiply-accumulates of one call; None for ops that have none.
        state: The state that the op becomes as one more input, behind those of the file.
        custom: Whether it is a custom op, known by its name only.
    """

    name: str
    lower: Callable[[Node], Call | None]
    types: tuple[str, ...]
    macs: Callable[[Node], int] | None = None
    state: Callable[[Node], State] | None = None
    custom: bool = False


INPUT, OUTPUT, SCRATCH = Arg("input"), Arg("output"), Arg("scratch")


def constant_args(count: int) -> tuple[Arg, ...]:
    """Arguments for the first `count` constants of a call."""
    return tuple(Arg("constant", index) for index in range(count))


def require(condition: bool, problem: str) -> None:
    """Raise Unsupported with `problem` unless the condition holds."""
    if not condition:
        raise Unsupported(problem)


def overlap_distance(
    read_low: NDArray[np.int64], write_end: NDArray[np.int64], *, buffered: bool
) -> int:
    """The least distance from output to input at which no unread input is overwritten.

    Args:
        read_low: Per step, the lowest input byte that is read in it.
        write_end: Per step, one more than the highest output byte written in it.
        buffered: Whether all reads of a step come before its first write.

    Returns:
        d such that input address >= output address + d is safe; may be negative.
    """
    lowest_from = np.minimum.accumulate(np.asarray(read_low, np.int64)[::-1])[::-1]
    write_end = np.asarray(write_end, np.int64)
    if not buffered:
        return int((write_end - lowest_from).max())
    if len(write_end) < 2:
        return -int(np.iinfo(np.int32).max)
    return int((write_end[:-1] - lowest_from[1:]).max())
