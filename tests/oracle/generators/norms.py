"""L2_NORMALIZATION, L2_POOL_2D, LOG_SOFTMAX and RSQRT."""

import numpy as np

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import Case, random_case
from tests.oracle.generators.tensors import of_types, quantized, seed_of, shape_of, values


def l2_normalization(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(2, 5)), size, 9)
    x, y = TensorSpec(shape, dtype), TensorSpec(shape, dtype)
    if dtype == "int8":
        x, y = quantized(rng, shape), TensorSpec(shape, "int8", 1 / 128, 0)
    model = single_op("L2_NORMALIZATION", [x], [y])
    what = f"L2_NORMALIZATION {dtype} {shape} {x.zero_point}"
    if dtype == "int8" and rng.random() < 0.3:
        # Sums of squares of 0, 1 and little more.
        near = np.clip(x.zero_point + rng.integers(-1, 2, shape), -128, 127)
        return Case(what, model, [[near.astype(np.int8)]])
    return random_case(what, model, calls=4, seed=seed_of(rng))


def log_softmax(rng, size, dtype):
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 5 * size)))
    x, y = TensorSpec(shape, dtype), TensorSpec(shape, dtype)
    if dtype == "int8":
        x = quantized(rng, shape, low=0.001, high=2)
        y = TensorSpec(shape, "int8", 1 / 16, 127)
    model = single_op("LOG_SOFTMAX", [x], [y])
    return random_case(f"LOG_SOFTMAX {dtype} {shape} {x.scale}", model, calls=5, seed=seed_of(rng))


def rsqrt(rng, _, dtype):
    x = quantized(rng, (120,), dtype, zero_point=-128 if dtype == "int8" else 0)
    y = quantized(rng, (120,), dtype, low=0.01, high=1)
    value = np.abs(values(rng, (120,), dtype).astype(int)).clip(0, 32767)
    value = (value - 128).clip(-128, 127) if dtype == "int8" else value
    model = single_op("RSQRT", [x], [y])
    return Case(f"RSQRT {dtype} {x.scale} {y.scale}", model, [[value.astype(dtype)]])


def l2_pool(rng, size):
    n, h, w, c = shape_of(rng, 4, size)
    options = {"padding": 0, "filter_height": 3, "filter_width": 2, "stride_h": 2, "stride_w": 1}
    x, y = TensorSpec((n, h, w, c), "float32"), TensorSpec((n, -(-h // 2), w, c), "float32")
    value = rng.normal(size=x.shape).astype(np.float32)
    model = single_op("L2_POOL_2D", [x], [y], options)
    return Case(f"L2_POOL_2D {x.shape}", model, [[value]])


GENERATORS = {
    "L2_NORMALIZATION": of_types(l2_normalization, ("int8", "int8", "float32")),
    "L2_POOL_2D": l2_pool,
    "LOG_SOFTMAX": of_types(log_softmax, ("int8", "int8", "float32")),
    "RSQRT": of_types(rsqrt, ("int8", "int16")),
}
