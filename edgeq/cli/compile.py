"""`edgeq compile`."""

from __future__ import annotations

import click

from edgeq.cli.common import compile_options, force_option, json_option, print_json
from edgeq.devices.base import CompileOptions


@click.command(
    name="compile",
    epilog="Example: edgeq compile kws_int8.tflite -o kws/ --target nucleo-f446re --golden",
)
@click.argument("model", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder to write.")
@click.option("-t", "--target", default="cortex-m4", show_default=True, help="Board or CPU.")
@click.option("-n", "--name", help="Prefix of all C symbols; from the file name by default.")
@click.option(
    "--arena",
    type=click.Choice(["static", "external"]),
    default="static",
    show_default=True,
    help="external: NAME_init() takes the memory, so that several models can share it.",
)
@click.option("--golden", is_flag=True, help="Add NAME_selftest() with a known input.")
@compile_options
@force_option
@json_option
def compile_(
    model: str,
    output: str,
    target: str,
    name: str | None,
    arena: str,
    golden: bool,
    options: CompileOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Turn an integer .tflite into C sources for a microcontroller."""
    from edgeq.compilation import compile as compile_model

    sources = compile_model(
        model,
        output,
        name=name,
        target=target,
        options=options,
        external_arena=arena == "external",
        golden=golden,
        force=force,
    )
    manifest = sources.manifest
    if as_json:
        print_json({**manifest, "output": output, "files": sorted(sources.files)})
        return
    click.echo(f"{output}: {len(sources.files)} files for {manifest['target']}")
    click.echo(
        f"arena {manifest['arena_bytes']:,} bytes (lower bound {manifest['arena_bound_bytes']:,}), "
        f"constants {manifest['constant_bytes']:,} bytes, {manifest['macs']:,} MACs"
    )
