"""`edgeq verify`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.analysis.verification import Verification
from edgeq.analysis.verification import verify as verify_model
from edgeq.cli.shared.common import (
    Whole,
    compile_options,
    frontend_options,
    json_option,
    print_json,
)
from edgeq.compiler.options import CompileOptions
from edgeq.model.arrays import read_arrays
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq verify kws_int8.tflite --on sim:cortex-m4 --against tflm")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", required=True, help="Address of the device to check.")
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
    result = verify_model(
        model,
        on=on,
        against=against,
        n=count,
        seed=seed,
        inputs=None if source is None else read_arrays(source),
        options=options,
        where=str(source),
    )
    if options.frontend is not None and against is None and result.against != "c":
        say(
            f"Compared is the model behind the front end, which has no oracle on {on}: "
            f"--on wasm: or sim:CPU compares both with {on}.",
            err=True,
        )
    if on.strip() == result.against.strip():
        say(
            f"Warning: {on} was compared with itself, which shows that it gives the same bytes "
            "twice, and not that they are right.",
            err=True,
        )
    if as_json:
        print_json(result.to_json())
    else:
        say(describe(result))
    if not result.equal:
        ctx.exit(3)


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
