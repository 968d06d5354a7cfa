"""What lives from call to call, and the braces of control flow."""

from __future__ import annotations

from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.flatten import Mark
from edgeq.compiler.plan.program import Program


def state_lines(program: Program, plan: Plan, name: str) -> list[str]:
    """The variables' memory, the flags of blocks that run once, and `NAME_reset`."""
    if not program.has_state:
        return []
    lines = []
    if program.fills:
        lines += [
            f"static uint8_t {name}_state[{plan.state_bytes}] EQ_ALIGN(16);",
            f"#define EQ_STATE(type, offset) ((type *)(void *)({name}_state + (offset)))",
        ]
    if program.once_blocks:
        lines.append(f"static uint8_t {name}_done[{program.once_blocks}];")
    if _needs_reset_first(program):
        lines.append(f"static uint8_t {name}_is_reset;")
    lines += ["", f"void {name}_reset(void)", "{"]
    for index, offset in plan.state.items():
        size = program.tensor(index).bytes
        lines.append(f"    memset({name}_state + {offset}, {program.fills[index]}, {size});")
    if program.once_blocks:
        lines.append(f"    memset({name}_done, 0, sizeof({name}_done));")
    if _needs_reset_first(program):
        lines.append(f"    {name}_is_reset = 1;")
    return [*lines, "}", ""]


def static_bytes(program: Program) -> int:
    """RAM of the generated C besides arena and state: the flags that `state_lines` declares."""
    return program.once_blocks + (program.has_state and _needs_reset_first(program))


def invoke_prologue(program: Program, name: str) -> list[str]:
    """What `NAME_invoke` starts with: state that is not zero at first is set."""
    if not _needs_reset_first(program):
        return []
    return [f"    if (!{name}_is_reset) {{", f"        {name}_reset();", "    }"]


def _needs_reset_first(program: Program) -> bool:
    return any(program.fills.values())


def mark_lines(
    program: Program, plan: Plan, names: Names, name: str, number: int, depth: int
) -> tuple[list[str], int]:
    """The lines of the marks before step `number`, and the depth of nesting behind them."""
    lines = []
    for mark in program.marks.get(number, ()):
        depth -= mark.kind in ("else", "end")
        indent = "    " * (depth + 1)
        lines += [indent + line for line in _mark(program, plan, names, name, mark)]
        depth += mark.kind in ("once", "if", "else", "while")
    return lines, depth


def _mark(program: Program, plan: Plan, names: Names, name: str, mark: Mark) -> list[str]:
    if mark.kind == "once":
        return [f"if (!{name}_done[{mark.tensor}]) {{", f"    {name}_done[{mark.tensor}] = 1;"]
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
