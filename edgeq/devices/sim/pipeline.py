"""Cycles of Arm cores that issue in order with latencies: Cortex-M33 one by one, M7 two at a time.

Arm publishes no instruction timings of these cores. The rules here are those that others measured,
and the few numbers in them are set so that the instructions of published MLPerf Tiny firmware add
up to the latency that was measured with it on the board; docs/cycle-estimates.md has every image
and its error, and says which of them the numbers were chosen on.

Sources:
    Cortex-M7: Quinapalus, "Cortex-M7 instruction cycle counts, timings, and dual-issue
    combinations" (measured on an STM32H730): which pairs issue together, latencies of loads and
    multiplications, two words a cycle in LDM and STM.
    LLVM, ARMScheduleM7.td: divisions and square roots of floats, for which the core stands still.
    Cortex-M33: Texas Instruments SWCU185, "Load/store timings": what a load costs the next one.
    Divisions and square roots of floats are taken to be the Cortex-M4's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.devices.sim.timing import (
    DIVIDES,
    DUAL,
    FLOAT_DIVIDES,
    FLOAT_MULTIPLE,
    MULTIPLE,
    SINGLE_LOADS,
    SINGLE_STORES,
    BlockCycles,
    address_registers,
    float_words,
    moved_registers,
)

_BRANCHES = frozenset({"b", "bl", "bx", "blx", "cbz", "cbnz", "tbb", "tbh"})
_MULTIPLIES = ("mul", "mla", "mls", "sml", "smm", "smu", "uml", "umu", "uma")
_SHIFTS = (
    *("sxt", "uxt", "sbfx", "ubfx", "bfi", "bfc", "pkh", "ssat", "usat"),
    *("lsl", "lsr", "asr", "ror", "rev"),
)
_PARALLEL = ("qadd", "qsub", "sadd", "ssub", "uadd", "usub", "shadd", "sel")
_LONG_ACCUMULATES = ("smlal", "umlal")


@dataclass(frozen=True)
class Issue:
    """What the pipeline has to know of an instruction.

    Attributes:
        kind: "load", "store", "many" (several words), "multiply", "divide", "float", "root" (of
            floats, as a division is), "branch" or "alu".
        reads, writes: Registers.
        address: Those of `reads` that make an address.
        addend: The register that a multiplication adds to; 0 if none.
        words: How many a "many" moves; of a "root" how many each of its numbers has.
        uses_shifter, parallel: Whether it needs the one shifter, or works on parts of a word.
    """

    kind: str
    reads: frozenset[int]
    writes: frozenset[int]
    address: frozenset[int]
    addend: int
    words: int
    uses_shifter: bool
    parallel: bool


_M33_ROOT = 14


def m33(block: Sequence[Any]) -> BlockCycles:
    """Cortex-M33: one instruction a cycle, one more where a load's result is used at once."""
    each = []
    previous = None
    for instruction in block:
        issue = issue_of(instruction)
        longer = {"divide": 6, "many": issue.words, "root": _M33_ROOT}
        cycles = longer.get(issue.kind, 1)
        waits = previous is not None and previous.kind == "load" and previous.writes & issue.reads
        each.append(cycles + (1 if waits else 0))
        previous = issue
    return BlockCycles(tuple(each), jump=2)


_M7_LATENCY = {"load": 2, "many": 2, "multiply": 2, "float": 3, "root": 1, "divide": 8}
_M7_DIVIDE = 6
_M7_ROOT = {1: 15, 2: 29}  # by words of a number


def m7(block: Sequence[Any]) -> BlockCycles:
    """Cortex-M7: two instructions a cycle where they fit together and their operands are ready."""
    ready: dict[int, tuple[int, str]] = {}
    now, together = 0, list[Issue]()
    each = []
    for instruction in block:
        issue = issue_of(instruction)
        before = now
        need = max((_needed(register, issue, ready) for register in issue.reads), default=0)
        if need > now:
            now, together = need, []
        elif not _fits(issue, together):
            now, together = now + 1, []
        together.append(issue)
        longer = _m7_longer(issue)
        for register in issue.writes:
            done = now + longer + _M7_LATENCY.get(issue.kind, 1)
            ready[register] = (done, issue.kind)
        for register in issue.writes & issue.address:  # the base is ready like any sum
            ready[register] = (now + longer + 1, "alu")
        if longer:
            now, together = now + longer, [issue, issue]
        each.append(now - before)
    each[-1] += 1
    conditional = block[-1].insn_name() in ("cbz", "cbnz") or (
        block[-1].insn_name() == "b" and block[-1].cc not in _ALWAYS
    )
    return BlockCycles(tuple(each), jump=1, surprise=8 if conditional else 0)


def _m7_longer(issue: Issue) -> int:
    """For how many cycles beyond its own an instruction keeps all others waiting."""
    if issue.kind == "many":
        return (issue.words + 1) // 2 - 1
    if issue.kind == "root":
        return _M7_ROOT[issue.words]
    return _M7_DIVIDE if issue.kind == "divide" else 0


_ALWAYS = (0, 15)  # capstone: invalid (none given), AL


def _needed(register: int, issue: Issue, ready: dict[int, tuple[int, str]]) -> int:
    """The cycle from which an instruction can have a register."""
    cycle, kind = ready.get(register, (0, ""))
    if register == issue.addend and kind == "multiply":
        cycle -= 1  # the sum is handed on inside the multiplier
    if issue.kind == "store" and register not in issue.address:
        cycle -= 1  # what is stored is needed late
    return cycle


def _fits(issue: Issue, together: list[Issue]) -> bool:
    """Whether an instruction can go with those of this cycle."""
    if len(together) != 1:
        return not together
    first = together[0]
    kinds = (first.kind, issue.kind)
    if {"many", "float", "root", "divide"} & set(kinds) or issue.parallel or first.kind == "branch":
        return False
    if kinds == ("multiply", "multiply") or (first.uses_shifter and issue.uses_shifter):
        return False
    memory = [kind for kind in kinds if kind in ("load", "store")]
    return memory in ([], ["load"], ["store"], ["load", "load"])


def issue_of(instruction: Any) -> Issue:
    """What the pipeline has to know of a (capstone) instruction."""
    from capstone.arm import ARM_OP_REG

    name = instruction.insn_name()
    reads, writes = (frozenset(registers) for registers in instruction.regs_access())
    kind = _kind(name)
    address = address_registers(instruction)
    if name in MULTIPLE:
        address.add(instruction.operands[0].reg)
    addend = 0
    if kind == "multiply" and len(instruction.operands) >= 4:
        accumulates = name.startswith(_LONG_ACCUMULATES)
        addend = instruction.operands[0 if accumulates else -1].reg
    shifted = any(o.type == ARM_OP_REG and o.shift.type for o in instruction.operands)
    return Issue(
        kind,
        reads,
        writes,
        frozenset(address),
        addend,
        _words(instruction, kind),
        kind == "alu" and (shifted or name.startswith(_SHIFTS)),
        kind == "alu" and name.startswith(_PARALLEL),
    )


def _words(instruction: Any, kind: str) -> int:
    name = instruction.insn_name()
    if name.startswith(FLOAT_MULTIPLE):
        return float_words(instruction)
    if kind == "root":
        return 2 if instruction.mnemonic.endswith(".f64") else 1
    return moved_registers(instruction) if name in MULTIPLE else 2 if name in DUAL else 0


def _kind(name: str) -> str:
    if name in SINGLE_LOADS:
        return "load"
    if name in SINGLE_STORES:
        return "store"
    if name in MULTIPLE or name in DUAL or name.startswith(FLOAT_MULTIPLE):
        return "many"
    if name in FLOAT_DIVIDES:
        return "root"
    if name in _BRANCHES:
        return "branch"
    if name in DIVIDES:
        return "divide"
    if name.startswith(_MULTIPLIES):
        return "multiply"
    return "float" if name.startswith("v") else "alu"
