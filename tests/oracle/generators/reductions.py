"""Reductions and pools."""

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
)


def reduction(name, tflm):
    """A generator of one reduction, on TFLM for these types and on LiteRT for others."""

    def make(rng, size, dtype):
        shape = shape_of(rng, int(rng.integers(1, 7)), size, 7 if rng.random() < 0.5 else 3)
        here = "tflm" if dtype in tflm else "litert"
        # MEAN of floats on TFLM has room for 4 axes.
        most = min(len(shape), 4 if dtype == "float32" else 6)
        count = int(rng.integers(0 if here == "tflm" and rng.random() < 0.2 else 1, most + 1))
        axes = rng.choice(len(shape), count, replace=False).tolist()
        given = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
        if axes and len(axes) < 4 and rng.random() < 0.2:
            given.append(axes[0])
        keep = bool(rng.random() < 0.5)
        result = [1 if k in axes else n for k, n in enumerate(shape) if keep or k not in axes]
        if dtype in ("int8", "int16") and name in ("MEAN", "SUM"):
            x, y = quantized(rng, shape, dtype), quantized(rng, result, dtype)
        else:
            x, y = plain(shape, dtype), plain(result, dtype)
        model = single_op(name, [x, constant(given, "int32")], [y], {"keep_dims": keep})
        what = f"{name} {dtype} {shape} {given} {x.scale} {x.zero_point} {y.scale} {y.zero_point}"
        if dtype == "float32" and rng.random() < 0.3:
            return Case(what, model, [[extreme_values(rng, shape, dtype)]])
        return random_case(what, model, seed=seed_of(rng), oracle=here)

    return make


def max_pool(rng, size, dtype):
    n, h, w, c = shape_of(rng, 4, size, 9)
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
    if dtype == "float32" and rng.random() < 0.3:
        return Case(
            f"MAX_POOL_2D special {x.shape} {options}",
            model,
            [[extreme_values(rng, x.shape, dtype)]],
        )
    return random_case(f"MAX_POOL_2D {dtype} {x.shape} {options}", model, seed=seed_of(rng))


_QUANTIZED = ("int8", "int16", "float32")
_EXTREMES = ("int8", "int8", "float32", "int16", "int32", "int64")
GENERATORS = {
    "MAX_POOL_2D": of_types(max_pool, _QUANTIZED),
    "MEAN": of_types(reduction("MEAN", _QUANTIZED), _QUANTIZED),
    "REDUCE_ALL": of_types(reduction("REDUCE_ALL", ("bool",)), ("bool",)),
    "REDUCE_ANY": of_types(reduction("REDUCE_ANY", ()), ("bool",)),
    "REDUCE_MAX": of_types(reduction("REDUCE_MAX", ("int8", "float32")), _EXTREMES),
    "REDUCE_MIN": of_types(reduction("REDUCE_MIN", ("int8", "float32")), _EXTREMES),
    "SUM": of_types(reduction("SUM", _QUANTIZED), (*_QUANTIZED, "int32")),
}
