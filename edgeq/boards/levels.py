"""Levels of application processors: how much of a CPU's instruction set generated C may use."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeq.errors import UsageError


@dataclass(frozen=True)
class Level:
    """One level of a CPU; its primitives are kernels/<name>/simd.h.

    Attributes:
        name: What `--isa` takes; also the folder of its primitives, "host" for plain C. NEON is one
            of two CPUs, in one text.
        cpu: The CPU that it is a level of, as boards/cpu.py calls it; "" for all.
        features: What the CPU must have, in the words of Linux's /proc/cpuinfo.
        isa: The same in the words of targets, where they say so much of their CPU.
        attribute: What functions ask the compiler for, as an attribute `target`; "" for nothing.
            "fpu=" is for 32-bit Arm alone, so that C for NEON is C for both.
        flags: What a compiler is given that makes all of a program for this level.
        builtin: What gcc's and clang's __builtin_cpu_supports call the features.
    """

    name: str
    cpu: str = ""
    features: tuple[str, ...] = ()
    attribute: str = ""
    flags: tuple[str, ...] = ()
    builtin: tuple[str, ...] = ()
    isa: tuple[str, ...] = ()

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernel folders to choose from, the best first."""
        own = (self.name,) if self.cpu else ()
        return (*own, "host", "portable")

    @property
    def condition(self) -> str:
        """What compilers for its CPU define, as an expression of the preprocessor."""
        return CONDITIONS.get(self.cpu, "")


_NO_M_PROFILE = "!(defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M')"
_HAS_NEON = "(defined(__ARM_NEON) || !defined(__clang__) || __clang_major__ >= 16)"
CONDITIONS = {
    "x86-64": "defined(__x86_64__)",
    # What is made for Armv6 (Raspberry Pi OS) has NEON in it, too, and asks before it uses it.
    "armv7": f"defined(__arm__) && defined(__ARM_FP) && {_NO_M_PROFILE} && {_HAS_NEON}",
    "aarch64": "defined(__aarch64__)",
}
"""By CPU, what its compilers define."""
_AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
# From the plainest to the best of each CPU.
LEVELS = (
    Level("portable"),
    Level("avx2", "x86-64", ("avx2", "fma"), "avx2,fma", ("-march=x86-64-v3",), ("avx2", "fma")),
    Level(
        "avxvnni",
        "x86-64",
        ("avx2", "fma", "avx_vnni"),
        "avx2,fma,avxvnni",
        ("-march=x86-64-v3", "-mavxvnni"),
        ("avx2", "fma", "avxvnni"),
    ),
    Level(
        "avx512vnni",
        "x86-64",
        ("avx2", "fma", *_AVX512, "avx512_vnni"),
        f"avx2,fma,{','.join(_AVX512)},avx512vnni",
        ("-march=x86-64-v4", "-mavx512vnni"),
        ("avx2", "fma", *_AVX512, "avx512vnni"),
    ),
    Level("neon", "armv7", ("neon",), "fpu=neon", ("-march=armv7-a", "-mfpu=neon"), isa=("neon",)),
    Level("neon", "aarch64", ("asimd",), "fpu=neon", ("-march=armv8-a",), isa=("neon",)),
    Level(
        "neondot",
        "aarch64",
        ("asimd", "asimddp"),
        "arch=armv8.2-a+dotprod",
        ("-march=armv8.2-a+dotprod",),
        isa=("neon", "dotprod"),
    ),
    Level(
        "i8mm",
        "aarch64",
        ("asimd", "asimddp", "i8mm"),
        "arch=armv8.2-a+dotprod+i8mm",
        ("-march=armv8.2-a+dotprod+i8mm",),
        isa=("neon", "dotprod", "i8mm"),
    ),
)
NAMES = tuple(dict.fromkeys(level.name for level in LEVELS))
_MACHINES = {
    "amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64", "aarch64": "aarch64",
    "armv7l": "armv7", "armv8l": "armv7",
}  # fmt: skip


def level(name: str, cpu: str = "") -> Level:
    """The level of a name: that of a CPU, where several have one of this name.

    Raises:
        UsageError: There is none.
    """
    named = [each for each in LEVELS if each.name == name]
    for each in (*(e for e in named if e.cpu == cpu), *named[-1:]):
        return each
    raise UsageError(f"'{name}' is no level of an instruction set.", hint=", ".join(NAMES))


# Lines of /proc/cpuinfo, of x86, Arm and RISC-V, that a compiler's choice hangs on.
_TELLING = frozenset(
    {"vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU architecture",
     "CPU variant", "CPU part", "Features", "isa", "uarch"}
)  # fmt: skip


@cache
def features_here() -> frozenset[str]:
    """What this machine's CPU has, in the words of /proc/cpuinfo; nothing where that is unknown."""
    if sys.platform == "darwin" and _cpu_here() == "aarch64":
        return frozenset({"asimd", "asimddp"})  # the first of Apple's for computers has both
    for key, value in _told_here():
        if key in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


@cache
def machine_here() -> str:
    """What a compiler's `native` stands for here: this CPU by its maker, model and features.

    Machines that share a home share what was built for one of them.
    """
    told = {f"{key}: {value}" for key, value in _told_here() if key in _TELLING}
    return "\n".join(sorted(told)) or f"{platform.machine()} {platform.processor()}"


def _told_here() -> list[tuple[str, str]]:
    """Names and values in /proc/cpuinfo; none where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    pairs = (line.partition(":") for line in text.split("\n"))
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def best_of(cpu: str, features: Iterable[str]) -> Level:
    """The best level of a CPU.

    Args:
        cpu: As boards/cpu.py calls it.
        features: What it has, in the words of /proc/cpuinfo.
    """
    return [e for e in LEVELS if e.cpu in ("", cpu) and not lacking(e, features)][-1]


def lacking(each: Level, features: Iterable[str]) -> list[str]:
    """What a CPU lacks for a level, in the words of /proc/cpuinfo.

    A kernel of 64 bits calls NEON asimd, to programs of 32 bits too.
    """
    found = frozenset(features)
    if each.cpu == "armv7" and "asimd" in found:
        found |= {"neon"}
    return [feature for feature in each.features if feature not in found]


def stated(cpu: str, isa: Iterable[str]) -> Level:
    """The best level that a target is known to have; the portable one where it says nothing.

    Args:
        cpu: As boards/cpu.py calls it.
        isa: The target's features.
    """
    found = frozenset(isa)
    return [e for e in LEVELS if not e.cpu or (e.cpu == cpu and e.isa and found.issuperset(e.isa))][
        -1
    ]


def runs_here(each: Level) -> bool:
    """Whether this machine can run code of a level."""
    return each.cpu in ("", _cpu_here()) and not lacking(each, features_here())


def best_here() -> Level:
    """The best level of this machine."""
    return best_of(_cpu_here(), features_here())


def _cpu_here() -> str:
    return _MACHINES.get(platform.machine().lower(), "")
