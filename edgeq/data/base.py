"""What passes between the readers of data and those who use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeq.data.remarks import Remarks
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array
from edgeq.support.reasons import reason_of
from edgeq.support.text import visible_line

_CLOSE = 1e-4  # metadata stores float32


@dataclass(frozen=True)
class Normalization:
    """`(value - mean) / std`, per channel (last axis) or with one value for all."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        most = float(np.finfo(np.float32).max)
        held = (np.abs([*self.mean, *self.std]) <= most).all()  # NaN is not
        if not held or min(self.std) < 1 / most:
            raise UsageError(
                f"Data cannot be normalized by {self}.",
                hint="numbers that float32 holds, and a std above 0",
            )

    def __call__(self, raw: Array) -> Array:
        """The normalised array, float32.

        Raises:
            OverflowError: A value is beyond float32.
        """
        mean = np.asarray(self.mean, np.float32)
        return (raw.astype(np.float32) - mean) / np.asarray(self.std, np.float32)

    def __str__(self) -> str:
        mean, std = (", ".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
        return f"mean {mean}, std {std}"

    @property
    def identity(self) -> bool:
        """Whether it leaves values as they are."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    def same_as(self, other: Normalization) -> bool:
        """Whether both do the same to every value."""
        try:
            pairs = [
                np.broadcast_arrays(ours, theirs)
                for ours, theirs in ((self.mean, other.mean), (self.std, other.std))
            ]
        except ValueError:
            return False
        return all(np.allclose(a, b, rtol=_CLOSE, atol=_CLOSE * 1e-3) for a, b in pairs)


@dataclass(frozen=True)
class InputSpec:
    """What one input of a model takes, and what the model's file says of raw data for it.

    Attributes:
        name: Name of the tensor.
        shape: Shape of one sample, without the batch axis.
        dtype: numpy name of the type the samples are wanted in.
        own: Integer type of the quantized input itself: integers of that type are taken as they
            are. Empty for none.
        low, high: Range of the real values that the input takes; equal where it is not known.
        normalization: How raw values become the model's, as its metadata says; None for nothing.
        rate_hz: Sample rate of the recordings it takes; None where the model does not say.
        rate_guessed: Whether that is what is usual, and nobody has said it.
        file_axes: Where the model came from a file with its axes in another order (channels
            first): which axis of a sample there each axis of `shape` is. Empty for the same.
        slack: By so much a recording may be shorter, then silence follows, or longer, then it is
            cut; 0 for what is no recording.
        sensed: Whether it is what a sensor gives to a front end: it may be quiet, and nobody
            normalizes it.
        sound: Whether .wav files hold such samples: from -1 to 1, and not in a sensor's own unit.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    own: str = ""
    low: float = 0.0
    high: float = 0.0
    normalization: Normalization | None = None
    rate_hz: int | None = None
    rate_guessed: bool = False
    file_axes: tuple[int, ...] = ()
    slack: int = 0
    sensed: bool = False
    sound: bool = True

    @property
    def file_shape(self) -> tuple[int, ...]:
        """Shape of one sample as the file has it that the model was made of."""
        axes = self.file_axes or tuple(range(len(self.shape)))
        return tuple(self.shape[axes.index(axis)] for axis in range(len(axes)))


@dataclass(frozen=True)
class Expected:
    """What is known of the labels before the data is read.

    Attributes:
        labels: The model's own class names, in its order; empty where it has none.
        count: Number of classes that it tells apart; None where that is not known.
    """

    labels: tuple[str, ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        inputs: One array per model input, of the shape and dtype of its InputSpec.
        label: Class index (int), a number, or an array; None where the data has no labels.
        starts: Whether what a model keeps from call to call is to be forgotten before it.
    """

    inputs: list[Array]
    label: Any = None
    starts: bool = False


class Pieces(Protocol):
    """How a sample is cut into what single calls of a streaming model take."""

    @property
    def calls(self) -> int:
        """How many calls a sample is for."""

    def steps(self, window: Sequence[Array]) -> Iterator[list[Array]]:
        """The inputs of each call."""


@dataclass(frozen=True)
class DatasetOptions:
    """How data is read.

    Attributes:
        label: Name of the label column (CSV) or key (.npz, TFRecord), or the .npy file of labels;
            None for the usual names.
        classes: Class names in the model's order; empty means the model's own, or sorted names.
        normalization: Applied to all data alike; None applies what the model's metadata says.
        resize: How images meet the input's size: "stretch", "crop" (centre) or "pad".
        from_logits: Whether the model's outputs are logits, for its judgement on the data; None
            to find out.
        background: Colour 0..255 behind transparent pixels; None is black, with a warning.
        sample_rate: Rate in Hz of the recordings that the model takes; None for what it says.
        resample: Whether recordings of another rate are resampled; else they are refused.
    """

    label: str | None = None
    classes: tuple[str, ...] = ()
    normalization: Normalization | None = None
    resize: str = "stretch"
    from_logits: bool | None = None
    background: tuple[int, int, int] | None = None
    sample_rate: int | None = None
    resample: bool = False


@dataclass(frozen=True)
class Request:
    """What a format's reader is asked for."""

    inputs: tuple[InputSpec, ...]
    labelled: bool
    keys: tuple[str, ...] = ()
    options: DatasetOptions = field(default_factory=DatasetOptions)
    remarks: Remarks = field(default_factory=Remarks)

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

Labels = Iterator[tuple[Any, str]]
"""Raw labels, each with where it came from."""


@dataclass(frozen=True)
class Source:
    """What a format's reader gives: raw rows, as often as asked for.

    Attributes:
        where: The data, as messages should call it.
        rows: Starts a new pass and yields its rows.
        kind: "images", "recordings", "table", "records", "arrays" or "generator".
        count: Number of samples; None where only a whole pass can tell.
        folders: Names of all class folders, empty ones too; empty for other kinds of data.
        labels: Yields the labels alone, where that is cheaper than a whole pass.
        number: Reads the numbers among labels that are text; None for plain ones.
        columns: Of a table, those that are features, in order.
        some: Yields the rows at such positions, which rise, where that is cheaper than a pass over
            all of them.
    """

    where: str
    rows: Callable[[], Iterator[Row]]
    kind: str
    count: int | None = None
    folders: tuple[str, ...] = ()
    labels: Callable[[], Labels] | None = None
    number: Callable[[str], float] | None = None
    columns: tuple[str, ...] = ()
    some: Callable[[Sequence[int]], Iterator[Row]] | None = None


def file_error(path: Path, error: Exception) -> EdgeqError:
    """A reader's exception as an error about the file."""
    return EdgeqError(f"'{visible_line(path.name)}' cannot be read: {reason_of(error)}", str(path))
