"""The calls of the layers' functions in a model's program, one for each step, in order."""

from __future__ import annotations

from edgeq.compiler.codegen.literals import comment_text
from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.codegen.state import mark_lines
from edgeq.compiler.codegen.wrapping import wrapped
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program, Step


def step_lines(program: Program, plan: Plan, names: Names, owner: str) -> list[str]:
    """The calls in order, with their hooks and the braces of control flow."""
    lines, depth = [], 0
    for number, step in enumerate(program.steps):
        marks, depth = mark_lines(program, plan, names, owner, number, depth)
        call = [f"    EQ_OP({number})", *call_lines(program, plan, names, number, step)]
        lines += [*marks, *("    " * depth + line for line in call)]
    return lines + mark_lines(program, plan, names, owner, len(program.steps), depth)[0]


def call_lines(program: Program, plan: Plan, names: Names, number: int, step: Step) -> list[str]:
    """The call of one step, under a note of what it is; the note alone where nothing is done."""
    op = step.op
    shapes = " -> ".join(
        "x".join(str(size) for size in program.tensor(index).shape)
        for index in (max(op.inputs[0], 0) if op.inputs else op.outputs[0], op.outputs[0])
    )
    # A converter joins the names of all layers that it fused; the first one says enough.
    layer = comment_text(program.tensor(op.outputs[0]).name.partition(";")[0])
    note = f'    /* op {op.index} {op.name} "{layer}": {shapes}'
    if step.call is None:
        return [f"{note}, the same memory */"]
    note += f", {step.call.macs:,} MACs */" if step.call.macs else " */"
    function = names.by_step[number]
    row = f"&{function.name}_layers[{function.row_of[number]}]"
    arguments = [row] if function.told else []
    for arg in step.call.args:
        if arg.kind == "constant":
            arguments.append(names.table_of[(number, arg.index)])
        elif arg.kind == "scratch":
            arguments.append(f"EQ_AT(void, {plan.scratch[number]})")
        else:
            indices = op.outputs if arg.kind == "output" else op.inputs
            arguments.append(address(program, plan, names, indices[arg.index]))
    return [note, *wrapped(f"    {names.through}{function.name}(", arguments, ");")]
