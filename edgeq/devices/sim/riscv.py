"""Cycles of small in-order RISC-V cores: an instruction a cycle, and what makes it wait.

Both wait a cycle where the result of a load is used by the next instruction. Espressif publishes no
timings of instructions; the rules are those of a four-stage pipeline without (ESP32-C3) and with
(ESP32-C6) branch prediction, held against the CoreMark scores of both chips and against their
TensorFlow Lite Micro example: docs/cycle-estimates.md.

Sources:
    ESP32-C3 Technical Reference Manual, 1.2 "Features" (four-stage, in-order, scalar pipeline).
    ESP32-C6 Technical Reference Manual, 1.2 "Features" (the same, with branch prediction).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.devices.sim.timing import BlockCycles

_LOADS = frozenset({"lw", "lb", "lh", "lbu", "lhu", "c.lw", "c.lwsp"})
_STORES = frozenset({"sw", "sh", "sb", "c.sw", "c.swsp"})
_DIVIDES = ("div", "rem")
_JUMPS = frozenset({"j", "jal", "jr", "jalr", "ret", "c.j", "c.jal", "c.jr", "c.jalr"})
_DIVIDE_CYCLES = 33


@dataclass(frozen=True)
class _Branches:
    """What a branch costs beyond its own cycle.

    Attributes:
        taken: One that goes elsewhere; 0 where it is predicted.
        surprise: One that goes the way it goes less often, where branches are predicted.
        jump: An unconditional jump.
    """

    taken: int
    surprise: int
    jump: int


def esp32c3(block: Sequence[Any]) -> BlockCycles:
    """ESP32-C3: every branch that is taken fetches anew."""
    return _block(block, _Branches(taken=2, surprise=0, jump=2))


def esp32c6(block: Sequence[Any]) -> BlockCycles:
    """ESP32-C6: branches are predicted, and only a wrong guess fetches anew."""
    return _block(block, _Branches(taken=0, surprise=2, jump=0))


def _block(block: Sequence[Any], branches: _Branches) -> BlockCycles:
    each = []
    loaded = ""
    for instruction in block:
        name = instruction.mnemonic
        operands = _operands(instruction)
        cycles = _DIVIDE_CYCLES if name.startswith(_DIVIDES) else 1
        each.append(cycles + (1 if loaded and loaded in _sources(name, operands) else 0))
        loaded = operands[0] if name in _LOADS else ""
    if block[-1].mnemonic in _JUMPS:
        return BlockCycles(tuple(each), branches.jump)
    return BlockCycles(tuple(each), branches.taken, branches.surprise)


def _operands(instruction: Any) -> list[str]:
    """Registers and numbers in the order of the text, `4(sp)` as two."""
    text = instruction.op_str.replace("(", ",").replace(")", "")
    return [part.strip() for part in text.split(",")]


def _sources(name: str, operands: list[str]) -> list[str]:
    """The operands that are read. Compressed arithmetic reads its destination too."""
    reads_all = name in _STORES or (name.startswith(("b", "c.b", "c.")) and name not in _LOADS)
    return operands if reads_all and name not in ("c.mv", "c.li", "c.lui") else operands[1:]
