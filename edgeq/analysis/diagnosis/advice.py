"""What the figures of a layer mean, in words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.analysis.diagnosis.noise import OwnError, real_range
from edgeq.model.graph import Graph, Op, Tensor
from edgeq.support.array import Array

_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
# Ops whose kernels know one scale for their result.
_FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX", "L2_NORMALIZATION"})
LITTLE_USE = 0.35
_IMBALANCE = 10.0


@dataclass(frozen=True)
class Weights:
    """An op's weights in both models.

    Attributes:
        dtype: Type in the integer model.
        per_channel: Whether each output channel has a scale of its own.
        misfit: Share of the weights (or biases) that are further from the float ones than
            rounding and clipping to the channel's scale explain.
        imbalance: Widest channel range over the median one, in the float model.
    """

    dtype: str
    per_channel: bool
    misfit: float
    imbalance: float


def compare_weights(real: Graph, integer: Graph, op: Op | None, like: Tensor) -> Weights | None:
    """The weights of an op in both models; None where it has none.

    Args:
        real, integer: Both models.
        op: The op of the integer model.
        like: Its result in the float model, which finds the op there.
    """
    if op is None or op.name not in _WEIGHTED:
        return None
    source = next((o for o in real.main.ops if like.index in o.outputs), None)
    ours = integer.main.tensors[op.inputs[1]]
    if source is None or source.name != op.name or ours.data is None or ours.quantization is None:
        return None
    theirs = real.main.tensors[source.inputs[1]]
    if theirs.data is None or theirs.shape != ours.shape:
        return None
    axis = ours.quantization.quantized_dimension
    if not ours.quantization.per_channel:
        axis = len(ours.shape) - 1 if op.name == "DEPTHWISE_CONV_2D" else 0
    ranges = np.abs(np.moveaxis(theirs.data, axis, 0).reshape(theirs.shape[axis], -1)).max(1)
    median = float(np.median(ranges[ranges > 0])) if (ranges > 0).any() else 1.0
    misfits = [_misfit(ours, theirs.data)]
    bias = op.inputs[2] if len(op.inputs) > 2 and op.name != "TRANSPOSE_CONV" else -1
    if bias >= 0 and source.inputs[2] >= 0:
        wanted = real.main.tensors[source.inputs[2]].data
        if wanted is not None:
            misfits.append(_misfit(integer.main.tensors[bias], wanted))
    return Weights(
        ours.dtype, ours.quantization.per_channel, max(misfits), float(ranges.max()) / median
    )


def _misfit(ours: Tensor, theirs: Array) -> float:
    """Share of values further from the float ones than one step of their scale."""
    if ours.quantization is None or ours.data is None:
        return 0.0
    scale = ours.quantization.scale
    if len(scale) > 1:
        spread = [1] * theirs.ndim
        spread[ours.quantization.quantized_dimension] = -1
        scale = scale.reshape(spread)
    # Clipping never moves a value inward by more than a step, where ranges are min and max.
    return float((np.abs(ours.data * scale - theirs) > 1.01 * scale).mean())


def cause_of(error: OwnError, weights: Weights | None) -> str:
    """What makes most of an op's own error: "clipping", "resolution", "weights" or "kernel"."""
    rest = max(error.noise - error.clipped_noise - error.rounding_noise, 0.0)
    parts = {
        "clipping": error.clipped_noise,
        "resolution": min(error.rounding_noise, error.noise),
        "kernel" if weights is None else "weights": rest,
    }
    return max(parts, key=lambda name: parts[name])


def advice_for(error: OwnError, weights: Weights | None, layer: str) -> str:
    """One or two sentences: what is wrong with a layer, and what to do."""
    cause = cause_of(error, weights)
    if cause == "clipping":
        return _clipping(error)
    if cause == "resolution":
        return _resolution(error, layer)
    if cause == "weights" and weights is not None:
        return _weights(weights, layer)
    return f"Its integer kernel is coarser than float arithmetic allows; {_wider(error, layer)}"


def _clipping(error: OwnError) -> str:
    low, high = real_range(error.pair.integer)
    return (
        f"{error.clipped / error.count:.1%} of its values lie beyond what its integers hold "
        f"({low:.3g} to {high:.3g}; found {error.low.min():.3g} to {error.high.max():.3g}). "
        "Calibrate on more samples like these, with --calibration minmax."
    )


def _resolution(error: OwnError, layer: str) -> str:
    if error.range_use < LITTLE_USE:
        used, op = f"Its values need {error.range_use:.0%} of its integer range", error.pair.op
        if op is not None and op.name in _FIXED and error.pair.integer.dtype == "int8":
            # Not this layer alone: what reads it would have 8 bits for the same range.
            return f"{used}, which {op.name} fixes whatever the data are. Try --scheme int16x8."
        return (
            f"{used}: the range is too wide, "
            "as one outlier in the calibration data makes it. Try --calibration percentile."
        )
    return f"Its values are rounded too coarsely; {_wider(error, layer)}"


def _wider(error: OwnError, layer: str) -> str:
    if error.pair.integer.dtype == "int16":
        return "it has 16 bits already, so look at the layers after it."
    if error.pair.op is None:
        return (
            "it is the model's input, and one scale has to do for all its channels: give each "
            "about the same range before the model (features divided by their deviation, say), or "
            "take --scheme int16x8."
        )
    return f"give it 16 bits: --scheme mixed --precision '{layer}=int16x8', or --scheme int16x8."


def _weights(weights: Weights, layer: str) -> str:
    if weights.misfit > 0:
        return (
            f"{weights.misfit:.1%} of its weights or biases are not those of the float model. "
            "Convert again from this float model."
        )
    if not weights.per_channel and weights.imbalance > _IMBALANCE:
        return (
            f"One channel's weights are {weights.imbalance:.0f} times as large as the usual ones, "
            "and all share one scale. Use --scheme int8, or edgeq compress equalize first."
        )
    if weights.dtype == "int4":
        return (
            "4 bits are too few for its weights. Give it 8: --scheme mixed "
            f"--precision '{layer}=int8', or train with edgeq compress qat --scheme int4."
        )
    return "8-bit weights lose the most here. Train with edgeq compress qat."
