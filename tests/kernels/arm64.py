"""Generated C for AArch64 or 32-bit Arm, cross-compiled and run in QEMU's user mode.

    python -m tests.kernels.arm64 --isa neondot --only "CONV_2D int8" -n 300
    python -m tests.kernels.arm64 --cpu armv7 -n 300

compares random layers at the CPU's levels with TensorFlow Lite Micro's bytes, each level on the
least processor that has it: an instruction that it lacks ends the program.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgeq.boards.levels import LEVELS
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.support.resources import resource_dir
from tests.kernels.hosts import FORMS, SIZE, first_calls
from tests.kernels.layers import (
    Compared,
    by_program,
    compared_with,
    random_layers,
    report,
    side_by_side,
)
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec
from tests.oracle.build import build as build_model
from tests.oracle.check import Case
from tests.sanitized import run_program


@dataclass(frozen=True)
class Machine:
    """Programs for a CPU, compiled and run here.

    Attributes:
        target: What edgeq calls the CPU.
        compiler: The cross compiler.
        qemu: The emulator.
        cpus: By level, the least CPU that has it.
    """

    target: str
    compiler: str
    qemu: str
    cpus: dict[str, str]

    @property
    def levels(self) -> list[str]:
        """The levels of the CPU."""
        return [level.name for level in LEVELS if level.cpu == self.target]

    def missing(self) -> str:
        """The tool that is not installed here; "" where all are."""
        return next((tool for tool in (self.compiler, self.qemu) if shutil.which(tool) is None), "")


ARM64 = Machine(
    "aarch64",
    "aarch64-linux-gnu-gcc",
    "qemu-aarch64",
    {"neon": "cortex-a53", "neondot": "cortex-a76", "i8mm": "max"},
)
ARM32 = Machine("armv7", "arm-linux-gnueabihf-gcc", "qemu-arm", {"neon": "cortex-a8"})
TINY = ("kws", "resnet", "vww", "sww", "ad01")
MACHINES = {machine.target: machine for machine in (ARM64, ARM32)}

_LOOK = """
#include <stdio.h>
#include "eq_cpu_host.h"
int main(void) { printf("%u", (unsigned int)eq_cpu_levels()); return 0; }
"""


def run_arm(
    machine: Machine,
    model: Path,
    inputs: Sequence[np.ndarray],
    options: CompileOptions,
    cpu: str,
    command: tuple[str, ...] = (),
) -> list[np.ndarray]:
    """The outputs of N calls on a CPU, as Session.run gives them; `command` is the compiler."""
    sources = generate(model, name="model", target=machine.target, options=options)
    name, *told = command or (machine.compiler,)
    compiler = Toolchain(name, (str(shutil.which(name)), *told), (), (), "")
    return run_program(sources, inputs, compiler, (), ["-static"], (machine.qemu, "-cpu", cpu))


def outputs_on_arm(
    machine: Machine, cases: Sequence[Case], calls: int, isa: str
) -> list[np.ndarray]:
    """Every output of every case, over so many calls, from one program."""
    inputs = [
        np.stack([np.asarray(case.calls[call][k]) for call in range(calls)])
        for case in cases
        for k in range(len(case.calls[0]))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.tflite"
        path.write_bytes(side_by_side([case.model for case in cases]))
        return run_arm(machine, path, inputs, CompileOptions(isa=isa), machine.cpus[isa])


def levels_found(machine: Machine, folder: Path, cpu: str, *flags: str) -> int:
    """The levels that a program finds on a processor, as the bits of eq_cpu_levels()."""
    folder.mkdir(exist_ok=True)
    header = (resource_dir("kernels") / "host" / "cpu.h").read_text()
    (folder / "eq_cpu_host.h").write_text(header)
    (folder / "look.c").write_text(_LOOK)
    command = [machine.compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
    subprocess.run([*command, *flags, "-static", "look.c", "-o", "look"], cwd=folder, check=True)
    done = subprocess.run(
        [machine.qemu, "-cpu", cpu, "./look"], cwd=folder, check=True, capture_output=True
    )
    return int(done.stdout)


def with_tflm(
    path: Path, inputs: list[np.ndarray]
) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    """A model, inputs for it, and TensorFlow Lite Micro's outputs."""
    with open_device("tflm").open(path, CompileOptions()) as session:
        return path, inputs, session.run(inputs)


def five_models(models: Path, folder: Path) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    """The five models side by side, inputs for them, and TensorFlow Lite Micro's outputs."""
    random = np.random.default_rng(7)
    inputs, expected = [], []
    for name in TINY:
        path = models / f"{name}_int8.tflite"
        shape = generate(path, name="m").manifest["inputs"][0]["shape"]
        inputs.append(random.integers(-128, 128, (2, *shape)).astype(np.int8))
        expected += with_tflm(path, inputs[-1:])[2]
    path = folder / "five.tflite"
    path.write_bytes(side_by_side([(models / f"{n}_int8.tflite").read_bytes() for n in TINY]))
    return path, inputs, expected


def small_model(folder: Path) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    """A convolution, inputs for it, and TensorFlow Lite Micro's outputs."""
    random = np.random.default_rng(5)
    filters = random.integers(-127, 128, (20, 3, 3, 12)).astype(np.int8)
    tensors = [
        TensorSpec((1, 7, 9, 12), "int8", 0.05, 3),
        TensorSpec(filters.shape, "int8", 0.01, 0, filters),
        TensorSpec((20,), "int32", 0.0005, 0, random.integers(-900, 900, 20)),
        TensorSpec((1, 7, 9, 20), "int8", 0.1, -5),
    ]
    window = {"padding": 0, "stride_h": 1, "stride_w": 1, "fused_activation_function": 0}
    window |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    path = folder / "small.tflite"
    ops = [OpSpec("CONV_2D", [0, 1, 2], [3], window)]
    path.write_bytes(build_model([SubgraphSpec(tensors, ops, [0], [3])]))
    return with_tflm(path, [random.integers(-128, 128, (3, 1, 7, 9, 12)).astype(np.int8)])


def main() -> int:
    """Compare layers of each form at each level; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="layers of each form at each level")
    parser.add_argument("--cpu", choices=MACHINES, default="aarch64")
    parser.add_argument("--isa", choices=ARM64.levels, help="a level; all if not given")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    machine = MACHINES[given.cpu]
    if machine.missing():
        print(f"{machine.missing()} is not installed")
        return 1

    def on_arm(isa: str, cases: list[Case]) -> Compared:
        return compared_with(
            first_calls(cases), lambda some, calls: outputs_on_arm(machine, some, calls, isa)
        )

    def compare(isa: str, name: str, form: str) -> Compared:
        layers = random_layers(f"c:{machine.target}", name, form, given.n, given.seed, SIZE, isa)
        return by_program(layers, partial(on_arm, isa))

    return report(
        (
            (isa, name, form)
            for isa in (machine.levels if given.isa is None else [given.isa])
            for name, form in FORMS
            if given.only in name
        ),
        compare,
    )


if __name__ == "__main__":
    sys.exit(main())
