"""CONV_2D and FULLY_CONNECTED for hosts: tiles of pixels by blocks of 16 channels."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.compiler.ops.host.lanes import (
    COPIED,
    SLACK_BYTES,
    TAPS,
    by_eights,
    by_fours,
    fits,
    limits,
    table,
)
from edgeq.compiler.ops.host.padded import Padding, window_padding
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels


@dataclass(frozen=True)
class _Walk:
    """How output pixels and the inputs of one lie in memory; steps in bytes."""

    rows: int
    row_step: int
    columns: int
    column_step: int
    runs_h: int
    run_step_h: int
    runs_w: int
    run_step_w: int
    run_bytes: int

    @property
    def fields(self) -> dict[str, int]:
        """The fields of eq_conv_2d_host_params."""
        fields = {**vars(self)}
        fields["groups"] = -(-fields.pop("run_bytes") // TAPS)
        return fields


def _walk(g: dict[str, int], padding: Padding) -> _Walk:
    channels, row_bytes = g["input_c"], padding.padded_row_bytes
    rows, columns = g["output_h"], g["output_w"]
    row_step, column_step = g["stride_h"] * row_bytes, g["stride_w"] * channels
    if columns == 1 or row_step == columns * column_step:
        # One long row: of a column, or of an image whose pixels need nothing but themselves.
        column_step = row_step if columns == 1 else column_step
        rows, columns, row_step = 1, rows * columns, 0
    runs_h, run_step_h = g["filter_h"], g["dilation_h"] * row_bytes
    runs_w, run_step_w, run_bytes = g["filter_w"], g["dilation_w"] * channels, channels
    if g["dilation_w"] == 1 or runs_w == 1:
        runs_w, run_step_w, run_bytes = 1, 0, g["filter_w"] * channels
    if runs_w == 1 and run_bytes == run_step_h:
        runs_h, run_step_h, run_bytes = 1, 0, runs_h * run_bytes
    return _Walk(
        rows, row_step, columns, column_step, runs_h, run_step_h, runs_w, run_step_w, run_bytes
    )


def walk_of(g: dict[str, int], padding: Padding) -> dict[str, int]:
    """The same for elements of any size, with the length of a run: `run_size`."""
    fields = {**vars(_walk(g, padding))}
    return {
        **{k: v for k, v in fields.items() if k != "run_bytes"},
        "run_size": fields["run_bytes"],
    }


def lower_host(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
    name: str = "conv_2d",
) -> Call | None:
    """The host kernel's call; None for grouped convolutions and rare weights.

    Args:
        g: The geometry of a CONV_2D.
        node: The layer.
        channels: Its weights, taps in the order of OHWI.
        clamp: activation_min and activation_max.
        macs: Multiply-accumulates of one call.
        name: Of the op, which its function in C is named after.
    """
    if g["filter_c"] != g["input_c"] or g["pad_top"] < 0 or not fits(channels):
        return None
    padding = window_padding(g, node.input(0).zero_point)
    walk = _walk(g, padding)
    copied = padding.needed or walk.run_bytes % TAPS != 0
    runs = walk.runs_h * walk.runs_w
    weights = by_fours(channels.weights.reshape(channels.count, runs, walk.run_bytes))
    eights = node.isa.has("i8mm")
    weights = by_eights(weights) if eights else weights
    note = f"by 16 channels: taps by {'eights' if eights else 'fours'}"
    return Call(
        name,
        f"eq_{name}{'_copied' * copied}_host_s8",
        "eq_conv_2d_host_params",
        {
            "batches": g["batches"],
            "image_bytes": g["input_h"] * g["input_w"] * g["input_c"],
            "padding": padding.fields,
            **walk.fields,
            "output_c": g["output_c"],
            "limits": limits(channels, node.output().zero_point, clamp),
        },
        (INPUT, *constant_args(2), OUTPUT, *(SCRATCH,) * copied),
        (Constant("weights", "int8_t", weights, note), table(channels)),
        scratch_bytes=padding.bytes + SLACK_BYTES if copied else 0,
        overlaps=(COPIED,) if copied and g["batches"] == 1 else (),
        macs=macs,
        kernels="host",
    )


def lower_dense(
    shape: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int], macs: int
) -> Call | None:
    """The host kernel's call for a FULLY_CONNECTED: pixels are the rows of its input."""
    return lower_host(dense_geometry(shape), node, channels, clamp, macs, "fully_connected")


def dense_geometry(shape: dict[str, int]) -> dict[str, int]:
    """The geometry of the CONV_2D that a FULLY_CONNECTED is: batches, input_c, output_c."""
    one = dict.fromkeys(
        ("batches", "output_w", "input_w", "filter_h", "filter_w", "stride_h", "stride_w"), 1
    )
    rows = {"input_h": shape["batches"], "output_h": shape["batches"]}
    places = {"dilation_h": 1, "dilation_w": 1, "pad_top": 0, "pad_left": 0}
    deep = {"input_c": shape["input_c"], "filter_c": shape["input_c"]}
    return {**one, **rows, **places, **deep, "output_c": shape["output_c"]}
