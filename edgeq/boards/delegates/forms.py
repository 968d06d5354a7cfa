"""Conditions on shapes, options and stored inputs; each gives why an op misses it, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeq.boards.delegates.case import Case

_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")


def _never(_: Case, why: str) -> str | None:
    return why


def _rank(case: Case, bounds: Sequence[int]) -> str | None:
    for tensor in [*case.data, *case.outputs]:
        if not bounds[0] <= len(tensor.shape) <= bounds[1]:
            return f"{len(tensor.shape)} dimensions"
    return None


def _least_out_rank(case: Case, least: int) -> str | None:
    return "a scalar output" if any(len(t.shape) < least for t in case.outputs) else None


def _activation(case: Case, allowed: Sequence[str]) -> str | None:
    code = case.op.options.get("fused_activation_function", 0)
    names = dict(enumerate(_ACTIVATIONS))
    name = code if isinstance(code, str) else names.get(int(code), f"activation {code}")
    return None if name in allowed else f"fused {name}"


def _constant(case: Case, positions: Sequence[int]) -> str | None:
    for position in positions:
        tensor = case.input(position)
        if tensor is not None and not case.stored(tensor):
            return f"input {position} is computed, not stored"
    return None


def _present(case: Case, positions: Sequence[int]) -> str | None:
    missing = [position for position in positions if case.input(position) is None]
    return f"no input {missing[0]} (a bias)" if missing else None


def _inputs(case: Case, bounds: Sequence[int]) -> str | None:
    count = len(case.op.inputs)
    return None if bounds[0] <= count <= bounds[1] else f"{count} inputs"


def _outputs(case: Case, bounds: Sequence[int]) -> str | None:
    count = len(case.op.outputs)
    return None if bounds[0] <= count <= bounds[1] else f"{count} outputs"


def _dilation_since(case: Case, level: int) -> str | None:
    factors = [case.op.options.get(f"dilation_{side}_factor", 1) for side in "wh"]
    early = case.level is not None and case.level < level
    return f"dilation from level {level} on" if early and factors != [1, 1] else None


def _most(case: Case, limits: Mapping[str, float]) -> str | None:
    for name, most in limits.items():
        value = case.op.options.get(name, 0)
        if value > most:
            return f"{name} {value}, up to {most}"
    return None


def _least(case: Case, limits: Mapping[str, float]) -> str | None:
    for name, least in limits.items():
        value = case.op.options.get(name, 0)
        if value < least:
            return f"{name} {value}, {least} at least"
    return None


def _equal(case: Case, wanted: Mapping[str, Any]) -> str | None:
    for name, value in wanted.items():
        given = case.op.options.get(name, value)
        if given != value:
            return f"{name} {given}, {value} is wanted"
    return None


def _same_options(case: Case, names: Sequence[str]) -> str | None:
    values = [case.op.options.get(name, 1) for name in names]
    return f"{' and '.join(names)} differ" if len(set(values)) > 1 else None


def _filter_covers_stride(case: Case, wanted: bool) -> str | None:
    options = case.op.options
    sides = (("stride_w", "filter_width"), ("stride_h", "filter_height"))
    wide = any(options.get(stride, 0) > options.get(filter_, 0) for stride, filter_ in sides)
    pool = "filter_width" in options
    return "a stride above its window" if wanted and pool and wide else None


def _values(case: Case, position: int) -> list[int]:
    tensor = case.input(position)
    return [] if tensor is None or tensor.data is None else [int(v) for v in tensor.data.flatten()]


def _ones(case: Case, position: int) -> str | None:
    return "strides above 1" if any(v != 1 for v in _values(case, position)) else None


def _positive(case: Case, positions: Sequence[int]) -> str | None:
    less = any(v <= 0 for position in positions for v in _values(case, position))
    return "a size that is left open (-1)" if less else None


def _zeros(case: Case, position: int) -> str | None:
    found = _values(case, position)
    return None if found and not any(found) else f"input {position} is not stored zeros"


def _no_scalars(case: Case, positions: Sequence[int]) -> str | None:
    scalar = any(t is not None and not t.shape for t in map(case.input, positions))
    return "a scalar in place of a list" if scalar else None


def _last_axis(case: Case, wanted: bool) -> str | None:
    axis, rank = int(case.op.options.get("axis", -1)), len(case.outputs[0].shape)
    return f"along axis {axis}, not the last" if wanted and axis not in (-1, rank - 1) else None


def _over(case: Case, allowed: Sequence[int]) -> str | None:
    rank = len(case.data[0].shape)
    others = sorted({axis % rank for axis in _values(case, 1)} - set(allowed)) if rank else []
    return f"over axis {others[0]}" if others else None


def _filled(case: Case, positions: Sequence[int]) -> str | None:
    empty = any(t is not None and not t.elements for t in map(case.input, positions))
    return "no axes" if empty else None


def _static(case: Case, wanted: bool) -> str | None:
    open_ = any(t.dynamic_axes for t in [*case.data, *case.outputs])
    return "a size that the file leaves open" if wanted and open_ else None


def _inner_dimensions(case: Case, most: int) -> str | None:
    outer = any(np.prod(t.shape[:-most], dtype=int) > 1 for t in [*case.data, *case.outputs])
    return f"more than {most} dimensions above 1" if outer else None


def _one_row(case: Case, wanted: bool) -> str | None:
    several = any(t.shape and t.elements != t.shape[-1] for t in case.data)
    return "several rows at once" if wanted and several else None


def _one_batch(case: Case, wanted: bool) -> str | None:
    several = any(np.prod(t.shape[:-3], dtype=int) != 1 for t in case.data)
    return "a batch above 1" if wanted and several else None


def _most_elements(case: Case, most: int) -> str | None:
    large = max((t.elements for t in case.data), default=0)
    return f"{large:,} elements, up to {most:,}" if large > most else None


def _inner_most(case: Case, most: int) -> str | None:
    deep = max((t.shape[-1] for t in case.data if t.shape), default=0)
    return f"{deep} channels, up to {most}" if deep > most else None


def _least_weight(case: Case, wanted: Mapping[str, int]) -> str | None:
    weights = case.weights
    small = weights is not None and weights.shape[wanted["axis"] :][:1] < (wanted["size"],)
    return f"a window of height below {wanted['size']}" if small else None


def _scaled_by(case: Case, factors: Sequence[int]) -> str | None:
    before, after = case.data[0].shape[1:3], case.outputs[0].shape[1:3]
    if before in ((1, 1), after):
        return None
    if len(before) != len(after):
        return f"{before} resized to {after}"
    cut = 1 if case.op.options.get("align_corners") else 0
    fits = {
        factor
        for factor in factors
        if all((a - cut) == (b - cut) * factor for a, b in zip(after, before, strict=True))
    }
    return None if fits else f"resized by other than {', '.join(map(str, factors))}"


FORMS: Mapping[str, Callable[[Case, Any], str | None]] = {
    "never": _never,
    "rank": _rank,
    "least_out_rank": _least_out_rank,
    "activation": _activation,
    "constant": _constant,
    "present": _present,
    "inputs": _inputs,
    "outputs": _outputs,
    "dilation_since": _dilation_since,
    "most": _most,
    "least": _least,
    "equal": _equal,
    "same_options": _same_options,
    "filter_covers_stride": _filter_covers_stride,
    "ones": _ones,
    "positive": _positive,
    "zeros": _zeros,
    "no_scalars": _no_scalars,
    "last_axis": _last_axis,
    "over": _over,
    "filled": _filled,
    "static": _static,
    "inner_dimensions": _inner_dimensions,
    "one_row": _one_row,
    "one_batch": _one_batch,
    "most_elements": _most_elements,
    "inner_most": _inner_most,
    "least_weight": _least_weight,
    "scaled_by": _scaled_by,
}
