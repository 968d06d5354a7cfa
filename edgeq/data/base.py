"""What a data set is: samples in order, checked against the model's inputs as they stream by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import EdgeqError, UsageError

Array = NDArray[Any]


@dataclass(frozen=True)
class InputSpec:
    """What one input of a model takes.

    Attributes:
        name: Name of the tensor.
        shape: Shape of one sample, without the batch axis.
        dtype: numpy name of the type the samples are wanted in.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        inputs: One array per model input, of the shape and dtype of its InputSpec.
        label: Class index (int), a number, or an array; None where the data has no labels.
    """

    inputs: list[Array]
    label: Any = None


@dataclass(frozen=True)
class Normalization:
    """`(value - mean) / std`, per channel (last axis) or with one value for all.

    Raw data (images, arrays of integers) goes through it; arrays of floats are taken as they are.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if 0.0 in self.std or not np.isfinite([*self.mean, *self.std]).all():
            raise UsageError(
                f"Data cannot be normalized by mean {self.mean} and std {self.std}.",
                hint="finite numbers, and no std of 0",
            )

    def __call__(self, raw: Array) -> Array:
        """The normalised array, float32."""
        mean = np.asarray(self.mean, np.float32)
        return (raw.astype(np.float32) - mean) / np.asarray(self.std, np.float32)


@dataclass(frozen=True)
class DatasetOptions:
    """How data is read.

    Attributes:
        label: Name of the label column (CSV) or key (.npz, TFRecord); None for the usual names.
        classes: Class names in the model's order; empty means sorted names.
        normalization: Applied to raw data (images, integer arrays); None leaves values alone.
        resize: How images meet the input's size: "stretch", "crop" (centre) or "pad".
        from_logits: Whether the model's outputs are logits, for its judgement on the data; None
            to find out.
    """

    label: str | None = None
    classes: tuple[str, ...] = ()
    normalization: Normalization | None = None
    resize: str = "stretch"
    from_logits: bool | None = None


@dataclass(frozen=True)
class Request:
    """What a format's reader is asked for."""

    inputs: tuple[InputSpec, ...]
    labelled: bool
    keys: tuple[str, ...] = ()
    options: DatasetOptions = field(default_factory=DatasetOptions)

    def single_input(self, where: str, kind: str) -> InputSpec:
        """The model's only input.

        Raises:
            EdgeqError: The model has several; this kind of data feeds one.
        """
        if len(self.inputs) != 1:
            raise EdgeqError(
                f"The model has {len(self.inputs)} inputs; {kind} can feed one only.",
                where,
                'an .npz with the keys "0", "1", ... or a generator as module:function',
            )
        return self.inputs[0]


Row = tuple[Sequence[Any], Any, str]
"""Raw inputs, raw label, and where the sample came from (file, line) for messages."""


@dataclass(frozen=True)
class Source:
    """What a format's reader gives: raw rows, as often as asked for.

    Attributes:
        where: The data, as messages should call it.
        rows: Starts a new pass and yields its rows.
        count: Number of samples; None where only a whole pass can tell.
        classes: Class names when labels are indices into them.
    """

    where: str
    rows: Callable[[], Iterator[Row]]
    count: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A stream of checked samples that can be read any number of times.

    Attributes:
        source: Where the raw rows come from.
        inputs: What each sample must look like.
        labelled: Whether every sample carries a label.
        limit: At most so many samples, spread evenly where the total is known; None for all.
        normalization: Applied to raw integer data.
    """

    source: Source
    inputs: tuple[InputSpec, ...]
    labelled: bool = False
    limit: int | None = None
    normalization: Normalization | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by index; empty where the data names none."""
        return self.source.classes

    @property
    def count(self) -> int | None:
        """Number of samples; None where only a whole pass can tell."""
        if self.source.count is None or self.limit is None:
            return self.source.count
        return min(self.source.count, self.limit)

    def take(self, limit: int | None) -> Dataset:
        """The same data, at most `limit` samples of it."""
        return replace(self, limit=limit)

    def __iter__(self) -> Iterator[Sample]:
        """A new pass over the samples.

        Raises:
            EdgeqError: A sample has the wrong shape or dtype, holds NaN or infinity, or has no
                label where labels were asked for; or there is no sample at all.
        """
        found = 0
        for position, (raw, label, where) in enumerate(self.source.rows()):
            if not self._wanted(position, found):
                if self.limit is not None and found >= self.limit:
                    return
                continue
            found += 1
            yield self._sample(raw, label, where)
        if not found:
            raise EdgeqError("The data is empty; at least one sample is needed.", self.source.where)

    def _wanted(self, position: int, found: int) -> bool:
        total = self.source.count
        if self.limit is None or (total is not None and total <= self.limit):
            return True
        if total is None:
            return found < self.limit
        # Spread over the whole set: folders are sorted by class, recordings by time.
        return found < self.limit and position >= found * total // self.limit

    def _sample(self, raw: Sequence[Any], label: Any, where: str) -> Sample:
        if len(raw) != len(self.inputs):
            raise EdgeqError(
                f"A sample has {len(raw)} arrays; the model has {len(self.inputs)} inputs.", where
            )
        arrays = [
            fit_array(value, spec, where, self.normalization)
            for value, spec in zip(raw, self.inputs, strict=True)
        ]
        return Sample(arrays, plain_label(label, where) if self.labelled else None)


def fit_array(
    value: Any, spec: InputSpec, where: str, normalization: Normalization | None = None
) -> Array:
    """One raw value as the array a model input takes.

    Args:
        value: Anything numpy understands. Axes of length 1 may be missing or added, so a batch
            axis of 1 or a missing channel axis is no error.
        spec: Shape and dtype wanted.
        where: What to blame.
        normalization: Applied to integer data that is wanted as float.

    Raises:
        EdgeqError: Not numbers, another shape, NaN or infinity, or out of the dtype's range.
    """
    array = np.asarray(value)
    name = f"input '{spec.name}'"
    check_dtype(array.dtype, spec, where)
    array = array.reshape(fit_shape(array.shape, spec, where))
    wanted = np.dtype(spec.dtype)
    if wanted.kind == "f":
        if normalization is not None and array.dtype.kind in "iu":
            _check_channels(normalization, array, where)
            return normalization(array)
        with np.errstate(over="ignore"):
            fitted = array.astype(wanted, copy=False)
        if not np.isfinite(fitted).all():
            bad = "NaN" if np.isnan(fitted).any() else "infinity"
            raise EdgeqError(
                f"A sample for {name} holds {bad}.", where, "clean the data before quantizing"
            )
        return fitted
    return _fit_integers(array, wanted, name, where)


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

    Raises:
        EdgeqError: It is not.
    """
    if [n for n in shape if n != 1] != [n for n in spec.shape if n != 1]:
        hint = ""
        if len(shape) > 1 and (*shape[1:], shape[0]) == spec.shape:
            hint = "channels come last: numpy.moveaxis(x, 1, -1)"
        raise EdgeqError(
            f"A sample for input '{spec.name}' has shape {shape}; the model takes {spec.shape}.",
            where,
            hint,
        )
    return spec.shape


def plain_label(label: Any, where: str) -> Any:
    """A label as int, float or array.

    Raises:
        EdgeqError: There is none, or it is NaN or no number.
    """
    if label is None:
        raise EdgeqError("A sample has no label, but labelled data is needed.", where)
    array = np.asarray(label)
    if array.dtype.kind not in "fiub":
        text = array.item() if array.size == 1 else array
        raise EdgeqError(
            f"The label {text!r} is no number.",
            where,
            "class numbers from 0 on, or a .csv of names",
        )
    if not np.isfinite(array).all():
        raise EdgeqError("A label is NaN or infinite.", where)
    if array.size != 1:
        return array
    number = array.reshape(()).item()
    return int(number) if float(number).is_integer() else number


def class_indices(
    names: Sequence[str], classes: tuple[str, ...], where: str
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names in order, and the index of each.

    Args:
        names: Every name that occurs in the data.
        classes: The model's order, if the user gave it; else names are sorted.
        where: What to blame.

    Raises:
        EdgeqError: The data has a class that the user's list lacks.
    """
    ordered = classes or tuple(sorted(set(names)))
    unknown = sorted(set(names) - set(ordered))
    if unknown:
        raise EdgeqError(
            f"The data has the classes {', '.join(unknown)}, which are not among the labels "
            f"given ({', '.join(ordered)}).",
            where,
        )
    return ordered, {name: index for index, name in enumerate(ordered)}


def file_error(path: Path, error: Exception) -> EdgeqError:
    """A reader's exception as an error about the file."""
    return EdgeqError(f"'{path.name}' cannot be read: {error}", str(path))
