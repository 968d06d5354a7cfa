"""Compile every kernel header on its own, with all warnings, on gcc and clang.

Generated code is compiled with the same flags by the tests; this is the quick check that a change
of a kernel goes through. Compilers that are not installed are named and left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeq.boards.levels import LEVELS, NAMES, Level
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import BARE_HEADERS
from edgeq.compiler.codegen.dispatch import clang_attribute
from edgeq.compiler.codegen.source import kernel_file

KERNELS = Path(__file__).parent.parent / "edgeq" / "kernels"
_NEWLIB = "/usr/lib/arm-none-eabi/include"
_PICOLIBC = "/usr/lib/picolibc/riscv64-unknown-elf/include"
# Headers of which cores have their own under one name; kernels/rv32 has those in plain C.
_PER_CORE = ("core", "block_row")
_HARD = ("-mthumb", "-mfloat-abi=hard")
_LEVEL = "simd"  # of hosts' levels
LEVEL_NAMES = ("simd128", *NAMES)
_WASM = ["clang", "--target=wasm32", "-isystem", str(BARE_HEADERS)]
_LEVEL_COMPILERS = {
    "x86-64": (["gcc"], ["clang"]),
    "armv7": (
        ["arm-linux-gnueabihf-gcc"],
        ["clang", "--target=armv7-linux-gnueabihf", "-mfpu=neon"],  # for functions from 16 on
    ),
    "aarch64": (["aarch64-linux-gnu-gcc"], ["clang", "--target=aarch64-linux-gnu"]),
}


def _level_builds(level: Level) -> list[list[str]]:
    """The compilers for a level's CPU, told what functions ask for in a generated program."""
    commands = []
    for command in _LEVEL_COMPILERS[level.cpu]:
        clang = command[0] == "clang"
        asked = clang_attribute(level.attribute) if clang else level.attribute
        if level.attribute.startswith("fpu=") and level.cpu != "armv7":
            asked = ""
        option = f'-DEQ_TARGET=__attribute__((target("{asked}")))'
        commands.append([*command, *([option] if asked else [])])
    return commands


# Folder of the target-specific headers that a build sees, and the compilers that make it.
BUILDS: dict[str, list[list[str]]] = {
    "host": [["gcc"], ["clang"]],
    **{
        name: [each for level in LEVELS if level.name == name for each in _level_builds(level)]
        for name in NAMES[1:]
    },
    "simd128": [[*_WASM, "-msimd128"], _WASM],
    "dsp": [
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
        ["clang", "--target=thumbv7em-none-eabi", "-mcpu=cortex-m4", "-isystem", _NEWLIB],
    ],
    "fpu": [
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", *_HARD, "-mfpu=fpv4-sp-d16"],
        ["arm-none-eabi-gcc", "-mcpu=cortex-m7", *_HARD, "-mfpu=fpv5-d16"],
        ["clang", "--target=thumbv7em-none-eabihf", "-mcpu=cortex-m4", *_HARD, "-isystem", _NEWLIB],
    ],
    "armv7m": [
        ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"],
        ["clang", "--target=thumbv7m-none-eabi", "-mcpu=cortex-m3", "-isystem", _NEWLIB],
    ],
    "armv6m": [
        ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb"],
        ["clang", "--target=thumbv6m-none-eabi", "-mcpu=cortex-m0plus", "-isystem", _NEWLIB],
    ],
    "mve": [["arm-none-eabi-gcc", "-march=armv8.1-m.main+mve", "-mthumb", "-mfloat-abi=hard"]],
    "rv32": [
        ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-isystem", _PICOLIBC],
        ["clang", "--target=riscv32", "-march=rv32imc", "-isystem", _PICOLIBC],
    ],
}


def lay_out(build: str, folder: Path) -> list[str]:
    """Copy the headers under the names they have in generated projects; returns those names."""
    names = []
    portable = [*(KERNELS / "portable").rglob("*.h"), *(KERNELS / "scalar").glob("*.h")]
    sources = dict.fromkeys(portable, "portable")
    sources |= dict.fromkeys((KERNELS / build).rglob("*.h"), build)
    if build == "mve":  # those cores take the DSP extension's kernels, too
        sources |= dict.fromkeys((KERNELS / "dsp").rglob("*.h"), "dsp")
    if build in LEVEL_NAMES:
        # Kernels of hosts, in the primitives of this level; portable ones are the host's.
        shared = [file for file in (KERNELS / "host").glob("*.h") if file.stem != "simd"]
        sources |= dict.fromkeys(shared, "host")
        waiting = [build]
        while waiting:
            text = (KERNELS / waiting.pop() / "simd.h").read_text()
            for part, included in re.findall(r"eq_(simd|halves|scales)_(\w+)\.h", text):
                shutil.copy(KERNELS / included / f"{part}.h", folder / f"eq_{part}_{included}.h")
                waiting += [included] * (part == "simd")
    shutil.copy(KERNELS / "include" / "eq_base.h", folder)
    for shared in _PER_CORE:
        if not (KERNELS / build / f"{shared}.h").exists():
            shutil.copy(KERNELS / "rv32" / f"{shared}.h", folder / f"eq_{shared}.h")
    for source, kernels in sources.items():
        name = kernel_file(source.stem, kernels)
        name = f"eq_{source.stem}.h" if source.stem in (*_PER_CORE, _LEVEL) else name
        shutil.copy(source, folder / name)
        # With the primitives of a level only what is made of them is compiled again.
        if kernels != "portable" or build not in LEVEL_NAMES:
            names.append(name)
    return sorted(names)


def main() -> int:
    failed = 0
    for build, compilers in BUILDS.items():
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            names = lay_out(build, folder)
            for command in compilers:
                if shutil.which(command[0]) is None:
                    print(f"{command[0]} is not installed: {build} is not checked with it")
                    continue
                for name in names:
                    unit = folder / "unit.c"
                    unit.write_text(f'#include "{name}"\nextern int eq_unit;\nint eq_unit;\n')
                    done = subprocess.run(
                        [*command, *WARNINGS, "-O2", "-c", str(unit), "-o", str(folder / "unit.o")],
                        capture_output=True,
                        text=True,
                        check=False,
                    )
                    if done.returncode:
                        failed += 1
                        print(f"{command[0]} {build} {name}:\n{done.stderr[:1500]}")
    print("kernels: " + (f"{failed} failures" if failed else "no warnings"))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
