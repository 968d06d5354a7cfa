"""Windows that slide over images: sizes, strides, padding. Of convolutions and pools."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import Node, require
from edgeq.model.graph import Tensor

WINDOW_LIMIT = 1 << 20
SIZES = ("input_h", "input_w", "input_c", "output_h", "output_w", "output_c")
VALID = 1


def padding_before(node: Node, size: int, out: int, kernel: int, stride: int, dilation: int) -> int:
    """Zero points before the first row or column; with VALID padding there are none.

    Args:
        size, out: Input and output extent.

    Raises:
        Unsupported: The output's extent is not what the padding gives.

    Source: TFLite `ComputePaddingHeightWidth`.
    """
    require(min(kernel, stride, dilation) > 0, "windows, strides and dilations are positive")
    require(max(kernel * dilation, stride) < WINDOW_LIMIT, "the window is too large")
    effective = (kernel - 1) * dilation + 1
    valid = node.option("padding") == VALID
    expected = -(-(size - effective + 1 if valid else size) // stride)
    require(out == expected > 0, f"{out} output rows or columns where {expected} are due")
    return 0 if valid else max((out - 1) * stride + effective - size, 0) // 2


def padding_above(node: Node, size: int, out: int, kernel: int, stride: int, dilation: int) -> int:
    """Like `padding_before`, for rows: a stripe of an image is told what stands above it."""
    explicit = node.op.options.get("explicit_pad_top")
    if explicit is not None:
        return int(explicit)
    return padding_before(node, size, out, kernel, stride, dilation)


def image_shape(tensor: Tensor) -> tuple[int, int, int, int]:
    """Batch, height, width, channels of an NHWC tensor."""
    require(len(tensor.shape) == 4, f"shape {tensor.shape} where four axes are needed")
    batch, height, width, channels = tensor.shape
    return batch, height, width, channels


def image_sizes(node: Node) -> dict[str, int]:
    """Batches, and height and width of input and output, for a params struct."""
    batches, input_h, input_w, input_c = image_shape(node.input(0))
    output_batches, output_h, output_w, _ = image_shape(node.output())
    require(batches == output_batches, f"{batches} images in, {output_batches} out")
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "input_c": input_c,
        "output_h": output_h,
        "output_w": output_w,
    }


def sliding(node: Node, filter_h: int, filter_w: int) -> dict[str, int]:
    """How the filters of a convolution move, for a params struct: strides, dilations, padding.

    Raises:
        Unsupported: The output's extent is not what they give.
    """
    _, input_h, input_w, _ = image_shape(node.input(0))
    _, output_h, output_w, _ = image_shape(node.output())
    stride_h, stride_w = node.option("stride_h"), node.option("stride_w")
    dilation_h, dilation_w = node.option("dilation_h_factor"), node.option("dilation_w_factor")
    require(min(stride_h, stride_w, dilation_h, dilation_w) > 0, "strides must be positive")
    return {
        "stride_h": stride_h,
        "stride_w": stride_w,
        "dilation_h": dilation_h,
        "dilation_w": dilation_w,
        "pad_top": padding_above(node, input_h, output_h, filter_h, stride_h, dilation_h),
        "pad_left": padding_before(node, input_w, output_w, filter_w, stride_w, dilation_w),
    }


def one_row(g: dict[str, int]) -> dict[str, int]:
    """What changes if all pixels of a 1x1 layer are those of one row; nothing for other layers.

    In one row no pixel is at a border, and none is the last of a row but one.
    """
    ones = ("filter_h", "filter_w", "stride_h", "stride_w")
    if any(g[name] != 1 for name in ones) or g["pad_top"] or g["pad_left"]:
        return {}
    pixels = g["batches"] * g["output_h"] * g["output_w"]
    one = dict.fromkeys(("batches", "input_h", "output_h"), 1)
    return {**one, "input_w": pixels, "output_w": pixels}
