"""`edgeq features`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.cli.shared.common import Whole, force_option, json_option, precision_option, print_json
from edgeq.data import DatasetOptions
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq features mfcc --data recordings/ -o features.npz")
@click.argument("frontend")
@click.option(
    "--data",
    required=True,
    help="A folder of .wav files, one subfolder per class if they are labelled.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help=".npz with x (and y)."
)
@click.option(
    "--frames",
    type=Whole(1),
    help="Frames of each recording: silence is added to short ones, long ones are cut.",
)
@click.option("--limit", type=Whole(1), help="Use at most so many recordings.")
@click.option("--resample", is_flag=True, help="Resample recordings of another rate.")
@precision_option
@force_option
@json_option
def features(
    frontend: str,
    data: str,
    output: Path,
    frames: int | None,
    limit: int | None,
    resample: bool,
    frontend_precision: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Features of recordings, by the very C that a device will run.

    FRONTEND is a built-in name (micro, micro-speech, log-mel, mfcc, spectrogram) or a TOML file.
    """
    from edgeq.frontend.features import features as compute

    found = compute(
        frontend,
        data,
        output,
        precision=frontend_precision,
        frames=frames,
        dataset_options=DatasetOptions(resample=resample),
        limit=limit,
        force=force,
    )
    if as_json:
        print_json({**found.to_json(), "output": str(output)})
        return
    if found.data is not None:
        say(str(found.data))
    shape = "x".join(map(str, found.x.shape))
    say(f"{output}: x {shape}, {found.x.dtype}, computed in {found.precision}")
    for warning in (*found.warnings, *(found.data.warnings if found.data is not None else ())):
        say(f"Warning: {warning}", err=True)
