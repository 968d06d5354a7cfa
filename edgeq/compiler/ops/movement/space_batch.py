"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: pixels that change place between batch and image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Node,
    OpKind,
    Overlap,
    overlap_distance,
    require,
)
from edgeq.compiler.ops.shared.movement import ANY_TYPE, element_bytes, pairs, require_same_type
from edgeq.model.graph import Tensor

_NEVER = 1 << 40


def _sizes(tensor: Tensor, axes: int) -> tuple[int, int, int, int]:
    """Batch, height, width and elements of a pixel; the width is 1 where there is one axis."""
    require(axes in (1, 2) and len(tensor.shape) > axes, f"{axes} blocks for {tensor.shape}")
    height, width = (*tensor.shape[1 : axes + 1], 1)[:2]
    return tensor.shape[0], height, width, math.prod(tensor.shape[axes + 1 :])


def _geometry(node: Node, wide: Tensor, deep: Tensor) -> dict[str, int]:
    """The fields of eq_space_batch_params; checks that the shapes fit."""
    require_same_type(wide, deep)
    blocks = node.integers(1)
    borders = pairs(node.integers(2))
    axes = len(blocks)
    require(len(borders) == axes, f"{axes} blocks, {len(borders)} paddings or crops")
    require(min(blocks) > 0 and min(map(min, borders)) >= 0, f"blocks {blocks}, {borders}")
    block_h, block_w = (*blocks, 1)[:2]
    (top, bottom), (left, right) = (*borders, [0, 0])[:2]
    batches, wide_h, wide_w, pixel = _sizes(wide, axes)
    deep_batches, deep_h, deep_w, deep_pixel = _sizes(deep, axes)
    fits = (
        deep_pixel == pixel
        and deep_batches == batches * block_h * block_w
        and deep_h * block_h == wide_h + top + bottom
        and deep_w * block_w == wide_w + left + right
    )
    require(fits, f"{wide.shape} and {deep.shape} do not fit blocks {blocks} and {borders}")
    return {
        "batches": batches,
        "wide_h": wide_h,
        "wide_w": wide_w,
        "deep_h": deep_h,
        "deep_w": deep_w,
        "block_h": block_h,
        "block_w": block_w,
        "top": top,
        "left": left,
        "pixel_bytes": pixel * element_bytes(wide),
    }


def _call(function: str, params: dict[str, int], reads: NDArray[np.int64]) -> Call:
    """The kernel call.

    Args:
        reads: For every output pixel in order, the input pixel.
    """
    size = params["pixel_bytes"]
    ends = np.arange(1, reads.size + 1) * size
    distance = overlap_distance(reads.reshape(-1) * size, ends, buffered=True)
    return Call(
        "space_batch",
        function,
        "eq_space_batch_params",
        params,
        (INPUT, OUTPUT),
        overlaps=(Overlap(0, distance),),
    )


def lower_space_to_batch(node: Node) -> Call:
    """The kernel call for one SPACE_TO_BATCH_ND.

    TFLM leaves the value of the padding uninitialised; this is LiteRT's, the zero point.
    """
    output = node.output()
    g = _geometry(node, node.input(0), output)
    place, b, dy, dx = np.ogrid[
        : g["block_h"] * g["block_w"], : g["batches"], : g["deep_h"], : g["deep_w"]
    ]
    y = dy * g["block_h"] + place // g["block_w"] - g["top"]
    x = dx * g["block_w"] + place % g["block_w"] - g["left"]
    inside = (y >= 0) & (y < g["wide_h"]) & (x >= 0) & (x < g["wide_w"])
    pixel = (b * g["wide_h"] + y) * g["wide_w"] + x
    fill = output.zero_point & 255 if output.dtype in ("int8", "uint8") else 0
    return _call("eq_space_to_batch", {**g, "fill": fill}, np.where(inside, pixel, _NEVER))


def lower_batch_to_space(node: Node) -> Call:
    """The kernel call for one BATCH_TO_SPACE_ND."""
    g = _geometry(node, node.output(), node.input(0))
    b, y, x = np.ogrid[: g["batches"], : g["wide_h"], : g["wide_w"]]
    y, x = y + g["top"], x + g["left"]
    place = y % g["block_h"] * g["block_w"] + x % g["block_w"]
    row = (place * g["batches"] + b) * g["deep_h"] + y // g["block_h"]
    return _call("eq_batch_to_space", g, row * g["deep_w"] + x // g["block_w"])


SPACE_TO_BATCH_ND = OpKind("SPACE_TO_BATCH_ND", lower_space_to_batch, ANY_TYPE)
BATCH_TO_SPACE_ND = OpKind("BATCH_TO_SPACE_ND", lower_batch_to_space, ANY_TYPE)
