"""`edgeq build`: each kind of project through its own build system."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeq.boards.target import Target
from edgeq.boards.target_schema import APP_TEMPLATES
from edgeq.compiler.build.compiler import DoesNotFit, too_large
from edgeq.compiler.build.toolchain import version_of
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.firmware.account import ImageAccount, account_of
from edgeq.firmware.app_binaries import app_commands, finish_binaries
from edgeq.firmware.create import Project, read_project
from edgeq.firmware.formats import intel_hex, read_segments, uf2
from edgeq.firmware.linkmap import Share, read_shares
from edgeq.firmware.tools import run_tool
from edgeq.support.output import write_whole
from edgeq.support.result import Result
from edgeq.support.text import visible_line

_TIMEOUT_S = 1800
_READ_OTHERWISE = re.compile(r"""[$";,\\\n]|%[0-9A-Fa-f]{2}""")  # variables, quotes, lists, escapes
_INSTALL = {
    "cmake": "apt install cmake ninja-build (or: pip install cmake ninja)",
    "arm-none-eabi-gcc": "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "west": "pip install west, then west init and west update (Zephyr's Getting Started)",
    "idf.py": "install ESP-IDF and run its export.sh (ESP-IDF Programming Guide, Get Started)",
    "pio": "pip install platformio",
    "arduino-cli": "install arduino-cli (Arduino CLI documentation, Installation)",
}


@dataclass(frozen=True, repr=False)
class Build(Result):
    """A built firmware project.

    Attributes:
        project: What was built.
        elf: The linked image; None where the build system keeps it to itself.
        images: Files for flashing tools.
        shares: Flash and RAM by owner; empty without a link map.
        account: The image by part and against each memory; None where edgeq did not lay it out.
        map: The linker's map; None where there is none.
        compiler: What compiled it, with its version; empty where the build system keeps it.
        flags: What the compiler was told.
    """

    project: Project
    elf: Path | None
    images: tuple[Path, ...] = ()
    shares: tuple[Share, ...] = field(default=())
    account: ImageAccount | None = None
    map: Path | None = None
    compiler: str = ""
    flags: tuple[str, ...] = ()


def build_project(folder: str | Path) -> Build:
    """Build the firmware project in a folder.

    Raises:
        DoesNotFit: The board's memory is too small for the image.
        EdgeqError: A tool is missing or fails; its last words are in the error.
        UsageError: This kind of project is built by an IDE.
    """
    project = read_project(folder)
    _check_place(project.folder)
    for command in build_commands(project):
        _run(command, project)
    finish_binaries(project.template, project.name, project.folder)
    return _collect(project)


def _check_place(folder: Path) -> None:
    """Refuse a folder whose path CMake, ninja or make read as something else."""
    found = _READ_OTHERWISE.search(folder.resolve().as_posix())
    if found:
        odd = visible_line(found[0])
        raise EdgeqError(
            f"The path of the project holds {odd}, which build systems read otherwise.",
            visible_line(str(folder)),
            "move it to a folder without it",
        )


def build_commands(project: Project) -> list[list[str]]:
    """The commands that build a project, to be run in its folder."""
    frameworks = project.target.frameworks
    if project.template == "sources":
        raise UsageError(
            "A 'sources' project has no build of its own: add it to your IDE's project.",
            where=str(project.folder),
        )
    if project.template in ("zephyr", "esp-idf", "arduino") and not frameworks:
        raise UsageError(
            f"This '{project.template}' project is for no board, and builds within one of yours.",
            where=str(project.folder),
            hint="edgeq compile ... --target BOARD makes one that builds alone",
        )
    if project.template in APP_TEMPLATES and project.template != "linux":
        return app_commands(project.template, project.name, project.folder)
    if project.template == "zephyr":
        return [["west", "build", "-b", frameworks["zephyr"], "-d", "build", "app"]]
    if project.template == "esp-idf":
        return [["idf.py", "set-target", frameworks["esp-idf"]], ["idf.py", "build"]]
    if project.template == "platformio":
        return [["pio", "run"]]
    if project.template == "arduino":
        fqbn = frameworks["arduino"]
        sketch = f"examples/{project.name}"
        return [["arduino-cli", "compile", "--fqbn", fqbn, "--library", ".", sketch]]
    # A folder that was configured before keeps its generator.
    fresh = not (project.folder / "build" / "CMakeCache.txt").is_file()
    generator = ["-G", "Ninja"] if fresh and shutil.which("ninja") else []
    configure = ["cmake", *generator, "-B", "build", "-S", "."]
    if project.template == "pico-sdk" and shutil.which("picotool") is None:
        # The SDK would fetch picotool and build it; the UF2 file is made here.
        configure.append("-DPICO_NO_PICOTOOL=1")
    return [configure, ["cmake", "--build", "build", "--parallel"]]


def _run(command: Sequence[str], project: Project) -> None:
    folder = project.folder
    if shutil.which(command[0]) is None:
        install = _INSTALL.get(command[0], f"install {command[0]}")
        raise MissingDependency(command[0], "this build", install)
    done = run_tool(command, _TIMEOUT_S, folder=folder)
    if done.code and (why := too_large(done.said)):
        raise DoesNotFit(
            f"the image does not fit {project.target.title}: {why}.",
            str(folder),
            "edgeq compile with --optimize size or ram, or with --no-golden; a smaller model; or "
            "a board that holds it: edgeq targets --fits MODEL",
        )
    if done.code:
        missing = next((t for t in _INSTALL if t in done.said and "find" in done.said), None)
        again = f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
        hint = _INSTALL[missing] if missing else again
        raise EdgeqError(f"{' '.join(command)} failed:\n{done.tail(15)}", str(folder), hint)


def elf_of(project: Project) -> Path | None:
    """The image that a build has left behind, if its build system leaves one there."""
    build = project.folder / "build"
    places = (build / f"{project.name}.elf", build / "zephyr" / "zephyr.elf")
    return next((place for place in places if place.is_file()), None)


def make_images(elf: Path, target: Target) -> list[Path]:
    """Write an image in the formats that flashing tools take, beside it.

    Raises:
        EdgeqError: It is no image.
    """
    segments = read_segments(elf)
    images = [elf.with_suffix(".hex")]
    write_whole(images[0], intel_hex(segments))
    family = target.flash_tools.get("uf2", "").partition(":")[0]
    if family:
        images.append(elf.with_suffix(".uf2"))
        write_whole(images[1], uf2(segments, int(family, 16)))
    return images


def _collect(project: Project) -> Build:
    """What the build has left behind, and UF2 and HEX made of it."""
    build = project.folder / "build"
    elf = elf_of(project)
    if elf is None:
        return Build(project, None)
    images = [elf, *make_images(elf, project.target)]
    if elf.with_suffix(".bin").is_file():
        images.append(elf.with_suffix(".bin"))
    map_file = elf.with_suffix(".map")
    if not map_file.is_file():
        return Build(project, elf, tuple(images))
    compiler, flags = _compiler(build)
    if project.template not in ("bare-metal", "mlperf-tiny"):
        shares = tuple(read_shares(map_file, f"lib{project.name}.a"))
        return Build(project, elf, tuple(images), shares, None, map_file, compiler, flags)
    account = account_of(elf, map_file, project.target, _stack_bytes(project.folder / "memory.ld"))
    account = replace(account, compiler=compiler, flags=flags)
    shares = account.parts
    return Build(project, elf, tuple(images), shares, account, map_file, compiler, flags)


def _stack_bytes(script: Path) -> int:
    """What a linker script of ours keeps for the stack."""
    found = re.search(r">= 0x([0-9A-F]+), \"less than", script.read_text(encoding="utf-8"))
    return int(found[1], 16) if found else 0


def _text(path: Path) -> str:
    """What CMake wrote: it holds names of folders, which may be of another encoding."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _compiler(build: Path) -> tuple[str, tuple[str, ...]]:
    """The C compiler that CMake chose, with its version, and what it was told."""
    cache = build / "CMakeCache.txt"
    commands = build / "compile_commands.json"
    found = re.search(r"^EQ_CC:\w+=(.+)$", _text(cache), re.MULTILINE)
    flags: tuple[str, ...] = ()
    if commands.is_file():
        entries = json.loads(_text(commands))
        command = next((e["command"] for e in entries if e["file"].endswith(".c")), "")
        wanted = ("-m", "-O", "-f", "-std=", "--specs")
        flags = tuple(word for word in command.split() if word.startswith(wanted))
    return (version_of(found[1]) if found else ""), flags
