"""FRONTEND_IMAGE: a camera's frame cut out, resized and converted."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
)

# In the order of the kernel's enum.
FORMATS = ("rgb888", "bgr888", "rgb565", "rgb565-be", "gray8", "yuv422", "nv12")


def _lower(node: Node) -> Call:
    """The call for one frame.

    Options: `format`, `width`, `height`, `full_range`, `reversed`, `channels`; `rows` and `columns`
    are (first pixels, where the weights start, Q12 weights).
    """
    tables = [*node.option("rows"), *node.option("columns")]
    names = [
        f"{axis}_{what}" for axis in ("row", "column") for what in ("first", "starts", "weights")
    ]
    return Call(
        "frontend_image",
        "eq_frontend_image",
        "eq_frontend_image_params",
        {
            "format": FORMATS.index(node.option("format")),
            "width": node.option("width"),
            "height": node.option("height"),
            "rows": len(tables[0]),
            "columns": len(tables[3]),
            "channels": node.option("channels"),
            "reversed": int(node.option("reversed")),
            "full_range": int(node.option("full_range")),
        },
        (INPUT, *constant_args(6), OUTPUT),
        tuple(Constant(name, "uint16_t", table) for name, table in zip(names, tables, strict=True)),
    )


FRONTEND_IMAGE = OpKind("FRONTEND_IMAGE", _lower, ("uint8",))
