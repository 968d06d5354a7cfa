"""QUANTIZE, DEQUANTIZE, CAST, SELECT, ARG_MAX and ARG_MIN, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import constant, plain, quantized, shape_of, values
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, assert_same

QUANTIZE = [("int8", "int8"), ("int8", "uint8"), ("uint8", "int8"), ("int8", "int16")]
QUANTIZE += [("int8", "int32"), ("int16", "int8"), ("int16", "int16"), ("int16", "int32")]
QUANTIZE += [("int32", "int8"), ("int32", "int16")]


def scaled(rng, dtype):
    if dtype == "int32":
        return TensorSpec((256,), dtype, float(rng.uniform(1e-5, 1e-2)), 0)
    return quantized(rng, (256,), dtype)


@pytest.mark.parametrize(("source", "target"), QUANTIZE)
def test_requantize(source, target):
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(8):
        x, y = scaled(rng, source), scaled(rng, target)
        value = np.arange(256).astype(source) if source[-1] == "8" else values(rng, (256,), source)
        value = value // 1024 if source == "int32" else value
        what = f"QUANTIZE {source} {target} {x.scale} {x.zero_point} {y.scale} {y.zero_point}"
        cases.append(Case(what, single_op("QUANTIZE", [x], [y]), [[value]]))
    assert_same(cases)


@pytest.mark.parametrize("target", ["int8", "int16"])
def test_quantize_floats(target):
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(12):
        y = quantized(rng, (256,), target)
        halves = (rng.integers(-400, 400, 128) + 0.5) * y.scale
        value = np.concatenate([halves, rng.normal(size=128) * 100]).astype(np.float32)
        model = single_op("QUANTIZE", [TensorSpec((256,), "float32")], [y])
        cases.append(Case(f"QUANTIZE {target} {y.scale} {y.zero_point}", model, [[value]]))
    assert_same(cases)


@pytest.mark.parametrize("source", ["int8", "uint8", "int16"])
def test_dequantize(source):
    rng = np.random.default_rng(3)
    cases = []
    for _ in range(6):
        x = quantized(rng, (256,), source)
        model = single_op("DEQUANTIZE", [x], [TensorSpec((256,), "float32")])
        cases.append(Case(f"DEQUANTIZE {source}", model, [[values(rng, (256,), source)]]))
    assert_same(cases)


CAST_FROM = ("int8", "int16", "int32", "uint32", "float32", "bool")


@pytest.mark.parametrize("source", CAST_FROM)
def test_cast(source):
    rng = np.random.default_rng(4)
    cases = []
    for target in ("int8", "int16", "int32", "uint32", "float32"):
        value = values(rng, (64,), source)
        value = np.abs(value) if (source, target) == ("float32", "uint32") else value
        options = {"in_data_type": 0, "out_data_type": 0}
        pair = [TensorSpec((64,), source)], [TensorSpec((64,), target)]
        cases.append(Case(f"CAST {source} {target}", single_op("CAST", *pair, options), [[value]]))
    assert_same(cases)


@pytest.mark.parametrize("source", ["int8", "int32", "int64", "float32"])
def test_cast_of_litert(source):
    rng = np.random.default_rng(5)
    cases = []
    for target in ("bool", "int64", "int32", "uint8"):
        value = rng.integers(0, 3, 64).astype(source)
        pair = [TensorSpec((64,), source)], [TensorSpec((64,), target)]
        model = single_op("CAST", *pair)
        cases.append(Case(f"CAST {source} {target}", model, [[value]], "litert"))
    assert_same(cases)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_select_v2(dtype):
    rng = np.random.default_rng(6)
    cases = []
    for _ in range(18):
        shape = shape_of(rng, int(rng.integers(1, 5)), 4)
        keep = rng.random() < 0.4
        parts = [tuple(n if keep or rng.random() < 0.6 else 1 for n in shape) for _ in "cxy"]
        spread = np.broadcast_shapes(*parts)
        c, x, y = plain(parts[0], "bool"), plain(parts[1], dtype), plain(parts[2], dtype)
        fed = [values(rng, spec.shape, spec.dtype) for spec in (c, x, y)]
        model = single_op("SELECT_V2", [c, x, y], [plain(spread, dtype)])
        cases.append(Case(f"SELECT_V2 {dtype} {parts}", model, [fed]))
    assert_same(cases)


def test_select_by_first_index():
    rng = np.random.default_rng(7)
    c, x, y = plain((3,), "bool"), plain((3, 4), "int8"), plain((3, 4), "int8")
    fed = [values(rng, spec.shape, spec.dtype) for spec in (c, x, y)]
    model = single_op("SELECT", [c, x, y], [plain((3, 4), "int8")])
    assert_same([Case("SELECT", model, [fed], "litert")])


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32"])
def test_arg_min_max(dtype):
    rng = np.random.default_rng(8)
    cases = []
    for k in range(18):
        shape = shape_of(rng, int(rng.integers(1, 5)))
        axis = int(rng.integers(-len(shape), len(shape)))
        result = tuple(n for i, n in enumerate(shape) if i != axis % len(shape))
        litert = dtype == "int32"
        index = "int64" if litert and k % 2 else "int32"
        x, y = plain(shape, dtype), TensorSpec(result, index)
        name = ["ARG_MAX", "ARG_MIN"][k % 2]
        options = {"output_type": 4 if index == "int64" else 2}
        model = single_op(name, [x, constant(axis, "int32")], [y], options)
        value = rng.integers(-3, 4, shape).astype(dtype)
        cases.append(
            Case(f"{name} {dtype} {shape} {axis}", model, [[value]], "litert" if litert else "tflm")
        )
    assert_same(cases)
