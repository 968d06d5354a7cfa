"""Conditions on types, scales and versions; each gives why an op misses it, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeq.boards.delegates.case import Case
from edgeq.model.graph import Tensor


def _types(case: Case, types: Sequence[str]) -> str | None:
    for tensor in case.data:
        if tensor.dtype not in types:
            return f"no {tensor.dtype} activations"
    if "out_types" not in case.row:
        for tensor in case.outputs:
            if tensor.dtype not in types:
                return f"no {tensor.dtype} activations"
    return None


def _out_types(case: Case, types: Sequence[str]) -> str | None:
    wrong = [tensor.dtype for tensor in case.outputs if tensor.dtype not in types]
    return f"no output of {wrong[0]}" if wrong else None


def _since(case: Case, level: int) -> str | None:
    return f"from level {level} on" if case.level is not None and case.level < level else None


def _since_types(case: Case, levels: Mapping[str, int]) -> str | None:
    return _since_of(case, case.data[:1], levels)


def _since_out(case: Case, levels: Mapping[str, int]) -> str | None:
    return _since_of(case, case.outputs, levels)


def _since_of(case: Case, tensors: Sequence[Tensor], levels: Mapping[str, int]) -> str | None:
    for tensor in tensors:
        first = levels.get(tensor.dtype)
        if first is not None and case.level is not None and case.level < first:
            return f"{tensor.dtype} from level {first} on"
    return None


def _same_type(case: Case, wanted: bool) -> str | None:
    kinds = {tensor.dtype for tensor in [*case.data, *case.outputs]}
    return f"mixed types ({', '.join(sorted(kinds))})" if wanted and len(kinds) > 1 else None


def _version(case: Case, highest: int) -> str | None:
    return f"version {case.op.version}, up to {highest}" if case.op.version > highest else None


def _weight_types(case: Case, types: Sequence[str]) -> str | None:
    weights = case.weights
    return (
        f"{weights.dtype} weights" if weights is not None and weights.dtype not in types else None
    )


def _same_weight_type(case: Case, wanted: bool) -> str | None:
    weights = case.weights
    mixed = wanted and weights is not None and weights.dtype != case.data[0].dtype
    return f"{weights.dtype} weights" if mixed and weights is not None else None


def _weight_depth(case: Case, multiples: Mapping[str, int]) -> str | None:
    weights = case.weights
    of = multiples.get(weights.dtype, 1) if weights is not None else 1
    odd = weights is not None and weights.shape[-1:] and weights.shape[-1] % of
    return f"a depth that is no multiple of {of}" if odd else None


def _symmetric_weights(case: Case, wanted: bool) -> str | None:
    quantization = case.weights.quantization if case.weights is not None else None
    odd = quantization is not None and any(int(zero) for zero in quantization.zero_point)
    return "weights with a zero point" if wanted and odd else None


def _per_tensor_weights(case: Case, wanted: bool) -> str | None:
    quantization = case.weights.quantization if case.weights is not None else None
    channels = quantization is not None and quantization.per_channel
    return "weights per channel" if wanted and channels else None


def _per_tensor(case: Case, wanted: bool) -> str | None:
    tensors = [case.input(position) for position in range(len(case.op.inputs))]
    found = [t.quantization for t in [*tensors, *case.outputs] if t is not None]
    channels = any(each is not None and each.per_channel for each in found)
    return "quantized per channel" if wanted and channels else None


def _per_channel_since(case: Case, level: int) -> str | None:
    early = case.level is not None and case.level < level
    per_channel = _per_tensor_weights(case, wanted=True)
    return f"weights per channel from level {level} on" if early and per_channel else None


def _quantized(case: Case, wanted: bool) -> str | None:
    bare = any(
        t.quantization is None and t.dtype in ("int8", "uint8", "int16", "float32")
        for t in [*case.data, *case.outputs]
    )
    return "without a scale" if wanted and bare else None


def _scale_ratio(case: Case, bounds: Sequence[float]) -> str | None:
    out = case.outputs[0].scale
    ratios = [tensor.scale / out for tensor in case.data if tensor.scale and out]
    odd = [ratio for ratio in ratios if not bounds[0] <= ratio < bounds[1]]
    return f"scales of input and output {odd[0]:.3g} to 1" if odd else None


def _product_ratio(case: Case, bounds: Sequence[float]) -> str | None:
    scales, out = [tensor.scale for tensor in case.data], case.outputs[0].scale
    if not out or not all(scales):
        return None
    ratio = float(np.prod(scales)) / out
    return (
        None if bounds[0] <= ratio < bounds[1] else f"scales of inputs and output {ratio:.3g} to 1"
    )


def _alpha_ratio(case: Case, bounds: Sequence[float]) -> str | None:
    alpha, out = float(case.op.options.get("alpha", 0.0)), case.outputs[0].scale
    ratio = case.data[0].scale / out if out else 1.0
    if alpha == 0 or (out and not bounds[0] <= abs(alpha * ratio) <= bounds[1]):
        return f"alpha {alpha:.3g}"
    return None


def _same_scale(case: Case, wanted: bool) -> str | None:
    pairs = {
        (float(t.quantization.scale[0]), int(t.quantization.zero_point[0]))
        for t in [*case.data, *case.outputs]
        if t.quantization is not None
    }
    return "inputs and output of different scales" if wanted and len(pairs) > 1 else None


TYPES: Mapping[str, Callable[[Case, Any], str | None]] = {
    "types": _types,
    "out_types": _out_types,
    "since": _since,
    "since_types": _since_types,
    "since_out": _since_out,
    "same_type": _same_type,
    "version": _version,
    "weight_types": _weight_types,
    "same_weight_type": _same_weight_type,
    "weight_depth": _weight_depth,
    "symmetric_weights": _symmetric_weights,
    "per_tensor_weights": _per_tensor_weights,
    "per_tensor": _per_tensor,
    "per_channel_since": _per_channel_since,
    "quantized": _quantized,
    "scale_ratio": _scale_ratio,
    "product_ratio": _product_ratio,
    "alpha_ratio": _alpha_ratio,
    "same_scale": _same_scale,
}
