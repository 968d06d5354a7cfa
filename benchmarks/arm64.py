"""Instructions of the generated C on 64-bit Arm, against LiteRT with XNNPACK on one thread.

    python -m benchmarks.arm64                all models on all CPUs; writes benchmarks/arm64.json
    python -m benchmarks.arm64 --only kws --cpu cortex-a76 --dry

There is no Arm hardware here: both run in QEMU's user mode, and a plugin (benchmarks/qemu/count.c)
counts every instruction that is executed. A count is the difference between many calls and few, so
it holds no start. LiteRT asks for the CPU's features as on hardware (QEMU's auxiliary vector has
those of the CPU that it stands for) and reads which core it is in /proc/cpuinfo, which is a file
made here. Counts are not times: a CPU may do several instructions at once, or wait for one.
docs/hosts.md has the table (`python scripts/doc_tables.py`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.host import models
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import NAME, compile_flags
from edgeq.devices.remote.artifacts import litert_library, litert_version

FILE = Path(__file__).parent / "arm64.json"
COUNTER = Path(__file__).parent / "qemu"
RUNNER = Path(__file__).parent.parent / "edgeq" / "devices" / "far" / "runner"
COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SYSROOT = Path("/usr/aarch64-linux-gnu")
FEW, MANY = 3, 8
_MAIN = f"""
#include <stdlib.h>
#include "{NAME}.h"
int main(int count, char **values)
{{
    for (int i = 0; count == 2 && i < atoi(values[1]); i++) {{
        {NAME}_invoke();
    }}
    return 0;
}}
"""


@dataclass(frozen=True)
class Cpu:
    """A CPU that QEMU stands for.

    Attributes:
        name: What QEMU calls it, with what is switched off.
        isa: The best level that it has.
        part: Its number in /proc/cpuinfo.
        features: Likewise, beyond those of all.
    """

    name: str
    isa: str
    part: str
    features: str


_DOT = "asimdhp fphp atomics asimdrdm lrcpc dcpop asimddp"
CPUS = (
    Cpu("cortex-a72", "neon", "0xd08", ""),
    Cpu("cortex-a76", "neondot", "0xd0b", _DOT),
    Cpu("max,sme=off", "i8mm", "0xd47", f"{_DOT} i8mm bf16"),
    # With SME, which LiteRT has kernels for and edgeq does not.
    Cpu("max", "i8mm", "0xd47", f"{_DOT} i8mm bf16"),
)


def system(cpu: Cpu, folder: Path) -> Path:
    """What programs see of the system below `folder`: the C library, and the CPU in text."""
    root = folder / f"system-{cpu.name}"
    (root / "proc").mkdir(parents=True)
    (root / "lib").symlink_to(SYSROOT / "lib")
    (root / "proc" / "cpuinfo").write_text(
        "processor\t: 0\nBogoMIPS\t: 125.00\n"
        f"Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid {cpu.features}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\n"
        f"CPU part\t: {cpu.part}\nCPU revision\t: 1\n\n"
    )
    cores = root / "sys" / "devices" / "system" / "cpu"
    cores.mkdir(parents=True)
    for name, text in (("possible", "0"), ("present", "0"), ("online", "0"), ("kernel_max", "7")):
        (cores / name).write_text(f"{text}\n")
    return root


def counter(folder: Path) -> Path:
    """The plugin that counts instructions, compiled."""
    plugin = folder / "count.so"
    shared = ["gcc", "-shared", "-fPIC", "-O2", str(COUNTER / "count.c"), "-o", str(plugin)]
    subprocess.run(shared, check=True)
    return plugin


def counted(command: list[str], qemu: str, cpu: str, plugin: Path, *options: str) -> float:
    """Instructions of one call of a program whose last argument is the number of calls."""
    emulator = [qemu, "-cpu", cpu, *options, "-plugin", str(plugin), "-d", "plugin"]
    found = []
    for calls in (FEW, MANY):
        done = subprocess.run(
            [*emulator, *command, str(calls)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        counts = re.findall(r"^instructions (\d+)$", done.stderr, re.MULTILINE)
        found.append(int(counts[-1]))
    return (found[1] - found[0]) / (MANY - FEW)


def ours(path: Path, isa: str, target: str = "aarch64", command: str = COMPILER) -> list[str]:
    """The program of the generated C, at one level."""
    sources = generate(path, name=NAME, target=target, options=CompileOptions(isa=isa))
    compiler = Toolchain(command, (str(shutil.which(command)),), (), (), "")
    files = {**sources.files, "main.c": _MAIN}
    return [str(build(compiler, files, compile_flags(sources), ["-static", "-lm"], "calls"))]


def theirs(folder: Path) -> Path:
    """The program that calls LiteRT."""
    program = folder / "litert"
    sources = [COUNTER / "litert.c", RUNNER / "eq_litert.c"]
    include = f"-I{RUNNER}"
    subprocess.run(
        [COMPILER, "-std=c99", "-O2", include, *sources, "-o", program, "-ldl"], check=True
    )
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--cpu", action="append", help="of QEMU; all by default")
    parser.add_argument("--dry", action="store_true", help="print only")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    kept["litert"] = litert_version()
    library = litert_library("aarch64").path
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        plugin, calls = counter(folder), theirs(folder)
        roots = {cpu.name: system(cpu, folder) for cpu in CPUS}
        for name, path in models():
            for cpu in CPUS:
                if given.only not in name or (given.cpu and cpu.name not in given.cpu):
                    continue
                lib = ["-L", str(roots[cpu.name])]
                command = [str(calls), str(library), str(path)]
                litert = counted(command, QEMU, cpu.name, plugin, *lib)
                edgeq = counted(ours(path, cpu.isa), QEMU, cpu.name, plugin)
                row = {"isa": cpu.isa, "litert": round(litert), "edgeq": round(edgeq)}
                kept.setdefault("cpus", {}).setdefault(cpu.name, {})[name] = row
                print(f"{cpu.name} {name}: {row}, {edgeq / litert:.2f}x", flush=True)
                if not given.dry:
                    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
