"""The one step between a raw sample, whatever it came from, and the array that a model takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from edgeq.data.base import InputSpec, Normalization, Request, Row, Source
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array

_LOOKED_AT = 64  # samples that tell whether values are normalised already


@dataclass(frozen=True)
class Step:
    """What happens to one input's raw values.

    Attributes:
        spec: What the model takes; its dtype is `own` where integers are taken as they are.
        normalization: Applied to the values; None leaves them alone.
        origin: Who said so: "--mean and --std", or "the model's metadata".
    """

    spec: InputSpec
    normalization: Normalization | None = None
    origin: str = ""

    def __call__(self, value: Any, where: str) -> Array:
        """One raw value as the array that the input takes; see `fit_array`."""
        return fit_array(value, self.spec, where, self.normalization)


def plan_steps(source: Source, request: Request) -> tuple[Step, ...]:
    """What to do with each input of a source, decided once for all samples.

    A normalization of the options is applied to all data alike. One of the model's metadata is
    applied to raw data: images and integers; and floats whose range, once normalised, is more
    like the model's than it is without.

    Raises:
        EdgeqError: Options and metadata contradict each other, or nobody can tell.
        UsageError: A normalization is asked for, and no input takes real numbers.
    """
    wanted, inputs = request.options.normalization, request.inputs
    if wanted is not None and not any(_is_real(spec) for spec in inputs):
        types = ", ".join(f"'{spec.name}' ({spec.dtype})" for spec in inputs)
        raise UsageError(
            f"--mean and --std cannot be applied: the model takes plain integers: {types}.",
            source.where,
        )
    if wanted is not None:
        return tuple(_asked_for(spec, wanted, source.where) for spec in inputs)
    if not any(spec.own or spec.normalization for spec in inputs):
        return tuple(Step(spec) for spec in inputs)
    count = _LOOKED_AT if any(spec.normalization for spec in inputs) else 1
    rows = list(islice(source.rows(), count))
    return tuple(
        _by_metadata(
            spec, source, request, [np.asarray(raw[position]) for raw, _, _ in _whole(rows, inputs)]
        )
        for position, spec in enumerate(inputs)
    )


def _whole(rows: Iterable[Row], inputs: Sequence[InputSpec]) -> Iterable[Row]:
    """The rows that have an array for each input; others are an error when they are read."""
    return (row for row in rows if len(row[0]) == len(inputs))


def _is_real(spec: InputSpec) -> bool:
    return np.dtype(spec.dtype).kind == "f"


def _asked_for(spec: InputSpec, wanted: Normalization, where: str) -> Step:
    stated = spec.normalization
    if stated is not None and not wanted.identity and not wanted.same_as(stated):
        raise EdgeqError(
            f"--mean and --std say {wanted}; the model's metadata says {stated} for input "
            f"'{spec.name}'.",
            where,
            "leave them out to have the model's applied; --mean 0 --std 1 for data that is "
            "normalised already",
        )
    if not _is_real(spec):
        return Step(spec)
    return Step(spec, wanted, "--mean and --std")


def _by_metadata(
    spec: InputSpec, source: Source, request: Request, values: Sequence[Array]
) -> Step:
    stated = spec.normalization
    raw_image = source.kind == "images"
    # In either order of bytes.
    types = {value.dtype.newbyteorder("=") for value in values}
    is_own = spec.own and types == {np.dtype(spec.own)}
    if is_own and (stated is None or not raw_image):
        return Step(_as_they_are(spec))
    if stated is None or not _is_real(spec):
        return Step(spec)
    applied = Step(spec, stated, "the model's metadata")
    if raw_image or all(value.dtype.kind in "iu" for value in values):
        return applied
    as_is = Step(spec, None, "normalised already")
    if spec.low >= spec.high:
        text = (
            f"the model's metadata says {stated}, and whether these floats are raw or normalised "
            "already cannot be told"
        )
        hint = (
            f"--mean {_csv(stated.mean)} --std {_csv(stated.std)} for raw data, "
            "--mean 0 --std 1 for normalised"
        )
        if request.labelled:  # a figure would hang on it
            raise EdgeqError(f"{text[0].upper()}{text[1:]}.", source.where, hint)
        request.remarks.warn(f"{text}; they are taken as they are ({hint})")
        return as_is
    low, high = _range(values)
    normal = sorted(float(x) for end in (low, high) for x in np.ravel(stated(np.array(end))))
    alike = _overlap(normal[0], normal[-1], spec) >= _overlap(low, high, spec)
    return applied if alike else as_is


def _as_they_are(spec: InputSpec) -> InputSpec:
    return replace(spec, dtype=spec.own, normalization=None)


def _csv(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _range(values: Sequence[Array]) -> tuple[float, float]:
    finite = [v[np.isfinite(v)] for v in (np.asarray(v, np.float64) for v in values)]
    filled = [v for v in finite if v.size]
    if not filled:
        return 0.0, 0.0
    return min(float(v.min()) for v in filled), max(float(v.max()) for v in filled)


def _overlap(low: float, high: float, spec: InputSpec) -> float:
    """Intersection over union of a range and the model's."""
    shared = min(high, spec.high) - max(low, spec.low)
    return max(shared, 0.0) / max(max(high, spec.high) - min(low, spec.low), 1e-30)


def fit_array(
    value: Any, spec: InputSpec, where: str, normalization: Normalization | None = None
) -> Array:
    """One raw value as the array a model input takes.

    Args:
        value: Anything numpy understands. Axes of length 1 may be missing or added, so a batch
            axis of 1 or a missing channel axis is no error.
        spec: Shape and dtype wanted.
        where: What to blame.
        normalization: Applied to data that is wanted as float.

    Raises:
        EdgeqError: Not numbers, another shape, NaN or infinity, or out of the dtype's range.
    """
    array = _as_array(value, spec, where)
    check_dtype(array.dtype, spec, where)
    array = _as_long(array, spec) if spec.slack else array
    shape = fit_shape(array.shape, spec, where)
    array = array.reshape(shape)
    if shape != spec.shape or (spec.file_axes and shape == spec.file_shape):
        array = np.transpose(array, spec.file_axes)
    wanted = np.dtype(spec.dtype)
    if wanted.kind != "f":
        return _fit_integers(array, wanted, f"input '{spec.name}'", where)
    with np.errstate(over="ignore", invalid="ignore"):
        if normalization is not None:
            _check_channels(normalization, array, where)
            fitted = normalization(array).astype(wanted, copy=False)
        else:
            fitted = array.astype(wanted, copy=False)
    if not np.isfinite(fitted).all():
        bad = "NaN" if np.isnan(fitted).any() else "infinity"
        raise EdgeqError(f"A sample for input '{spec.name}' holds {bad}.", where, "clean the data")
    return fitted


def unrolled(values: Array, spec: InputSpec, request: Request) -> Array:
    """Values in a row, without axes, as a sample: in the order of the model's own file.

    Args:
        values: As many as the input takes.
        spec: The input.
        request: Where it is said that the order was guessed.
    """
    sizes = [spec.file_shape[axis] for axis in spec.file_axes]
    order = [axis for axis, size in zip(spec.file_axes, sizes, strict=True) if size > 1]
    if order != sorted(order):
        request.remarks.warn(
            f"values of input '{spec.name}' stand in a row: they are taken to lie as in the "
            f"model's own file {spec.file_shape}, and are turned to {spec.shape}"
        )
    return values.reshape(spec.file_shape)


def _as_long(array: Array, spec: InputSpec) -> Array:
    """A recording that is nearly as long as it should be with silence behind it, or cut."""
    missing = max(spec.shape) - array.size
    if array.size != max(array.shape, default=0) or abs(missing) > spec.slack:
        return array
    return np.pad(array.reshape(-1)[: max(spec.shape)], (0, max(missing, 0)))


def refuse_masked(values: Any, where: str) -> None:
    """Refuse values of which some are masked: what lies behind a mask would be taken for data.

    Raises:
        EdgeqError: Some are.
    """
    if np.ma.is_masked(values):
        raise EdgeqError(
            "Some values are masked: there is nothing that could be taken for them.",
            where,
            "fill them in (x.filled(0)), or leave those samples out",
        )


def _as_array(value: Any, spec: InputSpec, where: str) -> Array:
    refuse_masked(value, where)
    try:
        return np.asarray(value)
    except ValueError:
        raise EdgeqError(
            f"A sample for input '{spec.name}' is no array: its rows have different lengths.", where
        ) from None


def _check_channels(normalization: Normalization, array: Array, where: str) -> None:
    channels = array.shape[-1] if array.ndim else 1
    for name, values in (("mean", normalization.mean), ("std", normalization.std)):
        if len(values) not in (1, channels):
            raise EdgeqError(
                f"{len(values)} values of {name} are given for {channels} channels.", where
            )


def _fit_integers(array: Array, wanted: np.dtype[Any], name: str, where: str) -> Array:
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array % 1 == 0).all()):
        raise EdgeqError(f"A sample for {name} holds fractions; it takes {wanted}.", where)
    if wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        low, high = array.min(), array.max()
        if low < limits.min or high > limits.max:
            raise EdgeqError(
                f"A sample for {name} holds values from {low} to {high}; "
                f"{wanted} takes {limits.min} to {limits.max}.",
                where,
            )
    return array.astype(wanted, copy=False)


def check_dtype(dtype: np.dtype[Any], spec: InputSpec, where: str) -> None:
    """Refuse what holds no plain numbers.

    Raises:
        EdgeqError: Text, complex numbers, dates or Python objects.
    """
    if dtype.kind not in "fiub":
        raise EdgeqError(
            f"The data for input '{spec.name}' has dtype {dtype}; numbers are needed "
            f"(the model takes {spec.dtype}).",
            where,
        )


def fit_shape(shape: tuple[int, ...], spec: InputSpec, where: str) -> tuple[int, ...]:
    """The input's shape, if one sample of `shape` is the same but for axes of length 1.

    Samples may also lie as in the file that the model was made of, channels first: then that
    shape. Where both are the same, the file's order holds.

    Recordings that are nearly as long count as just as long.

    Raises:
        EdgeqError: It is neither.
    """
    long = [n for n in shape if n != 1]
    if spec.slack and len(long) == 1 and abs(long[0] - max(spec.shape)) <= spec.slack:
        return spec.shape
    if spec.file_axes and long == [n for n in spec.file_shape if n != 1]:
        return spec.file_shape
    if long != [n for n in spec.shape if n != 1]:
        hint = ""
        if len(shape) > 1 and (*shape[1:], shape[0]) == spec.shape:
            hint = "channels come last: numpy.moveaxis(x, 1, -1)"
        elif len(shape) > 1 and (shape[-1], *shape[:-1]) == spec.shape:
            hint = "channels come first: numpy.moveaxis(x, -1, 1)"
        elif all(n == 1 for n in shape):
            hint = "one number for each sample: are these the labels? file.npz:KEY takes one array"
        raise EdgeqError(
            f"A sample for input '{spec.name}' has shape {shape}; the model takes {spec.shape}.",
            where,
            hint,
        )
    return spec.shape
