"""`edgeq build`: build a firmware project."""

from __future__ import annotations

import click

from edgeq.cli.shared.common import json_option, print_json
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq build kws-firmware/")
@click.argument("folder", type=click.Path())
@json_option
def build(folder: str, as_json: bool) -> None:
    """Build the firmware project in FOLDER with its own build system.

    Prints flash and RAM by owner, from the link map, and the files to flash.
    """
    from edgeq.firmware.building import build_project

    built = build_project(folder)
    project = built.project
    if as_json:
        print_json(
            {
                "project": project.name,
                "template": project.template,
                "target": project.target.name,
                "models": project.models,
                "elf": built.elf,
                "images": built.images,
                "sizes": built.shares,
            }
        )
        return
    say(f"{project.name} for {project.target.title}: built")
    for share in built.shares:
        say(
            f"  {share.owner:<12}{share.flash_bytes:>10,} bytes flash "
            f"{share.ram_bytes:>10,} bytes RAM"
        )
    for image in built.images:
        say(f"  {image}")
