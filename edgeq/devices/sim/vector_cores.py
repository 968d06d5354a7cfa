"""Cycles of cores with MVE (Helium): Cortex-M55 and M85.

Nobody published measurements of them with code that runs here: every figure says `unchecked`.

A vector instruction works on its 128 bits in two beats of 64. Two of them in a row overlap by one
beat where different pipelines do them: loads and stores, integers, multiplications and floats.

Sources:
    LLVM's scheduling models of both cores, ARMScheduleM55.td and ARMScheduleM85.td, by Arm's
    engineers: pipelines, latencies, forwarding to stores, which pairs of instructions issue
    together, what a branch costs.
    The SLOTHY project's models of both cores (Arm, 2022): the same for vector instructions, from
    measurements; LDRD in one cycle; loads and stores overlap on the M85 only.
    Gathers and scatters of more than four elements: two elements a cycle, as the M55 has two ports
    of 32 bits to its data memory; an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.devices.sim.helium import Vector
from edgeq.devices.sim.pipeline import Issue, issue_of
from edgeq.devices.sim.timing import BlockCycles

_FIRST_VECTOR = 1000  # vector registers behind all of capstone's
_DIVIDE = 6
_FLOATS = ("float", "root")
_GATHER_ADDRESS = 4  # cycles that a gather wants its addresses before
_VFP_LATENCY = {"vdiv": 16, "vsqrt": 16, "vmla": 4, "vmls": 4, "vnmla": 4, "vnmls": 4}
_VFP_DOUBLE = {"vadd": 15, "vsub": 15, "vmul": 21, "vdiv": 30, "vsqrt": 30, "vfma": 24}
_VFP_MEMORY = ("vldr", "vstr", "vldm", "vstm", "vpush", "vpop")
# The 16-bit instructions of which the M55 issues one together with any other.
_LIGHT = frozenset({"nop", "b", "mov", "movs", "uxtb", "uxth", "sxtb", "sxth"})
_SUMS = frozenset({"add", "adds", "sub", "subs"})


@dataclass(frozen=True)
class _Step:
    """An instruction as the pipelines see it; registers are capstone's, or vectors."""

    unit: str
    busy: int
    latency: int
    reads: frozenset[int]
    writes: frozenset[int]
    early: frozenset[int] = frozenset()
    issue: Issue | None = None
    small: bool = False
    light: bool = False
    stores: bool = False


@dataclass(frozen=True)
class _Core:
    """What sets one core apart.

    Attributes:
        together: Whether a step goes with the one that was issued alone before it.
        latency: Of scalar results by kind, where it is not 1.
        one_port: Whether loads and stores wait for each other.
        jump, surprise: As in `BlockCycles`.
    """

    together: Callable[[_Step, _Step], bool]
    latency: Mapping[str, int]
    one_port: bool
    jump: int
    surprise: int


def _pair_m55(one: _Step, other: _Step) -> bool:
    return one.small and other.small and (one.light or other.light)


def _pair_m85(one: _Step, other: _Step) -> bool:
    if one.issue is None or other.issue is None:
        return False
    kinds = {one.issue.kind, other.issue.kind}
    if kinds & {"many", "float", "root", "divide"} or one.issue.kind == "branch":
        return False
    return kinds not in ({"multiply"}, {"store"})


_LATENCY = {"load": 2, "many": 2, "multiply": 2, "divide": _DIVIDE}
_M55 = _Core(_pair_m55, {**_LATENCY, "shifted": 2, "parallel": 2}, True, jump=3, surprise=0)
_M85 = _Core(_pair_m85, _LATENCY, False, jump=1, surprise=7)


def m55(block: Sequence[Any]) -> BlockCycles:
    """Cortex-M55: one instruction a cycle, two small ones where one of them is light."""
    return _cycles(block, _M55)


def m85(block: Sequence[Any]) -> BlockCycles:
    """Cortex-M85: two scalar instructions a cycle, branches foretold."""
    return _cycles(block, _M85)


def _cycles(block: Sequence[Any], core: _Core) -> BlockCycles:
    steps = [_step(instruction, core) for instruction in block]
    last = block[-1]
    if isinstance(last, Vector) and last.pipe == "loop":
        # LE costs nothing once the core knows the loop, and turns overlap: times of the second.
        turns = 2 if last.target == block[0].address else 1
        each = _schedule(steps * turns, core)[-len(steps) :]
        return BlockCycles(tuple(each), jump=0, surprise=core.jump)
    each = _schedule(steps, core)
    each[-1] += 1
    conditional = not isinstance(last, Vector) and _is_conditional(last)
    return BlockCycles(tuple(each), core.jump, core.surprise if conditional else 0)


def _schedule(steps: Sequence[_Step], core: _Core) -> list[int]:
    """How many cycles after the step before each one is issued; the first starts at once."""
    ready: dict[int, tuple[int, int]] = {}
    free: dict[str, int] = {}
    now, alone, each = 0, None, list[int]()
    for step in steps:
        before = now
        at = max((_needed(register, step, ready) for register in step.reads), default=0)
        at = max([at, *(ready[r][0] + _GATHER_ADDRESS for r in step.early & ready.keys())])
        at = max(at, free.get(step.unit, 0))
        if alone is not None and at <= now and core.together(alone, step):
            alone = None
        elif each:
            now, alone = max(now + 1, at), step
        else:
            alone = step
        if step.unit == "loop":
            now = before
        if step.unit:
            free[step.unit] = now + step.busy
        for register in step.writes:
            ready[register] = (now + step.latency, step.latency)
        each.append(now - before)
        if not step.unit and step.busy > 1:
            now, alone = now + step.busy - 1, None
    return each


def _needed(register: int, step: _Step, ready: Mapping[int, tuple[int, int]]) -> int:
    """The cycle from which a step can have a register: stores take a result of 2 cycles early."""
    cycle, latency = ready.get(register, (0, 0))
    early = step.stores and latency == 2 and register >= _FIRST_VECTOR
    return cycle - 1 if early else cycle


def _is_conditional(instruction: Any) -> bool:
    name = instruction.insn_name()
    return name in ("cbz", "cbnz") or (name == "b" and instruction.cc not in (0, 15))


def _step(instruction: Any, core: _Core) -> _Step:
    if isinstance(instruction, Vector):
        return _vector_step(instruction, core)
    issue = issue_of(instruction)
    name = instruction.insn_name()
    unit, busy, kind = "", 1, issue.kind
    if name.startswith(_VFP_MEMORY):
        unit, busy, kind = "load", max(1, len(instruction.operands) - 1), "load"
    elif kind in _FLOATS:
        unit = "multiply"
    elif kind in ("load", "store"):
        unit = _port(kind, core)
    elif kind == "many":
        busy = (issue.words + 1) // 2
    elif kind == "divide":
        busy = _DIVIDE
    elif kind == "alu" and (issue.uses_shifter or issue.parallel):
        kind = "shifted" if issue.uses_shifter else "parallel"
    latency = _vfp_latency(instruction) if issue.kind in _FLOATS else core.latency.get(kind, 1)
    small = instruction.size == 2
    light = small and (name in _LIGHT or (name in _SUMS and _has_constant(instruction)))
    return _Step(
        unit, busy, latency, issue.reads, issue.writes, issue=issue, small=small, light=light
    )


def _vector_step(found: Vector, core: _Core) -> _Step:
    reads = {_FIRST_VECTOR + n for n in found.reads} | _general(found.scalar_reads)
    writes = {_FIRST_VECTOR + n for n in found.writes} | _general(found.scalar_writes)
    early = frozenset(_FIRST_VECTOR + n for n in found.address_reads)
    unit = _port(found.pipe, core)
    return _Step(
        unit,
        found.beats,
        found.latency,
        frozenset(reads),
        frozenset(writes),
        early,
        stores=found.pipe == "store",
    )


def _port(pipe: str, core: _Core) -> str:
    return "load" if pipe == "store" and core.one_port else pipe


def _general(numbers: frozenset[int]) -> set[int]:
    """Capstone's names of general-purpose registers."""
    from capstone import arm_const

    names = {13: arm_const.ARM_REG_SP, 14: arm_const.ARM_REG_LR, 15: arm_const.ARM_REG_PC}
    return {names.get(number, arm_const.ARM_REG_R0 + number) for number in numbers}


def _has_constant(instruction: Any) -> bool:
    from capstone.arm import ARM_OP_IMM

    return any(operand.type == ARM_OP_IMM for operand in instruction.operands)


def _vfp_latency(instruction: Any) -> int:
    name = instruction.insn_name()
    table = _VFP_DOUBLE if instruction.mnemonic.endswith(".f64") else _VFP_LATENCY
    return table.get(name, 2)
