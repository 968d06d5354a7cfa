"""DIV, ADD_N, CUMSUM and the ops whose places are computed at run time, against the oracle."""

from dataclasses import replace

import numpy as np
import pytest

from tests.ops.cases import constant, plain, quantized, shape_of, values
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same, random_case


def test_int8_division():
    rng = np.random.default_rng(1)

    def case():
        shape = shape_of(rng, int(rng.integers(1, 4)), 6)
        other = shape if rng.random() < 0.5 else shape[-1:]
        # Undefined in the reference: a divisor of 0, and quotients far below the output's scale,
        # for which it shifts by more than 31 bits.
        x, y = quantized(rng, shape), quantized(rng, other, low=0.01, high=0.1)
        z = quantized(rng, shape)
        z = replace(z, scale=x.scale / y.scale / float(rng.uniform(150, 4000)))
        below = rng.integers(-128, 128, other)
        below = np.where(below == y.zero_point, below - 1 + 2 * (below < 0), below)
        fed = [values(rng, shape, "int8"), below.astype(np.int8)]
        options = {"fused_activation_function": int(rng.choice([0, 1, 3]))}
        what = f"DIV {shape} {other} {x.scale} {y.scale} {y.zero_point} {z.scale}"
        return Case(what, single_op("DIV", [x, y], [z], options), [fed])

    assert_same(case() for _ in range(30))


def test_plain_division():
    rng = np.random.default_rng(2)
    cases = []
    for dtype, oracle in (("float32", "tflm"), ("int32", "litert")):
        spec = TensorSpec((4, 5), dtype)
        fed = [
            rng.integers(-90, 90, (4, 5)).astype(dtype),
            rng.integers(1, 9, (4, 5)).astype(dtype),
        ]
        model = single_op("DIV", [spec, TensorSpec((4, 5), dtype)], [TensorSpec((4, 5), dtype)])
        cases.append(Case(f"DIV {dtype}", model, [fed], oracle))
    assert_same(cases)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_add_n(dtype):
    rng = np.random.default_rng(3)

    def case():
        shape = shape_of(rng, int(rng.integers(1, 4)))
        x = quantized(rng, shape) if dtype == "int8" else TensorSpec(shape, dtype)
        y = quantized(rng, shape, low=0.01) if dtype == "int8" else TensorSpec(shape, dtype)
        count = int(rng.integers(2, 6))
        inputs = [TensorSpec(shape, dtype, x.scale, x.zero_point) for _ in range(count)]
        return random_case(f"ADD_N {dtype} {shape} {count}", single_op("ADD_N", inputs, [y]))

    assert_same(case() for _ in range(20))


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32", "int64"])
def test_cumsum(dtype):
    rng = np.random.default_rng(4)

    def case():
        shape = shape_of(rng, int(rng.integers(1, 4)))
        axis = int(rng.integers(-len(shape), len(shape)))
        options = {k: bool(rng.random() < 0.5) for k in ("exclusive", "reverse")}
        x = quantized(rng, shape) if dtype == "int8" else TensorSpec(shape, dtype)
        y = quantized(rng, shape, low=0.01) if dtype == "int8" else TensorSpec(shape, dtype)
        model = single_op("CUMSUM", [x, constant(axis, "int32")], [y], options)
        oracle = "litert" if dtype[:3] == "int" and dtype != "int8" else "tflm"
        return random_case(f"CUMSUM {dtype} {shape} {axis} {options}", model, oracle=oracle)

    assert_same(case() for _ in range(20))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
def test_dynamic_update_slice(dtype):
    rng = np.random.default_rng(5)

    def case():
        shape = shape_of(rng, int(rng.integers(1, 5)))
        part = tuple(int(rng.integers(1, n + 1)) for n in shape)
        index = str(rng.choice(["int32", "int64"]))
        start = np.array([int(rng.integers(-1, n + 1)) for n in shape], index)
        x, y, z = plain(shape, dtype), plain(part, dtype), plain(shape, dtype)
        model = single_op("DYNAMIC_UPDATE_SLICE", [x, y, TensorSpec(start.shape, index)], [z])
        fed = [values(rng, shape, dtype), values(rng, part, dtype), start]
        return Case(f"DYNAMIC_UPDATE_SLICE {dtype} {shape} {part} {start}", model, [fed])

    assert_same(case() for _ in range(20))


def test_slice_from_a_computed_start():
    rng = np.random.default_rng(6)

    def case():
        shape = shape_of(rng, int(rng.integers(1, 5)))
        begin = np.array([int(rng.integers(0, n)) for n in shape], "int32")
        part = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
        inputs = [plain(shape, "int8"), TensorSpec(begin.shape, "int32"), constant(part, "int32")]
        model = single_op("SLICE", inputs, [plain(part, "int8")])
        fed = [values(rng, shape, "int8"), begin]
        return Case(f"SLICE {shape} {begin} {part}", model, [fed])

    assert_same(case() for _ in range(20))


@pytest.mark.parametrize(
    ("table", "result"), [("int8", "int8"), ("int8", "float32"), ("float32",) * 2]
)
def test_embedding_lookup(table, result):
    rng = np.random.default_rng(7)
    rows = values(rng, (6, 5), table)
    scale = 0.25 if table == "int8" else None
    weights = TensorSpec((6, 5), table, scale, 0, rows)
    output = TensorSpec((4, 5), result, scale if result == "int8" else None)
    lookup = TensorSpec((4,), "int32")
    model = single_op("EMBEDDING_LOOKUP", [lookup, weights], [output])
    assert_same([Case(f"{table} {result}", model, [[np.array([5, 0, 2, 2], np.int32)]])])


def test_broadcast_args():
    a, b, y = (TensorSpec((n,), "int32") for n in (2, 3, 3))
    fed = [np.array([4, 1], np.int32), np.array([2, 1, 5], np.int32)]
    assert_same([Case("BROADCAST_ARGS", single_op("BROADCAST_ARGS", [a, b], [y]), [fed])])


def test_shape():
    x, y = plain((3, 2, 5), "int8"), TensorSpec((3,), "int32")
    model = single_op("SHAPE", [x], [y], {"out_type": 2})
    assert_same([random_case("SHAPE", model)])
