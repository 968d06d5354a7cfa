"""Flashing tools: which one a board takes, with which arguments, and how it is run."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.boards.emulators import qemu_command
from edgeq.boards.target import Target
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.firmware.tools import run_tool
from edgeq.support.output import NO_ROOM

_TIMEOUT_S = 300
_COPY = "image"
_JLINK_SCRIPT = "flash.jlink"
# Paths that are one word for Tcl (OpenOCD), J-Link's scripts and avrdude, and mean nothing else.
_PLAIN = re.compile(r"[\w./+-]+", re.ASCII)
_PROBE = re.compile(r"[\w.:,+/-]*", re.ASCII)
_REPLUG = "unplug the board, plug it in again; hold its boot button if it has one"


@dataclass(frozen=True)
class Job:
    """What is to be flashed, and how the board is reached.

    Attributes:
        target: The board.
        image: Path of the image without its extension; .elf, .hex, .bin and .uf2 lie side by side.
        argument: What the target says about the tool: a chip's name, a script, an offset.
        probe: Serial number of the debug probe; "" if there is one only.
        port: Serial port, for tools that flash through it; "" if unknown.
    """

    target: Target
    image: Path
    argument: str
    probe: str = ""
    port: str = ""

    def file(self, extension: str) -> str:
        """The image in one format."""
        return str(self.image.with_suffix(f".{extension}"))

    def word(self, extension: str) -> str:
        """The same for a tool that reads a language: a name in which nothing has a meaning there.

        Where the path is none, it is that of a copy in the folder that the tool runs in.
        """
        path = self.file(extension)
        return path if _PLAIN.fullmatch(path) else f"{_COPY}.{extension}"


@dataclass(frozen=True)
class FlashTool:
    """One flashing program.

    Attributes:
        program: As it is called.
        install: The command that installs it.
        commands: The command lines for a job; all run, in order.
        reaches_by: "probe", "port" or "usb".
    """

    program: str
    install: str
    commands: Callable[[Job], list[list[str]]]
    reaches_by: str


def _openocd(job: Job) -> list[list[str]]:
    scripts = [part for script in job.argument.split() for part in ("-f", script)]
    probe = ["-c", f"adapter serial {job.probe}"] if job.probe else []
    return [["openocd", *scripts, *probe, "-c", f"program {job.word('elf')} verify reset exit"]]


def _pyocd(job: Job) -> list[list[str]]:
    probe = ["--uid", job.probe] if job.probe else []
    return [
        ["pyocd", "flash", "--target", job.argument, *probe, job.file("hex")],
        ["pyocd", "reset", "--target", job.argument, *probe],
    ]


def _probe_rs(job: Job) -> list[list[str]]:
    chip = ["--chip", job.argument, *(["--probe", job.probe] if job.probe else [])]
    return [
        ["probe-rs", "download", *chip, "--binary-format", "hex", "--verify", job.file("hex")],
        ["probe-rs", "reset", *chip],
    ]


def _stm32cubeprogrammer(job: Job) -> list[list[str]]:
    connect = ["-c", f"port={job.argument.upper()}", *([f"sn={job.probe}"] if job.probe else [])]
    return [["STM32_Programmer_CLI", *connect, "-w", job.file("hex"), "-v", "-rst"]]


def _esptool(job: Job) -> list[list[str]]:
    port = ["--port", job.port] if job.port else []
    return [["esptool", "--chip", job.argument, *port, "write-flash", *_flash_args(job)]]


def _flash_args(job: Job) -> list[str]:
    """What ESP-IDF wants written: the boot loader, the partitions and the application.

    Its file of arguments names them as they lie beside it.
    """
    folder = job.image.parent
    listed = folder / "flash_args"
    if not listed.is_file():
        return [f"@{listed}"]
    parts = listed.read_text(encoding="utf-8").split()
    return [str(folder / part) if (folder / part).is_file() else part for part in parts]


def _picotool(job: Job) -> list[list[str]]:
    probe = ["--ser", job.probe] if job.probe else []
    return [["picotool", "load", "-v", "-x", job.file("uf2"), *probe]]


def _uf2(job: Job) -> list[list[str]]:
    volume = job.argument.partition(":")[2]
    return [["copy", job.file("uf2"), _mounted(volume) or f"<volume {volume}>"]]


def _nrfutil(job: Job) -> list[list[str]]:
    probe = ["--serial-number", job.probe] if job.probe else []
    return [
        ["nrfutil", "device", "program", "--firmware", job.file("hex"), *probe],
        ["nrfutil", "device", "reset", *probe],
    ]


def _bossac(job: Job) -> list[list[str]]:
    port = [f"--port={job.port}"] if job.port else []
    offset = f"--offset={job.argument}"
    return [["bossac", *port, offset, "--erase", "--write", "--verify", "--reset", job.file("bin")]]


def _avrdude(job: Job) -> list[list[str]]:
    part, programmer, *baud = job.argument.split(":")
    where = ["-P", job.port] if job.port else []
    speed = ["-b", baud[0]] if baud else []
    what = f"flash:w:{job.word('hex')}:i"
    return [["avrdude", "-p", part, "-c", programmer, *where, *speed, "-D", "-U", what]]


def _dfu_util(job: Job) -> list[list[str]]:
    vendor, product, *address = job.argument.split(":")
    where = ["-s", f"{address[0]}:leave"] if address else ["-R"]
    where += ["-S", job.probe] if job.probe else []
    return [["dfu-util", "-d", f"{vendor}:{product}", "-a", "0", *where, "-D", job.file("bin")]]


def _teensy(job: Job) -> list[list[str]]:
    return [["teensy_loader_cli", f"--mcu={job.argument}", "-w", "-v", job.file("hex")]]


def _jlink(job: Job) -> list[list[str]]:
    probe = ["-SelectEmuBySN", job.probe] if job.probe else []
    device = ["-device", job.argument, "-if", "SWD", "-speed", "4000", "-autoconnect", "1"]
    return [["JLinkExe", *device, *probe, "-ExitOnError", "1", "-CommandFile", _JLINK_SCRIPT]]


FLASH_TOOLS: dict[str, FlashTool] = {
    "openocd": FlashTool("openocd", "apt install openocd", _openocd, "probe"),
    "pyocd": FlashTool("pyocd", 'pip install "edgeq[flash]"', _pyocd, "probe"),
    "probe-rs": FlashTool("probe-rs", "cargo install probe-rs-tools", _probe_rs, "probe"),
    "stm32cubeprogrammer": FlashTool(
        "STM32_Programmer_CLI",
        "install STM32CubeProgrammer from st.com and put its bin folder into PATH",
        _stm32cubeprogrammer,
        "probe",
    ),
    "esptool": FlashTool("esptool", 'pip install "edgeq[flash]"', _esptool, "port"),
    "picotool": FlashTool("picotool", "apt install picotool", _picotool, "usb"),
    "uf2": FlashTool("", "", _uf2, "usb"),
    "nrfutil": FlashTool("nrfutil", "install nRF Util from nordicsemi.com", _nrfutil, "probe"),
    "bossac": FlashTool("bossac", "apt install bossa-cli", _bossac, "port"),
    "avrdude": FlashTool("avrdude", "apt install avrdude", _avrdude, "port"),
    "dfu-util": FlashTool("dfu-util", "apt install dfu-util", _dfu_util, "usb"),
    "teensy-loader": FlashTool(
        "teensy_loader_cli", "apt install teensy-loader-cli", _teensy, "usb"
    ),
    "jlink": FlashTool("JLinkExe", "install the J-Link software from segger.com", _jlink, "probe"),
}


def choose_tool(target: Target, wanted: str | None = None) -> str:
    """The name of the tool that flashes a target: the first installed one of its list.

    Raises:
        UsageError: The target cannot be flashed, or not with the wanted tool.
    """
    offered = list(target.flash_tools)
    if not offered:
        raise UsageError(
            f"{target.title} is not flashed.", f"target {target.name}", _instead_of_flashing(target)
        )
    if wanted is not None:
        if wanted not in offered:
            raise UsageError(
                f"{target.title} is not flashed with '{wanted}'.", hint=", ".join(offered)
            )
        return wanted
    return next((name for name in offered if _is_installed(name)), offered[0])


def _instead_of_flashing(target: Target) -> str:
    command = qemu_command(target, "build/NAME.elf")
    if command is None:
        return "its file names no tool under [flash]"
    return f"run its image with: {' '.join(command)}"


def flash_commands(
    target: Target, tool: str, image: Path, *, probe: str = "", port: str = ""
) -> list[list[str]]:
    """The command lines that flash an image; the pseudo-program "copy" copies to a volume.

    Raises:
        UsageError: The probe is none, or the tool takes none: another board would be flashed.
    """
    if not _PROBE.fullmatch(probe):
        raise UsageError(f"{probe!r:.100} is no serial number of a probe.")
    job = Job(target, image, target.flash_tools[tool], probe, port)
    commands = FLASH_TOOLS[tool].commands(job)
    if probe and commands == FLASH_TOOLS[tool].commands(replace(job, probe="")):
        by = FLASH_TOOLS[tool].reaches_by
        raise UsageError(
            f"{tool} takes no --probe.",
            hint="--port says which board" if by == "port" else "attach that board alone",
        )
    return commands


def run_flash(target: Target, tool: str, image: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run what `flash_commands` gave.

    Raises:
        MissingDependency: The tool is not installed.
        EdgeqError: It fails, or hangs.
    """
    if tool == "uf2":
        _copy_uf2(target, commands[0])
        return
    known = FLASH_TOOLS[tool]
    if not _is_installed(tool):
        raise MissingDependency(known.program, f"flashing {target.title}", known.install)
    with tempfile.TemporaryDirectory(prefix="edgeq-") as work:
        _put_copies(Path(work), image)
        for command in commands:
            done = run_tool(command, _TIMEOUT_S, folder=Path(work), hint=_REPLUG)
            if done.code:
                what = f"{command[0]} failed:\n{done.tail(10)}"
                raise EdgeqError(what, " ".join(command), _failure_hint(target, tool))


def _put_copies(folder: Path, image: Path) -> None:
    """What tools that read a language are given: images of a plain name, and J-Link's script."""
    for extension in ("elf", "hex"):
        file = image.with_suffix(f".{extension}")
        if file.is_file():
            shutil.copyfile(file, folder / f"{_COPY}.{extension}")
    (folder / _JLINK_SCRIPT).write_text(f"loadfile {_COPY}.hex\nr\ng\nexit\n")


def _failure_hint(target: Target, tool: str) -> str:
    if tool != "pyocd":
        return ""
    # Chips that pyOCD does not bring along come with their maker's CMSIS-Pack.
    return f"pyocd pack install {target.flash_tools[tool]}, if it is the target that is unknown"


def attached_probes() -> list[str]:
    """The serial numbers of the debug probes on this machine; none where nobody can tell."""
    try:
        from pyocd.core.helpers import ConnectHelper

        with _empty_folder():
            found = ConnectHelper.get_all_connected_probes(blocking=False)
    except (ImportError, OSError, RuntimeError, ValueError):
        return []
    return sorted(str(probe.unique_id) for probe in found)


@contextmanager
def _empty_folder() -> Iterator[None]:
    """The current folder is empty: pyOCD takes settings from it, which may name code to call."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="edgeq-") as empty:
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(before)


def _is_installed(tool: str) -> bool:
    program = FLASH_TOOLS[tool].program
    return not program or shutil.which(program) is not None


_VOLUMES = ("/media", "/media/*", "/run/media/*", "/Volumes")
"""Where systems mount the volumes that a user plugs in."""


def _mounted(volume: str, places: Sequence[str] = _VOLUMES) -> str:
    """Where a boot loader's volume is mounted, or "".

    A folder of that name, in a backup say, is none: a boot loader's is a disk of its own, with the
    file that the UF2 format asks for.
    """
    for place in places:
        for path in sorted(Path("/").glob(f"{place.lstrip('/')}/{volume}")):
            if os.path.ismount(path) and (path / "INFO_UF2.TXT").is_file():
                return str(path)
    return ""


def _copy_uf2(target: Target, command: Sequence[str]) -> None:
    source, destination = command[1], command[2]
    if not Path(destination).is_dir():
        raise EdgeqError(
            f"The boot loader of {target.title} is not mounted ({destination}).",
            hint="hold its boot button while plugging it in, or press reset twice",
        )
    if not Path(source).is_file():
        raise EdgeqError("The image is not there as a UF2 file.", source, "edgeq build")
    try:
        shutil.copy(source, destination)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        what = f"The image cannot be copied: {error.strerror or error}."
        raise EdgeqError(what, destination, _REPLUG) from error
