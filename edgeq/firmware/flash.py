"""A built firmware project onto its board, and the proof that the board runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError, UsageError
from edgeq.firmware import flashing
from edgeq.firmware.building import make_images
from edgeq.firmware.create import Project, read_project
from edgeq.support.result import Result

_USUAL_BAUD = 115200
# What keeps its images to itself, and flashes them.
_OWN_TOOLS = {
    "arduino": "arduino-cli upload, or the Arduino IDE",
    "platformio": "pio run -t upload",
    "sources": "the IDE that builds it",
}
# Of images that speak no protocol of edgeq's.
_MUTE = "mlperf-tiny"


@dataclass(frozen=True, repr=False)
class Flashing(Result):
    """What was done to a board.

    Attributes:
        target: Name of the board's kind.
        tool: The flashing tool.
        commands: What was run, or would be.
        models: Names of the models in the image.
        verified: Whether the board said that it runs this image; None where it was not asked.
    """

    target: str
    tool: str
    commands: tuple[tuple[str, ...], ...]
    models: tuple[str, ...]
    verified: bool | None = None


def flash_project(
    folder: str | Path,
    *,
    tool: str | None = None,
    probe: str = "",
    port: str = "",
    baud: int = 0,
    dry_run: bool = False,
    announce: Callable[[Sequence[str]], None] | None = None,
) -> Flashing:
    """Flash the built project in a folder, then ask the board what it runs.

    Args:
        folder: A project of `create_project`, built.
        tool: Flashing tool; the first that is installed if None.
        probe: Serial number of the debug probe.
        port: Serial port of the board; without it the board is not asked.
        baud: Symbols per second on it; 0 for the target's own.
        dry_run: Run nothing.
        announce: Told each command before any is run.

    Raises:
        UsageError: It is not clear which probe or port is meant, or the project's own build system
            flashes it.
        EdgeqError: The project is not built, the tool fails, or the board runs something else.
    """
    project = read_project(folder)
    target = project.target
    chosen = flashing.choose_tool(target, tool)
    if project.template in _OWN_TOOLS:
        raise UsageError(
            f"A project for {project.template} is not flashed by edgeq.",
            str(project.folder),
            _OWN_TOOLS[project.template],
        )
    image = _image(project)
    if not dry_run:
        _check_ready(image, chosen, probe, port)
        if (elf := image.with_suffix(".elf")).is_file():
            make_images(elf, target)  # CMake alone leaves other formats as they were
    commands = flashing.flash_commands(target, chosen, image, probe=probe, port=port)
    if announce is not None:
        for command in commands:
            announce(command)
    verified = None
    if not dry_run:
        flashing.run_flash(target, chosen, image, commands)
        own = target.uart if project.template == "bare-metal" else None
        usual = own.baud if own is not None else _USUAL_BAUD
        asked = port if project.template != _MUTE else ""
        verified = _read_back(project.models, asked, baud or usual)
    return Flashing(
        target.name, chosen, tuple(map(tuple, commands)), tuple(project.models), verified
    )


def _image(project: Project) -> Path:
    """Where the built image lies, without its extension; absolute, since tools run elsewhere."""
    build = project.folder.absolute() / "build"
    zephyr = project.template == "zephyr"
    return build / "zephyr" / "zephyr" if zephyr else build / project.name


def _check_ready(image: Path, tool: str, probe: str, port: str) -> None:
    reaches_by = flashing.FLASH_TOOLS[tool].reaches_by
    wanted = image.with_name("flash_args") if tool == "esptool" else image.with_suffix(".elf")
    if not wanted.is_file():
        folder = image.parent.parent if image.parent.name == "zephyr" else image.parent
        what, hint = "The project is not built.", f"edgeq build {folder.parent}"
        if image.with_suffix(".elf").is_file():
            what, hint = f"{tool} flashes what ESP-IDF builds.", f"west flash -d {folder}"
        raise EdgeqError(what, str(folder), hint)
    if reaches_by == "probe" and not probe:
        probes = flashing.attached_probes()
        if len(probes) > 1:
            raise UsageError(
                f"{len(probes)} debug probes are attached: {', '.join(probes)}.",
                hint="--probe SERIAL says which",
            )
    if reaches_by == "port" and not port:
        raise UsageError("This tool flashes through a serial port.", hint="--port /dev/ttyACM0")


def _read_back(models: Mapping[str, str], port: str, baud: int) -> bool | None:
    """Whether the board's models are the project's; None if there is no port to ask on."""
    from edgeq.devices.serial.board import board_models

    if not port:
        return None
    there = board_models(port, baud)
    if there == models:
        return True
    raise EdgeqError(
        f"The board runs something else than what was built: {', '.join(there) or 'nothing'}.",
        where=port,
        hint="was it reset after flashing, and is this its port?",
    )
