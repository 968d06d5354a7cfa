"""What kind of core C was generated for: said in words, and held by the preprocessor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeq.boards.target import Target
from edgeq.compiler.codegen.names import Function
from edgeq.errors import EdgeqError


@dataclass(frozen=True)
class Core:
    """The cores that one family of kernels is for.

    Attributes:
        title: In words.
        condition: What their compilers define, as an expression of the preprocessor; "" where the
            kernels are plain C, which any compiler takes.
    """

    title: str
    condition: str = ""


_ARM_M = "defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'"
# By the first of a target's kernels; of Arm's, each runs what those behind it run. The macros are
# those of the Arm C Language Extensions and of the RISC-V C API.
CORES = {
    "portable": Core("every core (portable C)"),
    "host": Core("application processors"),
    "avx512vnni": Core("x86-64 with AVX-512 VNNI", "defined(__x86_64__)"),
    "avxvnni": Core("x86-64 with AVX-VNNI", "defined(__x86_64__)"),
    "avx2": Core("x86-64 with AVX2", "defined(__x86_64__)"),
    "i8mm": Core("AArch64 with products of int8 matrices (I8MM)", "defined(__aarch64__)"),
    "neondot": Core("AArch64 with dot products (Armv8.2 and later)", "defined(__aarch64__)"),
    "neon": Core(
        "AArch64 (Armv8.0 and later), and 32-bit Arm with NEON",
        f"defined(__aarch64__) || (defined(__arm__) && !({_ARM_M}))",
    ),
    "simd128": Core("WebAssembly", "defined(__wasm__)"),
    "rv32": Core("RISC-V RV32"),
    "mve": Core("Arm Cortex-M55, M85 (Helium)", f"{_ARM_M} && defined(__ARM_FEATURE_MVE)"),
    "dsp": Core(
        "Arm Cortex-M4, M7, M33 and later (DSP instructions)",
        f"{_ARM_M} && defined(__ARM_FEATURE_DSP)",
    ),
    "armv7m": Core("Arm Cortex-M3 and later (Armv7-M)", f"{_ARM_M} && __ARM_ARCH_ISA_THUMB == 2"),
    "armv6m": Core("Arm Cortex-M0, M0+ and later (Armv6-M)", _ARM_M),
}
_RV32 = "defined(__riscv) && __riscv_xlen == 32"
_TARGETS = {"dsp": "cortex-m4", "armv7m": "cortex-m3", "armv6m": "cortex-m0plus"}
# Parts of fast-math, each of which changes floats by itself, and floats that are computed as double
# or wider (x87). Compilers that tell no such macro are spoken of in docs/generated-c.md.
_FAST = (
    "defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || "
    "defined(__NO_SIGNED_ZEROS__)"
)
_WIDE_FLOATS = (
    "defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16"
)
_BIG_ENDIAN = (
    "(defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) || "
    "defined(__ARM_BIG_ENDIAN)"
)
# What avr-gcc and its C library lack: double has 32 bits there.
_DOUBLE = "a double of 64 bits"
_NEEDS = {
    "eq_arithmetic_floor_div_f32": ("FLOOR_DIV of float32", _DOUBLE),
    "eq_detection_regular": ("TFLite_Detection_PostProcess", _DOUBLE),
    "eq_detection_fast": ("TFLite_Detection_PostProcess", _DOUBLE),
    "eq_elu_f32": ("ELU of float32", "expm1f"),
    "eq_gelu_f32": ("GELU of float32", "erfcf"),
}


def check_library(functions: Iterable[Function], target: Target) -> None:
    """Refuse a target whose compiler cannot make a program of these.

    Raises:
        EdgeqError: It is an AVR, and one needs what its compiler and C library lack.
    """
    if target.toolchain != "avr":
        return
    for op, what in (_NEEDS[f.call.function] for f in functions if f.call.function in _NEEDS):
        raise EdgeqError(
            f"{op} needs {what}, which compilers for {target.name} do not have.",
            hint="an int8 model, which needs neither floats nor their library",
        )


def core_line(kernels: Sequence[str]) -> str:
    """For the banner: what the C is for."""
    return f" * for {CORES[kernels[0]].title}, little-endian; compiled as C, from C99 on"


def c_only_lines(file: str, name: str) -> list[str]:
    """Lines that stop a C++ compiler in a file, or in several by a pattern."""
    return [
        "#ifdef __cplusplus",
        f'#error "{file} is C and not C++: compile it with a C compiler, and include {name}.h"',
        "#endif",
    ]


def guard_lines(kernels: Sequence[str], name: str, functions: Sequence[Function]) -> list[str]:
    """Lines that stop a compiler for another core, with the command that fits there.

    Args:
        kernels: Of the target, by preference.
        name: Prefix of the program.
        functions: The program's: what computes in float32 is changed by fast-math, and what needs a
            double of 64 bits by a shorter one; C libraries lack functions.
    """
    core = CORES[kernels[0]]
    lines = [
        *c_only_lines(f"{name}.c", name),
        "#if defined(__STDC__) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L)",
        f'#error "{name}.c is C99: compile it with -std=c99 or later"',
        "#endif",
        f"#if {_BIG_ENDIAN}",
        f'#error "{name}.c is for little-endian cores"',
        "#endif",
    ]
    if any("float" in kind for each in functions for kind in each.argument_types):
        lines += [
            f"#if {_FAST}",
            f'#error "{name}.c computes in float32: compile it with -fno-fast-math"',
            f"#elif {_WIDE_FLOATS}",
            f'#error "{name}.c computes in float32, and not wider: compile it with -mfpmath=sse"',
            "#endif",
        ]
    called = {each.call.function for each in functions}
    for op, what in sorted({_NEEDS[function] for function in called & set(_NEEDS)}):
        lines += [
            "#include <float.h>",
            "#if DBL_MANT_DIG < 53" if what == _DOUBLE else "#ifdef __AVR__",
            f'#error "{name}.c needs {what}, for {op}"',
            "#endif",
        ]
    if core.condition:
        lines.append(f"#if !({core.condition})")
        said = f"{name}.c is for {core.title}. For this core: edgeq compile MODEL -o DIR"
        lines += [f"#if {_RV32}", f'#error "{said} --target rv32imc"']
        order = list(CORES)
        for less in order[order.index(kernels[0]) + 1 :]:
            if less in _TARGETS:
                lines.append(f"#elif {CORES[less].condition}")
                lines.append(f'#error "{said} --target {_TARGETS[less]}"')
        lines += ["#else", f'#error "{said}, without --target"', "#endif", "#endif"]
    return [*lines, ""]
