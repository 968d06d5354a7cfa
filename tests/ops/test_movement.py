"""Ops that only move data, against the oracle, over types, shapes and attributes."""

import numpy as np
import pytest

from tests.ops.cases import constant, plain, shape_of
from tests.oracle.build import single_op
from tests.oracle.check import assert_same, random_case

CASES = 24


def make(name, dtype, inputs, outputs, options=None, tflm=(), version=1):
    """A case for TFLM where it has the type, else for LiteRT."""
    oracle = "tflm" if dtype in tflm else "litert"
    return random_case(
        f"{name} {dtype} {[i.shape for i in inputs]}",
        single_op(name, inputs, outputs, options, version=version),
        calls=1,
        oracle=oracle,
    )


def run(generate, types, seed=0):
    rng = np.random.default_rng(seed)
    assert_same(generate(rng, types[k % len(types)] if k % 2 else types[0]) for k in range(CASES))


def transpose(rng, dtype):
    rank = int(rng.integers(1, 6))
    shape = shape_of(rng, rank, 5)
    order = rng.permutation(rank)
    output = plain([shape[axis] for axis in order], dtype)
    inputs = [plain(shape, dtype), constant(order, "int32")]
    return make("TRANSPOSE", dtype, inputs, [output], tflm=("int8", "int16", "float32"))


def reverse(rng, dtype):
    rank = int(rng.integers(1, 5))
    spec = plain(shape_of(rng, rank), dtype)
    axis = constant([int(rng.integers(0, rank))], "int32")
    every = ("int8", "int16", "int32", "int64", "float32", "bool", "uint8")
    return make("REVERSE_V2", dtype, [spec, axis], [plain(spec.shape, dtype)], tflm=every)


def broadcast_to(rng, dtype):
    shape = shape_of(rng, int(rng.integers(1, 6)), 4)
    source = [n if rng.random() < 0.5 else 1 for n in shape[int(rng.integers(0, len(shape))) :]]
    inputs = [plain(source, dtype), constant(shape, "int32")]
    return make("BROADCAST_TO", dtype, inputs, [plain(shape, dtype)], None, ("int8",), version=2)


def tile(rng, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), 4)
    counts = rng.integers(1, 4, len(shape))
    output = plain(np.multiply(shape, counts).tolist(), dtype)
    return make("TILE", dtype, [plain(shape, dtype), constant(counts, "int32")], [output])


def space_to_depth(rng, dtype):
    n, h, w, c = shape_of(rng, 4, 4)
    block = int(rng.integers(1, 4))
    wide = plain((n, h * block, w * block, c), dtype)
    deep = plain((n, h, w, c * block * block), dtype)
    options, tflm = {"block_size": block}, ("int8", "float32")
    if rng.random() < 0.5:
        return make("SPACE_TO_DEPTH", dtype, [wide], [deep], options, tflm)
    return make("DEPTH_TO_SPACE", dtype, [deep], [wide], options, tflm)


def slice_(rng, dtype):
    shape = shape_of(rng, int(rng.integers(1, 6)))
    begin = [int(rng.integers(0, n)) for n in shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    output = plain(size, dtype)
    given = [-1 if b + s == n else s for n, b, s in zip(shape, begin, size, strict=True)]
    index = "int64" if rng.random() < 0.3 else "int32"
    inputs = [plain(shape, dtype), constant(begin, index), constant(given, index)]
    tflm = ("int8", "int16", "int32", "float32", "bool")
    return make("SLICE", dtype, inputs, [output], tflm=tflm)


def strided_slice(rng, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), 7)
    while True:
        masks = {f"{m}_mask": int(rng.integers(0, 1 << len(shape))) for m in ("begin", "end")}
        masks["shrink_axis_mask"] = int(rng.integers(0, 1 << len(shape)) & rng.integers(0, 16))
        begin, end, step, index = [], [], [], []
        for axis, n in enumerate(shape):
            begin.append(int(rng.integers(-n, n)))
            end.append(int(rng.integers(-n - 2, n + 3)))
            step.append(int(rng.choice([1, 2, 3, -1, -2])))
            b = None if masks["begin_mask"] >> axis & 1 else begin[-1]
            e = None if masks["end_mask"] >> axis & 1 else end[-1]
            if masks["shrink_axis_mask"] >> axis & 1:
                masks["begin_mask"] &= ~(1 << axis)
                step[-1] = 1
                index.append(begin[-1])
            else:
                index.append(slice(b, e, step[-1]))
        taken = np.empty(shape)[tuple(index)]
        if taken.size:
            break
    inputs = [plain(shape, dtype), *(constant(v, "int32") for v in (begin, end, step))]
    tflm = ("int8", "int16", "int32", "float32", "bool")
    return make("STRIDED_SLICE", dtype, inputs, [plain(taken.shape, dtype)], masks, tflm)


def concatenation(rng, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), 5))
    axis = int(rng.integers(0, len(shape)))
    inputs = []
    for _ in range(int(rng.integers(1, 6))):
        shape[axis] = int(rng.integers(1, 6))
        inputs.append(plain(shape, dtype))
    if rng.random() < 0.3:
        inputs.append(inputs[0])
    shape[axis] = sum(spec.shape[axis] for spec in inputs)
    options = {"axis": axis - len(shape) if rng.random() < 0.5 else axis}
    tflm = ("int8", "int16", "int32", "int64", "float32", "bool")
    return make("CONCATENATION", dtype, inputs, [plain(shape, dtype)], options, tflm)


def pack(rng, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), 5)
    axis = int(rng.integers(0, len(shape) + 1))
    inputs = [plain(shape, dtype) for _ in range(int(rng.integers(1, 5)))]
    output = plain((*shape[:axis], len(inputs), *shape[axis:]), dtype)
    options = {"axis": axis, "values_count": len(inputs)}
    tflm = ("int8", "int16", "int32", "int64", "float32")
    return make("PACK", dtype, inputs, [output], options, tflm)


def unpack(rng, dtype):
    shape = shape_of(rng, int(rng.integers(2, 5)), 5)
    axis = int(rng.integers(0, len(shape)))
    rest = shape[:axis] + shape[axis + 1 :]
    outputs = [plain(rest, dtype) for _ in range(shape[axis])]
    options = {"axis": axis, "num": shape[axis]}
    tflm = ("int8", "int16", "int32", "float32")
    return make("UNPACK", dtype, [plain(shape, dtype)], outputs, options, tflm)


def split(rng, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), 4))
    axis, parts = int(rng.integers(0, len(shape))), int(rng.integers(1, 5))
    outputs = [plain(shape, dtype) for _ in range(parts)]
    shape[axis] *= parts
    inputs = [constant(axis, "int32"), plain(shape, dtype)]
    tflm = ("int8", "int16", "int32", "float32")
    return make("SPLIT", dtype, inputs, outputs, {"num_splits": parts}, tflm)


def split_v(rng, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), 4))
    axis = int(rng.integers(0, len(shape)))
    sizes = rng.integers(1, 5, int(rng.integers(1, 5)))
    outputs = [plain((*shape[:axis], int(n), *shape[axis + 1 :]), dtype) for n in sizes]
    shape[axis] = int(sizes.sum())
    inputs = [plain(shape, dtype), constant(sizes, "int32"), constant(axis, "int32")]
    tflm = ("int8", "int16", "int32", "float32")
    return make("SPLIT_V", dtype, inputs, outputs, {"num_splits": len(sizes)}, tflm)


EVERY = ("int8", "int16", "int32", "float32", "bool", "int64")
NUMBERS = ("int8", "int16", "int32", "float32")
MOVES = {
    transpose: EVERY,
    reverse: EVERY,
    broadcast_to: EVERY,
    tile: EVERY,
    space_to_depth: ("int8", "int32", "float32", "int64"),
    slice_: EVERY,
    strided_slice: EVERY,
    concatenation: EVERY,
    pack: ("int8", "int16", "int32", "float32", "int64"),
    unpack: ("int8", "int16", "int32", "float32", "bool"),
    split: NUMBERS,
    split_v: NUMBERS,
}


@pytest.mark.parametrize("generate", MOVES, ids=lambda f: f.__name__)
def test_movement(generate):
    run(generate, MOVES[generate])
