"""`edgeq run`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.analysis.execution import run_files
from edgeq.cli.shared.common import (
    compile_options,
    force_option,
    frontend_options,
    json_option,
    print_json,
)
from edgeq.compiler.options import CompileOptions
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq run kws_int8.tflite --on c --input x.npy --output y.npy")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", default="local", show_default=True, help="Device address.")
@click.option(
    "-i",
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help=".npy, or .npz with input positions or tensor names for keys; first axis: samples.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help=".npy, or .npz with output positions for keys.",
)
@compile_options
@frontend_options
@force_option
@json_option
def run(
    model: Path,
    on: str,
    source: Path,
    output: Path,
    options: CompileOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Run MODEL.tflite on a device, once per sample, in order.

    Integer inputs are taken as they are; floats are quantized with the model's own scale.
    """
    ran = run_files(model, on, source, output, options, force=force)
    arrays = ran.arrays
    for warning in ran.warnings:
        say(f"Warning: {warning}", err=True)
    shapes = [list(array.shape) for array in arrays]
    if as_json:
        dtypes = [str(array.dtype) for array in arrays]
        print_json(
            {
                "output": str(output),
                "shapes": shapes,
                "dtypes": dtypes,
                "warnings": list(ran.warnings),
            }
        )
    else:
        say(f"{len(arrays[0])} samples -> {output}")
