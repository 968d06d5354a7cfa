"""The weights of Keras layers: where they are, and which axis their output channels are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Class -> (attribute, axes that a scale per output channel is shared over, bits it may have).
_PLAIN = "kernel"


@dataclass(frozen=True)
class Kernel:
    """One weight tensor of a layer.

    Attributes:
        attribute: Its name, such as "kernel".
        shared: Axes that one output channel extends over.
        depthwise: Whether each input channel has weights of its own.
    """

    attribute: str
    shared: tuple[int, ...]
    depthwise: bool = False


_KERNELS: dict[str, tuple[Kernel, ...]] = {
    "Dense": (Kernel(_PLAIN, (0,)),),
    "Conv1D": (Kernel(_PLAIN, (0, 1)),),
    "Conv2D": (Kernel(_PLAIN, (0, 1, 2)),),
    "Conv2DTranspose": (Kernel(_PLAIN, (0, 1, 3)),),
    "DepthwiseConv1D": (Kernel(_PLAIN, (0,), depthwise=True),),
    "DepthwiseConv2D": (Kernel(_PLAIN, (0, 1), depthwise=True),),
    "SeparableConv1D": (
        Kernel("depthwise_kernel", (0,), depthwise=True),
        Kernel("pointwise_kernel", (0, 1)),
    ),
    "SeparableConv2D": (
        Kernel("depthwise_kernel", (0, 1), depthwise=True),
        Kernel("pointwise_kernel", (0, 1, 2)),
    ),
}


def kernels_of(layer: Any) -> tuple[Kernel, ...]:
    """The weight tensors of a layer that edgeq can compress; none for other layers."""
    return _KERNELS.get(type(layer).__name__, ())


def variable(layer: Any, kernel: Kernel) -> Any:
    """The Keras variable behind a kernel."""
    found = getattr(layer, "_" + kernel.attribute, None)
    return getattr(layer, kernel.attribute) if found is None else found


def other_weights(layer: Any) -> bool:
    """Whether a layer has weight matrices that edgeq does not know how to compress."""
    return not kernels_of(layer) and any(
        len(weight.shape) > 1 for weight in getattr(layer, "trainable_weights", ())
    )
