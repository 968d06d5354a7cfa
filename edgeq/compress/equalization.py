"""Cross-layer equalization: channels of neighbouring layers get like ranges, the result stays.

Source: "Data-Free Quantization Through Weight Equalization and Bias Correction", Nagel et al.,
2019, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.kernels import kernels_of, variable
from edgeq.compress.network import Network, Step, load_network, read_network
from edgeq.compress.result import Compression, size_of
from edgeq.conversion.layer_kinds import activation_of, kind_of
from edgeq.conversion.sources.keras_loss import keep_loss
from edgeq.support.array import Array

_LINEAR = frozenset({"Dense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D"})
# What a positive factor passes through unchanged: f(s * x) = s * f(x).
_PASSES = frozenset(
    {"ReLU", "LeakyReLU", "Activation", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D",
     "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
     "GlobalMaxPooling2D", "ZeroPadding1D", "ZeroPadding2D", "Dropout", "Flatten", "UpSampling2D"}
)  # fmt: skip
_PASSING_FUNCTIONS = frozenset({"linear", "relu", "leaky_relu"})
_ROUNDS = 40
_DONE = 1e-3


@dataclass(frozen=True)
class _Neighbours:
    """Two layers, the second of which alone reads the first one's channels."""

    first: Any
    second: Any


def equalize(model: str | Path | Any, *, trust: bool = False) -> Compression:
    """A model that computes the same, with channel ranges that quantize better; no data needed.

    BatchNormalization is folded first. Layers that several others read, and layers behind an
    activation that is not linear above zero (ReLU6, tanh), are left as they are.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        trust: Whether code inside the file (Lambda layers) may run.

    Raises:
        EdgeqError: The model cannot be followed.
    """
    original = load_network(model, trust=trust)
    result = fold_batch_norm(original)
    pairs = _neighbours(read_network(result))
    before = _imbalance(pairs)
    for _ in range(_ROUNDS):
        moved = max((_balance(pair) for pair in pairs), default=0.0)
        if moved < _DONE:
            break
    details = {"pairs": {f"{p.first.name} > {p.second.name}": _imbalance([p]) for p in pairs}}
    warnings: tuple[str, ...] = ()
    if not pairs:
        warnings = ("Nothing to equalize: no layer's channels are read by one other layer alone.",)
    keep_loss(result, model)
    return Compression(
        "equalize",
        result,
        size_of(original),
        size_of(result),
        None,
        {"imbalance_before": before, "imbalance_after": _imbalance(pairs), **details},
        warnings,
    )


def _neighbours(network: Network) -> list[_Neighbours]:
    found = []
    for step in network.steps:
        if step.kind in _LINEAR and network.calls(step.layer) == 1 and _passes(step):
            reader = network.only_reader(step)
            while reader is not None and reader.kind in _PASSES and _passes(reader):
                reader = network.only_reader(reader)
            if reader is not None and reader.kind in _LINEAR and _plain(reader, network):
                found.append(_Neighbours(step.layer, reader.layer))
    return found


def _plain(step: Step, network: Network) -> bool:
    """Whether a reader's weights can take up the factors: used once, without groups."""
    layer = step.layer
    one = getattr(layer, "groups", 1) == 1 or step.kind.startswith("Depthwise")
    return network.calls(layer) == 1 and one and getattr(layer, "depth_multiplier", 1) == 1


def _passes(step: Step) -> bool:
    capped = step.kind == "ReLU" and (step.layer.max_value is not None or step.layer.threshold)
    return activation_of(step.layer) in _PASSING_FUNCTIONS and not capped


def _balance(pair: _Neighbours) -> float:
    """Equalize one pair in place; the largest factor's distance from 1."""
    first, second = _out_ranges(pair.first), _in_ranges(pair.second, pair.first)
    both = (first > 0) & (second > 0)
    factor = np.ones_like(first)
    factor[both] = np.sqrt(first[both] * second[both]) / first[both]
    _scale_out(pair.first, factor)
    _scale_in(pair.second, factor)
    return float(np.abs(np.log(factor)).max())


def _kernel(layer: Any) -> Any:
    return variable(layer, kernels_of(layer)[0])


def _depthwise(layer: Any) -> bool:
    return kind_of(layer).startswith("Depthwise")


def _out_ranges(layer: Any) -> Array:
    """Largest weight of each output channel."""
    weights = np.abs(np.asarray(_kernel(layer)))
    channels = weights.reshape(
        -1, np.prod(weights.shape[-2:]) if _depthwise(layer) else weights.shape[-1]
    )
    ranges: Array = channels.max(axis=0)
    return ranges


def _by_input(layer: Any, channels: int) -> Array:
    """The kernel as (positions, input channels, outputs); a depthwise channel has one output."""
    weights = np.asarray(_kernel(layer))
    outputs = 1 if _depthwise(layer) else weights.shape[-1]
    shaped: Array = weights.reshape(-1, channels, outputs)
    return shaped


def _in_ranges(layer: Any, source: Any) -> Array:
    """Largest weight that reads each of the source's channels."""
    weights = np.abs(_by_input(layer, len(_out_ranges(source))))
    ranges: Array = weights.max(axis=(0, 2))
    return ranges


def _scale_out(layer: Any, factor: Array) -> None:
    kernel = _kernel(layer)
    weights = np.asarray(kernel)
    shaped = factor.reshape(weights.shape[-2:]) if _depthwise(layer) else factor
    kernel.assign(weights * shaped)
    if layer.use_bias:
        layer.bias.assign(np.asarray(layer.bias) * factor)


def _scale_in(layer: Any, factor: Array) -> None:
    kernel = _kernel(layer)
    scaled = _by_input(layer, len(factor)) / factor[None, :, None]
    kernel.assign(scaled.reshape(kernel.shape))


def _imbalance(pairs: list[_Neighbours]) -> float:
    """The widest channel of a layer over its median one, for the worst layer."""
    worst = 1.0
    for pair in pairs:
        ranges = _out_ranges(pair.first)
        median = float(np.median(ranges[ranges > 0])) if (ranges > 0).any() else 1.0
        worst = max(worst, float(ranges.max()) / median)
    return worst
