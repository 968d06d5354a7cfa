"""QUANTIZE, DEQUANTIZE, CAST, SELECT, SELECT_V2, ARG_MAX and ARG_MIN."""

import numpy as np

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case
from tests.oracle.generators.tensors import (
    constant,
    extreme_values,
    of_types,
    plain,
    quantized,
    shape_of,
    values,
)

_REQUANTIZE = ["int8 int8", "int8 uint8", "uint8 int8", "int8 int16", "int8 int32", "int16 int8"]
_REQUANTIZE += ["int16 int16", "int16 int32", "int32 int8", "int32 int16"]


def _scaled(rng, dtype):
    if dtype == "int32":
        zero_point = int(rng.choice([0, 0, 5, -1000, -(1 << 31)]))
        return TensorSpec((256,), dtype, float(rng.uniform(1e-5, 1e-2)), zero_point)
    if rng.random() < 0.2:
        return quantized(rng, (256,), dtype, low=1e-6, high=1e3)
    return quantized(rng, (256,), dtype)


def requantize(rng, _, types):
    """Every byte, or many words, from one scale and type to another."""
    source, target = types.split()
    x, y = _scaled(rng, source), _scaled(rng, target)
    value = np.arange(256).astype(source) if source[-1] == "8" else values(rng, (256,), source)
    value = value // 1024 if source == "int32" else value
    what = f"QUANTIZE {types} {x.scale} {x.zero_point} {y.scale} {y.zero_point}"
    return Case(what, single_op("QUANTIZE", [x], [y]), [[value]])


def quantize(rng, _, dtype):
    """Floats of which half lie in the middle between two integers."""
    y = quantized(rng, (256,), dtype)
    halves = (rng.integers(-400, 400, 128) + 0.5) * y.scale
    value = np.concatenate([halves, rng.normal(size=128) * 100]).astype(np.float32)
    model = single_op("QUANTIZE", [TensorSpec((256,), "float32")], [y])
    return Case(f"QUANTIZE float32 {dtype} {y.scale} {y.zero_point}", model, [[value]])


def dequantize(rng, _, dtype):
    x = quantized(rng, (256,), dtype)
    model = single_op("DEQUANTIZE", [x], [TensorSpec((256,), "float32")])
    return Case(f"DEQUANTIZE {dtype}", model, [[values(rng, (256,), dtype)]])


def cast(rng, _, source):
    target = str(rng.choice(["int8", "int16", "int32", "uint32", "bool", "float32"]))
    value = extreme_values(rng, (64,), source)
    model = single_op("CAST", [TensorSpec((64,), source)], [TensorSpec((64,), target)])
    return Case(f"CAST {source} {target}", model, [[value]])


def cast_of_litert(rng, _, source):
    target = str(rng.choice(["bool", "int64", "int32", "uint8"]))
    value = rng.integers(0, 3, 64).astype(source)
    model = single_op("CAST", [TensorSpec((64,), source)], [TensorSpec((64,), target)])
    return Case(f"CAST {source} {target}", model, [[value]], "litert")


def select_v2(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size, 4)
    keep = rng.random() < 0.4
    parts = [tuple(n if keep or rng.random() < 0.6 else 1 for n in shape) for _ in "cxy"]
    spread = np.broadcast_shapes(*parts)
    if rng.random() < 0.1:
        parts, spread = [(1,) * int(rng.integers(0, 4)) for _ in "cxy"], (1,) * int(rng.integers(3))
    c, x, y = plain(parts[0], "bool"), plain(parts[1], dtype), plain(parts[2], dtype)
    fed = [values(rng, spec.shape, spec.dtype) for spec in (c, x, y)]
    model = single_op("SELECT_V2", [c, x, y], [plain(spread, dtype)])
    return Case(f"SELECT_V2 {dtype} {parts}", model, [fed])


def select(rng, size, dtype):
    """A condition of the inputs' shape, or one value per first index."""
    shape = shape_of(rng, 2, size)
    first = shape if rng.random() < 0.5 else shape[:1]
    c, x, y = plain(first, "bool"), plain(shape, dtype), plain(shape, dtype)
    fed = [values(rng, spec.shape, spec.dtype) for spec in (c, x, y)]
    model = single_op("SELECT", [c, x, y], [plain(shape, dtype)])
    return Case(f"SELECT {dtype} {first} {shape}", model, [fed], "litert")


def arg_min_max(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size)
    axis = int(rng.integers(-len(shape), len(shape)))
    result = tuple(n for i, n in enumerate(shape) if i != axis % len(shape))
    litert = dtype == "int32"
    index = "int64" if litert and rng.random() < 0.5 else "int32"
    name = str(rng.choice(["ARG_MAX", "ARG_MIN"]))
    inputs = [plain(shape, dtype), constant(axis, "int32")]
    options = {"output_type": 4 if index == "int64" else 2}
    model = single_op(name, inputs, [TensorSpec(result, index)], options)
    value = rng.integers(-3, 4, shape).astype(dtype)
    if dtype == "float32" and rng.random() < 0.5:
        value = extreme_values(rng, shape, dtype)
    oracle = "litert" if litert else "tflm"
    return Case(f"{name} {dtype} {shape} {axis}", model, [[value]], oracle)


_SOME = ("int8", "int16", "float32")
GENERATORS = {
    "ARG_MAX, ARG_MIN": of_types(arg_min_max, ("int8", "float32", "int32")),
    "CAST": of_types(cast, ("int8", "int16", "int32", "uint32", "float32", "bool")),
    "CAST of LiteRT": of_types(cast_of_litert, ("int8", "int32", "int64", "float32")),
    "DEQUANTIZE": of_types(dequantize, ("int8", "uint8", "int16")),
    "QUANTIZE": of_types(requantize, _REQUANTIZE),
    "QUANTIZE float32": of_types(quantize, ("int8", "int16")),
    "SELECT": of_types(select, ("int8", "int32", "float32")),
    "SELECT_V2": of_types(select_v2, _SOME),
}
