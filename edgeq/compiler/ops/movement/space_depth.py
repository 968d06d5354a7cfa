"""SPACE_TO_DEPTH and DEPTH_TO_SPACE: transpositions of six axes."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import (
    ANY_TYPE,
    box,
    copy_call,
    element_bytes,
    require_same_type,
)
from edgeq.compiler.ops.shared.windows import image_shape


def _lower(node: Node, *, to_depth: bool) -> Call | None:
    source, output = node.input(0), node.output()
    require_same_type(source, output)
    size = element_bytes(source)
    wide, deep = (source, output) if to_depth else (output, source)
    block = node.option("block_size")
    batches, height, width, channels = image_shape(wide)
    require(block > 0, f"block size {block}")
    expected = (batches, height // block, width // block, channels * block * block)
    require(
        height % block == 0 and width % block == 0 and image_shape(deep) == expected,
        f"{wide.shape} and {deep.shape} do not fit blocks of {block}",
    )
    # axes: batch, y, x, y in block, x in block, channel
    pixel = channels * size
    row = width * pixel
    in_wide = [height * row, block * row, block * pixel, row, pixel, size]
    group = block * block * pixel
    in_deep = [height * row, width // block * group, group, block * pixel, pixel, size]
    sizes = [batches, height // block, width // block, block, block, channels]
    order = [0, 1, 2, 3, 4, 5] if to_depth else [0, 1, 3, 2, 4, 5]
    reads, writes = (in_wide, in_deep) if to_depth else (in_deep, in_wide)
    return copy_call(
        box(
            [sizes[k] for k in order],
            [reads[k] for k in order],
            size,
            output_steps=[writes[k] for k in order],
        )
    )


SPACE_TO_DEPTH = OpKind("SPACE_TO_DEPTH", lambda node: _lower(node, to_depth=True), ANY_TYPE)
DEPTH_TO_SPACE = OpKind("DEPTH_TO_SPACE", lambda node: _lower(node, to_depth=False), ANY_TYPE)
