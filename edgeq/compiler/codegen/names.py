"""Which C function, table and address every step of a program gets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgeq.compiler.codegen.sharing import Field, key, rows
from edgeq.compiler.codegen.unrolling import unrolled
from edgeq.compiler.ops.shared.base import C_TYPES, Arg, Call, Constant
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program, Step


@dataclass(frozen=True, eq=False)
class Function:
    """One specialised kernel, shared by all layers of the same configuration.

    Attributes:
        name: Its name in C.
        call: The first layer's.
        argument_types: C types of the pointers that it takes.
        steps: Numbers of the layers.
        told: What these differ in, see `edgeq.compiler.codegen.sharing`.
        row_of: The row of what is told, by step.
    """

    name: str
    call: Call
    argument_types: tuple[str, ...]
    steps: tuple[int, ...]
    told: tuple[Field, ...] = ()
    row_of: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Table:
    """One constant array in flash."""

    name: str
    constant: Constant


@dataclass(frozen=True, eq=False)
class Names:
    """Everything that has a name in the generated C.

    Attributes:
        functions: Specialised kernels, in order of first use.
        by_step: The function of each step that has one.
        tables: Constant arrays, in order of first use.
        table_of: Name of the array by (step, constant) or by ("tensor", index).
        through: What calls of the functions go through: "" or an expression of a table with "->".
        parallel: The C function that has work done in parts.
        unrolled: C macros that say how often loops are unrolled.
    """

    functions: tuple[Function, ...]
    by_step: Mapping[int, Function]
    tables: tuple[Table, ...]
    table_of: Mapping[tuple[int | str, int], str]
    through: str = ""
    parallel: str = "eq_parallel"
    unrolled: Mapping[str, int] = field(default_factory=dict)

    @property
    def constant_bytes(self) -> int:
        """What all tables take."""
        return sum(table.constant.bytes for table in self.tables)


def pointer_type(program: Program, step: Step, arg: Arg) -> str:
    """The C type of one kernel argument, with its const."""
    assert step.call is not None
    if arg.kind == "constant":
        return f"const {step.call.constants[arg.index].ctype} *"
    if arg.kind == "scratch":
        return "void *"
    indices = step.op.outputs if arg.kind == "output" else step.op.inputs
    ctype = C_TYPES[program.tensor(indices[arg.index]).dtype]
    return f"const {ctype} *" if arg.kind == "input" else f"{ctype} *"


def assign_names(program: Program, prefix: str, optimize: str) -> Names:
    """Names for all kernels and tables; equal ones are made once.

    Args:
        program: What they are for.
        prefix: Of all names.
        optimize: "speed" has a function for every layer; elsewhere those that differ in few things
            share one (`Call.told`).
    """
    share = optimize != "speed"
    functions: dict[object, Function] = {}
    by_step: dict[int, Function] = {}
    counts: dict[str, int] = {}
    steps: dict[str, list[int]] = {}
    for number, step in enumerate(program.steps):
        if step.call is None:
            continue
        types = tuple(pointer_type(program, step, arg) for arg in step.call.args)
        kind = (key(step.call, share=share), types)
        known = functions.get(kind)
        if known is None:
            header = step.call.header
            counts[header] = counts.get(header, 0) + 1
            known = Function(f"{prefix}_{header}_{counts[header]}", step.call, types, ())
        functions[kind] = known
        steps.setdefault(known.name, []).append(number)
    found = [_of_layers(program, each, steps[each.name]) for each in functions.values()]
    for function in found:
        by_step |= dict.fromkeys(function.steps, function)
    tables, table_of = _tables(program, prefix)
    loops = unrolled(program, optimize)
    return Names(tuple(found), by_step, tables, table_of, unrolled=loops)


def _of_layers(program: Program, function: Function, steps: list[int]) -> Function:
    """A function with all its layers and what they differ in."""
    calls = [call for number in steps if (call := program.steps[number].call) is not None]
    told, row_of = rows(calls)
    return replace(
        function, steps=tuple(steps), told=told, row_of=dict(zip(steps, row_of, strict=True))
    )


def _tables(
    program: Program, prefix: str
) -> tuple[tuple[Table, ...], dict[tuple[int | str, int], str]]:
    tables: dict[bytes, Table] = {}
    table_of: dict[tuple[int | str, int], str] = {}

    def add(key: tuple[int | str, int], name: str, constant: Constant) -> None:
        digest = hashlib.sha256(constant.ctype.encode())
        digest.update(np.ascontiguousarray(constant.values).tobytes())
        digest.update(str(constant.values.dtype).encode())
        table = tables.setdefault(digest.digest(), Table(name, constant))
        table_of[key] = table.name

    def add_tensor(index: int) -> None:
        tensor = program.tensor(program.root.get(index, index))
        if tensor.data is not None and ("tensor", tensor.index) not in table_of:
            constant = Constant("tensor", C_TYPES[tensor.dtype], tensor.data, str(tensor.shape))
            add(("tensor", tensor.index), f"{prefix}_tensor{tensor.index}", constant)

    for number, step in enumerate(program.steps):
        if step.call is None:
            continue
        for index, constant in enumerate(step.call.constants):
            add((number, index), f"{prefix}_op{number}_{constant.suffix}", constant)
        for index in step.reads:
            add_tensor(index)
    for index in (*(tensor for _, tensor in program.conditions), *program.subgraph.outputs):
        add_tensor(index)
    return tuple(tables.values()), table_of


def address(program: Program, plan: Plan, names: Names, index: int) -> str:
    """The C expression for a tensor's memory, of its own pointer type."""
    root = program.root.get(index, index)
    tensor = program.tensor(index)
    ctype = C_TYPES[tensor.dtype]
    if program.tensor(root).is_constant:
        return names.table_of[("tensor", root)]
    if root in plan.state:
        return f"EQ_STATE({ctype}, {plan.state[root]})"
    return f"EQ_AT({ctype}, {plan.offsets[root] + program.views.get(index, 0)})"
