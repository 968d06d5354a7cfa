"""Convolutions and dense layers as matrix products: what their weights are multiplied with.

Every such layer is, in each of its groups of channels, a matrix of (outputs, taps) times a patch
of its input: one group for most layers, one per input channel for a depthwise convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.graph import Graph, Op, Tensor

_VALID = 1
Array = NDArray[Any]


@dataclass(frozen=True)
class Product:
    """A layer with constant weights.

    Attributes:
        op: The op of the float model.
        source, weights, output: Its tensors there.
        bias: What is added to every output channel; None for nothing.
        groups: Groups of channels that do not mix.
    """

    op: Op
    source: Tensor
    weights: Tensor
    output: Tensor
    bias: Tensor | None
    groups: int

    @property
    def taps(self) -> int:
        """Weights per output of one group."""
        outputs = self.weights.shape[-1 if self._depthwise else 0]
        return self.weights.elements // outputs

    @property
    def _depthwise(self) -> bool:
        return self.op.name == "DEPTHWISE_CONV_2D"

    def matrix(self, kernel: Array) -> Array:
        """A kernel, of the shape of the weights, as (groups, outputs, taps)."""
        if self._depthwise:
            return np.asarray(kernel.reshape(self.taps, self.groups, -1).transpose(1, 2, 0))
        return np.asarray(kernel.reshape(self.groups, -1, self.taps))

    def kernel(self, matrix: Array) -> Array:
        """A matrix of (groups, outputs, taps) in the shape of the weights."""
        if self._depthwise:
            matrix = matrix.transpose(2, 0, 1)
        return np.ascontiguousarray(matrix.reshape(self.weights.shape))

    def patches(self, value: Array, most: int, seed: int) -> Array:
        """What the weights are multiplied with at some places of an input.

        Args:
            value: The input.
            most: At most so many places are taken, each once, drawn at random.
            seed: Of the drawing.

        Returns:
            Shape (groups, places, taps).
        """
        if self.op.name == "FULLY_CONNECTED":
            return _drawn(value.reshape(-1, self.taps), most, seed)[None]
        height, width = self.weights.shape[1:3]
        count, rows, columns, channels = value.shape
        down, top = self._steps("h", height, rows, self.output.shape[1])
        across, left = self._steps("w", width, columns, self.output.shape[2])
        places = _drawn(np.arange(count * len(down) * len(across)), most, seed)
        images, y, x = np.unravel_index(places, (count, len(down), len(across)))
        padded = np.pad(value, ((0, 0), (top, down.max()), (left, across.max()), (0, 0)))
        found = padded[images[:, None, None], down[y][:, :, None], across[x][:, None, :]]
        grouped = found.reshape(len(places), height * width, self.groups, channels // self.groups)
        by_group = grouped.transpose(2, 0, 1, 3)
        return np.asarray(by_group.reshape(self.groups, len(places), self.taps))

    def _steps(self, axis: str, kernel: int, size: int, out: int) -> tuple[Array, int]:
        """Padded rows (or columns) under the kernel for each output, and the padding before.

        Source: TFLite `ComputePaddingHeightWidth`.
        """
        stride = self.op.options[f"stride_{axis}"]
        dilation = self.op.options[f"dilation_{axis}_factor"]
        before = 0
        if self.op.options["padding"] != _VALID:
            before = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0) // 2
        return np.arange(out)[:, None] * stride + np.arange(kernel) * dilation, before


def products(graph: Graph) -> list[Product]:
    """The convolutions and dense layers of the main subgraph that have constant weights."""
    tensors = graph.main.tensors
    found = []
    for op in graph.main.ops:
        if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        source, weights, output = (tensors[i] for i in (*op.inputs[:2], op.outputs[0]))
        if weights.data is None or source.data is not None:
            continue
        groups = 1
        if op.name != "FULLY_CONNECTED":
            depthwise = op.name == "DEPTHWISE_CONV_2D"
            groups = source.shape[3] // (1 if depthwise else weights.shape[3])
        bias = tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
        found.append(Product(op, source, weights, output, bias, groups))
    return found


def _drawn(rows: Array, most: int, seed: int) -> Array:
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]
