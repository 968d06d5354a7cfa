"""Keras layers that make categories of numbers, in ops that devices have.

TensorFlow makes them of hash tables, BUCKETIZE, ONE_HOT and counts, which TensorFlow Lite lacks or
no integer kernel computes. A look-up in a constant, and comparisons, say the same:

    IntegerLookup         the place in a table of all whole numbers from the least to the last key
    Discretization        how many of the boundaries are not above a value
    one_hot               a row of the unit matrix
    multi_hot, count      the largest, or the sum, of such rows
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import kind_of

_MOST_KEYS = 4096
_MOST_NUMBERS = 1 << 26  # of all rows: 256 MiB, for 8,192 categories
_MODES = ("int", "one_hot", "multi_hot", "count")


def categories(tf: Any, layer: Any) -> Callable[..., Any] | None:
    """What computes the same as a layer that makes categories; None for others."""
    make = _MAKERS.get(kind_of(layer))
    mode = getattr(layer, "output_mode", None)
    if make is None or mode not in _MODES or getattr(layer, "sparse", False):
        return None
    return make(tf, layer)


def _category_encoding(tf: Any, layer: Any) -> Callable[..., Any]:
    plain = layer.call

    def call(inputs: Any, count_weights: Any = None) -> Any:
        inputs = tf.convert_to_tensor(inputs)
        if count_weights is not None or not _encodes(layer.output_mode, inputs):
            return plain(inputs, count_weights=count_weights)
        # Numbers that are no category have a row of zeros, as in Keras.
        keys = _keys(-1, layer.num_tokens)
        return _encoded(tf, _places(tf, inputs, keys), layer, keys, layer.num_tokens)

    return call


def _integer_lookup(tf: Any, layer: Any) -> Callable[..., Any] | None:
    if layer.invert or layer.num_oov_indices != 1:
        return None
    known = [int(key) for key in layer.get_vocabulary(include_special_tokens=False)]
    known += [] if layer.mask_token is None else [int(layer.mask_token)]
    if not known or max(known) - min(known) >= _MOST_KEYS:
        return None
    plain, keys = layer.call, _keys(min(known) - 1, max(known) + 1)
    table = np.asarray(layer._lookup_dense(tf.constant(keys, layer._key_dtype))).astype(np.int32)
    depth = layer.max_tokens if layer.pad_to_max_tokens else layer.vocabulary_size()

    def call(inputs: Any) -> Any:
        inputs = tf.convert_to_tensor(inputs)
        if not _encodes(layer.output_mode, inputs):
            return plain(inputs)
        places = _places(tf, inputs, keys)
        if layer.output_mode == "int":
            return tf.gather(table, places)
        # The mask's index is -1; it has a row of zeros.
        return _encoded(tf, places, layer, table, depth)

    return call


def _discretization(tf: Any, layer: Any) -> Callable[..., Any] | None:
    bounds = layer.bin_boundaries
    if bounds is None or len(bounds) == 0:
        return None
    plain = layer.call

    def call(inputs: Any) -> Any:
        inputs = tf.convert_to_tensor(inputs)
        if not inputs.dtype.is_floating or not _encodes(layer.output_mode, inputs):
            return plain(inputs)
        above = tf.greater_equal(inputs[..., None], tf.constant(bounds, inputs.dtype))
        places = tf.reduce_sum(tf.cast(above, tf.int32), axis=-1)
        count = len(bounds) + 1
        return _encoded(tf, places, layer, range(count), count)

    return call


_MAKERS: dict[str, Callable[[Any, Any], Callable[..., Any] | None]] = {
    "CategoryEncoding": _category_encoding,
    "IntegerLookup": _integer_lookup,
    "Discretization": _discretization,
}


def _keys(least: int, most: int) -> range:
    """All whole numbers from the least to the largest, a number more where that matters.

    TensorFlow's converter makes RELU6 and RELU_N1_TO_1 of clips, and these are for floats.
    """
    least -= (least, most) in ((0, 6), (-1, 1))
    return range(least, most + 1)


def _places(tf: Any, inputs: Any, keys: range) -> Any:
    """Where whole numbers stand among keys; what is beyond these, at the first or the last."""
    least, most = keys[0], keys[-1]
    return tf.clip_by_value(tf.cast(inputs, tf.int32), least, most) - least


def _encodes(mode: str, inputs: Any) -> bool:
    """Whether Keras reduces along the last axis, if it reduces."""
    return mode in ("int", "one_hot") or inputs.shape.rank == 2


def _encoded(tf: Any, places: Any, layer: Any, table: Any, depth: int) -> Any:
    """Places in a table of categories as a layer gives them.

    Raises:
        ValueError: The rows would fill the memory: a file may ask for any number of categories.
    """
    mode = layer.output_mode
    if mode == "int":
        return places
    if len(table) * depth > _MOST_NUMBERS:
        raise ValueError(
            f"the layer '{layer.name}' has {depth:,} categories; {math.isqrt(_MOST_NUMBERS):,} are "
            "converted at most"
        )
    rows = np.equal.outer(table, np.arange(depth)).astype(np.float32)
    if mode == "one_hot":
        shape = tuple(places.shape)
        single = len(shape) > 1 and shape[-1] == 1
        return tf.gather(rows, tf.reshape(places, shape[:-1]) if single else places)
    reduce = tf.reduce_max if mode == "multi_hot" else tf.reduce_sum
    return reduce(tf.gather(rows, places), axis=-2)
