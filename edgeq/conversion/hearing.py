"""Data of recordings for a model behind a front end: each sample becomes its features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgeq.conversion.streaming.form import StreamForm
from edgeq.data import InputSpec
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.frontend.features import Extractor
from edgeq.support.array import Array

# So many times the loudest sample is no sound that was scaled a little otherwise.
_TOO_LOUD = 16


@dataclass(frozen=True)
class Hearing:
    """The front end that was part of a Keras model, in C compiled for this machine.

    Attributes:
        layer: Name and class of the layer that it was.
        values: What `read_description` takes.
        samples: Shape of a recording as the Keras model takes it, without the batch axis.
        full_scale: The value in it that is the loudest sample.
        approximate: What of the layer a stream cannot have, as sentences.
        span_db: Decibels below the loudest value to which the layer lifts others; None for none.
        stream: How the model behind it streams, if it does.
    """

    layer: str
    values: Mapping[str, Any]
    samples: tuple[int, ...]
    full_scale: float = 1.0
    approximate: tuple[str, ...] = ()
    span_db: float | None = None
    stream: StreamForm | None = None
    _extractors: list[Extractor] = field(default_factory=list, repr=False, compare=False)

    @property
    def spec(self) -> InputSpec:
        """What a recording must look like."""
        described = read_description(self.values)
        rate = getattr(described, "sample_rate", None)
        return InputSpec("samples", self.samples, rate_hz=rate, rate_guessed=self.rate_guessed)

    @property
    def rate_guessed(self) -> bool:
        """Whether nobody has said the sample rate of the recordings."""
        return self.values["kind"] != "image" and "sample_rate" not in self.values

    @property
    def calls(self) -> int:
        """How many calls of the model a recording is for."""
        return 1 if self.stream is None else self.stream.calls

    def streamed(self, stream: StreamForm | None) -> Hearing:
        """The same in front of a model that takes steps of the features."""
        return replace(self, stream=stream)

    def fitted(self, recordings: Iterable[Sequence[Array]]) -> Hearing:
        """The same with the floor that the layer has on all these recordings at once.

        The layer finds the loudest value anew in each call; a stream has one floor for all.
        """
        if self.span_db is None:
            return self
        loudest = max(float(self.features(recording)[0].max()) for recording in recordings)
        decibels = loudest if self.values["log"] == "db" else 10 * loudest
        floor = 10 ** ((decibels - self.span_db) / 10)
        if floor <= self.values["log_floor"]:
            return self
        return replace(self, values={**self.values, "log_floor": floor}, _extractors=[])

    def features(self, recording: Sequence[Array]) -> list[Array]:
        """The features of one recording, float32, shape (frames, features), as the only array.

        Of a camera's frame its picture, shape (height, width, channels).

        Raises:
            EdgeqError: A frame's values are no pixels, a recording's no samples.
        """
        extract = self._extract
        if self.values["kind"] == "image":
            return [self._picture(extract, np.asarray(recording[0], np.float32))]
        if self.too_loud(recording):
            low, high = (float(end) for end in (recording[0].min(), recording[0].max()))
            raise EdgeqError(
                f"Samples are from -{self.full_scale:g} to {self.full_scale:g}; the data go from "
                f"{low:g} to {high:g}.",
                self.layer,
                "data from -1 to 1, or keras.layers.Rescaling(1 / 32768) before the layer",
            )
        row = np.asarray(recording[0], np.float32).reshape(-1) / np.float32(self.full_scale)
        wanted = replace(extract.stream, frames=extract.front.frames or 1).first_answer
        return [extract(np.pad(row[:wanted], (0, max(wanted - len(row), 0))))]

    def too_loud(self, recording: Sequence[Array]) -> bool:
        """Whether a recording's values are no samples: far above the loudest one."""
        return float(np.abs(recording[0]).max(initial=0)) > _TOO_LOUD * self.full_scale

    def _picture(self, extract: Extractor, frame: Array) -> Array:
        low, high = float(frame.min()), float(frame.max())
        if low < -0.5 or high > 255.5:
            raise EdgeqError(
                f"A camera's pixels are from 0 to 255; the data go from {low:.4g} to {high:.4g}.",
                self.layer,
                "leave out --image-front-end for a model of other values",
            )
        pixels = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        size = (self.values["out_height"], self.values["out_width"], self.values["out_channels"])
        return extract(pixels.reshape(-1)).reshape(size)

    def steps(self, window: Sequence[Array]) -> Iterator[list[Array]]:
        """The inputs of each call of the model for one recording."""
        found = self.features(window)
        if self.stream is None:
            yield found
        else:
            yield from self.stream.steps(found)

    @property
    def _extract(self) -> Extractor:
        if not self._extractors:
            precision = None if self.values["kind"] == "image" else "float32"
            made = Extractor(dict(self.values), precision)
            made.close()  # loaded code stays in memory; the file that it came from need not
            self._extractors.append(made)
        return self._extractors[0]
