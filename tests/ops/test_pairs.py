"""Ops of two inputs with broadcasting, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import constant, plain, quantized, shape_of, values
from tests.oracle.build import TensorSpec, single_op, with_data
from tests.oracle.check import Case, assert_same

CASES = 30


def shapes(rng):
    """Two shapes and what they spread to; a third of the pairs are equal."""
    output = shape_of(rng, int(rng.integers(1, 6)), 4)
    kind = rng.random()
    if kind < 0.3:
        return output, output, output
    pair = [[1 if rng.random() < 0.4 else n for n in output] for _ in range(2)]
    pair = [shape[int(rng.integers(0, 2)) * (shape[0] == 1) :] for shape in pair]
    if kind < 0.45:
        pair[1] = []
    spread = np.broadcast_shapes(*map(tuple, pair))
    return tuple(pair[0]), tuple(pair[1]), spread


def case(rng, name, a, b, output, options=None, *, oracle="tflm", feed=values, may_fix=True):
    """A case of which one input may be a constant."""
    inputs = [a, b]
    if may_fix and rng.random() < 0.3:
        fixed = int(rng.integers(0, 2))
        inputs[fixed] = with_data(inputs[fixed], feed(rng, inputs[fixed].shape, a.dtype))
    free = [spec for spec in inputs if spec.data is None]
    calls = [[feed(rng, spec.shape, spec.dtype) for spec in free] for _ in range(3)]
    if a.dtype in ("int8", "int16"):
        ends = np.iinfo(a.dtype)
        calls += [[np.full(s.shape, e, s.dtype) for s in free] for e in (ends.min, ends.max)]
    model = single_op(name, inputs, [output], options)
    what = f"{name} {a.dtype} {a.shape} {b.shape} {a.scale} {b.scale} {output.scale} {options}"
    return Case(what, model, calls, oracle)


def arithmetic(name):
    def make(rng, dtype):
        one, two, spread = shapes(rng)
        options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
        if dtype not in ("int8", "int16"):
            pair = [plain(shape, dtype) for shape in (one, two)]
            return case(rng, name, *pair, plain(spread, dtype), options)
        a, b, output = (quantized(rng, shape, dtype) for shape in (one, two, spread))
        return case(rng, name, a, b, output, options)

    make.__name__ = name
    return make


def squared_difference(rng, dtype):
    one, two, spread = shapes(rng)
    make = quantized if dtype in ("int8", "int16") else lambda _, shape, dtype: plain(shape, dtype)
    a, b, output = (make(rng, shape, dtype) for shape in (one, two, spread))
    return case(rng, "SQUARED_DIFFERENCE", a, b, output)


def maximum_minimum(rng, dtype):
    one, two, spread = shapes(rng)
    name = str(rng.choice(["MAXIMUM", "MINIMUM"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output, oracle="litert" if dtype == "uint8" else "tflm")


def comparison(rng, dtype):
    one, two, spread = shapes(rng)
    names = ["EQUAL", "NOT_EQUAL"]
    if dtype != "bool":
        names += ["GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"]
    name = str(rng.choice(names))
    make = quantized if dtype == "int8" else lambda _, shape, dtype: plain(shape, dtype)
    a, b = make(rng, one, dtype), make(rng, two, dtype)
    return case(rng, name, a, b, plain(spread, "bool"), feed=close_values)


def close_values(rng, shape, dtype):
    """Values of which many are equal."""
    if dtype == "bool":
        return values(rng, shape, dtype)
    return rng.integers(-4, 5, shape).astype(dtype)


def logical(rng, dtype):
    one, two, spread = shapes(rng)
    name = str(rng.choice(["LOGICAL_AND", "LOGICAL_OR"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output)


def prelu(rng, dtype):
    output = shape_of(rng, int(rng.integers(1, 5)), 5)
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


def floor_float(rng, dtype):
    one, two, spread = shapes(rng)
    name = str(rng.choice(["FLOOR_DIV", "FLOOR_MOD"]))
    a, b, output = (plain(shape, dtype) for shape in (one, two, spread))
    return case(rng, name, a, b, output)


MOST = ("int8", "int8", "int16", "int32", "float32")
PAIRS = {
    arithmetic("ADD"): MOST,
    arithmetic("SUB"): MOST,
    arithmetic("MUL"): MOST,
    squared_difference: ("int8", "int16", "int32", "float32"),
    maximum_minimum: ("int8", "int16", "int32", "int64", "uint8", "float32"),
    comparison: ("int8", "int8", "int32", "int64", "bool", "float32"),
    floor_float: ("float32",),
    logical: ("bool",),
    prelu: ("int8", "int16", "float32"),
}


@pytest.mark.parametrize("make", PAIRS, ids=lambda f: f.__name__)
def test_pairs(make):
    rng = np.random.default_rng(5)
    types = PAIRS[make]
    assert_same(make(rng, types[k % len(types)]) for k in range(CASES))


def test_integer_floor_division_and_remainder():
    rng = np.random.default_rng(6)
    cases = []
    for _ in range(12):
        one, two, spread = shapes(rng)
        divisor = small(rng, two, "int32")
        b = constant(np.where(divisor == 0, 3, divisor), "int32")
        a, y = TensorSpec(one, "int32"), TensorSpec(spread, "int32")
        cases += [
            case(rng, name, a, b, y, oracle="litert", feed=small, may_fix=False)
            for name in ("FLOOR_DIV", "FLOOR_MOD")
        ]
    assert_same(cases)


def test_logical_not():
    rng = np.random.default_rng(7)
    a, y = plain((3, 5), "bool"), plain((3, 5), "bool")
    calls = [[values(rng, (3, 5), "bool")] for _ in range(3)]
    assert_same([Case("LOGICAL_NOT", single_op("LOGICAL_NOT", [a], [y]), calls)])
