"""RESIZE_BILINEAR, TRANSPOSE_CONV and BATCH_MATMUL, against the oracle."""

import numpy as np
import pytest

from tests.ops.cases import constant, plain, quantized, shape_of, values
from tests.oracle.build import TensorSpec, single_op, with_data
from tests.oracle.check import assert_same, random_case


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_resize_bilinear(dtype):
    rng = np.random.default_rng(1)

    def case():
        n, h, w, c = shape_of(rng, 4, 7)
        new = [int(k) for k in rng.integers(1, 14, 2)]
        kind = int(rng.integers(0, 3))
        options = {"align_corners": kind == 1, "half_pixel_centers": kind == 2}
        inputs = [plain((n, h, w, c), dtype), constant(new, "int32")]
        model = single_op("RESIZE_BILINEAR", inputs, [plain((n, *new, c), dtype)], options)
        what = f"RESIZE_BILINEAR {dtype} {(n, h, w, c)} {new} {options}"
        return random_case(what, model, oracle="litert" if dtype == "int16" else "tflm")

    assert_same(case() for _ in range(30))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_transpose_conv(dtype):
    rng = np.random.default_rng(2)

    def case():
        n, h, w, c = shape_of(rng, 4, 5)
        fh, fw, out_c = shape_of(rng, 3, 5)
        sh, sw = shape_of(rng, 2, 3)
        same = bool(rng.random() < 0.5)
        out_h = h * sh if same else (h - 1) * sh + fh
        out_w = w * sw if same else (w - 1) * sw + fw
        options = {"padding": int(not same), "stride_h": sh, "stride_w": sw}
        options["fused_activation_function"] = int(rng.choice([0, 1, 3]))
        shape, kernel = (n, out_h, out_w, out_c), (out_c, fh, fw, c)
        bias = rng.integers(-2000, 2000, out_c)
        if dtype == "float32":
            x, y = TensorSpec((n, h, w, c), dtype), TensorSpec(shape, dtype)
            weights = constant(rng.normal(size=kernel), dtype)
            bias = constant(bias / 500, dtype)
        else:
            x = quantized(rng, (n, h, w, c), dtype)
            y = quantized(rng, shape, dtype, low=0.05, high=3)
            scales = rng.uniform(0.002, 0.05, out_c if rng.random() < 0.6 else 1)
            weights = TensorSpec(kernel, "int8", scales.tolist(), 0, values(rng, kernel, "int8"))
            kind = "int64" if dtype == "int16" else "int32"
            bias = constant(bias, kind, scale=(scales * x.scale).tolist())
        parts = [constant(shape, "int32"), weights, x, *([bias] if rng.random() < 0.7 else [])]
        model = single_op("TRANSPOSE_CONV", parts, [y], options, version=4)
        return random_case(f"TRANSPOSE_CONV {dtype} {x.shape} {kernel} {options}", model)

    assert_same(case() for _ in range(30))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_batch_matmul(dtype):
    rng = np.random.default_rng(3)

    def case():
        batch = shape_of(rng, int(rng.integers(0, 4)), 3)
        rows, depth, columns = shape_of(rng, 3, 6)
        adjoint = {"adj_x": bool(rng.random() < 0.5), "adj_y": bool(rng.random() < 0.5)}
        a = (depth, rows) if adjoint["adj_x"] else (rows, depth)
        b = (columns, depth) if adjoint["adj_y"] else (depth, columns)
        spread = [tuple(n if rng.random() < 0.6 else 1 for n in batch) for _ in "ab"]
        result = np.broadcast_shapes(*spread)
        shapes = [(*spread[0], *a), (*spread[1], *b), (*result, rows, columns)]
        if dtype == "float32":
            x, y, z = (TensorSpec(shape, dtype) for shape in shapes)
        else:
            high = 40.0 if dtype == "int16" else 3.0
            x, y = (quantized(rng, shape, dtype) for shape in shapes[:2])
            z = quantized(rng, shapes[2], dtype, low=0.05, high=high)
        if rng.random() < 0.3:
            y = with_data(y, values(rng, y.shape, dtype))
        model = single_op("BATCH_MATMUL", [x, y], [z], adjoint)
        return random_case(f"BATCH_MATMUL {dtype} {shapes} {adjoint}", model)

    assert_same(case() for _ in range(24))
