"""The device's features inside a Keras model or a tf.data pipeline, by the same C."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeq.frontend.features import Extractor, Source
from edgeq.support.array import Array


def feature_layer(frontend: Source, precision: str | None = None) -> Any:
    """A Keras layer from samples, shape (batch, samples), to features (batch, frames, features).

    Samples are int16, or floats from -1 to 1; of several axes (batch, times, axes) in real units,
    of a camera frames of uint8. Nothing is learnt in it and no gradient passes; it
    is for training on the device's own features, and is left out of the model that is converted.

    Args:
        frontend: As for `edgeq.features`.
        precision: The device's.
    """
    import keras

    extract = Extractor(frontend, precision)

    class FeatureLayer(keras.layers.Layer):  # type: ignore[misc]
        def call(self, samples: Any) -> Any:
            return _mapped(extract, samples)

        def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
            return (shape[0], _frames(extract, shape), extract.features)

    return FeatureLayer(trainable=False, dtype="float32", name=None, autocast=False)


def feature_map(frontend: Source, precision: str | None = None) -> Any:
    """A function for `tf.data.Dataset.map`: (samples[, label]) to (features[, label]).

    Args:
        frontend: As for `edgeq.features`.
        precision: The device's.
    """
    extract = Extractor(frontend, precision)

    def mapped(samples: Any, *labels: Any) -> Any:
        found = _mapped(extract, samples[None])[0]
        return (found, *labels) if labels else found

    return mapped


def _mapped(extract: Extractor, samples: Any) -> Any:
    import tensorflow as tf

    def batch(values: Array) -> Array:
        frames = [extract(row) for row in values]
        return np.stack(frames) if frames else np.empty((0, 0, extract.features), np.float32)

    result = tf.numpy_function(batch, [samples], tf.float32)
    if samples.shape.rank is None:
        return result
    shape = tuple(samples.shape)
    result.set_shape((shape[0], _frames(extract, shape), extract.features))
    return result


def _frames(extract: Extractor, shape: tuple[int | None, ...]) -> int | None:
    """How many frames a recording of a batch gives; None where its length is not known yet."""
    lengths = [length for length in shape[1:] if length is not None]
    known = len(lengths) == len(shape) - 1
    return extract.stream.answers(math.prod(lengths)) if known else None
