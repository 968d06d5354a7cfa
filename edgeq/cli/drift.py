"""`edgeq drift`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgeq.analysis.drift.check import (
    PSI_LIMIT,
    Drift,
    check_drift,
    read_reference,
    reference_profile,
)
from edgeq.cli.shared.common import Number, force_option, json_option, print_json
from edgeq.cli.shared.data import dataset_options
from edgeq.data import DatasetOptions
from edgeq.support.jsontext import json_text
from edgeq.support.output import check_writable, write_results
from edgeq.support.terminal import say

_FEW = 50
_raw = click.option(
    "--raw", is_flag=True, help="The data holds the model's own integers, as a device logs them."
)
_on = click.option("--on", default="local", show_default=True, help="Device that computes.")


@click.group(
    epilog="Example: edgeq drift save kws_int8.tflite --data calibration.npz -o reference.json"
)
def drift() -> None:
    """New data against a reference profile that was saved at deployment."""


@drift.command(
    epilog="Example: edgeq drift save kws_int8.tflite --data calibration.npz -o reference.json"
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Data as the model will see it, without labels.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The .json to write."
)
@_on
@_raw
@dataset_options
@force_option
@json_option
def save(
    model: Path,
    data: str,
    output: Path,
    on: str,
    raw: bool,
    reading: DatasetOptions,
    force: bool,
    as_json: bool,
) -> None:
    """Save what inputs and outputs of MODEL look like now."""
    check_writable(output, force=force, inputs=(model, data))
    reference = reference_profile(model, data, on=on, raw=raw, reading=reading)
    write_results({output: json_text(reference) + "\n"}, force=force)
    if as_json:
        print_json({"output": str(output), "samples": reference["samples"]})
    else:
        say(f"{reference['samples']} samples -> {output}")
    _show_warnings(reference["data"])
    if reference["samples"] < _FEW:
        say(
            f"Warning: with {reference['samples']} samples the reference shows large drift only; "
            "give some hundreds.",
            err=True,
        )


@drift.command(
    epilog="Example: edgeq drift check kws_int8.tflite reference.json --data log.npz --raw"
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="The new data, without labels.")
@click.option(
    "--psi", type=Number(0.0), default=PSI_LIMIT, show_default=True,
    help="Population stability index that counts as drift.",
)  # fmt: skip
@_on
@_raw
@dataset_options
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    model: Path,
    reference: Path,
    data: str,
    psi: float,
    on: str,
    raw: bool,
    reading: DatasetOptions,
    as_json: bool,
) -> None:
    """Check new data for MODEL against REFERENCE; the exit code is 3 where it has drifted."""
    found = check_drift(
        model, read_reference(reference), data, on=on, raw=raw, reading=reading, limit=psi
    )
    if as_json:
        print_json({**asdict(found), "drifted": found.drifted})
    else:
        _show(found)
    _show_warnings(found.data)
    if found.drifted:
        ctx.exit(3)


def _show_warnings(data: Mapping[str, Any]) -> None:
    for warning in data["warnings"]:
        say(f"Warning: {warning}", err=True)


def _show(found: Drift) -> None:
    say(f"{found.samples} samples against {found.reference_samples} of the reference")
    moved = sorted((f for f in found.features if f.drifted), key=lambda f: -f.psi)
    for feature in moved:
        say(
            f"{feature.name}: drifted, index {feature.psi:.2f} (above {feature.threshold:.2f}), "
            f"mean {feature.mean:.4g}, was {feature.reference_mean:.4g}"
        )
    if not moved:
        nearest = max(found.features, key=lambda f: f.psi / f.threshold)
        say(
            f"{len(found.features)} features: none has drifted; nearest to it is {nearest.name}, "
            f"index {nearest.psi:.2f} (drift above {nearest.threshold:.2f})"
        )
    word = "too high" if found.saturated else "fine"
    say(
        f"values at the ends of the integer range: {found.saturation:.2%}, "
        f"was {found.reference_saturation:.2%}: {word}"
    )
    if found.class_mix:
        word = "drifted" if found.class_mix_drifted else "fine"
        say(
            f"class mix: index {found.class_mix_psi:.2f} "
            f"(drift above {found.class_mix_threshold:.2f}): {word}"
        )
