"""The weights of Keras layers: where they are, and which axes an output channel extends over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import kind_of
from edgeq.support.array import Array


@dataclass(frozen=True)
class Kernel:
    """One weight tensor of a layer.

    Attributes:
        attribute: Its name, such as "kernel".
        shared: Axes that one output channel extends over.
        op: What it becomes in the .tflite file, which decides about its bits.
        part: Which layer inside the layer has it (a cell, what Bidirectional wraps); 0 is itself.
    """

    attribute: str
    shared: tuple[int, ...]
    op: str = "CONV_2D"
    part: int = 0

    @property
    def depthwise(self) -> bool:
        """Whether each input channel has weights of its own."""
        return self.op == "DEPTHWISE_CONV_2D"

    @property
    def dense(self) -> bool:
        """Whether it is a matrix that multiplies a vector."""
        return self.op == "FULLY_CONNECTED"


_DENSE = Kernel("kernel", (0,), "FULLY_CONNECTED")
_CELL = (_DENSE, Kernel("recurrent_kernel", (0,), "FULLY_CONNECTED"))
_KERNELS: dict[str, tuple[Kernel, ...]] = {
    "Dense": (_DENSE,),
    "LSTMCell": _CELL,
    "GRUCell": _CELL,
    "SimpleRNNCell": _CELL,
    "ConvLSTMCell": (Kernel("kernel", (0, 1, 2)), Kernel("recurrent_kernel", (0, 1, 2))),
    "Conv1D": (Kernel("kernel", (0, 1)),),
    "Conv2D": (Kernel("kernel", (0, 1, 2)),),
    "Conv1DTranspose": (Kernel("kernel", (0, 2), "TRANSPOSE_CONV"),),
    "Conv2DTranspose": (Kernel("kernel", (0, 1, 3), "TRANSPOSE_CONV"),),
    "DepthwiseConv1D": (Kernel("kernel", (0,), "DEPTHWISE_CONV_2D"),),
    "DepthwiseConv2D": (Kernel("kernel", (0, 1), "DEPTHWISE_CONV_2D"),),
    "SeparableConv1D": (
        Kernel("depthwise_kernel", (0,), "DEPTHWISE_CONV_2D"),
        Kernel("pointwise_kernel", (0, 1)),
    ),
    "SeparableConv2D": (
        Kernel("depthwise_kernel", (0, 1), "DEPTHWISE_CONV_2D"),
        Kernel("pointwise_kernel", (0, 1, 2)),
    ),
}


def kernels_of(layer: Any) -> tuple[Kernel, ...]:
    """The weight tensors of a layer that edgeq can compress, those of layers inside it included."""
    return tuple(
        Kernel(kernel.attribute, kernel.shared, kernel.op, number)
        for number, part in enumerate(_parts(layer))
        for kernel in _own_kernels(part)
    )


def _own_kernels(part: Any) -> tuple[Kernel, ...]:
    if kind_of(part) == "EinsumDense":
        _, kernel, result = part.equation.replace("->", ",").replace(" ", "").split(",")
        summed = tuple(axis for axis, label in enumerate(kernel) if label not in result)
        return (Kernel("kernel", summed, "FULLY_CONNECTED"),)
    return _KERNELS.get(kind_of(part), ())


def _parts(layer: Any) -> list[Any]:
    """The layer and those inside it (Bidirectional, cells, attention), always in one order."""
    return list(layer._flatten_layers()) if hasattr(layer, "_flatten_layers") else [layer]


def variable(layer: Any, kernel: Kernel) -> Any:
    """The Keras variable behind a kernel."""
    part = _parts(layer)[kernel.part]
    found = getattr(part, "_" + kernel.attribute, None)
    return getattr(part, kernel.attribute) if found is None else found


def as_matrix(weights: Array, kernel: Kernel) -> Array:
    """A kernel's weights as a matrix (inputs, outputs); `from_matrix` undoes it."""
    order = _order(weights, kernel)
    inputs = np.prod([weights.shape[axis] for axis in kernel.shared], dtype=int)
    matrix: Array = weights.transpose(order).reshape(inputs, -1)
    return matrix


def from_matrix(matrix: Array, like: Array, kernel: Kernel) -> Array:
    """A matrix (inputs, outputs) in the shape of a kernel's weights."""
    order = _order(like, kernel)
    weights: Array = matrix.reshape([like.shape[a] for a in order]).transpose(np.argsort(order))
    return weights


def _order(weights: Array, kernel: Kernel) -> tuple[int, ...]:
    rest = (axis for axis in range(weights.ndim) if axis not in kernel.shared)
    return (*kernel.shared, *rest)


def other_weights(layer: Any) -> bool:
    """Whether a layer has weight matrices that edgeq does not know how to compress."""
    known = {id(variable(layer, kernel)) for kernel in kernels_of(layer)}
    biases = ("bias", "recurrent_bias")
    return any(
        len(weight.shape) > 1 and id(weight) not in known and weight.name not in biases
        for weight in getattr(layer, "trainable_weights", ())
    )


def untouched(model: Any) -> tuple[str, ...]:
    """A warning that names the layers that compression leaves as they are, if there are any."""
    left = [layer.name for layer in model.layers if other_weights(layer)]
    return (f"Left as they are: the weights of {', '.join(left)}.",) if left else ()


def built_copy(layer: Any) -> Any:
    """A new layer like a built one, built, with the same weights."""
    new = type(layer).from_config(layer.get_config())
    new.build_from_config(layer.get_build_config())
    take_weights(new, layer)
    return new


def take_weights(new: Any, old: Any) -> None:
    """Give a layer the weights of another, and where its random numbers stand."""
    new.set_weights(old.get_weights())
    for mine, other in zip(_parts(new), _parts(old), strict=False):
        if hasattr(mine, "seed_generator") and hasattr(other, "seed_generator"):
            mine.seed_generator.state.assign(other.seed_generator.state)
    if hasattr(new, "finalize_state"):  # Normalization computes with what it derives from them
        new.finalize_state()
