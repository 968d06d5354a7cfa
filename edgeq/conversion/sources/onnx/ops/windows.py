"""Windows that slide: sizes, strides, and padding in ONNX's and in Keras's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node


@dataclass(frozen=True)
class Window:
    """A window over places.

    Attributes:
        sizes, strides, dilations: One number per axis of places.
        begins, ends: Padding, with what rounding up the number of windows adds at the end.
        declared: The padding at the end without that.
        counts: How many windows there are along each axis.
        places: Size of what it slides over.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    declared: tuple[int, ...]
    counts: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Number of axes of places."""
        return len(self.sizes)

    @property
    def is_valid(self) -> bool:
        """Whether there is no padding at all."""
        return not any((*self.begins, *self.ends))

    @property
    def is_same(self) -> bool:
        """Whether the padding is what TensorFlow calls SAME."""
        for axis, size in enumerate(self.places):
            count = -(-size // self.strides[axis])
            reach = (self.sizes[axis] - 1) * self.dilations[axis] + 1
            total = max((count - 1) * self.strides[axis] + reach - size, 0)
            wanted = (total // 2, total - total // 2)
            if (self.begins[axis], self.ends[axis]) != wanted or self.counts[axis] != count:
                return False
        return True


def window_of(net: Builder, node: Node, places: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window of a convolution or pool.

    Raises:
        EdgeqError: Its attributes do not fit each other.
    """
    rank = len(places)
    sizes = tuple(node.get("kernel_shape", tuple(kernel)))
    strides = tuple(node.get("strides", (1,) * rank))
    dilations = tuple(node.get("dilations", (1,) * rank))
    pads = tuple(node.get("pads", (0,) * 2 * rank))
    lists = (sizes, strides, dilations)
    if (
        any(len(x) != rank or min(x) < 1 or max(x) > 1 << 16 for x in lists)
        or len(pads) != 2 * rank
    ):
        raise net.refuse(node, f"sizes {sizes}, strides {strides}, pads {pads} for {rank} axes")
    if min(pads) < 0 or max(pads) > 1 << 16:
        raise net.refuse(node, f"padding {pads}")
    auto = node.get("auto_pad", "NOTSET")
    begins, ends, counts = [], [], []
    for axis, size in enumerate(places):
        reach = (sizes[axis] - 1) * dilations[axis] + 1
        begin, end = (0, 0) if auto == "VALID" else (pads[axis], pads[rank + axis])
        count = -(-size // strides[axis])
        if auto.startswith("SAME"):
            total = max((count - 1) * strides[axis] + reach - size, 0)
            begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
            end = total - begin
        if max(begin, end) >= reach and "Pool" in node.op:
            # A window of padding alone has no mean and no maximum; onnxruntime refuses it too.
            raise net.refuse(node, f"padding of {max(begin, end)} around a window of {reach}")
        room = size + begin + end - reach
        if room < 0 and node.op != "ConvTranspose":
            raise net.refuse(node, f"a window of {reach} does not fit {size} places")
        begins.append(begin)
        ends.append(end)
        counts.append(_count(room, strides[axis], size + begin, bool(node.get("ceil_mode", 0))))
    spare = [
        max(e, (n - 1) * s + (k - 1) * d + 1 - size - b) if node.op != "ConvTranspose" else e
        for e, n, s, k, d, size, b in zip(
            ends, counts, strides, sizes, dilations, places, begins, strict=True
        )
    ]
    return Window(
        sizes, strides, dilations, tuple(begins), tuple(spare), tuple(ends), tuple(counts),
        tuple(places),
    )  # fmt: skip


def _count(room: int, stride: int, last: int, up: bool) -> int:
    """How many windows fit; rounded up, the last one must not begin in the padding at the end."""
    if not up:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= last else count


def pad_zeros(net: Builder, tensor: Any, begins: Sequence[int], ends: Sequence[int]) -> Any:
    """The tensor, channels last, with zeros around its places."""
    pads = tuple(zip(begins, ends, strict=True))
    return net.helper(f"ZeroPadding{len(pads)}D", tensor, pads[0] if len(pads) == 1 else pads)
