"""What lives from call to call, and the braces of control flow."""

from __future__ import annotations

from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.codegen.push import COUNTER_BYTES
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.flatten import Mark
from edgeq.compiler.plan.program import Program


def state_lines(program: Program, plan: Plan, name: str, memory: Memory) -> list[str]:
    """The variables' memory, the flags of blocks that run once, and `NAME_reset`."""
    if not program.has_state:
        return []
    lines, owner = [], memory.owner(name)
    static = memory is not Memory.REENTRANT
    if program.fills:
        place = f"((type *)(void *)({owner}state + (offset)))"
        lines += [f"static uint8_t {name}_state[{plan.state_bytes}] EQ_ALIGN(16);"] * static
        lines += ["#undef EQ_STATE"]
        lines.append(f"#define EQ_STATE(type, offset) {place}")
    if program.once_blocks and static:
        lines.append(f"static uint8_t {name}_done[{program.once_blocks}];")
    if _resets_itself(program, memory):
        lines.append(f"static uint8_t {name}_is_reset;")
    body = []
    if program.graph.stream is not None:
        lines += [f"static int32_t {name}_held; /* samples in the window */"] * static
        body.append(f"    {owner}held = 0;")
    for index, offset in plan.state.items():
        size = program.tensor(index).bytes
        body.append(f"    memset({owner}state + {offset}, {program.fills[index]}, {size});")
    if program.once_blocks:
        body.append(f"    memset({owner}done, 0, sizeof({owner}done));")
    if _resets_itself(program, memory):
        body.append(f"    {name}_is_reset = 1;")
    return [*lines, "", f"void {name}_reset({memory.parameter(name)})", "{", *body, "}", ""]


def static_bytes(program: Program) -> int:
    """RAM of the generated C besides arena and state: the flags that `state_lines` declares."""
    flags = program.once_blocks + (program.has_state and _resets_itself(program, Memory.STATIC))
    return flags + (COUNTER_BYTES if program.graph.stream is not None else 0)


def invoke_prologue(program: Program, name: str, memory: Memory) -> list[str]:
    """What `NAME_invoke` starts with: static state that is not zero at first is set."""
    if not _resets_itself(program, memory):
        return []
    return [f"    if (!{name}_is_reset) {{", f"        {name}_reset();", "    }"]


def _resets_itself(program: Program, memory: Memory) -> bool:
    return memory is not Memory.REENTRANT and any(program.fills.values())


def mark_lines(
    program: Program, plan: Plan, names: Names, owner: str, number: int, depth: int
) -> tuple[list[str], int]:
    """The lines of the marks before step `number`, and the depth of nesting behind them.

    Args:
        owner: What the names of arrays of state begin with.
    """
    lines = []
    for mark in program.marks.get(number, ()):
        depth -= mark.kind in ("else", "end")
        indent = "    " * (depth + 1)
        lines += [indent + line for line in _mark(program, plan, names, owner, mark)]
        depth += mark.kind in ("once", "if", "else", "while")
    return lines, depth


def _mark(program: Program, plan: Plan, names: Names, owner: str, mark: Mark) -> list[str]:
    if mark.kind == "once":
        return [f"if (!{owner}done[{mark.tensor}]) {{", f"    {owner}done[{mark.tensor}] = 1;"]
    if mark.kind == "else":
        return ["} else {"]
    if mark.kind == "while":
        return ["for (;;) {"]
    if mark.kind == "end":
        return ["}"]
    condition = f"{address(program, plan, names, mark.tensor)}[0]"
    if mark.kind == "if":
        return [f"if ({condition}) {{"]
    return [f"if (!{condition}) {{", "    break;", "}"]
