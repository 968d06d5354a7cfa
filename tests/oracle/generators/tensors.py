"""Random tensors that the generators of data movement and of arithmetic share."""

import numpy as np

from tests.oracle.build import TensorSpec
from tests.oracle.generators.values import scale

QUANTIZED = ("int8", "uint8", "int16")


def quantized(rng, shape, dtype="int8", *, low=0.002, high=0.5, zero_point=None):
    """An activation with a random scale; every fourth zero point is at an end of the range."""
    info = np.iinfo(dtype)
    if zero_point is None:
        ends = (info.min, info.max)
        inside = int(rng.integers(info.min, info.max + 1))
        zero_point = int(rng.choice(ends)) if rng.random() < 0.25 else inside
        zero_point = 0 if dtype == "int16" else zero_point
    return TensorSpec(tuple(shape), dtype, scale(rng, low, high), zero_point)


def plain(shape, dtype):
    """A tensor for ops that only move data; quantized types get some scale."""
    if dtype in QUANTIZED:
        return TensorSpec(tuple(shape), dtype, 0.5, 0 if dtype == "int16" else 3)
    return TensorSpec(tuple(shape), dtype)


def values(rng, shape, dtype):
    """Random values over the whole range of a type."""
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32) * 3
    if dtype == "bool":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


_EXTREME_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 1e-38, 3.4e38, -3.4e38)
_EXTREME_FLOATS += (0.1, 0.5, -0.5, 1.5, 2.5, -6, 6, -89, 89, -104, 300, -70000, 3e9, 5e9, -1e20)


def extreme_values(rng, shape, dtype):
    """Values of which every second is one that code forgets: NaN, infinity, the ends of a range."""
    ordinary = values(rng, shape, dtype)
    if dtype == "bool":
        return ordinary
    if dtype == "float32":
        ends = np.array(_EXTREME_FLOATS, dtype)
    else:
        info = np.iinfo(dtype)
        ends = np.array([info.min, info.min + 1, 0, 1, 2, info.max - 1, info.max], dtype)
    return np.where(rng.random(shape) < 0.5, ordinary, rng.choice(ends, shape)).astype(dtype)


def constant(array, dtype=None, **fields):
    """A constant tensor."""
    array = np.asarray(array, dtype)
    return TensorSpec(array.shape, array.dtype.name, data=array, **fields)


def shape_of(rng, rank, size, largest=6):
    """A random shape, no axis longer than `size` and `largest`."""
    return tuple(int(n) for n in rng.integers(1, min(size, largest) + 1, rank))


def of_types(make, types):
    """A generator that takes one of these types for each model.

    Args:
        make: Makes a case from a random generator, a size and a type.
    """
    return lambda rng, size: make(rng, size, str(rng.choice(types)))


def seed_of(rng):
    """A seed for the inputs of a case."""
    return int(rng.integers(1 << 30))
