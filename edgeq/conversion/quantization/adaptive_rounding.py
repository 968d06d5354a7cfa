"""Weights of a quantized model rounded by what that does to the outputs of their layers.

Integers are found on one half of the samples and judged on the other: a layer is changed only if
its error falls there too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.conversion.calibration.moments import Moments, calibration_samples, collect
from edgeq.conversion.calibration.products import Product, products
from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.quantization.rounding import adaptive_integers, output_errors
from edgeq.conversion.stored_weights import (
    WEIGHT_LIMITS,
    read_weights,
    scales_like,
    write_weights,
)
from edgeq.data import Dataset
from edgeq.model.loops import LOOPS
from edgeq.support.progress import track

METHODS = ("nearest", "adaptive", "sequential")


def usual_rounding(scheme: str) -> str:
    """How weights become integers unless asked for otherwise: 4 bits need the best."""
    return "sequential" if scheme == "int4" else "nearest"


_OTHERS = frozenset({"BATCH_MATMUL", "CONV_3D", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM"})
# Second moments, two per layer: what one pass over the samples may hold.
_BUDGET_BYTES = 1 << 28
_VALUE_BYTES = 8


@dataclass(frozen=True)
class Rounding:
    """What adaptive rounding did to a layer, measured on samples that it was not chosen on.

    Attributes:
        before_db, after_db: Signal to noise of the layer's products with exact inputs, rounded to
            nearest and adaptively; None where there is no noise or no signal.
        changed: Share of the weights that are other integers now; 0 where it did not pay.
        skipped: Why nothing was tried; empty otherwise.
    """

    before_db: float | None
    after_db: float | None
    changed: float
    skipped: str = ""


def round_adaptively(model: Any, source: FloatModel, dataset: Dataset) -> dict[str, Rounding]:
    """What was done to each layer, by the name of its output.

    Args:
        model: The quantized model's ModelT; changed in place.
        source: The float model it came from; constants have the same names.
        dataset: Representative data; a few hundred samples are used.
    """
    quantized = _quantized_weights(model)
    sharing: dict[str, list[Product]] = {}
    for layer in products(source.graph):
        if layer.weights.name in quantized:
            sharing.setdefault(layer.weights.name, []).append(layer)
    found: dict[str, Rounding] = {}
    samples = calibration_samples(dataset)
    for names in _batches({name: _bytes(layers[0]) for name, layers in sharing.items()}):
        batch = [layer for name in names for layer in sharing[name]]
        moments = collect(source, samples, batch, parts=2, squares=True, label="layer inputs")
        for name in track(names, "rounding", len(names)):
            found[name] = _round(model, quantized[name], sharing[name][0], *moments[name])
    return {
        layers[0].output.name: found.get(name) or _too_wide(layers[0])
        for name, layers in sharing.items()
    }


def rounded_to_nearest(source: FloatModel) -> dict[str, Rounding]:
    """The layers whose weights no method but rounding to nearest knows, by the name of a result.

    What steps of a loop do to the next ones is nothing that one product could tell.

    Args:
        source: The float model.
    """
    main = source.graph.main
    found: dict[str, Rounding] = {}
    for op in main.ops:
        weights = op.inputs[1:] if op.name in _OTHERS else ()
        if op.name in LOOPS:
            where = "inside a loop"
        elif any(i >= 0 and main.tensors[i].data is not None for i in weights):
            where = f"of {op.name}"
        else:
            continue
        # Of what a loop gives, its counter comes first and what the model reads last.
        name = main.tensors[op.outputs[-1]].name
        found[name] = Rounding(None, None, 0.0, f"weights {where} are rounded to nearest")
    return found


def _quantized_weights(model: Any) -> dict[str, Any]:
    """Integer constants of the quantized model by name."""
    return {
        tensor.name.decode(): tensor
        for op in model.subgraphs[0].operators
        for tensor in (model.subgraphs[0].tensors[i] for i in indices(op.inputs)[1:2] if i >= 0)
        if tensor.type in WEIGHT_LIMITS and tensor.quantization is not None
    }


def _bytes(layer: Product) -> int:
    return 2 * layer.groups * layer.taps**2 * _VALUE_BYTES


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """What may be in memory together, in order; what is too large even alone is left out."""
    batch: list[str] = []
    room = _BUDGET_BYTES
    for name, size in sizes.items():
        if size > _BUDGET_BYTES:
            continue
        if size > room:
            yield batch
            batch, room = [], _BUDGET_BYTES
        batch.append(name)
        room -= size
    if batch:
        yield batch


def _too_wide(layer: Product) -> Rounding:
    return Rounding(None, None, 0.0, f"{layer.taps:,} weights per output are too many")


def _round(model: Any, tensor: Any, layer: Product, known: Moments, unseen: Moments) -> Rounding:
    """Round one layer's weights; keep the result if it is better on the unseen half."""
    if not unseen.count:
        return Rounding(None, None, 0.0, "one sample leaves none to judge by")
    kernel = np.asarray(layer.weights.data, np.float64)
    scale = layer.matrix(np.broadcast_to(scales_like(tensor, kernel.ndim), kernel.shape))
    weights = layer.matrix(kernel) / scale
    nearest = layer.matrix(read_weights(model, tensor, kernel.shape))
    adaptive = adaptive_integers(weights, known.gram, WEIGHT_LIMITS[tensor.type])
    gram = unseen.gram
    signal, before, after = (
        float(output_errors(values * scale, gram).sum())
        for values in (weights, nearest - weights, adaptive - weights)
    )
    if after >= before:
        return Rounding(_decibels(signal, before), _decibels(signal, before), 0.0)
    write_weights(model, tensor, layer.kernel(adaptive))
    changed = float((adaptive != nearest).mean())
    return Rounding(_decibels(signal, before), _decibels(signal, after), changed)


def _decibels(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
