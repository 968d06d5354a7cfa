"""Error of each layer: the integer model's activations against the float model's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.devices.faults import faults_of_plain_kernels
from edgeq.devices.registry import open_device
from edgeq.model.arrays import dequantize, input_tensors, to_input
from edgeq.model.graph import Graph, Op, Tensor, numpy_dtype
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array

# The arithmetic of the contract, with every intermediate tensor readable; where its kernels are
# known to be wrong, LiteRT's usual ones.
_TRACER, _SOUND_TRACER = "local?kernels=reference", "local?delegate=none"

Matched = tuple[Op, Tensor, int]
"""An op of the integer model, its output tensor, and the float model's tensor index."""


@dataclass(frozen=True)
class LayerError:
    """How far one op's integer output is from the float model's.

    Attributes:
        index: Op of the integer model.
        op: Builtin name.
        name: Name of the output tensor, the same in both models.
        sqnr_db: Signal to quantization noise ratio; None where there is no noise or no signal.
        cosine: Cosine between the two activations.
        max_error: Largest absolute difference, in real numbers.
        range_use: Share of the integer range that occurs.
        saturated: Share of values at either end of the integer range.
    """

    index: int
    op: str
    name: str
    sqnr_db: float | None
    cosine: float
    max_error: float
    range_use: float
    saturated: float


@dataclass
class _Sums:
    """Running sums of one tensor over all samples."""

    signal: float = 0.0
    noise: float = 0.0
    dot: float = 0.0
    power: float = 0.0
    largest: float = 0.0
    low: int = np.iinfo(np.int64).max
    high: int = np.iinfo(np.int64).min
    saturated: int = 0
    count: int = 0

    def add(self, real: Array, integer: Array, tensor: Tensor) -> None:
        """Take one sample's activation into account."""
        exact = real.astype(np.float64).ravel()
        rounded = dequantize(integer, tensor).astype(np.float64).ravel()
        self.signal += float(exact @ exact)
        self.noise += float(((exact - rounded) ** 2).sum())
        self.dot += float(exact @ rounded)
        self.power += float(rounded @ rounded)
        self.largest = max(self.largest, float(np.abs(exact - rounded).max()))
        limits = np.iinfo(numpy_dtype(tensor.dtype))
        self.low = min(self.low, int(integer.min()))
        self.high = max(self.high, int(integer.max()))
        self.saturated += int(((integer == limits.min) | (integer == limits.max)).sum())
        self.count += integer.size

    def result(self, op: Op, tensor: Tensor) -> LayerError:
        """What the sums say."""
        limits = np.iinfo(numpy_dtype(tensor.dtype))
        both = math.sqrt(self.signal * self.power)
        known = self.signal > 0 and self.noise > 0
        return LayerError(
            index=op.index,
            op=op.name,
            name=tensor.name,
            sqnr_db=10 * math.log10(self.signal / self.noise) if known else None,
            cosine=self.dot / both if both else 1.0,
            max_error=self.largest,
            range_use=(self.high - self.low) / (limits.max - limits.min),
            saturated=self.saturated / self.count,
        )


def layer_errors(
    float_model: str | Path,
    integer_model: str | Path,
    samples: Iterable[Sequence[Array]],
    pairs: Sequence[Matched] | None = None,
) -> list[LayerError]:
    """The error of every op whose output tensor has the same name and shape in both models.

    Args:
        float_model: The float .tflite.
        integer_model: The .tflite that was made from it.
        samples: Inputs in real numbers: one array per model input, without a batch axis.
        pairs: What is compared, where more is known of the two models than names.

    Raises:
        EdgeqError: A model cannot be read or run.
    """
    graphs = read_graph(float_model), read_graph(integer_model)
    pairs = _matching(*graphs) if pairs is None else pairs
    sums = {tensor.index: _Sums() for _, tensor, _ in pairs}
    device = open_device(_SOUND_TRACER if faults_of_plain_kernels(graphs[1]) else _TRACER)
    options = CompileOptions()
    with (
        device.open(Path(float_model), options) as real,
        device.open(Path(integer_model), options) as integer,
    ):
        for sample in samples:
            exact = real.trace(_one(graphs[0], sample))
            rounded = integer.trace(_one(graphs[1], sample))
            for _, tensor, other in pairs:
                if other not in exact or tensor.index not in rounded:
                    continue  # what a loop hands on to nobody has no value
                sums[tensor.index].add(exact[other], rounded[tensor.index], tensor)
    return [sums[t.index].result(op, t) for op, t, _ in pairs if sums[t.index].count]


def _one(graph: Graph, sample: Sequence[Array]) -> list[Array]:
    """One call's inputs in the model's own dtypes."""
    return [
        to_input(np.asarray(array)[None], tensor, tensor.name)[0]
        for array, tensor in zip(sample, input_tensors(graph.main), strict=True)
    ]


def _matching(real: Graph, integer: Graph) -> list[Matched]:
    """What both models have, by name and shape."""
    produced = {
        real.main.tensors[index].name: real.main.tensors[index]
        for op in real.main.ops
        for index in op.outputs
    }
    outputs = [(op, integer.main.tensors[index]) for op in integer.main.ops for index in op.outputs]
    return [
        (op, tensor, produced[tensor.name].index)
        for op, tensor in outputs
        if tensor.quantization is not None
        and "int" in tensor.dtype
        and tensor.name in produced
        and produced[tensor.name].shape == tensor.shape
    ]
