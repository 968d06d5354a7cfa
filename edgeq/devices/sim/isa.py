"""Which instructions a CPU has. Emulators run more of them than the chips they are named after."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from edgeq.boards.target import Target
from edgeq.errors import MissingDependency

# Armv6-M: all 16-bit Thumb instructions but these ...
_NOT_V6M_16 = re.compile(r"(cbn?z|it[te]*)$")
# ... and only these of the 32-bit ones. Source: Armv6-M ARM, A5.3.
_V6M_32 = frozenset({"bl", "dmb", "dsb", "isb", "mrs", "msr"})
# The DSP extension. Source: Armv7-M ARM, A1.3 and the index of A7.7 "DSP extension".
_DSP = re.compile(
    r"pkh(bt|tb)|qd?(add|sub)|(s|q|sh|u|uq|uh)(add8|add16|sub8|sub16|asx|sax)|sel"
    r"|smla[bt][bt]|smladx?|smlal[bt][bt]|smlaldx?|smlaw[bt]|smlsdx?|smlsldx?|smml[as]r?"
    r"|smmulr?|smuadx?|smul[bt][bt]|smulw[bt]|smusdx?|[su]sat16|[su]xta(b|b16|h)|[su]xtb16"
    r"|umaal|usada?8"
)
_FLOAT = re.compile(r"v|fld|fst|fmstat")
# Armv8-M only.
_V8M = re.compile(r"lda|stl|tta?t?$|sg$|bl?xns$")
# RISC-V: extensions A, F, D and V, which RV32IMC has not.
_NOT_RV32IMC = re.compile(r"amo|lr\.|sc\.|f(?!ence)|c\.f|v")

Allows = Callable[[Any], bool]


def allows(target: Target) -> Allows:
    """A function that tells whether a (capstone) instruction exists on the target's CPU."""
    if target.toolchain == "riscv":
        return lambda instruction: not _NOT_RV32IMC.match(instruction.mnemonic)
    if target.cpu in ("cortex-m0", "cortex-m0plus"):
        return _allowed_on_v6m
    has_dsp, has_float = "dsp" in target.isa, "fpu" in target.isa
    is_v8m = target.cpu == "cortex-m33"

    def allowed(instruction: Any) -> bool:
        name = instruction.insn_name()
        if _DSP.fullmatch(name):
            return has_dsp
        if _FLOAT.match(name):
            return has_float
        return is_v8m or not _V8M.match(name)

    return allowed


def _allowed_on_v6m(instruction: Any) -> bool:
    name = instruction.insn_name()
    return name in _V6M_32 if instruction.size == 4 else not _NOT_V6M_16.match(name)


def disassembler(target: Target) -> Any:
    """A capstone disassembler for the target's CPU, with operand details.

    Raises:
        MissingDependency: capstone is not installed.
    """
    try:
        import capstone
    except ImportError:
        install = "pip install 'edgeq[firmware]'"
        raise MissingDependency("capstone", "the sim devices", install) from None
    if target.toolchain == "riscv":
        mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
        engine = capstone.Cs(capstone.CS_ARCH_RISCV, mode)
    else:
        mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
        engine = capstone.Cs(capstone.CS_ARCH_ARM, mode)
    engine.detail = True
    return engine
