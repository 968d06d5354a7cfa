"""Reductions and pools, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import constant, plain, quantized, shape_of
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import assert_same, random_case


def reduction(name, oracle="tflm"):
    def make(rng, dtype):
        shape = shape_of(rng, int(rng.integers(1, 5)), 7)
        count = int(rng.integers(1, len(shape) + 1))
        axes = rng.choice(len(shape), count, replace=False).tolist()
        given = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
        keep = bool(rng.random() < 0.5)
        result = [1 if k in axes else n for k, n in enumerate(shape) if keep or k not in axes]
        if dtype in ("int8", "int16") and name in ("MEAN", "SUM"):
            x, y = quantized(rng, shape, dtype), quantized(rng, result, dtype)
        else:
            x, y = plain(shape, dtype), plain(result, dtype)
        model = single_op(name, [x, constant(given, "int32")], [y], {"keep_dims": keep})
        what = f"{name} {dtype} {shape} {given} {x.scale} {x.zero_point} {y.scale} {y.zero_point}"
        return random_case(what, model, oracle=oracle)

    return make


REDUCTIONS = [
    ("MEAN", "int8", "tflm"),
    ("MEAN", "int16", "tflm"),
    ("MEAN", "float32", "tflm"),
    ("SUM", "int8", "tflm"),
    ("SUM", "int16", "tflm"),
    ("SUM", "float32", "tflm"),
    ("SUM", "int32", "litert"),
    ("REDUCE_MAX", "int8", "tflm"),
    ("REDUCE_MAX", "float32", "tflm"),
    ("REDUCE_MAX", "int16", "litert"),
    ("REDUCE_MIN", "int8", "tflm"),
    ("REDUCE_MIN", "int64", "litert"),
    ("REDUCE_ALL", "bool", "tflm"),
    ("REDUCE_ANY", "bool", "litert"),
]


@pytest.mark.parametrize(("name", "dtype", "oracle"), REDUCTIONS)
def test_reduction(name, dtype, oracle):
    rng = np.random.default_rng(1)
    make = reduction(name, oracle)
    assert_same(make(rng, dtype) for _ in range(18))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_max_pool(dtype):
    rng = np.random.default_rng(2)

    def case():
        n, h, w, c = shape_of(rng, 4, 9)
        options = {
            "padding": int(rng.integers(0, 2)),
            "filter_height": int(rng.integers(1, h + 1)),
            "filter_width": int(rng.integers(1, w + 1)),
            "stride_h": int(rng.integers(1, 4)),
            "stride_w": int(rng.integers(1, 4)),
            "fused_activation_function": int(rng.choice([0, 1, 2, 3])),
        }
        valid = options["padding"] == 1
        out_h = -(-(h - options["filter_height"] * valid + valid) // options["stride_h"])
        out_w = -(-(w - options["filter_width"] * valid + valid) // options["stride_w"])
        if dtype == "float32":
            x, y = TensorSpec((n, h, w, c), dtype), TensorSpec((n, out_h, out_w, c), dtype)
        else:
            x = quantized(rng, (n, h, w, c), dtype)
            y = TensorSpec((n, out_h, out_w, c), dtype, x.scale, x.zero_point)
        model = single_op("MAX_POOL_2D", [x], [y], options)
        return random_case(f"MAX_POOL_2D {dtype} {x.shape} {options}", model)

    assert_same(case() for _ in range(30))
