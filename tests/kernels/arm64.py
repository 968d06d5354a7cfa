"""Generated C for AArch64, cross-compiled and run in QEMU's user mode.

    python -m tests.kernels.arm64 --isa neondot --only "CONV_2D int8" -n 300

compares random layers at the levels of AArch64 with TensorFlow Lite Micro's bytes, each level on
the least CPU that has it: an instruction that this CPU lacks ends the program.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgeq.boards.levels import LEVELS
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from tests.kernels.hosts import FORMS, SIZE, first_calls
from tests.kernels.layers import (
    Compared,
    by_program,
    compared_with,
    random_layers,
    report,
    side_by_side,
)
from tests.oracle.check import Case
from tests.sanitized import run_program

COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
# The least CPU of each level.
CPUS = {"neon": "cortex-a53", "neondot": "cortex-a76", "i8mm": "max"}
NAMES = [level.name for level in LEVELS if level.cpu == "aarch64"]


def missing() -> str:
    """The tool that is not installed here; "" where all are."""
    return next((tool for tool in (COMPILER, QEMU) if shutil.which(tool) is None), "")


def run_arm64(
    model: Path,
    inputs: Sequence[np.ndarray],
    options: CompileOptions,
    cpu: str,
    command: tuple[str, ...] = (COMPILER,),
) -> list[np.ndarray]:
    """The outputs of N calls on a CPU, as Session.run gives them; `command` is the compiler."""
    sources = generate(model, name="model", target="aarch64", options=options)
    compiler = Toolchain(command[0], (str(shutil.which(command[0])), *command[1:]), (), (), "")
    return run_program(sources, inputs, compiler, (), ["-static"], (QEMU, "-cpu", cpu))


def outputs_on_arm64(cases: Sequence[Case], calls: int, isa: str) -> list[np.ndarray]:
    """Every output of every case, over so many calls, from one program."""
    inputs = [
        np.stack([np.asarray(case.calls[call][k]) for call in range(calls)])
        for case in cases
        for k in range(len(case.calls[0]))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.tflite"
        path.write_bytes(side_by_side([case.model for case in cases]))
        return run_arm64(path, inputs, CompileOptions(isa=isa), CPUS[isa])


def main() -> int:
    """Compare layers of each form at each level; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="layers of each form at each level")
    parser.add_argument("--isa", choices=NAMES, help="a level; all if not given")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if missing():
        print(f"{missing()} is not installed")
        return 1

    def on_arm64(isa: str, cases: list[Case]) -> Compared:
        return compared_with(
            first_calls(cases), lambda some, calls: outputs_on_arm64(some, calls, isa)
        )

    def compare(isa: str, name: str, form: str) -> Compared:
        layers = random_layers("c:aarch64", name, form, given.n, given.seed, SIZE, isa)
        return by_program(layers, partial(on_arm64, isa))

    return report(
        (
            (isa, name, form)
            for isa in (NAMES if given.isa is None else [given.isa])
            for name, form in FORMS
            if given.only in name
        ),
        compare,
    )


if __name__ == "__main__":
    sys.exit(main())
