"""DIV, ADD_N, CUMSUM, and the ops whose places are computed at run time."""

from dataclasses import replace

import numpy as np

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, random_case
from tests.oracle.generators.tensors import (
    constant,
    extreme_values,
    of_types,
    plain,
    quantized,
    seed_of,
    shape_of,
    values,
)


def div(rng, size):
    shape = shape_of(rng, int(rng.integers(1, 4)), size)
    other = shape if rng.random() < 0.5 else shape[-1:]
    # Undefined in the reference: a divisor of 0, and quotients far below the output's scale, for
    # which it shifts by more than 31 bits.
    x, y = quantized(rng, shape), quantized(rng, other, low=0.01, high=0.1)
    z = quantized(rng, shape)
    z = replace(z, scale=x.scale / y.scale / float(rng.uniform(150, 4000)))
    below = rng.integers(-128, 128, other)
    below = np.where(below == y.zero_point, below - 1 + 2 * (below < 0), below)
    fed = [values(rng, shape, "int8"), below.astype(np.int8)]
    options = {"fused_activation_function": int(rng.choice([0, 1, 3]))}
    what = f"DIV {shape} {other} {x.scale} {y.scale} {y.zero_point} {z.scale}"
    return Case(what, single_op("DIV", [x, y], [z], options), [fed])


def plain_div(rng, size, dtype):
    shape = shape_of(rng, 2, size)
    a, b, y = (TensorSpec(shape, dtype) for _ in range(3))
    below = rng.choice([-7, -2, 1, 2, 3, 2**31 - 1, -(2**31)], shape).astype(dtype)
    if dtype == "float32":
        below = extreme_values(rng, shape, dtype)
    options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
    fed = [extreme_values(rng, shape, dtype), below]
    return Case(f"DIV {dtype} {shape}", single_op("DIV", [a, b], [y], options), [fed])


def add_n(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), size)
    x = quantized(rng, shape) if dtype == "int8" else TensorSpec(shape, dtype)
    y = quantized(rng, shape, low=0.01) if dtype == "int8" else TensorSpec(shape, dtype)
    count = int(rng.integers(2, 6))
    inputs = [TensorSpec(shape, dtype, x.scale, x.zero_point) for _ in range(count)]
    model = single_op("ADD_N", inputs, [y])
    return random_case(f"ADD_N {dtype} {shape} {count}", model, seed=seed_of(rng))


def cumsum(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), size)
    axis = int(rng.integers(-len(shape), len(shape)))
    options = {k: bool(rng.random() < 0.5) for k in ("exclusive", "reverse")}
    x = quantized(rng, shape) if dtype == "int8" else TensorSpec(shape, dtype)
    y = quantized(rng, shape, low=0.01) if dtype == "int8" else TensorSpec(shape, dtype)
    model = single_op("CUMSUM", [x, constant(axis, "int32")], [y], options)
    oracle = "litert" if dtype in ("int32", "int64") else "tflm"
    what = f"CUMSUM {dtype} {shape} {axis} {options}"
    return random_case(what, model, seed=seed_of(rng), oracle=oracle)


def dynamic_update_slice(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size)
    part = tuple(int(rng.integers(1, n + 1)) for n in shape)
    index = str(rng.choice(["int32", "int64"]))
    start = np.array([int(rng.integers(-1, n + 1)) for n in shape], index)
    x, y, z = plain(shape, dtype), plain(part, dtype), plain(shape, dtype)
    model = single_op("DYNAMIC_UPDATE_SLICE", [x, y, TensorSpec(start.shape, index)], [z])
    fed = [values(rng, shape, dtype), values(rng, part, dtype), start]
    return Case(f"DYNAMIC_UPDATE_SLICE {dtype} {shape} {part} {start}", model, [fed])


def slice_from_computed_start(rng, size):
    shape = shape_of(rng, int(rng.integers(1, 5)), size)
    begin = np.array([int(rng.integers(0, n)) for n in shape], "int32")
    part = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    inputs = [plain(shape, "int8"), TensorSpec(begin.shape, "int32"), constant(part, "int32")]
    model = single_op("SLICE", inputs, [plain(part, "int8")])
    return Case(f"SLICE {shape} {begin} {part}", model, [[values(rng, shape, "int8"), begin]])


def embedding_lookup(rng, size, types):
    table, result = types.split()
    rows, columns, lookups = shape_of(rng, 3, size)
    scale = 0.25 if table == "int8" else None
    content = values(rng, (rows, columns), table)
    weights = TensorSpec((rows, columns), table, scale, 0, content)
    output = TensorSpec((lookups, columns), result, scale if result == "int8" else None)
    model = single_op("EMBEDDING_LOOKUP", [TensorSpec((lookups,), "int32"), weights], [output])
    fed = rng.integers(0, rows, lookups).astype(np.int32)
    return Case(f"EMBEDDING_LOOKUP {types} {content.shape} {lookups}", model, [[fed]])


def broadcast_args(rng, size):
    result = shape_of(rng, int(rng.integers(1, 6)), size)
    pair = [[n if rng.random() < 0.6 else 1 for n in result] for _ in "ab"]
    pair[1] = pair[1][int(rng.integers(0, len(result))) :]
    a, b, y = (TensorSpec((len(s),), "int32") for s in (*pair, result))
    fed = [np.array(shape, np.int32) for shape in pair]
    return Case(f"BROADCAST_ARGS {pair}", single_op("BROADCAST_ARGS", [a, b], [y]), [fed])


def shape_op(rng, size):
    shape = shape_of(rng, int(rng.integers(1, 5)), size)
    y = TensorSpec((len(shape),), "int32")
    model = single_op("SHAPE", [plain(shape, "int8")], [y], {"out_type": 2})
    return random_case(f"SHAPE {shape}", model)


_SOME = ("int8", "int16", "int32", "float32")
GENERATORS = {
    "ADD_N": of_types(add_n, ("int8", "float32")),
    "BROADCAST_ARGS": broadcast_args,
    "CUMSUM": of_types(cumsum, ("int8", "int8", "float32", "int32", "int64")),
    "DIV": div,
    "DIV float32, int32": of_types(plain_div, ("float32", "int32")),
    "DYNAMIC_UPDATE_SLICE": of_types(dynamic_update_slice, _SOME),
    "EMBEDDING_LOOKUP": of_types(
        embedding_lookup, ("int8 int8", "int8 float32", "float32 float32")
    ),
    "SHAPE": shape_op,
    "SLICE from a computed start": slice_from_computed_start,
}
