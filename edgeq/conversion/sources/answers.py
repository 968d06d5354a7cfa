"""What a model answers in its own framework, for its float .tflite to be held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.network import Answers
from edgeq.conversion.sources.structures import leaves, with_leaves
from edgeq.support.array import Array


def keras_answers(model: Any, taken: Any, given: Any, inputs: Sequence[Any]) -> Answers:
    """What a Keras model answers as it is called in training, several samples at once.

    Never one alone: of a batch of 1 Keras computes some sums otherwise.

    Args:
        model: It takes any number of samples.
        taken, given: Structures of its inputs and outputs.
        inputs: The inputs in the order of their leaves.
    """

    def answers(samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
        import tensorflow as tf

        columns = [np.stack([np.asarray(value) for value in c]) for c in zip(*samples, strict=True)]
        fed = [
            tf.constant(np.concatenate([c, c[:1]]).reshape(-1, *t.shape[1:]).astype(t.dtype))
            for c, t in zip(columns, inputs, strict=True)
        ]
        packed = with_leaves(taken, iter(fed))
        if isinstance(packed, list | tuple) and len(packed) == 1:
            packed = packed[0]
        # Left open, it is True behind some layers, and statistics change.
        made = model(packed, training=False)
        values = [np.asarray(value) for _, value in leaves(made, given)]
        return [[value[n] for value in values] for n in range(len(samples))]

    return answers


def traced_answers(function: Any, specs: Sequence[Any]) -> Answers:
    """What TensorFlow answers by the graph that was converted, one sample at a time.

    Args:
        function: Of tensors of batch 1.
        specs: A tf.TensorSpec for each.
    """

    def answers(samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
        import tensorflow as tf

        found = []
        for sample in samples:
            given = zip(sample, specs, strict=True)
            fed = [
                tf.constant(np.reshape(v, tuple(spec.shape)).astype(spec.dtype.as_numpy_dtype))
                for v, spec in given
            ]
            found.append([np.asarray(value)[0] for value in function(*fed)])
        return found

    return answers
