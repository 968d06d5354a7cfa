"""RESIZE_NEAREST_NEIGHBOR: which pixel is the nearest is worked out when compiling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import ANY_TYPE
from edgeq.compiler.ops.shared.remap import remap_call
from edgeq.compiler.ops.shared.windows import image_shape


def nearest(size: int, wanted: int, *, align_corners: bool, half_pixel: bool) -> NDArray[np.int64]:
    """For each of `wanted` places the index of the nearest of `size` elements.

    Source: TFLite `GetNearestNeighbor`, in float32.
    """
    one = np.float32(1)
    if align_corners and wanted > 1:
        scale = np.float32(size - 1) / np.float32(wanted - 1)
    else:
        scale = np.float32(size) / np.float32(wanted)
    places = np.arange(wanted).astype(np.float32) + (one / 2 if half_pixel else np.float32(0))
    exact = (places * scale).astype(np.float64)
    index = np.floor(exact + 0.5) if align_corners else np.floor(exact)
    clipped: NDArray[np.int64] = np.clip(index.astype(np.int64), 0, size - 1)
    return clipped


def lower(node: Node) -> Call:
    """The kernel call for one RESIZE_NEAREST_NEIGHBOR."""
    source, output = node.input(0), node.output()
    batches, height, width, channels = image_shape(source)
    out_batches, out_height, out_width, out_channels = image_shape(output)
    require((batches, channels) == (out_batches, out_channels), f"output {output.shape}")
    flags = {
        "align_corners": bool(node.option("align_corners")),
        "half_pixel": bool(node.option("half_pixel_centers")),
    }
    return remap_call(
        node,
        [
            np.arange(batches),
            nearest(height, out_height, **flags),
            nearest(width, out_width, **flags),
            np.arange(channels),
        ],
    )


RESIZE_NEAREST_NEIGHBOR = OpKind("RESIZE_NEAREST_NEIGHBOR", lower, ANY_TYPE)
