"""Bias correction: what rounding of weights adds to every output on average is taken off again.

A rounded weight is off by d; its products are off by d times the input, on average by d times the
input's mean. Summed over a channel's weights that is a constant, which belongs into the bias.

Source: "Data-Free Quantization Through Weight Equalization and Bias Correction", Nagel et al.,
2019, section 4.2, with means measured on representative data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.calibration.moments import calibration_samples, collect
from edgeq.conversion.calibration.products import Product, products
from edgeq.conversion.flatbuffer import add_constant, indices
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.stored_weights import WEIGHT_LIMITS, read_weights, scales_like
from edgeq.data import Dataset

_INT32, _INT64 = 2, 4  # tensor types
_DTYPES = {_INT32: np.int32, _INT64: np.int64}


def correct_biases(model: Any, source: FloatModel, dataset: Dataset) -> dict[str, float]:
    """Largest change of a bias in each layer, in the units of its output, by the output's name.

    Args:
        model: The quantized model's ModelT; changed in place.
        source: The float model it came from; constants have the same names.
        dataset: Representative data; a few hundred samples are used.
    """
    quantized = _weights_and_biases(model)
    layers = [layer for layer in products(source.graph) if _names(layer) in quantized]
    means = collect(source, calibration_samples(dataset), layers, apart=True)
    found = {}
    for layer in layers:
        weights, bias = quantized[_names(layer)]
        kernel = np.asarray(layer.weights.data, np.float64)
        rounded = read_weights(model, weights, kernel.shape) * scales_like(weights, kernel.ndim)
        (moments,) = means[layer.output.name]
        shift = (layer.matrix(rounded - kernel) @ moments.mean[:, :, None]).ravel()
        _take_off(model, bias, shift)
        found[layer.output.name] = float(np.abs(shift).max())
    return found


def _names(layer: Product) -> tuple[str, str]:
    """Names of weights and bias; the quantized model has the same."""
    return layer.weights.name, layer.bias.name if layer.bias else ""


def _weights_and_biases(model: Any) -> dict[tuple[str, str], tuple[Any, Any]]:
    """The constants of the layers that have both in integers, by their names."""
    graph = model.subgraphs[0]
    found = {}
    for op in graph.operators:
        inputs = indices(op.inputs)
        if len(inputs) < 3 or min(inputs[1:3]) < 0:
            continue
        weights, bias = graph.tensors[inputs[1]], graph.tensors[inputs[2]]
        if weights.type in WEIGHT_LIMITS and bias.type in _DTYPES:
            found[weights.name.decode(), bias.name.decode()] = (weights, bias)
    return found


def _take_off(model: Any, bias: Any, shift: NDArray[np.float64]) -> None:
    dtype = _DTYPES[bias.type]
    before = np.frombuffer(bytes(model.buffers[bias.buffer].data), dtype).astype(np.float64)
    scales = np.asarray(bias.quantization.scale, np.float64)
    after = np.round(before - shift / scales)
    if bias.type == _INT32:
        limits = np.iinfo(np.int32)
        after = np.clip(after, limits.min, limits.max)
    bias.buffer = add_constant(model, after.astype(dtype))
