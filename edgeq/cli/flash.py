"""`edgeq flash` and `edgeq monitor`."""

from __future__ import annotations

import shlex

import click

from edgeq.cli.shared.common import Number, Whole, json_option, print_json
from edgeq.support.terminal import say


@click.command(
    epilog="Example: edgeq flash kws-firmware/ --port /dev/ttyACM0\n\n"
    "edgeq flash kws-firmware/ --dry-run"
)
@click.argument("folder", type=click.Path())
@click.option("--tool", help="Flashing tool; by default the first one that is installed.")
@click.option("--probe", default="", help="Serial number of the debug probe.")
@click.option("--port", default="", help="Serial port of the board.")
@click.option(
    "--baud", type=Whole(0), default=0, help="Baud rate of the port; by default the target's."
)
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
    from edgeq.firmware.flash import flash_project

    found = flash_project(
        folder,
        tool=tool,
        probe=probe,
        port=port,
        baud=baud,
        dry_run=dry_run,
        announce=lambda command: say(shlex.join(command), err=as_json),
    )
    if as_json:
        print_json(found.to_json())
    elif found.verified:
        say(f"The board on {port} runs what was built: {', '.join(found.models)}.")
    elif not dry_run:
        say("Flashed. With --port, the board is asked what it runs.")


@click.command(epilog="Example: edgeq monitor /dev/ttyACM0 --baud 115200")
@click.argument("port")
@click.option(
    "--baud", type=Whole(1), default=115200, show_default=True, help="Symbols per second."
)
@click.option("--seconds", type=Number(), help="Stop after this time; by default at Ctrl-C.")
@json_option
def monitor(port: str, baud: int, seconds: float | None, as_json: bool) -> None:
    """Show what a board says on its serial port; with --json as one text at the end."""
    from edgeq.devices.serial.monitor import monitor as arriving

    heard = []
    for text in arriving(port, baud=baud, seconds=seconds):
        if as_json:
            heard.append(text)
        else:
            say(text, nl=False)
    if as_json:
        print_json({"port": port, "text": "".join(heard)})
