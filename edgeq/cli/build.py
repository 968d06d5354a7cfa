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

    Prints flash and RAM by part and in all, from the linked image and its map, the compiler, and
    the files to flash.
    """
    from edgeq.firmware.building import build_project
    from edgeq.report.account import build_lines

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
                "account": built.account and built.account.to_json(),
                "compiler": built.compiler or None,
                "compiler_flags": list(built.flags),
                "map": built.map,
            }
        )
        return
    say(f"{project.name} for {project.target.title}: built")
    for line in build_lines(built):
        say(line)
    for image in built.images:
        say(f"  {image}")
