"""`edgeq deploy`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from edgeq.analysis.limits import Limits
from edgeq.cli.shared.common import (
    Number,
    Whole,
    force_option,
    form_options,
    import_option,
    json_option,
    precision_option,
    print_json,
    try_it_option,
    was_given,
)
from edgeq.cli.shared.data import dataset_options
from edgeq.cli.shared.duty import duty_options, power_option
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions
from edgeq.data.base import Normalization
from edgeq.data.options import READING_KEYS
from edgeq.errors import UsageError
from edgeq.support.terminal import say
from edgeq.workflow.config import DeployConfig, read_config

_CONFIG = "edgeq.toml"


@click.command(
    epilog="Example: edgeq deploy model.keras --data calibration.npz --eval test.npz "
    "--target nucleo-f446re --max-drop 0.01 --flash 128K"
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--data", help="Representative data, as for `edgeq convert`.")
@click.option("--eval", "eval_", help="Labelled data, as for `edgeq evaluate`.")
@click.option("--metric", help="How accuracy is measured, as for `edgeq evaluate`.")
@click.option("--limit", type=Whole(1), help="Use at most so many samples of --eval.")
@click.option("--scheme", help="Quantization scheme; int8 by default.")
@click.option("--io", help="Type of inputs and outputs: int8, uint8, int16, float32.")
@click.option(
    "--stream",
    type=Whole(1),
    metavar="AXIS",
    help="Make a model of steps along this axis first, as `edgeq convert --stream` does.",
)
@click.option("--stream-step", type=Whole(1), metavar="N", help="Frames that a step has.")
@click.option(
    "--image-front-end",
    is_flag=True,
    help="Resizing, CenterCrop and Rescaling at the head of a Keras model become a front end for "
    "cameras, as `edgeq convert --image-front-end` makes it; --data and --eval are whole frames.",
)
@click.option("-t", "--target", help="Board or CPU; cortex-m4 by default.")
@click.option("--on", help="Device to profile on; the target's emulator by default.")
@click.option("-o", "--output", help="Folder to make; 'deployed' by default.")
@click.option("-n", "--verify", type=Whole(1), help="Random inputs to verify with.")
@click.option("--min-accuracy", type=Number(), help="Limit: least value of the metric.")
@click.option("--max-drop", type=Number(), help="Limit: most that may be lost against float.")
@click.option("--max-latency", type=Number(), help="Limit: milliseconds per inference.")
@click.option("--max-energy", type=Number(), help="Limit: microjoules per inference.")
@duty_options
@power_option
@click.option("--frontend", metavar="NAME|FILE", help="What turns samples into the model's input.")
@precision_option
@click.option("--recordings", help="Folder with events.csv, as for `edgeq evaluate --recordings`.")
@click.option("--sign", help="Ed25519 private key (ssh-keygen -t ed25519) for the manifest.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on even if the integer model's outputs differ much from the float model's.",
)
@click.option("--trust", is_flag=True, help="Run code inside a Keras file (Lambda layers).")
@try_it_option
@import_option
@dataset_options
@form_options
@force_option
@json_option
@click.pass_context
def deploy(
    ctx: click.Context,
    /,
    source: Path | None,
    reading: DatasetOptions,
    options: CompileOptions,
    force: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Run the whole chain on SOURCE: an edgeq.toml, or a model with options.

    Convert, prove, verify the bytes, evaluate with the generated C's arithmetic, compile, profile,
    check the limits, write JSON and an HTML report. --ram, --flash and --cycles are limits too.
    The exit code is 3 when a limit is missed. Without SOURCE, edgeq.toml is read; options override
    what stands in it.
    """
    from edgeq.workflow.deployment import deploy as deploy_model

    config = _overridden(_base(source), given, reading, options)
    result = deploy_model(config, force=force)
    if as_json:
        print_json(result.result)
    else:
        from edgeq.cli.shared.summary import show_deployment

        show_deployment(result)
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)
    if not result.met:
        ctx.exit(3)


def _base(source: Path | None) -> DeployConfig:
    if source is None:
        if not Path(_CONFIG).is_file():
            raise UsageError(
                f"There is no {_CONFIG} here and no model was given.", hint="edgeq deploy -h"
            )
        return read_config(Path(_CONFIG))
    return read_config(source) if source.suffix == ".toml" else DeployConfig(str(source))


def _overridden(
    config: DeployConfig,
    given: dict[str, Any],
    reading: DatasetOptions,
    options: CompileOptions,
) -> DeployConfig:
    """The configuration with what stands on the command line in place of what is in the file."""
    given["eval"] = given.pop("eval_")
    given["accept_stand_in"] = options.accept_stand_in
    given["optimize"] = options.optimize if was_given("optimize") else None
    names = {field.name for field in fields(DeployConfig)}
    tried = given.pop("try_it")
    changes = {name: value for name, value in given.items() if name in names and _is_given(value)}
    if was_given("try_it"):
        changes["try_it"] = tried
    changes["reading"] = _reading(config.reading, reading)
    limits = {
        "accuracy": given["min_accuracy"],
        "accuracy_drop": given["max_drop"],
        "latency_ms": given["max_latency"],
        "energy_uj": given["max_energy"],
        "ram_bytes": options.ram_bytes,
        "flash_bytes": options.flash_bytes,
        "cycles": options.cycles,
    }
    set_limits: dict[str, Any] = {k: v for k, v in limits.items() if v is not None}
    both: Limits = replace(config.limits, **set_limits)
    return replace(config, limits=both, **changes)


def _is_given(value: Any) -> bool:
    """Whether an option is there; an empty text is, and nothing that a deployment can be of."""
    return value is not None and value is not False


def _reading(before: DatasetOptions, typed: DatasetOptions) -> DatasetOptions:
    """What the file says of reading, key by key with what was typed in its place."""
    changes: dict[str, Any] = {
        name: getattr(typed, name)
        for name in READING_KEYS
        if name not in ("mean", "std") and was_given(name)
    }
    new, old = typed.normalization, before.normalization
    if new is not None:
        mean = new.mean if was_given("mean") or old is None else old.mean
        std = new.std if was_given("std") or old is None else old.std
        changes["normalization"] = Normalization(mean, std)
    return replace(before, **changes)
