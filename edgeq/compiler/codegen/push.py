"""`NAME_push`: samples as they come, answers when there are any."""

from __future__ import annotations

from edgeq.compiler.codegen.literals import string
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.ops.shared.base import C_TYPES
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program
from edgeq.model.detection import BoxRules
from edgeq.model.settling import read_settling
from edgeq.model.stream import Stream

EVENT_HEADERS = ("eq_frontend_decision.h", "eq_frontend_detection.h")
"""The kernels that NAME_decision takes events from."""

# Of what counts the samples: RAM besides arena and state.
COUNTER_BYTES = 4


def push_header_lines(program: Program, name: str, memory: Memory) -> list[str]:
    """What NAME.h says of it; nothing for a model without a front end."""
    stream = program.graph.stream
    if stream is None:
        return []
    upper = name.upper()
    rate = [f"#define {upper}_SAMPLE_RATE {stream.rate_hz}"] if stream.rate_hz else []
    settling = read_settling(program.graph.metadata)
    if settling:
        rate += [
            "/* So many answers come before the model has seen a whole window: decisions leave",
            " * them out, and so should who takes answers. */",
            f"#define {upper}_SETTLING_ANSWERS {settling}",
        ]
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
        *_decision_header_lines(stream, name, memory),
    ]


def push_source_lines(
    program: Program, plan: Plan, names: Names, name: str, memory: Memory, reset: list[str]
) -> list[str]:
    """The function; nothing for a model without a front end.

    Args:
        reset: What sets static state before the first call of all.
    """
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
        *reset,
        "    while (count > 0) {",
        "        /* Less than none: samples between two windows, which none of them sees. */",
        f"        const int32_t filled = {held} + {stream.zeros};",
        f"        const int32_t free = filled < 0 ? -filled : {stream.window} - filled;",
        "        const int32_t taken = count < (uint32_t)free ? (int32_t)count : free;",
        "        if (filled >= 0) {",
        "            memcpy(window + filled, samples, (size_t)taken * sizeof(*window));",
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
        *_decision_source_lines(program, plan, names, name, memory),
    ]


def _decision_header_lines(stream: Stream, name: str, memory: Memory) -> list[str]:
    rules = stream.decision
    if rules is None:
        return []
    upper = name.upper()
    labels = [string(label) for label in rules.labels]
    return [
        f"#define {upper}_EVENT_LABEL_COUNT {len(labels)}",
        f"#define {upper}_EVENT_LABELS {{{', '.join(labels)}}}",
        "",
        "/* What was decided: the number of a class, its mean score in 1/32768, and the number of",
        f" * samples since {name}_reset that were taken until then, modulo 2^32. */",
        "typedef struct {",
        "    int16_t label;",
        "    int16_t score;",
        "    uint32_t sample;",
        f"}} {name}_event;",
        "",
        f"/* Take the oldest event; returns 0 where there is none. Of more than {rules.queue} that",
        " * wait the oldest are lost. */",
        f"int {name}_decision({_of_state(name, memory)}{name}_event *event);",
        "",
        *(_box_header_lines(name, memory) if isinstance(rules, BoxRules) else []),
    ]


def _box_header_lines(name: str, memory: Memory) -> list[str]:
    return [
        "/* Where it is, in 1/32768 of the picture that the model sees. */",
        "typedef struct {",
        "    int16_t xmin;",
        "    int16_t ymin;",
        "    int16_t xmax;",
        "    int16_t ymax;",
        f"}} {name}_box;",
        "",
        f"/* As {name}_decision, with the box. The strongest of an answer comes first. */",
        f"int {name}_detection({_of_state(name, memory)}{name}_event *event, {name}_box *box);",
        "",
    ]


def _decision_source_lines(
    program: Program, plan: Plan, names: Names, name: str, memory: Memory
) -> list[str]:
    assert program.graph.stream is not None
    rules = program.graph.stream.decision
    if rules is None:
        return []
    state = address(program, plan, names, rules.state)
    boxed = isinstance(rules, BoxRules)
    take = "eq_detection_take" if boxed else "eq_frontend_take"
    taken = [
        "{",
        f"    const int32_t *oldest = {take}({state}, {rules.queue});",
        "    if (oldest == NULL) {",
        "        return 0;",
        "    }",
        "    event->label = (int16_t)oldest[0];",
        "    event->score = (int16_t)oldest[1];",
        "    event->sample = (uint32_t)oldest[2];",
    ]
    of_state = _of_state(name, memory)
    # EQ_TARGET: it takes in a kernel, which is made for one level.
    lines = [f"EQ_TARGET int {name}_decision({of_state}{name}_event *event)", *taken]
    lines += ["    return 1;", "}", ""]
    if boxed:
        both = f"{of_state}{name}_event *event, {name}_box *box"
        lines += [
            f"EQ_TARGET int {name}_detection({both})",
            *taken,
            "    box->xmin = (int16_t)(oldest[3] & 0x7FFF);",
            "    box->ymin = (int16_t)(oldest[3] >> 16);",
            "    box->xmax = (int16_t)(oldest[4] & 0x7FFF);",
            "    box->ymax = (int16_t)(oldest[4] >> 16);",
            "    return 1;",
            "}",
            "",
        ]
    return lines


def _parameters(program: Program, name: str, memory: Memory) -> str:
    return f"{_of_state(name, memory)}const {_type(program)} *samples, uint32_t count"


def _of_state(name: str, memory: Memory) -> str:
    return f"{name}_state *state, " if memory is Memory.REENTRANT else ""


def _type(program: Program) -> str:
    return C_TYPES[program.tensor(program.subgraph.inputs[0]).dtype]
