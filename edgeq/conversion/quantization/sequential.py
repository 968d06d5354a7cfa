"""Layers rounded one after the other, each for the inputs that the rounded ones before it give.

Seven of eight samples are learned from, the eighth is judged on: a layer keeps its plain integers
where others do not pay there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from edgeq.conversion.calibration.moments import calibration_samples
from edgeq.conversion.calibration.products import Product, products
from edgeq.conversion.flatbuffer import TENSOR_CODES, add_constant, indices, op_kinds, unpack
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.passes.tables import STAND_IN
from edgeq.conversion.quantization.adaptive_rounding import Rounding
from edgeq.conversion.quantization.reconstruction import (
    Array,
    PairedMoments,
    Rebuilt,
    rebuild,
)
from edgeq.conversion.quantization.walk import Walk
from edgeq.conversion.stored_weights import (
    WEIGHT_LIMITS,
    read_weights,
    scales_like,
    write_weights,
)
from edgeq.data import Dataset
from edgeq.devices.interpreters import LiteRtOptions
from edgeq.support.progress import track

_PLACES = 128
_UNSEEN = 8
_TOGETHER = 32
_LEAST_SCALE = 1e-9
_ON_THE_GRID = 1e-3
_FEW_SIZES = 3
# Leaves an int32 accumulator two bits of room for the products.
_LARGEST_BIAS = 1 << 29
_BUDGET_BYTES = 1 << 29
_BIAS_TYPES = {TENSOR_CODES["int32"]: np.int32, TENSOR_CODES["int64"]: np.int64}
_TYPES = {TENSOR_CODES[name]: name for name in ("int8", "uint8", "int16")}


def can_walk(model: Any, source: FloatModel) -> bool:
    """Whether a model can be run op by op: no control flow, no state, nothing cut out.

    Nor may an op stand for a table, which it does not compute.
    """
    resource = TENSOR_CODES["resource"]
    whole = len(indices(model.subgraphs[0].inputs)) == len(source.inputs)
    return (
        whole
        and STAND_IN not in op_kinds(model)
        and len(model.subgraphs) == 1
        and not any(
            tensor.isVariable or tensor.type == resource for tensor in model.subgraphs[0].tensors
        )
    )


def round_sequentially(model: Any, source: FloatModel, dataset: Dataset) -> dict[str, Rounding]:
    """What was done to each layer, by the name of its output.

    Args:
        model: The quantized model's ModelT; weights, their scales and biases are changed in place.
        source: The float model it came from; constants have the same names.
        dataset: Representative data; a few hundred samples are used.
    """
    real = unpack(source.data)
    samples = [sample.inputs for sample in calibration_samples(dataset)]
    exact = _inputs(real.subgraphs[0], samples)
    exact_walk = Walk(real, exact, LiteRtOptions())
    integers = dict(zip(indices(model.subgraphs[0].inputs), exact.values(), strict=True))
    ours = {i: _quantized(v, model.subgraphs[0].tensors[i]) for i, v in integers.items()}
    walk = Walk(model, ours, LiteRtOptions(delegate="none"))
    layers = _layers(model, source)
    if any(_Layer(model, _op(model, place), layer).trained() for place, layer in layers):
        # The other layers have learned with rounding to nearest; changes would undo that.
        left_alone = Rounding(None, None, 0.0, "trained on these integers")
        return {layer.output.name: left_alone for _, layer in layers}
    found: dict[str, Rounding] = {}
    sharing: dict[str, list[_Layer]] = {}
    for position, layer in layers:
        sharing.setdefault(layer.weights.name, []).append(
            _Layer(model, _op(model, position), layer)
        )
    for position, layer in track(layers, "rounding", len(layers)):
        if layer.weights.name not in sharing:
            continue
        target, *others = sharing.pop(layer.weights.name)
        if target.readers() > 1 + len(others):
            skipped = "its weights are more than a layer's"
            found[layer.output.name] = Rounding(None, None, 0.0, skipped)
            continue
        if 6 * layer.groups * layer.taps**2 * 8 > _BUDGET_BYTES:
            skipped = f"{layer.taps:,} weights per output are too many"
            found[layer.output.name] = Rounding(None, None, 0.0, skipped)
            continue
        walk.to(position)
        exact_walk.to(layer.op.index)
        given = target.real(walk.value(target.source))
        exact_value = exact_walk.value(layer.source.index)
        found[layer.output.name] = target.round(exact_value, given, others)
    return found


def _layers(model: Any, source: FloatModel) -> list[tuple[int, Product]]:
    """Positions of the integer model's layers with integer weights, and what they came from."""
    graph = model.subgraphs[0]
    known: dict[str, list[Product]] = {}
    for layer in products(source.graph):
        known.setdefault(layer.weights.name, []).append(layer)
    found = []
    for position, op in enumerate(graph.operators):
        inputs = indices(op.inputs)
        if len(inputs) < 2 or inputs[1] < 0:
            continue
        weights = graph.tensors[inputs[1]]
        same = known.get((weights.name or b"").decode())
        if same and weights.type in WEIGHT_LIMITS and graph.tensors[inputs[0]].type in _TYPES:
            found.append((position, same.pop(0)))
    return found


def _op(model: Any, position: int) -> Any:
    return model.subgraphs[0].operators[position]


def _inputs(graph: Any, samples: list[Any]) -> dict[int, Array]:
    """All samples of each input, by tensor."""
    return {
        index: np.stack([s[place].reshape(indices(graph.tensors[index].shape)) for s in samples])
        for place, index in enumerate(indices(graph.inputs))
    }


def _quantized(values: Array, tensor: Any) -> Array:
    """Real numbers in the type and scale of a model input; as they are where it has none."""
    if tensor.type not in _TYPES or tensor.quantization is None:
        return values
    dtype = _TYPES[tensor.type]
    limits = np.iinfo(dtype)
    steps = np.round(values / tensor.quantization.scale[0]) + tensor.quantization.zeroPoint[0]
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(dtype))


class _Layer:
    """One layer of the integer model."""

    def __init__(self, model: Any, op: Any, layer: Product) -> None:
        self._model, self._layer = model, layer
        inputs = indices(op.inputs)
        self._place = inputs[1]
        tensors = model.subgraphs[0].tensors
        self.source = inputs[0]
        self._source, self._weights = tensors[inputs[0]], tensors[inputs[1]]
        self._bias = tensors[inputs[2]] if len(inputs) > 2 and inputs[2] >= 0 else None
        self._biased = self._bias is not None and self._bias.type in _BIAS_TYPES

    def trained(self) -> bool:
        """Whether the float weights are these integers already, as training for few bits ends.

        Of few sizes are also those that nobody trained: zeros, a mean, a choice of channels.
        """
        kernel = np.asarray(self._layer.weights.data, np.float64)
        now = self._now(kernel)
        sizes = np.unique(np.abs(now.integers))
        return len(sizes) > _FEW_SIZES and now.equals(self._layer.matrix(kernel))

    def readers(self) -> int:
        """How many ops read the weights."""
        graph = self._model.subgraphs[0]
        return sum(self._place in indices(op.inputs) for op in graph.operators)

    def real(self, values: Array) -> Array:
        """The input's integers as real numbers."""
        found = self._source.quantization
        return np.asarray((values.astype(np.float32) - found.zeroPoint[0]) * found.scale[0])

    def round(self, exact: Array, given: Array, others: Sequence[_Layer]) -> Rounding:
        """Give the layer other integers where that pays.

        Args:
            exact: Its input in the float model, samples on the first axis.
            given: The same as the integer model computes it.
            others: The layers that have the same weights.
        """
        layer = self._layer
        kernel = np.asarray(layer.weights.data, np.float64)
        if self._trained_for(kernel):
            return Rounding(None, None, 0.0, "its weights are trained for their integers")
        known = PairedMoments(layer.groups, layer.taps, judging=False)
        unseen = PairedMoments(layer.groups, layer.taps, judging=True)
        for first in range(_UNSEEN):
            part = unseen if first == _UNSEEN - 1 else known
            self._collect(part, exact[first::_UNSEEN], given[first::_UNSEEN])
        if not unseen.count:
            return Rounding(None, None, 0.0, "too few samples to judge by")
        weights = layer.matrix(kernel)
        before = self._now(kernel)
        after = rebuild(
            weights,
            known,
            WEIGHT_LIMITS[self._weights.type],
            self._least_scales(weights, known),
            biased=self._biased,
        )
        noise, signal = before.errors(weights, unseen)
        less, _ = after.errors(weights, unseen)
        if less >= noise:
            return Rounding(_decibels(signal, noise), _decibels(signal, noise), 0.0)
        self._write(after)
        for other in others:
            other.write_bias(np.zeros_like(after.shift))
        changed = float((after.integers != before.integers).mean())
        return Rounding(_decibels(signal, noise), _decibels(signal, less), changed)

    def _trained_for(self, kernel: Array) -> bool:
        """Whether the integers are the weights: training has chosen them, and what goes before."""
        scales = scales_like(self._weights, kernel.ndim)
        rounded = read_weights(self._model, self._weights, kernel.shape) * scales
        return bool((np.abs(rounded - kernel) <= _ON_THE_GRID * scales).all())

    def _collect(self, moments: PairedMoments, exact: Array, given: Array) -> None:
        """Take samples in, several at a time, since each addition touches all products."""
        pairs = zip(exact, given, strict=True)
        for first in range(0, len(exact), _TOGETHER):
            patches = [
                [self._layer.patches(x, _PLACES, number) for x in pair]
                for number, pair in enumerate(islice(pairs, _TOGETHER), first)
            ]
            moments.add(*(np.concatenate(side, axis=1) for side in zip(*patches, strict=True)))

    def _least_scales(self, weights: Array, moments: PairedMoments) -> Array:
        """Scales that leave the bias, with all that the means may add to it, room in 32 bits."""
        mean, _ = moments.means()
        largest = np.abs(weights @ mean[:, :, None])[:, :, 0]
        if self._layer.bias is not None and self._layer.bias.data is not None:
            largest = largest + np.abs(self._layer.bias.data).reshape(largest.shape)
        step = float(self._source.quantization.scale[0])
        least = np.maximum(2 * largest / (step * _LARGEST_BIAS), _LEAST_SCALE)
        if len(self._weights.quantization.scale) == 1:
            return np.asarray(least.max(keepdims=True))
        return np.asarray(least)

    def _now(self, kernel: Array) -> Rebuilt:
        """The layer as it is."""
        integers = read_weights(self._model, self._weights, kernel.shape)
        scales = np.broadcast_to(scales_like(self._weights, kernel.ndim), kernel.shape)
        shape = self._layer.matrix(kernel).shape[:2]
        per_output = self._layer.matrix(scales)[:, :, 0]
        return Rebuilt(self._layer.matrix(integers), per_output, np.zeros(shape))

    def _write(self, found: Rebuilt) -> None:
        """Write weights, their scales, and the bias."""
        layer, weights = self._layer, self._weights
        write_weights(self._model, weights, layer.kernel(found.integers.astype(np.int8)))
        scales = found.scales.ravel().astype(np.float32)
        one = len(weights.quantization.scale) == 1
        weights.quantization.scale = scales[:1] if one else scales
        self.write_bias(found.shift)

    def write_bias(self, shift: Array) -> None:
        """Write the bias, which has a scale of its own after the weights', with something added."""
        layer = self._layer
        if self._bias is None or not self._biased:
            return
        real = np.zeros(shift.size)
        if layer.bias is not None and layer.bias.data is not None:
            real = np.asarray(layer.bias.data, np.float64).ravel()
        scales = np.asarray(self._weights.quantization.scale, np.float64)
        step = scales * self._source.quantization.scale[0]
        dtype = _BIAS_TYPES[self._bias.type]
        limits = np.iinfo(np.int32)
        steps = np.round((real + shift.ravel()) / step)
        if dtype == np.int32:
            steps = np.clip(steps, limits.min, limits.max)
        self._bias.quantization.scale = step.astype(np.float32)
        self._bias.buffer = add_constant(self._model, steps.astype(dtype))


def _decibels(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
