"""Levels of application processors: how much of a CPU's instruction set generated C may use."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeq.errors import UsageError


@dataclass(frozen=True)
class Level:
    """One level; its primitives are kernels/<name>/simd.h.

    Attributes:
        name: What `--isa` takes; also the folder of its primitives, "host" for plain C.
        cpu: The CPU that it is a level of, as boards/cpu.py calls it; "" for all.
        features: What the CPU must have, in the words of Linux's /proc/cpuinfo.
        attribute: What functions ask the compiler for, as an attribute `target`; "" for nothing.
        flags: What a compiler is given that makes all of a program for this level.
        builtin: What gcc's and clang's __builtin_cpu_supports call the features.
    """

    name: str
    cpu: str = ""
    features: tuple[str, ...] = ()
    attribute: str = ""
    flags: tuple[str, ...] = ()
    builtin: tuple[str, ...] = ()

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernel folders to choose from, the best first."""
        own = (self.name,) if self.attribute else ()
        return (*own, "host", "portable")


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
)
NAMES = tuple(level.name for level in LEVELS)
_MACHINES = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64", "aarch64": "aarch64"}


def level(name: str) -> Level:
    """The level of a name.

    Raises:
        UsageError: There is none.
    """
    for each in LEVELS:
        if each.name == name:
            return each
    raise UsageError(f"'{name}' is no level of an instruction set.", hint=", ".join(NAMES))


@cache
def features_here() -> frozenset[str]:
    """What this machine's CPU has, in the words of /proc/cpuinfo; nothing where that is unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def runs_here(each: Level) -> bool:
    """Whether this machine can run code of a level."""
    ours = _MACHINES.get(platform.machine().lower(), "")
    return each.cpu in ("", ours) and features_here().issuperset(each.features)


def best_here() -> Level:
    """The best level of this machine."""
    return [each for each in LEVELS if runs_here(each)][-1]
