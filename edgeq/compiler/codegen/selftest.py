"""The self-test of NAME.c: a known input, and what each op makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.codegen.calls import call_lines
from edgeq.compiler.codegen.header import ordinal
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Names, address
from edgeq.compiler.codegen.state import mark_lines
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program

_NEARLY = 1e-3  # of the largest value of an output


@dataclass(frozen=True, eq=False)
class Golden:
    """A known input and the CRC-32 of every op's outputs for it.

    Attributes:
        inputs: Raw bytes of each model input.
        crcs: One per step; None where control flow decides what a step leaves behind, and where
            the C library or a fused multiplication decides over last bits.
        near: Of outputs of floats without a CRC, by position, the values that are nearly theirs.
        ends: The CRC-32 of outputs that no step alone leaves behind, by position.
    """

    inputs: tuple[bytes, ...]
    crcs: tuple[int | None, ...]
    near: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    ends: Mapping[int, int] = field(default_factory=dict)

    @property
    def has_crcs(self) -> bool:
        """Whether there is a CRC of anything."""
        return bool(self.ends) or any(crc is not None for crc in self.crcs)

    @property
    def tables(self) -> dict[str, bytes]:
        """What the self-test has in flash, by the end of its name."""
        found = {f"input_{position}": raw for position, raw in enumerate(self.inputs)}
        return found | {f"output_{place}": values.tobytes() for place, values in self.near.items()}


def selftest_lines(
    program: Program, plan: Plan, names: Names, name: str, golden: Golden, memory: Memory
) -> list[str]:
    """NAME_selftest(): 0, or the number of the first step, from 1, that goes another way."""
    owner = memory.owner(name)
    lines = [*_crc_lines(name)] if golden.has_crcs else [""]
    lines += [f"int {name}_selftest({memory.parameter(name)})", "{"]
    if program.has_state:
        lines.append(f"    {name}_reset({memory.argument});")
    feed = [
        f"    memcpy({ordinal(f'{name}_input', position)}({memory.argument}), "
        f"{name}_golden_input_{position}, sizeof({name}_golden_input_{position}));"
        for position in range(len(golden.inputs))
    ]
    stream = program.graph.stream
    if stream is not None and stream.frames > 1:
        lines += [
            f"    for (int i = 1; i < {stream.frames}; i++) {{ /* frames until the first answer */",
            *("    " + line for line in feed),
            f"        {name}_invoke({memory.argument});",
            "    }",
        ]
    lines += feed
    depth = 0
    for number, step in enumerate(program.steps):
        marks, depth = mark_lines(program, plan, names, owner, number, depth)
        call = call_lines(program, plan, names, number, step)
        lines += [*marks, *("    " * depth + line for line in call)]
        if golden.crcs[number] is None:
            continue
        check = _crc_of(program, plan, names, name, step.completes)
        lines += _unless(check, golden.crcs[number], number + 1)
    lines += mark_lines(program, plan, names, owner, len(program.steps), depth)[0]
    for position, crc in golden.ends.items():
        outputs = program.subgraph.outputs[position : position + 1]
        lines += _unless(_crc_of(program, plan, names, name, outputs), crc, len(program.steps))
    for position, values in golden.near.items():
        lines += _nearly(f"{name}_golden_output_{position}", values, len(program.steps), ordinal(
            f"{name}_output", position) + f"({memory.argument})")  # fmt: skip
    again = [f"    {name}_reset({memory.argument});"] if program.has_state else []
    return [*lines, *again, "    return 0;", "}"]


def _crc_of(program: Program, plan: Plan, names: Names, name: str, tensors: Sequence[int]) -> str:
    check = "0"
    for index in tensors:
        where = address(program, plan, names, index)
        check = f"{name}_crc({check}, {where}, {program.tensor(index).bytes})"
    return check


def _unless(check: str, crc: int | None, number: int) -> list[str]:
    return [f"    if ({check} != 0x{crc:08x}u) {{", f"        return {number};", "    }"]


def _crc_lines(name: str) -> list[str]:
    return [
        "",
        "/* CRC-32 (IEEE 802.3), bitwise: slow and small, for the self-test only. */",
        f"static uint32_t {name}_crc(uint32_t crc, const void *data, uint32_t bytes)",
        "{",
        "    const uint8_t *byte = data;",
        "    crc = ~crc;",
        "    for (uint32_t i = 0; i < bytes; i++) {",
        "        crc ^= byte[i];",
        "        for (uint32_t bit = 0; bit < 8; bit++) {",
        "            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));",
        "        }",
        "    }",
        "    return ~crc;",
        "}",
        "",
    ]


def _nearly(table: str, values: NDArray[np.float32], number: int, output: str) -> list[str]:
    """Lines that compare an output of floats with what it should nearly be."""
    tolerance = max(_NEARLY * float(np.abs(values).max(initial=0.0)), 1e-6)
    return [
        f"    for (uint32_t i = 0; i < {values.size}u; i++) {{",
        "        float difference;",
        f"        memcpy(&difference, &{table}[4u * i], sizeof(difference));",
        f"        difference -= {output}[i];",
        f"        if (!(difference <= {tolerance:.8e}f && difference >= -{tolerance:.8e}f)) {{",
        f"            return {number};",
        "        }",
        "    }",
    ]
