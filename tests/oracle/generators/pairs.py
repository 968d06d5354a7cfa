"""Ops of two inputs with broadcasting."""

from dataclasses import replace

import numpy as np

from tests.oracle.build import TensorSpec, single_op, with_data
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


def shapes(rng, size):
    """Two shapes and what they spread to; a third of the pairs are equal."""
    output = shape_of(rng, int(rng.integers(0, 7)), size, 4)
    kind = rng.random()
    if kind < 0.3:
        return output, output, output
    pair = [[1 if rng.random() < 0.4 else n for n in output] for _ in range(2)]
    pair = [shape[int(rng.integers(0, 2)) * (shape[:1] == [1]) :] for shape in pair]
    if kind < 0.45:
        pair[1] = []
    spread = np.broadcast_shapes(*map(tuple, pair))
    return tuple(pair[0]), tuple(pair[1]), spread


def case(rng, name, a, b, output, options=None, *, oracle="tflm", feed=values, may_fix=True):
    """A case of which one input may be a constant."""
    inputs = [a, b]
    single = [k for k, spec in enumerate(inputs) if np.prod(spec.shape) == 1]
    if may_fix and rng.random() < (0.8 if single else 0.3):
        # Kernels of their own take single constants.
        fixed = int(rng.choice(single or [0, 1]))
        inputs[fixed] = with_data(inputs[fixed], feed(rng, inputs[fixed].shape, a.dtype))
    elif may_fix and a.shape == b.shape and rng.random() < 0.1:
        inputs = [a, a]
    free = [spec for spec in dict.fromkeys(inputs) if spec.data is None]
    calls = [[feed(rng, spec.shape, spec.dtype) for spec in free] for _ in range(3)]
    if a.dtype in ("int8", "int16"):
        ends = np.iinfo(a.dtype)
        calls += [[np.full(s.shape, e, s.dtype) for s in free] for e in (ends.min, ends.max)]
    model = single_op(name, inputs, [output], options)
    what = f"{name} {a.dtype} {a.shape} {b.shape} {a.scale} {b.scale} {output.scale} {options}"
    return Case(what, model, calls, oracle)


def arithmetic(name):
    def make(rng, size, dtype):
        one, two, spread = shapes(rng, size)
        options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
        if dtype not in ("int8", "int16"):
            pair = [plain(shape, dtype) for shape in (one, two)]
            feed = extreme_values if rng.random() < 0.5 else values
            return case(rng, name, *pair, plain(spread, dtype), options, feed=feed)
        a, b, output = (quantized(rng, shape, dtype) for shape in (one, two, spread))
        return case(rng, name, a, b, output, options)

    return make


def long_rows(rng, size):
    """Sums and products over rows that some kernels take many values of at a time."""
    count, length = int(rng.integers(1, 4)), int(rng.integers(60, 60 + 10 * size))
    full = (count, length)
    one, two = full, [full, (length,), (count, 1), (1,)][int(rng.integers(0, 4))]
    if rng.random() < 0.3:
        one, two = two, one
    a, b, output = (quantized(rng, shape, "int8") for shape in (one, two, full))
    name = str(rng.choice(["ADD", "SUB", "MUL", "MUL"]))
    if name == "MUL":
        # Powers of two have ties and one rounding; in large steps few results are near a tie.
        scale = 2.0 ** -int(rng.integers(5, 9)) * float(rng.choice([1.0, 1.0, rng.uniform(1, 2)]))
        a, b = (replace(spec, scale=scale) for spec in (a, b))
        output = replace(output, scale=scale * scale * 2.0 ** int(rng.integers(5, 14)))
    return case(rng, name, a, b, output, {"fused_activation_function": 0})


def sums_with_ties(rng, size):
    """Sums of scales in thousandths: many lie between two results, where three roundings show."""
    shape = shape_of(rng, 3, size)
    ratios = [int(rng.integers(300, 1600)) / 1000 for _ in range(2)]
    a, b, output = (
        replace(quantized(rng, shape, "int8"), scale=0.05 * ratio) for ratio in (*ratios, 1)
    )
    return case(rng, "ADD", a, b, output, {"fused_activation_function": 0})


def squared_difference(rng, size, dtype):
    one, two, spread = shapes(rng, size)
    make = quantized if dtype in ("int8", "int16") else lambda _, shape, dtype: plain(shape, dtype)
    a, b, output = (make(rng, shape, dtype) for shape in (one, two, spread))
    return case(rng, "SQUARED_DIFFERENCE", a, b, output)


def maximum_minimum(rng, size, dtype):
    one, two, spread = shapes(rng, size)
    name = str(rng.choice(["MAXIMUM", "MINIMUM"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output, oracle="litert" if dtype == "uint8" else "tflm")


def comparison(rng, size, dtype):
    one, two, spread = shapes(rng, size)
    names = ["EQUAL", "NOT_EQUAL"]
    if dtype != "bool":
        names += ["GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"]
    name = str(rng.choice(names))
    make = quantized if dtype in ("int8", "int16") else lambda _, shape, dtype: plain(shape, dtype)
    a, b = make(rng, one, dtype), make(rng, two, dtype)
    oracle = "litert" if dtype == "int16" else "tflm"
    return case(rng, name, a, b, plain(spread, "bool"), feed=close_values, oracle=oracle)


def close_values(rng, shape, dtype):
    """Values of which many are equal."""
    if dtype == "bool":
        return values(rng, shape, dtype)
    return rng.integers(-4, 5, shape).astype(dtype)


def logical(rng, size, dtype):
    one, two, spread = shapes(rng, size)
    name = str(rng.choice(["LOGICAL_AND", "LOGICAL_OR"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output)


def prelu(rng, size, dtype):
    output = shape_of(rng, int(rng.integers(1, 5)), size, 5)
    alpha = tuple(1 if rng.random() < 0.5 else n for n in output)
    if dtype == "float32":
        slopes = constant(values(rng, alpha, dtype))
        return case(rng, "PRELU", plain(output, dtype), slopes, plain(output, dtype), may_fix=False)
    a, y = (quantized(rng, output, dtype) for _ in range(2))
    return case(rng, "PRELU", a, with_alpha(rng, alpha), y, may_fix=False)


def with_alpha(rng, shape):
    spec = quantized(rng, shape, "int8")
    return with_data(spec, values(rng, shape, "int8"))


def small(rng, shape, dtype):
    return rng.integers(-9, 10, shape).astype(dtype)


def tenths(rng, shape, dtype):
    """Floats whose quotients are near integers, and no 0, by which TFLM does not divide."""
    value = rng.integers(1, 100, shape) * rng.choice([0.1, -0.1, 0.5, 1e10], shape)
    return np.where(rng.random(shape) < 0.1, np.inf, value).astype(dtype)


def floor_float(rng, size, dtype):
    one, two, spread = shapes(rng, size)
    name = str(rng.choice(["FLOOR_DIV", "FLOOR_MOD"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output, feed=tenths)


def floor_integer(rng, size):
    one, two, spread = shapes(rng, size)
    name = str(rng.choice(["FLOOR_DIV", "FLOOR_MOD"]))
    divisor = small(rng, two, "int32")
    b = constant(np.where(divisor == 0, 3, divisor), "int32")
    a, y = TensorSpec(one, "int32"), TensorSpec(spread, "int32")
    return case(rng, name, a, b, y, oracle="litert", feed=small, may_fix=False)


def logical_not(rng, size):
    shape = shape_of(rng, 2, size)
    model = single_op("LOGICAL_NOT", [plain(shape, "bool")], [plain(shape, "bool")])
    return Case(f"LOGICAL_NOT {shape}", model, [[values(rng, shape, "bool")]])


_MOST = ("int8", "int8", "int16", "int32", "float32")
GENERATORS = {
    **{name: of_types(arithmetic(name), _MOST) for name in ("ADD", "SUB", "MUL")},
    "rows of sums and products": long_rows,
    "sums with ties": sums_with_ties,
    "EQUAL, GREATER, LESS, ...": of_types(
        comparison, ("int8", "int8", "int16", "int32", "int64", "bool", "float32")
    ),
    "FLOOR_DIV, FLOOR_MOD float32": of_types(floor_float, ("float32",)),
    "FLOOR_DIV, FLOOR_MOD int32": floor_integer,
    "LOGICAL_AND, LOGICAL_OR": of_types(logical, ("bool",)),
    "LOGICAL_NOT": logical_not,
    "MAXIMUM, MINIMUM": of_types(
        maximum_minimum, ("int8", "int16", "int32", "int64", "uint8", "float32")
    ),
    "PRELU": of_types(prelu, ("int8", "int16", "float32")),
    "SQUARED_DIFFERENCE": of_types(squared_difference, ("int8", "int16", "int32", "float32")),
}
