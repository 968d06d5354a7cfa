"""benchmarks/masked.py: a library that is told less of the CPU than there is."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.boards.levels import features_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain

_ASKS = """
#include <cpuid.h>
unsigned asked(unsigned part, unsigned word);
unsigned asked(unsigned part, unsigned word)
{
    unsigned words[4];
    __cpuid_count(7, part, words[0], words[1], words[2], words[3]);
    return words[word];
}
"""
_TOLD = """
import ctypes, sys
from benchmarks.masked import answering, without_cpuid
from pathlib import Path

library, level = sys.argv[1:]
assert without_cpuid(Path(library)) == 1
told = answering(level)
asked = ctypes.CDLL(library).asked
asked.restype = ctypes.c_uint32
print(*[asked(0, word) for word in (1, 2)], asked(1, 0), told.value)
"""
# /proc/cpuinfo's names of bits: part, word, bit.
_BITS = {
    "avx2": (0, 1, 5), "bmi2": (0, 1, 8), "gfni": (0, 2, 8), "avx512f": (0, 1, 16),
    "avx512dq": (0, 1, 17), "avx512bw": (0, 1, 30), "avx512vl": (0, 1, 31),
    "avx512_vnni": (0, 2, 11), "avx512vbmi": (0, 2, 1), "avx_vnni": (1, 0, 4),
}  # fmt: skip


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CPUID is x86-64's")
@pytest.mark.parametrize("level", ["avx2", "avxvnni"])
def test_a_library_is_told_what_the_level_has_and_nothing_else_changes(
    level: str, tmp_path: Path
) -> None:
    flags = ["-fPIC", "-O1"]
    built = build(host_toolchain(), {"asks.c": _ASKS}, flags, ["-shared"], "asks.so")
    library = tmp_path / "asks.so"
    library.write_bytes(built.read_bytes())
    command = [sys.executable, "-c", _TOLD, library, level]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    *values, told = map(int, said)
    words = dict(zip([(0, 1), (0, 2), (1, 0)], values, strict=True))
    for name, (part, word, bit) in _BITS.items():
        hidden = name.startswith("avx512") or (name == "avx_vnni" and level == "avx2")
        found = bool(words[part, word] >> bit & 1)
        assert found == (name in features_here() and not hidden), name
    assert told == 2
