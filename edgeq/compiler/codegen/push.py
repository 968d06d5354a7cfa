"""`NAME_push`: samples as they come, answers when there are any."""

from __future__ import annotations

from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.ops.shared.base import C_TYPES
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program

# Of what counts the samples: RAM besides arena and state.
COUNTER_BYTES = 4


def push_header_lines(program: Program, name: str, memory: Memory) -> list[str]:
    """What NAME.h says of it; nothing for a model without a front end."""
    stream = program.graph.stream
    if stream is None:
        return []
    upper = name.upper()
    rate = [f"#define {upper}_SAMPLE_RATE {stream.rate_hz}"] if stream.rate_hz else []
    return [
        *rate,
        f"#define {upper}_FRAME_STEP {stream.step}",
        f"#define {upper}_ANSWER_STEP {stream.step * stream.frame_step}",
        f"#define {upper}_FIRST_ANSWER {stream.first_answer}",
        "",
        "/* Take samples as they come, any number of them. Returns how many answers became ready;",
        f" * {name}_output is the last of them. With at most {upper}_ANSWER_STEP samples in a call",
        f" * there is never more than one; {upper}_ON_ANSWER(), defined when compiling, is called",
        f" * for each. Not to be mixed with writes to {name}_input. */",
        f"int {name}_push({_parameters(program, name, memory)});",
        "",
    ]


def push_source_lines(
    program: Program, plan: Plan, names: Names, name: str, memory: Memory
) -> list[str]:
    """The function; nothing for a model without a front end."""
    stream = program.graph.stream
    if stream is None:
        return []
    upper, ctype = name.upper(), _type(program)
    held = f"{memory.owner(name)}held"
    window = address(program, plan, names, program.subgraph.inputs[0])
    rest = stream.window - stream.step
    slide = [f"            memmove(window, window + {stream.step}, {rest} * sizeof(*window));"]
    ready = ["            answers++;", f"            {upper}_ON_ANSWER();"]
    if stream.counter is not None:
        counter = address(program, plan, names, stream.counter)
        ready = [f"            if ({counter}[0]) {{", *("    " + line for line in ready)]
        ready.append("            }")
    return [
        f"#ifndef {upper}_ON_ANSWER",
        f"#define {upper}_ON_ANSWER() (void)0",
        "#endif",
        "",
        f"int {name}_push({_parameters(program, name, memory)})",
        "{",
        f"    {ctype} *window = {window};",
        "    int answers = 0;",
        "    while (count > 0) {",
        "        /* Less than none: samples between two windows, which none of them sees. */",
        f"        const int32_t filled = {held} + {stream.zeros};",
        f"        const int32_t free = filled < 0 ? -filled : {stream.window} - filled;",
        "        const int32_t taken = count < (uint32_t)free ? (int32_t)count : free;",
        "        if (filled >= 0) {",
        "            memcpy(window + filled, samples, (uint32_t)taken * sizeof(*window));",
        "        }",
        "        samples += taken;",
        "        count -= (uint32_t)taken;",
        f"        {held} += taken;",
        "        if (filled >= 0 && taken == free) {",
        f"            {name}_invoke({memory.argument});",
        *ready,
        *(slide if rest > 0 else []),
        f"            {held} -= {stream.step};",
        "        }",
        "    }",
        "    return answers;",
        "}",
        "",
    ]


def _parameters(program: Program, name: str, memory: Memory) -> str:
    first = f"{name}_state *state, " if memory is Memory.REENTRANT else ""
    return f"{first}const {_type(program)} *samples, uint32_t count"


def _type(program: Program) -> str:
    return C_TYPES[program.tensor(program.subgraph.inputs[0]).dtype]
