"""Arm's Vela: it compiles models for the Ethos-U NPUs, and estimates what they take there."""

from __future__ import annotations

import csv
import glob
import importlib.metadata
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError, MissingDependency
from edgeq.model.model_file import read_graph
from edgeq.support.children import module_command

_LONGEST_S = 900
_KIB = 1024
_NPU_OP = "ethos-u"
_WHICH = "edgeq inspect MODEL --delegate ethos-u55 says which ops it takes"


@dataclass(frozen=True)
class NpuLayer:
    """One step of an NPU's program, as Vela reports it.

    Attributes:
        made_of: The kind of the model's op that it is a step of, in Vela's words.
        name: The tensor that it makes.
        on_npu: Whether the NPU runs it; the CPU's cycles are not known.
        cycles: Vela's estimate.
        macs: Multiply-accumulates.
    """

    made_of: str
    name: str
    on_npu: bool
    cycles: int
    macs: int


@dataclass(frozen=True)
class NpuProgram:
    """A model compiled for an NPU, and Vela's report on it; all figures are its estimates.

    Attributes:
        file: The .tflite whose NPU parts are ops named "ethos-u".
        version: Vela's.
        config: The NPU.
        system, memory_mode: What Vela assumes of the chip around it.
        clock_hz: Of the NPU, as that system has it.
        cycles: Of one inference, without ops that are left to the CPU.
        sram_bytes: Activations and scratch in SRAM.
        dram_bytes: The same in DRAM.
        flash_bytes: Weights and commands in flash, on and off the chip.
        layers: Step by step.
        parts: Parts of the model that the NPU runs.
        left: Kinds of ops that are left to the CPU.
    """

    file: Path
    version: str
    config: str
    system: str
    memory_mode: str
    clock_hz: int
    cycles: int
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    layers: tuple[NpuLayer, ...]
    parts: int
    left: tuple[str, ...]


def compile_for_npu(
    model: Path, config: str, folder: Path, *, system: str | None = None, memory: str | None = None
) -> NpuProgram:
    """The model compiled by Vela.

    Args:
        model: An integer .tflite file.
        config: An NPU, such as "ethos-u55-128".
        folder: Where Vela writes.
        system, memory: Names of a system and a memory mode of Vela's own list (`vela
            --list-configs Arm/vela.ini`); by default Vela's.

    Raises:
        MissingDependency: Vela is not installed.
        EdgeqError: Vela does not take this model.
    """
    if read_graph(model).main.writes_state:
        raise EdgeqError(
            "Ops of this model write variables, and Vela's result would not keep them from call to "
            "call.",
            str(model),
            "convert the model of windows, without --stream",
        )
    command = [*_vela(), "--accelerator-config", config, "--output-dir", str(folder)]
    command += ["--verbose-performance"]
    if system or memory:
        command += ["--config", "Arm/vela.ini"]
    command += ["--system-config", system] if system else []
    command += ["--memory-mode", memory] if memory else []
    _run([*command, str(model.resolve())], model)
    made = folder / f"{model.stem}_vela.tflite"
    reports = list(folder.glob(f"{glob.escape(model.stem)}_summary_*.csv"))
    ops = [op.custom_name or op.name for op in read_graph(made).main.ops] if made.exists() else []
    if _NPU_OP not in ops or len(reports) != 1:
        raise EdgeqError("Vela leaves all ops of this model to the CPU.", str(model), _WHICH)
    with reports[0].open(newline="", encoding="utf-8") as file:
        said = next(csv.DictReader(file))
    sizes = {name: round(float(value) * _KIB) for name, value in said.items()
             if name.endswith("_memory_used")}  # fmt: skip
    return NpuProgram(
        file=made,
        version=_version(model),
        config=config,
        system=said["system_config"],
        memory_mode=said["memory_mode"],
        clock_hz=round(float(said["core_clock"])),
        cycles=round(float(said["cycles_total"])),
        sram_bytes=sizes["sram_memory_used"],
        dram_bytes=sizes["dram_memory_used"],
        flash_bytes=sizes["on_chip_flash_memory_used"] + sizes["off_chip_flash_memory_used"],
        layers=_layers(folder / f"{model.stem}_per-layer.csv"),
        parts=ops.count(_NPU_OP),
        left=tuple(sorted({name for name in ops if name != _NPU_OP})),
    )


def _layers(report: Path) -> tuple[NpuLayer, ...]:
    if not report.exists():
        return ()
    with report.open(newline="", encoding="utf-8") as file:
        return tuple(
            NpuLayer(
                made_of=row["Original Operator"],
                name=row["Name"],
                on_npu=row["Target"] == "NPU",
                cycles=round(float(row["Op Cycles"])),
                macs=round(float(row["MAC Count"])),
            )
            for row in csv.DictReader(file)
        )


def _version(model: Path) -> str:
    try:
        return importlib.metadata.version("ethos-u-vela")
    except importlib.metadata.PackageNotFoundError:
        return _run([*_vela(), "--version"], model).strip()


def _vela() -> list[str]:
    if importlib.util.find_spec("ethosu") and importlib.util.find_spec("ethosu.vela"):
        return [*module_command("ethosu.vela")]
    found = shutil.which("vela")
    if found is None:
        raise MissingDependency("ethos-u-vela", "an Ethos-U NPU", "pip install 'edgeq[npu]'")
    return [found]


def _run(command: list[str], model: Path) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EdgeqError(f"Vela did not end within {_LONGEST_S} s.", str(model)) from error
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith(("Warning", "Tensor"))]
        said = said or ["it gives no reason"]
        raise EdgeqError(
            f"Vela does not compile this model: {said[-1].strip()}",
            str(model),
            "" if "CliOptionError" in said[-1] else _WHICH,
        )
    return done.stdout
