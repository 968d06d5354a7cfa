"""What the custom ops of TensorFlow Lite Micro share: their options, and int16 signals."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import Node, Unsupported, require
from edgeq.model.graph import Tensor
from edgeq.model.tflite.flexbuffer import Scalar, read_scalars
from edgeq.model.tflite.reader import Malformed

_INT32 = np.iinfo(np.int32)


def custom_options(node: Node) -> dict[str, Scalar]:
    """The options of a custom op by name.

    Raises:
        Unsupported: They cannot be read.
    """
    try:
        return read_scalars(node.op.custom_options)
    except Malformed as error:
        raise Unsupported(str(error)) from None


def int_option(node: Node, name: str, low: int = _INT32.min, high: int = _INT32.max) -> int:
    """One integer option.

    Raises:
        Unsupported: It is missing, of another type, or outside `low` to `high`.
    """
    value = custom_options(node).get(name)
    require(isinstance(value, int), f'its option "{name}" is missing or no integer')
    assert isinstance(value, int)
    require(low <= value <= high, f'its option "{name}" is {value}, not from {low} to {high}')
    return int(value)


def require_types(
    node: Node, inputs: tuple[str, ...], outputs: tuple[str, ...], *, state: bool = False
) -> None:
    """Raise Unsupported unless the op has these inputs and outputs.

    Args:
        inputs: Types of all inputs that the file gives.
        outputs: Types of all outputs.
        state: Whether the op's state follows as one more input.
    """
    counts = len(node.op.inputs) - state, len(node.op.outputs)
    expected = len(inputs), len(outputs)
    require(counts == expected, f"{counts[0]} inputs and {counts[1]} outputs, not {expected}")
    found = tuple(node.input(i).dtype for i in range(len(inputs)))
    made = tuple(node.output(i).dtype for i in range(len(outputs)))
    require(found == inputs, f"inputs of {found}, not {inputs}")
    require(made == outputs, f"outputs of {made}, not {outputs}")


def rows(tensor: Tensor) -> tuple[int, int]:
    """How many rows a tensor has, and how long they are (its last axis).

    Raises:
        Unsupported: It is a scalar or empty.
    """
    require(len(tensor.shape) > 0 and tensor.elements > 0, f"a tensor of shape {tensor.shape}")
    return math.prod(tensor.shape[:-1]), tensor.shape[-1]


def require_elements(tensor: Tensor, elements: int) -> None:
    """Raise Unsupported unless a tensor has so many elements."""
    require(tensor.elements == elements, f"shape {tensor.shape}, but {elements} elements needed")
