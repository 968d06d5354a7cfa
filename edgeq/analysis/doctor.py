"""What is installed on this machine, what is missing, and the command that installs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from edgeq import __version__
from edgeq.compiler.build.toolchain import has_library
from edgeq.support.commands import answer_of


@dataclass(frozen=True)
class Tool:
    """A program or Python package that some command of edgeq uses.

    Attributes:
        name: The Python distribution, or the program as it is called.
        kind: "package" or "program".
        needed_for: What does not work without it.
        install: The command that installs it.
        alternatives: Other names of the program.
        core: Whether edgeq does not work at all without it.
        compiles_for: Of a compiler, the family of targets; it counts only with its C library.
    """

    name: str
    kind: str
    needed_for: str
    install: str
    alternatives: tuple[str, ...] = ()
    core: bool = False
    compiles_for: str = ""


@dataclass(frozen=True)
class Finding:
    """What `check` found out about one tool."""

    name: str
    kind: str
    needed_for: str
    core: bool
    found: bool
    version: str
    path: str
    install: str


def _package(name: str, needed_for: str, extra: str = "", *, core: bool = False) -> Tool:
    install = f'pip install "edgeq[{extra}]"' if extra else f'pip install "{name}"'
    return Tool(name, "package", needed_for, install, core=core)


def _apt(
    name: str, needed_for: str, package: str, *alternatives: str, compiles_for: str = ""
) -> Tool:
    install = f"apt install {package}"
    return Tool(name, "program", needed_for, install, alternatives, compiles_for=compiles_for)


TOOLS: tuple[Tool, ...] = (
    _package("numpy", "everything", core=True),
    _package("ai-edge-litert", "running models on this machine", core=True),
    _package("litert-quantizer", "edgeq convert, tune", core=True),
    _package("paramiko", "devices over SSH", core=True),
    _package("tensorflow", "edgeq convert of Keras models and SavedModels", "convert"),
    _package("onnx", "edgeq convert of ONNX models", "onnx"),
    _package("torch", "edgeq convert of PyTorch models", "torch"),
    _package("onnxscript", "edgeq convert of PyTorch models", "torch"),
    _package("pillow", "folders of images as data", "convert"),
    _package("tflite-micro", "--on tflm; arena sizes of --runtime tflm", "tflm"),
    _package("ethos-u-vela", "--on vela:ethos-u55-128 and other NPUs", "npu"),
    _package("unicorn", "--on sim:CPU", "firmware"),
    _package("capstone", "--on sim:CPU", "firmware"),
    _package("pyelftools", "flash and RAM sizes, UF2 and HEX files", "firmware"),
    _package("ziglang", "cross-compiling without a system toolchain", "firmware"),
    _package("wasmtime", "--on wasm:", "wasm"),
    _package("pyserial", "--on serial:PORT, edgeq monitor", "firmware"),
    _package("pyocd", "edgeq flash with a debug probe", "flash"),
    _package("esptool", "edgeq flash of ESP32 boards", "flash"),
    _package("optuna", "edgeq tune", "tune"),
    _package("distributed", "edgeq tune over several machines", "tune"),
    _apt("cc", "--on c", "gcc libc6-dev", "gcc", "clang", compiles_for="host"),
    _apt(
        "arm-none-eabi-gcc",
        "Cortex-M firmware",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        compiles_for="arm-none-eabi",
    ),
    _apt(
        "riscv64-unknown-elf-gcc",
        "RISC-V firmware",
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        "riscv32-unknown-elf-gcc",
        "riscv-none-elf-gcc",
        compiles_for="riscv",
    ),
    _apt("cmake", "edgeq build", "cmake"),
    _apt("ninja", "edgeq build, faster than make", "ninja-build", "ninja-build"),
    _apt("qemu-system-arm", "--on qemu:cortex-m3 and others", "qemu-system-arm"),
    _apt("qemu-system-riscv32", "--on qemu:rv32imc", "qemu-system-misc"),
    _apt("openocd", "edgeq flash with a debug probe", "openocd"),
    _apt("dfu-util", "edgeq flash of boards with a DFU boot loader", "dfu-util"),
    _apt("avrdude", "edgeq flash of AVR boards", "avrdude"),
    _apt("bossac", "edgeq flash of SAM and Arduino boards", "bossa-cli"),
    _apt("adb", "Android phones", "adb"),
    _apt("ssh", "making keys for devices over SSH", "openssh-client"),
)


def check_installation(tools: Sequence[Tool] = TOOLS) -> list[Finding]:
    """What of `tools` is on this machine, in the same order."""
    return [
        _find_package(tool) if tool.kind == "package" else _find_program(tool) for tool in tools
    ]


def environment() -> dict[str, str]:
    """The versions a bug report needs: edgeq, Python, the system, the processor."""
    import platform

    return {
        "edgeq": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "machine": platform.machine(),
    }


def serial_ports() -> list[dict[str, object]]:
    """Serial ports of this machine, and whether this user may open them.

    Returns:
        One dict per port with "port", "description" and "accessible"; none without pyserial.
    """
    try:
        from serial.tools import list_ports
    except ImportError:
        return []
    return [
        {
            "port": port.device,
            "description": port.description,
            "accessible": os.access(port.device, os.R_OK | os.W_OK),
        }
        for port in list_ports.comports()
    ]


def _find_package(tool: Tool) -> Finding:
    try:
        version, found = metadata.version(tool.name), True
    except metadata.PackageNotFoundError:
        version, found = "", False
    return _finding(tool, found, version, "")


def _find_program(tool: Tool) -> Finding:
    for name in (tool.name, *tool.alternatives):
        path = shutil.which(name)
        if path and (not tool.compiles_for or has_library(path, family=tool.compiles_for)):
            return _finding(tool, True, _program_version(path), path)
    return _finding(tool, False, "", "")


def _finding(tool: Tool, found: bool, version: str, path: str) -> Finding:
    return Finding(
        tool.name, tool.kind, tool.needed_for, tool.core, found, version, path, tool.install
    )


def _program_version(path: str) -> str:
    """The first number with a dot that the program prints when asked for its version."""
    flag = "-V" if path.endswith(("ssh", "bossac")) else "--version"
    try:
        result = answer_of([path, flag], 10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = (result.out + result.err).decode("utf-8", "replace")
    match = re.search(r"\d{1,9}\.\d+[\w.]*", said)
    return match[0] if match else ""
