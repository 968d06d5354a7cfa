"""Cycles of straight-line code on cores whose timings are documented.

Only Cortex-M0+, M3 and M4 have published instruction timings that do not depend on caches or dual
issue. All figures assume memory without wait states, as the manuals do; real flash is slower
unless it has an accelerator, which is why every result is an estimate.

Sources:
    Cortex-M0+ Technical Reference Manual (DDI 0484C), 3.3 "Instruction set summary", table 3-1;
    a processor with the single-cycle multiplier, as nearly all have.
    Cortex-M3 Technical Reference Manual (100165_0201), 3.3.1 "Cortex-M3 instructions".
    Cortex-M4 Technical Reference Manual (100166_0001), 3.3.1 "Cortex-M4 instructions", and 3.3.3
    "Load/store timings".

Where a manual gives a range that depends on data, the upper end is taken. The pipeline refill P of
a taken branch is 1 to 3 on M3 and M4: here 1 for a branch to a fixed address, which the core
fetches early, 2 where the address comes from a register or from memory.

Check: bakenn's documentation publishes 3,786 cycles on a physical nRF52840 (Cortex-M4, 64 MHz) for
two CMSIS-NN fully-connected layers, 32-16-4. The same kernels, compiled with -Os (bakenn's default;
the flags of that measurement are not published with it), are 3,885 here; with -O2 3,195.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeq.devices.sim.pipeline import m7, m33
from edgeq.devices.sim.riscv import esp32c3, esp32c6
from edgeq.devices.sim.timing import (
    DIVIDES,
    DUAL,
    FLOAT_MULTIPLE,
    MULTIPLE,
    SINGLE_LOADS,
    SINGLE_STORES,
    BlockCycles,
    Timing,
    address_registers,
    float_words,
    moved_registers,
)
from edgeq.devices.sim.vector_cores import m55, m85

_BRANCHES = frozenset({"b", "bl", "cbz", "cbnz"})
_INDIRECT = frozenset({"bx", "blx", "tbb", "tbh"})
_M3_MULTIPLY = {"mla": 2, "mls": 2, "smull": 5, "umull": 5, "smlal": 7, "umlal": 7}
# Single precision. Source: Cortex-M4 TRM, 7.2.3 "FPU instruction set", table 7-1.
_FLOAT = {
    **dict.fromkeys(("vdiv", "vsqrt"), 14),
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"), 3),
    **dict.fromkeys(("vldr", "vstr"), 2),
}
_DIVIDE_CYCLES = 12


def timing_of(cpu: str) -> Timing | None:
    """The cycles of a block of (capstone) instructions on a CPU; None if nothing is documented."""
    return {
        "cortex-m0plus": _m0plus,
        "cortex-m3": _m3,
        "cortex-m4": _m4,
        "cortex-m7": m7,
        "cortex-m33": m33,
        "cortex-m55": m55,
        "cortex-m85": m85,
        "rv32imc": esp32c3,
        "rv32imac": esp32c6,
    }.get(cpu)


def _m0plus(block: Sequence[Any]) -> BlockCycles:
    each = []
    for instruction in block:
        name = instruction.insn_name()
        if name in MULTIPLE:
            each.append(1 + moved_registers(instruction))
        elif name in SINGLE_LOADS or name in SINGLE_STORES:
            each.append(2)
        elif name in ("mrs", "msr", "dmb", "dsb", "isb"):
            each.append(3)
        else:
            each.append(1)
    last = block[-1].insn_name()
    # B and BX take 2, BL and POP with the PC 2 more than without.
    jump = 2 if last in ("bl", "pop") else 1
    return BlockCycles(tuple(each), jump)


def _m3(block: Sequence[Any]) -> BlockCycles:
    return _armv7m(block, _M3_MULTIPLY)


def _m4(block: Sequence[Any]) -> BlockCycles:
    return _armv7m(block, _FLOAT)


def _armv7m(block: Sequence[Any], special: dict[str, int]) -> BlockCycles:
    each = []
    previous = None
    for instruction in block:
        name = instruction.insn_name()
        if name in MULTIPLE:
            each.append(1 + moved_registers(instruction))
        elif name.startswith(FLOAT_MULTIPLE):
            each.append(1 + float_words(instruction))
        elif name in DUAL:
            each.append(3)
        elif name in SINGLE_LOADS or name in SINGLE_STORES:
            each.append(_single_access(instruction, previous))
        elif name in ("tbb", "tbh"):
            each.append(2)
        elif name in DIVIDES:
            each.append(_DIVIDE_CYCLES)
        else:
            each.append(special.get(name, 1))
        previous = instruction
    return BlockCycles(tuple(each), 1 if block[-1].insn_name() in _BRANCHES else 2)


def _single_access(instruction: Any, previous: Any) -> int:
    """LDR and STR of up to a word: 2 cycles, 1 where pipelined with the load before.

    A store to a base with a constant offset always takes 1. After a load, a load or store takes 1
    unless its address needs the loaded register.
    """
    name = instruction.insn_name()
    address = address_registers(instruction)
    if name in SINGLE_STORES and len(address) == 1:
        return 1
    if previous is not None and previous.insn_name() in SINGLE_LOADS:
        loaded = previous.operands[0].reg
        if loaded not in address:
            return 1
    return 2
