"""What the generators share: shapes, scales, zero points at the ends, constants."""

import math

import numpy as np

from tests.oracle.build import TensorSpec

RANGES = {"int4": (-7, 7), "int8": (-128, 127), "int16": (-32768, 32767)}


def extent(rng, size):
    """An axis length from 1 to `size`."""
    return int(rng.integers(1, size + 1))


def shape(rng, size, rank):
    """A shape whose axes are at most `size`."""
    return tuple(extent(rng, size) for _ in range(rank))


def chance(rng, probability):
    return rng.random() < probability


def scale(rng, low=1e-3, high=2.0):
    """A scale, uniform in its logarithm, as a float32 value; some are powers of two, of which the
    results fall in the middle between two integers.
    """
    if chance(rng, 0.2):
        return 2.0 ** int(rng.integers(math.ceil(math.log2(low)), math.log2(high) + 1))
    return float(np.float32(math.exp(rng.uniform(math.log(low), math.log(high)))))


def zero_point(rng, dtype):
    """A zero point, often at an end of the range; int16 has none."""
    if dtype == "int16":
        return 0
    low, high = RANGES[dtype]
    return int(rng.choice([low, 0, high, rng.integers(low, high + 1)]))


def tensor(rng, shape, dtype="int8", **fields):
    """An activation with a random scale where its type is quantized."""
    if dtype in RANGES:
        fields.setdefault("scale", scale(rng))
        fields.setdefault("zero_point", zero_point(rng, dtype))
    return TensorSpec(tuple(shape), dtype, **fields)


def data(rng, shape, dtype):
    """Random values; integers are uniform, with a share of extreme ones."""
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    low, high = RANGES[dtype]
    values = rng.integers(low, high + 1, shape)
    if dtype == "int8":
        values = np.maximum(values, -127)
    if chance(rng, 0.2):
        values = rng.choice([low + 1, high], shape)
    return values.astype("int8" if dtype == "int4" else dtype)


def weights(rng, shape, dtype, *, axis=None, typical=0.02):
    """Symmetric constant weights, with one scale per slice of `axis` if given."""
    if dtype == "float32":
        return TensorSpec(shape, dtype, data=data(rng, shape, dtype))
    count = 1 if axis is None else shape[axis]
    scales = [scale(rng, typical / 30, typical * 30) for _ in range(count)]
    if dtype == "clustered":
        shared = data(rng, (extent(rng, 16),), "int8")
        return TensorSpec(shape, "int8", scales, 0, rng.choice(shared, shape), axis or 0)
    return TensorSpec(shape, dtype, scales, 0, data(rng, shape, dtype), axis or 0)


def bias(rng, source, filters, channels, dtype, *, needed=False):
    """A constant bias for a layer; sometimes None, unless it is needed."""
    if not needed and chance(rng, 0.2):
        return None
    if dtype == "float32":
        return TensorSpec((channels,), dtype, data=data(rng, (channels,), dtype))
    reach = 1 << int(rng.integers(4, 24 if dtype == "int32" else 34))
    values = rng.integers(-reach, reach, channels)
    scales = [source.scale * s for s in np.atleast_1d(filters.scale)]
    return TensorSpec((channels,), dtype, scales, 0, values)


def output_scale(rng, source, filters, taps):
    """A scale for which typical sums fill the output's range, more or less."""
    if source.scale is None:
        return None
    typical = source.scale * float(np.mean(filters.scale)) * 50 * math.sqrt(taps)
    return float(np.float32(typical * math.exp(rng.uniform(-4, 2))))


def case_seed(rng):
    return int(rng.integers(1 << 30))
