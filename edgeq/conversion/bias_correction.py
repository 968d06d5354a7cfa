"""Bias correction: what rounding of weights adds to every output on average is taken off again.

A rounded weight is off by d; its products are off by d times the input, on average by d times the
input's mean. Summed over a channel's weights that is a constant, which belongs into the bias.

Source: "Data-Free Quantization Through Weight Equalization and Bias Correction", Nagel et al.,
2019, section 4.2, with means measured on representative data.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import add_constant, indices, op_kinds
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.tensorflow import quiet
from edgeq.datasets import Dataset
from edgeq.graph import Graph, Op

_KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SAMPLES = 100
_INT8, _INT4 = 9, 17  # tensor types
_DTYPES = {2: np.int32, 4: np.int64}
Array = NDArray[Any]


def input_means(source: FloatModel, dataset: Dataset) -> dict[str, Array]:
    """Mean of the input of every layer with a bias, per channel, by the name of its weights.

    Args:
        source: The float model.
        dataset: Representative data; its first 100 samples are used.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(
            model_content=source.data, experimental_preserve_all_tensors=True, num_threads=2
        )
        interpreter.allocate_tensors()
    tensors = source.graph.main.tensors
    ops = [op for op in source.graph.main.ops if _has_bias(op, source.graph)]
    sums = {tensors[op.inputs[1]].name: np.zeros(1) for op in ops}
    details = interpreter.get_input_details()
    count = 0
    for sample in islice(dataset, _SAMPLES):
        for detail, value in zip(details, sample.inputs, strict=True):
            interpreter.set_tensor(detail["index"], value.reshape(detail["shape"]))
        interpreter.invoke()
        count += 1
        for op in ops:
            weights = tensors[op.inputs[1]]
            width = weights.shape[-1] if op.name == "FULLY_CONNECTED" else -1
            value = interpreter.get_tensor(op.inputs[0])
            value = value.reshape(-1, width if width > 0 else value.shape[-1])
            sums[weights.name] = sums[weights.name] + value.mean(axis=0, dtype=np.float64)
    return {name: total / max(count, 1) for name, total in sums.items()}


def correct_biases(model: Any, source: Graph, means: Mapping[str, Array]) -> dict[str, float]:
    """Largest change of a bias in each layer, in the units of its output, by the output's name.

    Args:
        model: The quantized model's ModelT; changed in place.
        source: The float model it came from; constants have the same names.
        means: From `input_means`.
    """
    kinds = op_kinds(model)
    graph = model.subgraphs[0]
    floats = {t.name: t.data for t in source.main.tensors if t.data is not None}
    found = {}
    for op in graph.operators:
        kind, inputs = kinds[op.opcodeIndex], indices(op.inputs)
        if kind not in _KINDS or len(inputs) < 3 or inputs[2] < 0:
            continue
        weights, bias = graph.tensors[inputs[1]], graph.tensors[inputs[2]]
        name = weights.name.decode()
        if name in means and weights.type in (_INT8, _INT4) and bias.type in _DTYPES:
            shift = _shift(kind, floats[name], _values(model, weights, floats[name]), means[name])
            _take_off(model, bias, shift)
            found[graph.tensors[indices(op.outputs)[0]].name.decode()] = float(np.abs(shift).max())
    return found


def _has_bias(op: Op, graph: Graph) -> bool:
    constant = op.name in _KINDS and graph.main.tensors[op.inputs[1]].data is not None
    return constant and len(op.inputs) > 2 and op.inputs[2] >= 0


def _values(model: Any, weights: Any, kernel: Array) -> Array:
    """What the quantized weights stand for, in the shape of the float kernel."""
    raw = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.uint8)
    if weights.type == _INT4:
        halves = np.stack([raw & 0x0F, raw >> 4], axis=1).ravel()[: kernel.size]
        integers = (halves ^ 8).astype(np.int8) - 8
    else:
        integers = raw.view(np.int8)
    scales = np.asarray(weights.quantization.scale, np.float64)
    spread = [1] * kernel.ndim
    spread[weights.quantization.quantizedDimension] = len(scales)
    return np.asarray(integers.reshape(kernel.shape) * scales.reshape(spread))


def _shift(kind: str, kernel: Array, rounded: Array, means: Array) -> Array:
    """What rounding adds to each output channel on average."""
    error = rounded - kernel
    if kind == "DEPTHWISE_CONV_2D":
        per_output = error.reshape(-1, error.shape[-1]).sum(axis=0)
        return np.asarray(per_output * np.repeat(means, len(per_output) // len(means)))
    per_input = error.reshape(error.shape[0], -1, error.shape[-1]).sum(axis=1)
    return np.asarray(per_input @ means)


def _take_off(model: Any, bias: Any, shift: Array) -> None:
    dtype = _DTYPES[bias.type]
    before = np.frombuffer(bytes(model.buffers[bias.buffer].data), dtype).astype(np.float64)
    scales = np.asarray(bias.quantization.scale, np.float64)
    limits = np.iinfo(np.int32)
    after = np.clip(np.round(before - shift / scales), limits.min, limits.max)
    bias.buffer = add_constant(model, after.astype(dtype))
