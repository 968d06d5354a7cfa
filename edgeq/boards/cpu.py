"""The CPUs that edgeq generates code for or runs on, and how a compiler is told about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ISA_FEATURES = (
    "dsp",
    "fpu",
    "fpu-dp",
    "mve",
    "mve-fp",
    "neon",
    "dotprod",
    "i8mm",
    "avx2",
    "avx512",
)


@dataclass(frozen=True)
class Cpu:
    """One CPU or instruction set.

    Attributes:
        name: edgeq's name, such as "cortex-m4"; also accepted as a target.
        title: What people call it.
        toolchain: "arm-none-eabi", "riscv", "xtensa", "avr", "host" or "any".
        isa: Features that the generic target of this name has.
        optional: Features that a board with this CPU may add to or leave out of those.
        cycle_counter: "dwt", "systick", "mcycle", "ccount" or "clock" (a host's).
    """

    name: str
    title: str
    toolchain: str
    isa: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    cycle_counter: str = "clock"


def _table(*cpus: Cpu) -> dict[str, Cpu]:
    return {cpu.name: cpu for cpu in cpus}


PORTABLE = "portable"
"""The target of C for every core."""

# The generic target of a Cortex-M has what nearly every chip with it has: DSP where the core
# offers it, and the FPU, which integer inference does not need, only where it is not optional.
CPUS: dict[str, Cpu] = _table(
    Cpu("cortex-m0", "Arm Cortex-M0 (Armv6-M)", "arm-none-eabi", cycle_counter="systick"),
    Cpu("cortex-m0plus", "Arm Cortex-M0+ (Armv6-M)", "arm-none-eabi", cycle_counter="systick"),
    Cpu("cortex-m3", "Arm Cortex-M3 (Armv7-M)", "arm-none-eabi", cycle_counter="dwt"),
    Cpu("cortex-m4", "Arm Cortex-M4 (Armv7E-M)", "arm-none-eabi", ("dsp",), ("fpu",), "dwt"),
    Cpu(
        "cortex-m7", "Arm Cortex-M7 (Armv7E-M)", "arm-none-eabi", ("dsp",), ("fpu", "fpu-dp"), "dwt"
    ),
    Cpu(
        "cortex-m23", "Arm Cortex-M23 (Armv8-M Baseline)", "arm-none-eabi", cycle_counter="systick"
    ),
    Cpu("cortex-m33", "Arm Cortex-M33 (Armv8-M)", "arm-none-eabi", ("dsp",), ("fpu",), "dwt"),
    Cpu(
        "cortex-m55",
        "Arm Cortex-M55 (Armv8.1-M)",
        "arm-none-eabi",
        ("dsp", "mve"),
        ("fpu", "fpu-dp", "mve-fp"),
        "dwt",
    ),
    Cpu(
        "cortex-m85",
        "Arm Cortex-M85 (Armv8.1-M)",
        "arm-none-eabi",
        ("dsp", "mve"),
        ("fpu", "fpu-dp", "mve-fp"),
        "dwt",
    ),
    Cpu("rv32imc", "RISC-V RV32IMC", "riscv", cycle_counter="mcycle"),
    Cpu("rv32imac", "RISC-V RV32IMAC", "riscv", cycle_counter="mcycle"),
    Cpu("rv32imafc", "RISC-V RV32IMAFC", "riscv", ("fpu",), cycle_counter="mcycle"),
    Cpu("xtensa-lx6", "Cadence Xtensa LX6", "xtensa", ("fpu",), cycle_counter="ccount"),
    Cpu("xtensa-lx7", "Cadence Xtensa LX7", "xtensa", (), ("fpu",), "ccount"),
    Cpu("armv6", "32-bit Arm, Armv6 (Linux)", "host"),
    Cpu("armv7", "32-bit Arm, Armv7-A (Linux, Android)", "host", (), ("neon",)),
    Cpu("aarch64", "64-bit Arm, Armv8-A and later", "host", ("neon",), ("dotprod", "i8mm")),
    Cpu("x86-64", "64-bit x86", "host", (), ("avx2", "avx512")),
    Cpu("wasm32", "WebAssembly (browsers, Node, wasmtime)", "any", ("fpu",)),
    Cpu("avr8", "8-bit AVR (ATmega)", "avr"),
    Cpu(PORTABLE, "any core (portable C)", "any"),
)

WITH_FPU = {name + "f": name for name in ("cortex-m4", "cortex-m7", "cortex-m33")}
"""Names of generic targets with an FPU, and the CPUs that they are."""

_ARM_CORES = {
    # name: (-mcpu, FPU name for single precision, for double)
    "cortex-m0": ("cortex-m0", "", ""),
    "cortex-m0plus": ("cortex-m0plus", "", ""),
    "cortex-m3": ("cortex-m3", "", ""),
    "cortex-m4": ("cortex-m4", "fpv4-sp-d16", ""),
    "cortex-m7": ("cortex-m7", "fpv5-sp-d16", "fpv5-d16"),
    "cortex-m23": ("cortex-m23", "", ""),
    "cortex-m33": ("cortex-m33", "fpv5-sp-d16", ""),
}


def gcc_flags(cpu: str, isa: Iterable[str]) -> tuple[str, ...]:
    """The options that make gcc or clang generate code for a bare-metal CPU.

    Args:
        cpu: A name of CPUS whose toolchain is "arm-none-eabi" or "riscv".
        isa: The features that this chip really has.

    Source: GCC 12 manual, "ARM Options" and "RISC-V Options".
    """
    features = set(isa)
    if CPUS[cpu].toolchain == "riscv":
        abi = "ilp32f" if cpu == "rv32imafc" else "ilp32"
        # The old specification has the counter registers in I, and so has every multilib.
        return (f"-march={cpu}", f"-mabi={abi}", "-misa-spec=2.2")
    if cpu in ("cortex-m55", "cortex-m85"):
        # By architecture and not by core: gcc 12 does not know the name cortex-m85 yet.
        march = "armv8.1-m.main"
        if "mve-fp" in features:
            march += "+mve.fp"
        elif "mve" in features:
            march += "+mve"
        else:
            march += "+dsp"
        if "fpu-dp" in features:
            march += "+fp.dp"
        elif "fpu" in features:
            march += "+fp"
        hard = "fpu" in features or "mve" in features
        return (f"-march={march}", "-mthumb", f"-mfloat-abi={'hard' if hard else 'soft'}")
    mcpu, single, double = _ARM_CORES[cpu]
    if cpu == "cortex-m33" and "dsp" not in features:
        mcpu += "+nodsp"
    fpu = double if "fpu-dp" in features else single if "fpu" in features else ""
    if fpu:
        return (f"-mcpu={mcpu}", "-mthumb", f"-mfpu={fpu}", "-mfloat-abi=hard")
    return (f"-mcpu={mcpu}", "-mthumb", "-mfloat-abi=soft")
