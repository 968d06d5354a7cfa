"""RESIZE_BILINEAR and BATCH_MATMUL."""

import numpy as np

from tests.oracle.build import TensorSpec, single_op, with_data
from tests.oracle.check import random_case
from tests.oracle.generators.tensors import (
    constant,
    of_types,
    plain,
    quantized,
    seed_of,
    shape_of,
    values,
)


def resize_bilinear(rng, size, dtype):
    n, h, w, c = shape_of(rng, 4, size, 7)
    new = [int(k) for k in rng.integers(1, 14, 2)]
    kind = int(rng.integers(0, 3))
    options = {"align_corners": kind == 1, "half_pixel_centers": kind == 2}
    inputs = [plain((n, h, w, c), dtype), constant(new, "int32")]
    model = single_op("RESIZE_BILINEAR", inputs, [plain((n, *new, c), dtype)], options)
    what = f"RESIZE_BILINEAR {dtype} {(n, h, w, c)} {new} {options}"
    oracle = "litert" if dtype == "int16" else "tflm"
    return random_case(what, model, seed=seed_of(rng), oracle=oracle)


def batch_matmul(rng, size, dtype):
    batch = shape_of(rng, int(rng.integers(0, 4)), size, 3)
    rows, depth, columns = shape_of(rng, 3, size)
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
    return random_case(f"BATCH_MATMUL {dtype} {shapes} {adjoint}", model, seed=seed_of(rng))


def fully_connected(rng, size, dtype):
    """A layer whose weights, and bias where there is one, are inputs of the model."""
    rows, depth, columns = shape_of(rng, 3, size)
    shapes = [(rows, depth), (columns, depth), (rows, columns)]
    bias = None
    if dtype == "float32":
        x, y, z = (TensorSpec(shape, dtype) for shape in shapes)
        bias = TensorSpec((columns,), dtype) if rng.random() < 0.5 else None
    else:
        x, y = (quantized(rng, shape, dtype) for shape in shapes[:2])
        z = quantized(rng, shapes[2], dtype, low=0.05, high=3.0)
    options = {"fused_activation_function": int(rng.choice([0, 1, 3]))}
    model = single_op("FULLY_CONNECTED", [x, y, bias], [z], options)
    return random_case(f"FULLY_CONNECTED of inputs {dtype} {shapes}", model, seed=seed_of(rng))


_TYPES = ("int8", "int16", "float32")
GENERATORS = {
    "BATCH_MATMUL": of_types(batch_matmul, _TYPES),
    "FULLY_CONNECTED of inputs": of_types(fully_connected, ("int8", "float32")),
    "RESIZE_BILINEAR": of_types(resize_bilinear, _TYPES),
}
