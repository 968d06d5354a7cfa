"""`edgeq verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeq.analysis.verification import Verification
from edgeq.analysis.verification import verify as verify_model
from edgeq.cli.shared.common import (
    Whole,
    compile_options,
    frontend_options,
    json_option,
    print_json,
    runtime_option,
    runtimes_of,
    was_given,
)
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import address_of, on_runtime
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.arrays import read_arrays
from edgeq.support.terminal import say

if TYPE_CHECKING:
    from edgeq.analysis.fleet.results import FleetReport


@click.command(epilog="Example: edgeq verify kws_int8.tflite --on sim:cortex-m4 --against tflm")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", required=True, help="Address of the device to check.")
@runtime_option
@click.option(
    "--against",
    help="Address of the oracle; by default tflm, and LiteRT's reference for ops that it lacks.",
)
@click.option(
    "-n", "count", type=Whole(1), default=100, show_default=True, help="Number of random inputs."
)
@click.option("--seed", type=Whole(0), default=0, show_default=True, help="Of the random inputs.")
@click.option(
    "-i",
    "--input",
    "source",
    type=click.Path(path_type=Path),
    help="Inputs to use in place of random ones: .npy or .npz, as for `edgeq run`.",
)
@compile_options
@frontend_options
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    model: Path,
    on: str,
    runtime: str | None,
    against: str | None,
    count: int,
    seed: int,
    source: Path | None,
    options: CompileOptions,
    as_json: bool,
) -> None:
    """Compare the output bytes of MODEL.tflite on two devices.

    Besides the random inputs, the all-minimum and the all-maximum input are tried. Where bytes
    differ, the largest difference and the first op that differs are shown; the exit code is 3.
    """
    if source is not None and (was_given("count") or was_given("seed")):
        raise UsageError("-n and --seed are of random inputs; -i gives others.", hint="one of them")
    how: dict[str, Any] = {
        "against": against,
        "n": count,
        "seed": seed,
        "inputs": None if source is None else read_arrays(source),
        "options": options,
        "where": str(source),
    }
    runtimes = runtimes_of(runtime, on)
    if len(runtimes) > 1:
        ctx.exit(_verify_each(model, on, runtimes, how, as_json=as_json))
    if runtimes:
        on = on_runtime(on, runtimes[0])
    result = verify_model(model, on=on, **how)
    if options.frontend is not None and against is None and result.against != "c":
        say(
            f"Compared is the model behind the front end, which has no oracle on {on}: "
            f"--on wasm: or sim:CPU compares both with {on}.",
            err=True,
        )
    if _is_one(on, result.against):
        say(
            f"Warning: {on} was compared with itself, which shows that it gives the same bytes "
            "twice, and not that they are right.",
            err=True,
        )
    for warning in result.warnings:
        say(f"Warning: {warning}", err=True)
    if as_json:
        print_json(result.to_json())
    else:
        say(describe(result))
    if not result.equal:
        ctx.exit(3)


def _is_one(on: str, against: str) -> bool:
    """Whether two addresses are one, by other names perhaps; those of oracles may be joined."""
    try:
        return address_of(on).text.strip() == address_of(against).text.strip()
    except EdgeqError:
        return False


def _verify_each(
    model: Path, on: str, runtimes: Sequence[str], how: Mapping[str, Any], *, as_json: bool
) -> int:
    """Verify several runtimes on one device; the exit code."""
    from edgeq.analysis.fleet.runtimes import verify_runtimes
    from edgeq.cli.shared.fleet import ask_each

    return ask_each(
        lambda tell: verify_runtimes(model, on, runtimes, progress=tell, **how),
        _show_each,
        as_json=as_json,
    )


def _show_each(report: FleetReport) -> None:
    for each in report.results:
        if each.verification is not None:
            for warning in each.verification.warnings:
                say(f"Warning: {warning}", err=True)
            say(describe(each.verification))


def describe(result: Verification) -> str:
    """The result in words."""
    pair = f"{result.on} and {result.against}"
    if result.equal:
        return f"Equal bytes on {pair} for all {result.compared} inputs."
    differing = f"{pair} differ on {result.differing} of {result.compared} inputs"
    first = f"first on input {result.first_differing}"
    lines = [f"{differing}, by up to {result.max_difference:g} ({first})."]
    if result.first_op is not None:
        op = result.first_op
        lines.append(
            f'First op that differs: op {op.index} {op.op} "{op.name}", {op.elements} of {op.of} '
            f"elements, by up to {op.max_difference:g}."
        )
    elif result.note:
        lines.append(f"The first op that differs is unknown: {result.note}")
    return "\n".join(lines)
