"""Copies of images with their padding, for kernels/host/padded.h."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.compiler.ops.host.lanes import SLACK_BYTES


@dataclass(frozen=True)
class Padding:
    """The fields of eq_padding, in rows and bytes."""

    rows: int
    row_bytes: int
    above: int
    left: int
    padded_rows: int
    padded_row_bytes: int
    zero_point: int

    @property
    def needed(self) -> bool:
        """Whether anything is added to the image."""
        return (self.rows, self.row_bytes) != (self.padded_rows, self.padded_row_bytes)

    @property
    def bytes(self) -> int:
        """Of the copy, without slack."""
        return self.padded_rows * self.padded_row_bytes

    @property
    def fields(self) -> dict[str, int]:
        """The fields of eq_padding."""
        return {**vars(self), "slack": SLACK_BYTES}


def window_padding(g: dict[str, int], zero_point: int) -> Padding:
    """The padding that puts every window of a convolution or a pool inside the image.

    Args:
        g: Its geometry: input_h, input_w, input_c, output_h, output_w, filter_h, filter_w,
            stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left.
        zero_point: What stands for zero.
    """
    reach_h = (g["output_h"] - 1) * g["stride_h"] + (g["filter_h"] - 1) * g["dilation_h"] + 1
    reach_w = (g["output_w"] - 1) * g["stride_w"] + (g["filter_w"] - 1) * g["dilation_w"] + 1
    rows = max(reach_h, g["pad_top"] + g["input_h"])
    columns = max(reach_w, g["pad_left"] + g["input_w"])
    return Padding(
        g["input_h"],
        g["input_w"] * g["input_c"],
        g["pad_top"],
        g["pad_left"] * g["input_c"],
        rows,
        columns * g["input_c"],
        zero_point,
    )
