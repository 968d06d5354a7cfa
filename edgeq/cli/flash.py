"""`edgeq flash` and `edgeq monitor`."""

from __future__ import annotations

import codecs
import shlex
import time
from pathlib import Path

import click

from edgeq.cli.shared.common import json_option, print_json
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.terminal import say


@click.command(
    epilog="Example: edgeq flash kws-firmware/ --port /dev/ttyACM0\n\n"
    "edgeq flash kws-firmware/ --dry-run"
)
@click.argument("folder", type=click.Path())
@click.option("--tool", help="Flashing tool; by default the first one that is installed.")
@click.option("--probe", default="", help="Serial number of the debug probe.")
@click.option("--port", default="", help="Serial port of the board.")
@click.option("--baud", default=0, help="Baud rate of the port; by default the target's.")
@click.option("--dry-run", is_flag=True, help="Print the commands and run nothing.")
@json_option
def flash(
    folder: str,
    tool: str | None,
    probe: str,
    port: str,
    baud: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Flash the built firmware project in FOLDER, then ask the board what it runs."""
    from edgeq.firmware import flashing
    from edgeq.firmware.create import read_project

    project = read_project(folder)
    target = project.target
    chosen = flashing.choose_tool(target, tool)
    image = project.folder / "build" / project.name
    if not dry_run:
        _check_ready(image, flashing.FLASH_TOOLS[chosen].reaches_by, probe, port)
    commands = flashing.flash_commands(target, chosen, image, probe=probe, port=port)
    verified = None
    for command in commands:
        say(shlex.join(command), err=as_json)
    if not dry_run:
        flashing.run_flash(target, chosen, image, commands)
        verified = _read_back(project.models, port, baud or _baud(target.uart))
    if as_json:
        result = {"target": target.name, "tool": chosen, "commands": commands}
        print_json({**result, "verified": verified})
    elif verified:
        say(f"The board on {port} runs what was built: {', '.join(project.models)}.")
    elif not dry_run:
        say("Flashed. With --port, the board is asked what it runs.")


def _baud(uart: object) -> int:
    return int(getattr(uart, "baud", 115200))


def _check_ready(image: Path, reaches_by: str, probe: str, port: str) -> None:
    from edgeq.firmware.flashing import attached_probes

    if not image.with_suffix(".elf").is_file() and not (image.parent / "flash_args").is_file():
        raise EdgeqError(
            "The project is not built.", str(image.parent), f"edgeq build {image.parent.parent}"
        )
    if reaches_by == "probe" and not probe:
        probes = attached_probes()
        if len(probes) > 1:
            raise UsageError(
                f"{len(probes)} debug probes are attached: {', '.join(probes)}.",
                hint="--probe SERIAL says which",
            )
    if reaches_by == "port" and not port:
        raise UsageError("This tool flashes through a serial port.", hint="--port /dev/ttyACM0")


def _read_back(models: dict[str, str], port: str, baud: int) -> bool | None:
    """Whether the board's models are the project's; None if there is no port to ask on."""
    from edgeq.devices.serial_board import board_models

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


@click.command(epilog="Example: edgeq monitor /dev/ttyACM0 --baud 115200")
@click.argument("port")
@click.option("--baud", default=115200, show_default=True, help="Symbols per second.")
@click.option("--seconds", type=float, help="Stop after this time; by default at Ctrl-C.")
def monitor(port: str, baud: int, seconds: float | None) -> None:
    """Show what a board says on its serial port."""
    from edgeq.devices.serial_link import open_port

    line = open_port(port, baud)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    end = None if seconds is None else time.monotonic() + seconds
    with line:
        while end is None or time.monotonic() < end:
            data = line.read(max(1, line.in_waiting))
            if data:
                say(decode(data).replace("\r", ""), nl=False)
