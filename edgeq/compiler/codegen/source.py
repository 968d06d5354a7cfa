"""NAME.c and NAME_weights.{c,h}: straight-line code, one call per op, and the tables it reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edgeq.boards.levels import Level
from edgeq.compiler.codegen.calls import step_lines
from edgeq.compiler.codegen.dispatch import chooser, target_lines
from edgeq.compiler.codegen.guard import guard_lines
from edgeq.compiler.codegen.header import describe, ordinal
from edgeq.compiler.codegen.literals import array_lines, comment_text, initialiser
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Function, Names, address
from edgeq.compiler.codegen.parallel import HEADER as PARALLEL
from edgeq.compiler.codegen.parallel import in_parts, pool_lines, shared_function, thread_lines
from edgeq.compiler.codegen.push import EVENT_HEADERS, push_source_lines
from edgeq.compiler.codegen.selftest import Golden, selftest_lines
from edgeq.compiler.codegen.sharing import table_lines, with_expressions
from edgeq.compiler.codegen.state import invoke_prologue, state_lines
from edgeq.compiler.codegen.wrapping import wrapped
from edgeq.compiler.ops.shared.base import C_TYPES, Constant
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program

# Types that a C compiler takes for aligned to 8 bytes.
_WIDE = frozenset({"int64_t", "uint64_t", "eq_requant_wide"})


def kernel_file(header: str, kernels: str) -> str:
    """Name of a kernel header in the output folder."""
    return f"eq_{header}.h" if kernels == "portable" else f"eq_{header}_{kernels}.h"


def source_text(
    program: Program,
    plan: Plan,
    names: Names,
    name: str,
    head: list[str],
    *,
    memory: Memory = Memory.STATIC,
    golden: Golden | None = None,
    hook: str = "",
    attribute: str = "",
    levels: Sequence[Level] = (),
    threads: int = 1,
) -> str:
    """The text of NAME.c.

    Args:
        program, plan, names, name, head: What the text is made of.
        memory: Who owns the arena.
        golden: Adds the self-test.
        hook: A header that defines EQ_OP, or "".
        attribute: The instruction sets that functions ask the compiler for, or "".
        levels: Those to choose from at run time; the layers' functions are in other files then.
        threads: How many share the work of large layers.
    """
    lines = [*head, f'#include "{name}.h"', ""]
    lines += target_lines(attribute)
    threaded = in_parts(names)
    lines += thread_lines(threads) if threaded else []
    lines += [
        "/* Loops that are unrolled less than their kernels' headers say: what pays here. */"
    ] * (len(names.unrolled) > 0)
    lines += _definitions(names.unrolled)
    lines += [f'#include "{name}_weights.h"']
    files = kernel_includes(names)
    if levels:  # events are taken here, whatever level has made them
        taken = [file for file in files if file in EVENT_HEADERS]
        files = [f"{name}_layers.h", "eq_cpu_host.h", *taken]
    files += [PARALLEL] * threaded
    lines += [f'#include "{file}"' for file in files]
    lines += [f'#include "{hook}"'] if hook else []
    lines += ["", *_arena_table(program, plan)]
    lines += memory.source_lines(plan, name)
    lines += [
        "/* A hook before each op, for profilers: nothing unless defined when compiling. */",
        "#ifndef EQ_OP",
        "#define EQ_OP(index)",
        "#endif",
        "",
    ]
    lines += pool_lines(name, names) if threaded else []
    lines += chooser(name, levels) if levels else function_lines(program, names)
    lines += state_lines(program, plan, name, memory)
    lines += _accessors(program, plan, names, name, memory)
    steps = step_lines(program, plan, names, memory.owner(name))
    lines += [f"EQ_NOINLINE void {name}_invoke({memory.parameter(name)})", "{"]
    lines += [*invoke_prologue(program, name, memory), *memory.unused(*steps), *steps]
    lines += [f"    EQ_OP({len(program.steps)})", "}"]
    reset = invoke_prologue(program, name, memory)
    pushed = push_source_lines(program, plan, names, name, memory, reset)
    lines += ["", *pushed[:-1]] if pushed else []
    if golden is not None:
        lines += selftest_lines(program, plan, names, name, golden, memory)
    return "\n".join(lines) + "\n"


def _definitions(macros: Mapping[str, int]) -> list[str]:
    """Macros that another model may have defined, where both are compiled as one file."""
    return [
        line
        for macro, count in macros.items()
        for line in (f"#undef {macro}", f"#define {macro} {count}")
    ]


def kernel_includes(names: Names) -> list[str]:
    """The headers of the kernels in use."""
    return sorted({kernel_file(f.call.header, f.call.kernels) for f in names.functions})


def function_lines(program: Program, names: Names) -> list[str]:
    """The functions of all layers."""
    return [line for function in names.functions for line in _function(program, names, function)]


def weights_text(
    names: Names,
    name: str,
    head: list[str],
    kernels: Sequence[str],
    golden: Golden | None = None,
    loaded: Collection[str] = (),
) -> tuple[str, str]:
    """The texts of NAME_weights.h and NAME_weights.c: all long rows of numbers.

    Both C files include the header, so it also stops compilers for other cores. The header alone
    has the tables that are `loaded`.
    """
    guard = f"{name.upper()}_WEIGHTS_H"
    header = [*head, f"#ifndef {guard}", f"#define {guard}", ""]
    header += guard_lines(kernels, name, names.functions)
    header += ['#include "eq_base.h"', ""]
    source = [*head, f'#include "{name}_weights.h"', ""]
    for table in names.tables:
        constant = table.constant
        align = alignment(kernels, constant.ctype)
        declaration = f"const {constant.ctype} {table.name}[{_count(constant)}]"
        # Without the alignment here, clang takes the one usual for large arrays for granted.
        header.append(f"extern {declaration} EQ_ALIGN({align});")
        if table.name in loaded:
            continue
        if constant.note:
            source.append(f"/* {comment_text(constant.note)} */")
        source.append(f"{declaration} EQ_ALIGN({align}) = {{")
        source += array_lines(constant.values, constant.ctype)
        source += ["};", ""]
    for end, raw in (golden.tables if golden is not None else {}).items():
        declaration = f"const uint8_t {name}_golden_{end}[{len(raw)}]"
        header.append(f"extern {declaration};")
        source += [f"/* The known {end.split('_')[0]} of the self-test. */", f"{declaration} = {{"]
        source += [*array_lines(np.frombuffer(raw, np.uint8), "uint8_t"), "};", ""]
    header += ["", "#endif"]
    return "\n".join(header) + "\n", "\n".join(source) + "\n"


def alignment(kernels: Sequence[str], ctype: str) -> int:
    """Bytes that tables of a type start at multiples of."""
    if "host" in kernels:
        return 64  # a line of the cache
    return 8 if ctype in _WIDE else 4


def _count(constant: Constant) -> int:
    """Elements of a C array; a row of three numbers is one eq_requant(_wide)."""
    return constant.values.size // (3 if constant.ctype.startswith("eq_requant") else 1)


def _arena_table(program: Program, plan: Plan) -> list[str]:
    lines = ["/* The arena: offset, bytes, live from op to op, what", " *"]
    for placed in plan.blocks:
        block = placed.block
        what = (
            comment_text(program.tensor(block.key).name.partition(";")[0])
            if block.key >= 0
            else f"scratch of op {-1 - block.key}"
        )
        lines.append(
            f" * {placed.offset:8} {block.size:8}  {block.first:3} .. {block.last:3}  {what}"
        )
    return [*lines, " */"]


def _function(program: Program, names: Names, function: Function) -> list[str]:
    call = function.call
    ops = ", ".join(str(program.steps[number].op.index) for number in function.steps)
    arguments, passed = [], []
    for arg, kind in zip(call.args, function.argument_types, strict=True):
        name = call.constants[arg.index].suffix if arg.kind == "constant" else arg.kind
        many = sum(other.kind == arg.kind for other in call.args) > 1 and arg.kind != "constant"
        name += str(arg.index + 1) if many else ""
        arguments.append(f"{kind}{name}")
        passed.append(name)
    note = f"/* {call.function}, for op {ops}"
    if call.parts > 1:
        return [
            f"{note}, in {call.parts} parts */",
            *shared_function(function, names.parallel, passed),
        ]
    group = []
    if call.grouped is not None:
        members = [n for n, arg in zip(passed, call.args, strict=True) if arg.kind == call.grouped]
        const = "const " if call.grouped == "input" else ""
        array = f"{call.grouped}s"
        group = wrapped(f"    {const}void *const {array}[] = {{", members, "};")
        place = passed.index(members[0])
        passed[place : place + len(members)] = [array]
    opening = f"static EQ_LAYER void {function.name}("
    table: list[str] = []
    if function.told:
        table = table_lines(function.name, function.told)
        arguments.insert(0, f"const {function.name}_layer *layer")
    return [
        f"{note} */",
        *table,
        *wrapped(opening, arguments, ")"),
        "{",
        f"    {'' if table else 'static '}const {call.params_type} params = {{",
        *initialiser(with_expressions(call.params, function.told)),
        "    };",
        *group,
        *wrapped(f"    {call.function}(", ["&params", *passed], ");"),
        "}",
        "",
    ]


def _accessors(program: Program, plan: Plan, names: Names, name: str, memory: Memory) -> list[str]:
    lines = []
    of_state = memory.parameter(name)
    for kind, const, indices in (
        ("input", "", program.subgraph.inputs),
        ("output", "const ", program.subgraph.outputs),
    ):
        for position, index in enumerate(indices):
            tensor = program.tensor(index)
            where = address(program, plan, names, index)
            function = ordinal(f"{name}_{kind}", position)
            # A front end's window is state: the reset before the first call must not clear it.
            first = kind == "input" and program.graph.stream is not None
            lines += [
                f"/* {describe(tensor)} */",
                f"{const}{C_TYPES[tensor.dtype]} *{function}({of_state})",
                "{",
                *(invoke_prologue(program, name, memory) if first else ()),
                *memory.unused(where),
                f"    return {where};",
                "}",
                "",
            ]
    return lines
