"""`edgeq flash` and `edgeq monitor`."""

from __future__ import annotations

import shlex
from collections import deque
from typing import Any

import click

from edgeq.cli.shared.common import Number, Whole, json_option, print_json
from edgeq.support.terminal import say

_MOST_CHARACTERS = 64 << 20  # an hour and a half at 115,200 baud


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
    """Show what a board says on its serial port; with --json the end of it as one text."""
    from edgeq.devices.serial.monitor import monitor as arriving

    heard: deque[str] = deque()
    kept = left_out = 0

    def told() -> dict[str, Any]:
        found = {"port": port, "text": "".join(heard)}
        return {**found, "left_out_characters": left_out} if left_out else found

    try:
        for text in arriving(port, baud=baud, seconds=seconds):
            if not as_json:
                say(text.replace("\r", ""), nl=False)  # boards end lines with both
                continue
            heard.append(text)
            kept += len(text)
            while kept > _MOST_CHARACTERS:
                kept -= len(heard[0])
                left_out += len(heard.popleft())
    except BaseException:  # Ctrl-C, or the board was unplugged: what it said is not lost
        if heard:
            print_json(told())
        raise
    if as_json:
        print_json(told())
