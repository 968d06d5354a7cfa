"""Weights of float32 layers in the order in which the kernels for Arm FPUs read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Constant, Node

FLOAT_TYPES = ("float32", "float32", "float32")


def suits(node: Node) -> bool:
    """Whether the core has forms for a float32 layer with these weights."""
    return node.isa.has("fpu") and node.input(1).data is not None


def stream(weights: NDArray[Any], bias: NDArray[Any], together: int) -> NDArray[np.float32]:
    """Rows side by side: a weight of each for every value, then their biases.

    Args:
        weights: (rows, values); rows are filled up with zeros.
        together: Rows of a group.
    """
    rows = np.concatenate([weights, bias[:, None]], axis=1).astype(np.float32)
    rows = np.pad(rows, ((0, -len(rows) % together), (0, 0)))
    groups: NDArray[np.float32] = rows.reshape(-1, together, rows.shape[1]).transpose(0, 2, 1)
    return groups.reshape(-1)


def weight_table(values: NDArray[np.float32], note: str) -> Constant:
    """The one table of such a layer."""
    return Constant("weights", "float", values, note)
