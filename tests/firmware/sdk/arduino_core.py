"""Arduino's AVR core, used as Arduino's IDE does: by the recipes of platform.txt and boards.txt."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.tools import need

FOLDER = Path(os.environ.get("EDGEQ_ARDUINO_AVR", "/usr/share/arduino/hardware/arduino/avr"))
"""Of the core: EDGEQ_ARDUINO_AVR, or where Debian's package arduino-core-avr puts it."""


def need_core() -> None:
    need(
        (FOLDER / "platform.txt").is_file(),
        "Arduino's AVR core (EDGEQ_ARDUINO_AVR, or apt install arduino-core-avr)",
    )
    for program in ("avr-gcc", "avr-g++", "simavr"):
        need(shutil.which(program), program)


def build_sketch(library: Path, fqbn: str, processor: str, build: Path) -> Path:
    """The image of the sketch among a library's examples, every warning an error in our files.

    Args:
        library: An Arduino library.
        fqbn: Board, such as "arduino:avr:mega".
        processor: Choice of the board's menu, such as "atmega2560".
        build: Folder for what is made.
    """
    board = fqbn.rpartition(":")[2]
    settings = _settings(board, processor) | {"build.path": str(build), "archive_file": "core.a"}
    (sketch,) = library.glob("examples/*/*.ino")
    settings["build.project_name"] = sketch.stem
    core, variant = (
        FOLDER / kind / settings[f"build.{key}"]
        for kind, key in (("cores", "core"), ("variants", "variant"))
    )
    folders = (core, variant, library / "src")
    settings["includes"] = " ".join(f"-I{shlex.quote(str(folder))}" for folder in folders)
    build.mkdir()
    main = build / f"{sketch.stem}.cpp"
    main.write_text(f"#include <Arduino.h>\n{sketch.read_text()}")
    theirs = [_compile(path, settings) for path in sorted(core.rglob("*.[cS]*"))]
    for made in theirs:
        archive = {"archive_file_path": str(build / "core.a"), "object_file": str(made)}
        _run("recipe.ar.pattern", settings | archive)
    strict = settings | {"compiler.warning_flags": "-Wall -Wextra -Werror"}
    ours = [main, *sorted(path for path in (library / "src").rglob("*.c*"))]
    objects = [shlex.quote(str(_compile(path, strict))) for path in ours]
    _run("recipe.c.combine.pattern", settings | {"object_files": " ".join(objects)})
    return build / f"{sketch.stem}.elf"


def _settings(board: str, processor: str) -> dict[str, str]:
    settings = {"runtime.ide.version": "10819", "build.arch": "AVR"}
    for line in (FOLDER / "platform.txt").read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            settings[key.strip()] = value
    # Debian's avr-gcc 5.4 lacks this one in <float.h> for C++11; the core is made for 7.3.
    settings["compiler.cpp.extra_flags"] = "-DDECIMAL_DIG=__DECIMAL_DIG__"
    for prefix in (f"{board}.", f"{board}.menu.cpu.{processor}."):
        for line in (FOLDER / "boards.txt").read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and key.startswith(prefix):
                settings[key.removeprefix(prefix)] = value
    return settings


def _compile(source: Path, settings: dict[str, str]) -> Path:
    made = Path(settings["build.path"]) / f"{source.name}.o"
    kind = {".c": "c", ".cpp": "cpp", ".S": "S"}[source.suffix]
    files = {"source_file": str(source), "object_file": str(made)}
    _run(f"recipe.{kind}.o.pattern", settings | files)
    return made


def _run(recipe: str, settings: dict[str, str]) -> None:
    command = settings[recipe]
    while found := re.search(r"\{([\w.]+)\}", command):
        command = command.replace(found[0], settings[found[1]])
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
