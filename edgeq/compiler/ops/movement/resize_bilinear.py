"""RESIZE_BILINEAR: where each pixel comes from is worked out when compiling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.elementwise.arithmetic import SUFFIXES
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import element_bytes, require_same_type
from edgeq.compiler.ops.shared.windows import image_shape

_TYPES = ("int8", "int16", "float32")
_ONE = 1 << 10


@dataclass(frozen=True)
class _Axis:
    """How one axis is resized.

    Attributes:
        size, wanted: Extent of input and output.
        align: Whether the outermost pixels stay at their places.
        half: Whether pixels have their place at their middle.
    """

    size: int
    wanted: int
    align: bool
    half: bool

    def blends(self) -> NDArray[np.int64]:
        """Rows of (index below, index above, fraction in Q10) for every output index.

        Source: TFLite `ComputeInterpolationValuesInteger`.
        """
        low, high = self.size, self.wanted
        if self.align and self.wanted > 1:
            low, high = self.size - 1, self.wanted - 1
        scale = (_ONE * low + high // 2) // high
        place = np.arange(self.wanted, dtype=np.int64) * scale
        place += scale // 2 - _ONE // 2 if self.half else 0
        # C divides towards zero.
        below = np.maximum(np.sign(place) * (np.abs(place) // _ONE), 0)
        over = place + _ONE - 1
        above = np.minimum(np.sign(over) * (np.abs(over) // _ONE), self.size - 1)
        require(bool((below < self.size).all()), "the reference would read outside the input")
        return np.stack([below, above, place - _ONE * below], axis=1)

    def float_blends(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows of (index below, index above), and fractions, in float32.

        Source: TFLite `ComputeInterpolationValues`.
        """
        one = np.float32(1)
        scale = np.float32(self.size) / np.float32(self.wanted)
        if self.align and self.wanted > 1:
            scale = np.float32(self.size - 1) / np.float32(self.wanted - 1)
        place = np.arange(self.wanted).astype(np.float32)
        place = (place + one / 2) * scale - one / 2 if self.half else place * scale
        below = np.maximum(np.floor(place).astype(np.int64), 0)
        above = np.minimum(np.ceil(place).astype(np.int64), self.size - 1)
        below = np.minimum(below, self.size - 1)
        return np.stack([below, above], axis=1), (place - below.astype(np.float32))


def _constants(
    rows: _Axis, columns: _Axis, row: int, channels: int, *, is_float: bool
) -> tuple[Constant, ...]:
    """The tables of the kernel, with positions in elements.

    Args:
        row: Elements of an input row.
        channels: Elements of a pixel.
    """
    if not is_float:
        blends = [
            axis.blends() * [step, step, 1] for axis, step in ((rows, row), (columns, channels))
        ]
        require(
            all(bool((np.abs(blend[:, 2] - 512) <= 1536).all()) for blend in blends),
            "the image is enlarged more than Q10 can hold",
        )
        note = "rows, then columns: position0, position1, fraction in Q10"
        return (Constant("blends", "int32_t", np.concatenate(blends), note),)
    at_y, y = rows.float_blends()
    at_x, x = columns.float_blends()
    positions = np.concatenate([at_y * row, at_x * channels])
    return (
        Constant("positions", "int32_t", positions, "rows, then columns"),
        Constant("fractions", "float", np.concatenate([y, x]), "rows, then columns"),
    )


def lower(node: Node) -> Call:
    """The kernel call for one RESIZE_BILINEAR."""
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    require(source.dtype in _TYPES, f"{source.dtype} values")
    batches, height, width, channels = image_shape(source)
    out_batches, out_height, out_width, out_channels = image_shape(output)
    require((batches, channels) == (out_batches, out_channels), f"output {output.shape}")
    require(source.elements > 0 and output.elements > 0, "there are no pixels")
    flags = bool(node.option("align_corners")), bool(node.option("half_pixel_centers"))
    require(flags != (True, True), "align_corners and half_pixel_centers exclude each other")
    rows, columns = _Axis(height, out_height, *flags), _Axis(width, out_width, *flags)
    is_float = source.dtype == "float32"
    constants = _constants(rows, columns, width * channels, channels, is_float=is_float)
    params = {
        "batches": batches,
        "input_elements": height * width * channels,
        "output_h": out_height,
        "output_w": out_width,
        "channels": channels,
    }
    first = constants[0].values.reshape(-1)[: out_height * (2 if is_float else 3)]
    lowest = first.reshape(out_height, -1)[:, 0]
    reads = (np.arange(batches)[:, None] * height * width * channels + lowest).reshape(-1)
    ends = np.arange(1, len(reads) + 1) * out_width * channels
    size = element_bytes(source)
    return Call(
        "resize_bilinear",
        f"eq_resize_bilinear_{SUFFIXES[source.dtype]}",
        "eq_resize_bilinear_params",
        params,
        (INPUT, *(Arg("constant", k) for k in range(len(constants))), OUTPUT),
        constants,
        overlaps=(Overlap(0, overlap_distance(reads * size, ends * size, buffered=False)),),
    )


RESIZE_BILINEAR = OpKind("RESIZE_BILINEAR", lower, _TYPES)
