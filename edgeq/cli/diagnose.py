"""`edgeq diagnose`."""

from __future__ import annotations

from pathlib import Path

import click

from edgeq.analysis.diagnosis.diagnose import Diagnosis
from edgeq.analysis.diagnosis.diagnose import diagnose as diagnose_model
from edgeq.cli.shared.common import Whole, import_option, json_option, print_json
from edgeq.cli.shared.data import dataset_options
from edgeq.cli.shared.tables import result_console
from edgeq.data import DatasetOptions
from edgeq.support.terminal import say

_SHOWN = 12


@click.command(epilog="Example: edgeq diagnose kws.tflite --float kws.keras --data calibration.npz")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--float",
    "float_model",
    required=True,
    type=click.Path(path_type=Path),
    help="The model it was made from: .keras, .h5, SavedModel, float .tflite, .onnx, .pt2 or "
    "module:function.",
)
@click.option("--data", required=True, help="Representative data, as for `edgeq convert`.")
@click.option(
    "--limit",
    type=Whole(1),
    default=16,
    show_default=True,
    help="Look at so many samples, spread over the data.",
)
@click.option("--all", "show_all", is_flag=True, help="Print all layers, not only the worst.")
@click.option("--trust", is_flag=True, help="Run code inside a Keras file (Lambda layers).")
@import_option
@dataset_options
@json_option
def diagnose(
    model: Path,
    float_model: Path,
    data: str,
    limit: int,
    show_all: bool,
    trust: bool,
    reading: DatasetOptions,
    as_json: bool,
) -> None:
    """Which layers of the integer MODEL lose the accuracy, the culprit first, and what to do.

    blame: share of the error at the result that is the layer's own doing. own: signal to noise of
    the layer when all before it is exact. sum: the same with the errors of all layers before it.
    """
    result = diagnose_model(
        model, float_model, data=data, limit=limit, dataset_options=reading, trust=trust
    )
    if as_json:
        print_json(result.to_json())
    else:
        show_diagnosis(result, len(result.layers) if show_all else _SHOWN)


def show_diagnosis(result: Diagnosis, count: int) -> None:
    """Print the layers most to blame, and what to do next."""
    from rich.table import Table

    headings = ("blame", "layer", "op", "own dB", "sum dB", "range use", "clipped", "cause")
    table = Table(*headings, box=None)
    for layer in result.layers[:count]:
        table.add_row(
            f"{layer.blame:.1%}",
            layer.name,
            layer.op,
            _decibels(layer.own_sqnr_db),
            _decibels(layer.sqnr_db),
            f"{layer.range_use:.0%}",
            f"{layer.clipped:.2%}" if layer.clipped else "",
            layer.cause,
        )
    result_console().print(table)
    if len(result.layers) > count:
        say(f"... and {len(result.layers) - count} more layers (--all)")
    for sentence in result.summary:
        say(sentence)


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
