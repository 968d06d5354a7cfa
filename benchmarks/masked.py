"""LiteRT as it runs on a CPU with fewer features than this one: with AVX2 or AVX-VNNI at most.

XNNPACK chooses its kernels by CPUID, and has no setting that takes features away. So LiteRT's
package is copied; in the copy every CPUID is replaced by an instruction that no CPU has, and the
signal which that raises is answered by the CPU's own words without the features. The kernels
themselves run at full speed. What is installed stays as it is.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from elftools.elf.elffile import ELFFile

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain

LEVELS = ("avx2", "avxvnni")
"""What LiteRT can be made to see."""
_LIBRARY = "libpywrap_litert_common.so"
# UD0, which compilers do not emit: their traps are UD2 and UD1.
_CPUID, _UNKNOWN = b"\x0f\xa2", b"\x0f\xff"
# Leaf 7 has all of it: in EBX, ECX and EDX the parts of AVX-512, VNNI among them, and AMX; in its
# second part EAX says AVX-VNNI by bit 4, the rest what came later.
_HANDLER = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

int told; /* how often */
int keeps_vnni;

static void answer(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)registers[REG_RIP];
    const unsigned leaf = (unsigned)registers[REG_RAX], part = (unsigned)registers[REG_RCX];
    unsigned a, b, c, d;
    (void)info;
    if (at[0] != 0x0f || at[1] != 0xff) {
        signal(number, SIG_DFL);
        return;
    }
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7 && part == 0) {
        b &= ~0xdc230000u;
        c &= ~0x00005842u;
        d &= ~0x03c0010cu;
        told++;
    } else if (leaf == 7) {
        a &= keeps_vnni ? 1u << 4 : 0;
        b = c = d = 0;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, 0);
}
"""


def without_cpuid(library: Path) -> int:
    """Replaces every CPUID of a library for x86-64; how many there were.

    Raises:
        ValueError: What the disassembler saw is not in the file.
    """
    command = ["objdump", "--disassemble", "--no-show-raw-insn", str(library)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    places = [int(at, 16) for at in re.findall(r"^\s*([0-9a-f]+):\tcpuid\s*$", listing, re.M)]
    data = bytearray(library.read_bytes())
    with library.open("rb") as file:
        segments = [each.header for each in ELFFile(file).iter_segments("PT_LOAD")]
    for place in places:
        offset = next(
            place - each.p_vaddr + each.p_offset
            for each in segments
            if each.p_vaddr <= place < each.p_vaddr + each.p_filesz
        )
        if data[offset : offset + 2] != _CPUID:
            raise ValueError(f"{library}: no CPUID at {place:#x}")
        data[offset : offset + 2] = _UNKNOWN
    library.write_bytes(data)
    return len(places)


def answering(level: str) -> ctypes.c_int:
    """Answers in this process for libraries without CPUID, as a CPU of a level does.

    Returns:
        How often the features have been told, a count that goes on.
    """
    flags = ["-fPIC", "-O1"]
    built = build(host_toolchain(), {"cpuid.c": _HANDLER}, flags, ["-shared"], "cpuid.so")
    library = ctypes.CDLL(str(built))
    ctypes.c_int.in_dll(library, "keeps_vnni").value = level == "avxvnni"
    return ctypes.c_int.in_dll(library, "told")


def mask_litert(level: str, folder: Path) -> ctypes.c_int:
    """Makes LiteRT, which this process must not have imported yet, see a CPU of a level.

    Args:
        level: One of `LEVELS`.
        folder: For the copy, of some 50 MB.

    Returns:
        How often it has been told the features, a count that goes on.
    """
    spec = find_spec("ai_edge_litert")
    if spec is None or spec.origin is None or "ai_edge_litert" in sys.modules:
        raise SystemExit("LiteRT is not installed, or is imported already.")
    package = folder / "ai_edge_litert"
    shutil.copytree(Path(spec.origin).parent, package)
    without_cpuid(package / _LIBRARY)
    sys.path.insert(0, str(folder))
    return answering(level)
