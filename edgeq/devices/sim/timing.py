"""What the timings of all cores are made of: the cycles of a block, and kinds of instructions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SINGLE_LOADS = frozenset({"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh"})
SINGLE_STORES = frozenset({"str", "strb", "strh"})
MULTIPLE = frozenset({"ldm", "stm", "push", "pop", "ldmdb", "stmdb"})
DUAL = frozenset({"ldrd", "strd"})
DIVIDES = frozenset({"sdiv", "udiv"})
FLOAT_DIVIDES = frozenset({"vdiv", "vsqrt"})
FLOAT_MULTIPLE = ("vpush", "vpop", "vldm", "vstm")
_WORDS = {"s": 1, "d": 2}  # of a float register, by how its name begins


@dataclass(frozen=True)
class BlockCycles:
    """Cycles of one basic block.

    Attributes:
        each: Per instruction, the last one taken as falling through.
        jump: More when the block ends in a jump.
        surprise: More when its last branch goes the way that it goes less often.
    """

    each: tuple[int, ...]
    jump: int
    surprise: int = 0


Timing = Callable[[Sequence[Any]], BlockCycles]


def address_registers(instruction: Any) -> set[int]:
    """The registers that make the address of a load or store."""
    from capstone import CS_OP_MEM

    registers = set()
    for operand in instruction.operands:
        if operand.type == CS_OP_MEM:
            registers |= {operand.mem.base, operand.mem.index} - {0}
    return registers


def moved_registers(instruction: Any) -> int:
    """How many registers an LDM, STM, PUSH or POP moves."""
    first = 0 if instruction.insn_name() in ("push", "pop") else 1
    return len(instruction.operands) - first


def float_words(instruction: Any) -> int:
    """How many words a VPUSH, VPOP, VLDM or VSTM moves."""
    names = [instruction.reg_name(operand.reg) or "" for operand in instruction.operands]
    return sum(_WORDS[name[0]] for name in names if re.fullmatch(r"[sd]\d+", name))
