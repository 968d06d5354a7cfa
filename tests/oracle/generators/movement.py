"""Ops that only move data, over types, shapes and attributes."""

import numpy as np

from tests.oracle.build import single_op, with_data
from tests.oracle.check import random_case
from tests.oracle.generators.tensors import (
    constant,
    of_types,
    plain,
    seed_of,
    shape_of,
    values,
)


def model_case(rng, name, dtype, inputs, outputs, options=None, tflm=(), version=1):
    """A case for TFLM where it has the type, else for LiteRT."""
    oracle = "tflm" if dtype in tflm else "litert"
    inputs = [
        with_data(spec, values(rng, spec.shape, dtype))
        if spec.data is None and rng.random() < 0.15
        else spec
        for spec in inputs
    ]
    return random_case(
        f"{name} {dtype} {[i.shape for i in inputs]} {options}",
        single_op(name, inputs, outputs, options, version=version),
        calls=2,
        seed=seed_of(rng),
        oracle=oracle,
    )


def transpose(rng, size, dtype):
    rank = int(rng.integers(1, 6))
    shape = shape_of(rng, rank, size, 5)
    order = rng.permutation(rank)
    output = plain([shape[axis] for axis in order], dtype)
    inputs = [plain(shape, dtype), constant(order, "int32")]
    return model_case(rng, "TRANSPOSE", dtype, inputs, [output], tflm=("int8", "int16", "float32"))


def reverse(rng, size, dtype):
    rank = int(rng.integers(1, 7))
    spec = plain(shape_of(rng, rank, size, 4), dtype)
    first = int(rng.integers(0, rank))
    axes = rng.permutation(np.arange(first, int(rng.integers(first, rank)) + 1))
    axes = np.where(rng.random(len(axes)) < 0.3, axes - rank, axes)
    inputs = [spec, constant(axes, "int32")]
    every = ("int8", "int16", "int32", "int64", "float32", "bool", "uint8")
    return model_case(rng, "REVERSE_V2", dtype, inputs, [plain(spec.shape, dtype)], tflm=every)


def broadcast_to(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 6)), size, 4)
    source = [n if rng.random() < 0.5 else 1 for n in shape[int(rng.integers(0, len(shape))) :]]
    inputs = [plain(source, dtype), constant(shape, str(rng.choice(["int32", "int64"])))]
    output = plain(shape, dtype)
    return model_case(rng, "BROADCAST_TO", dtype, inputs, [output], None, _COPIED, version=2)


def tile(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), size, 4)
    counts = rng.integers(1, 4, len(shape))
    output = plain(np.multiply(shape, counts).tolist(), dtype)
    inputs = [plain(shape, dtype), constant(counts, "int32")]
    return model_case(rng, "TILE", dtype, inputs, [output])


def space_to_depth(rng, size, dtype):
    n, h, w, c = shape_of(rng, 4, size, 4)
    block = int(rng.integers(1, 4))
    wide = plain((n, h * block, w * block, c), dtype)
    deep = plain((n, h, w, c * block * block), dtype)
    options, tflm = {"block_size": block}, ("int8", "float32")
    if rng.random() < 0.5:
        return model_case(rng, "SPACE_TO_DEPTH", dtype, [wide], [deep], options, tflm)
    return model_case(rng, "DEPTH_TO_SPACE", dtype, [deep], [wide], options, tflm)


def slice_(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 6)), size)
    begin = [int(rng.integers(0, n)) for n in shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    output = plain(size, dtype)
    given = [-1 if b + s == n else s for n, b, s in zip(shape, begin, size, strict=True)]
    index = "int64" if rng.random() < 0.3 else "int32"
    inputs = [plain(shape, dtype), constant(begin, index), constant(given, index)]
    tflm = ("int8", "int16", "int32", "float32", "bool")
    return model_case(rng, "SLICE", dtype, inputs, [output], tflm=tflm)


def strided_slice(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size, 7)
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
    return model_case(rng, "STRIDED_SLICE", dtype, inputs, [plain(taken.shape, dtype)], masks, tflm)


def concatenation(rng, size, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), size, 5))
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
    return model_case(rng, "CONCATENATION", dtype, inputs, [plain(shape, dtype)], options, tflm)


def pack(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), size, 5)
    axis = int(rng.integers(0, len(shape) + 1))
    # More than 16 have a kernel of their own.
    count = 18 if rng.random() < 0.15 else int(rng.integers(1, 5))
    inputs = [plain(shape, dtype) for _ in range(count)]
    inputs = [inputs[0], *inputs[2:], inputs[0]] if rng.random() < 0.2 else inputs
    output = plain((*shape[:axis], len(inputs), *shape[axis:]), dtype)
    given = axis - len(shape) - 1 if rng.random() < 0.3 else axis
    options = {"axis": given, "values_count": len(inputs)}
    tflm = ("int8", "int16", "int32", "int64", "float32")
    return model_case(rng, "PACK", dtype, inputs, [output], options, tflm)


def unpack(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(2, 5)), size, 5)
    axis = int(rng.integers(0, len(shape)))
    if rng.random() < 0.15:
        shape = (*shape[:axis], 18, *shape[axis + 1 :])
    rest = shape[:axis] + shape[axis + 1 :]
    outputs = [plain(rest, dtype) for _ in range(shape[axis])]
    given = axis - len(shape) if rng.random() < 0.3 else axis
    options = {"axis": given, "num": shape[axis]}
    tflm = ("int8", "int16", "int32", "float32")
    return model_case(rng, "UNPACK", dtype, [plain(shape, dtype)], outputs, options, tflm)


def split(rng, size, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), size, 4))
    axis, parts = int(rng.integers(0, len(shape))), int(rng.integers(1, 5))
    outputs = [plain(shape, dtype) for _ in range(parts)]
    shape[axis] *= parts
    given = axis - len(shape) if rng.random() < 0.3 else axis
    inputs = [constant(given, "int32"), plain(shape, dtype)]
    tflm = ("int8", "int16", "int32", "float32")
    return model_case(rng, "SPLIT", dtype, inputs, outputs, {"num_splits": parts}, tflm)


def reshape(rng, size, dtype):
    """RESHAPE and SQUEEZE, also to scalars, whose shape is a constant without elements."""
    shape = shape_of(rng, int(rng.integers(0, 5)), size, 3)
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    if rng.random() < 0.4:
        gone = [axis for axis in ones if rng.random() < 0.7] or ones
        rest = [n for axis, n in enumerate(shape) if axis not in gone]
        given = gone if gone != ones or rng.random() < 0.5 else []
        options = {"squeeze_dims": [a - len(shape) if rng.random() < 0.3 else a for a in given]}
        source, output = plain(shape, dtype), plain(rest, dtype)
        return model_case(rng, "SQUEEZE", dtype, [source], [output], options, (dtype,))
    wanted = shape_of(rng, int(rng.integers(0, 4)), size, 3)
    total = int(np.prod(shape)) * int(np.prod(wanted))
    source, output = [plain((*shape, *wanted), dtype), plain((total,), dtype)]
    if total == 1 or rng.random() < 0.3:
        output = plain(() if total == 1 else (1, total, 1), dtype)
    inputs = [source, constant(np.array(output.shape, np.int32))]
    inputs = inputs[: int(rng.integers(1, 3))]
    options = {"new_shape": list(output.shape)}
    return model_case(rng, "RESHAPE", dtype, inputs, [output], options, (dtype,))


def split_v(rng, size, dtype):
    shape = list(shape_of(rng, int(rng.integers(1, 5)), size, 4))
    axis = int(rng.integers(0, len(shape)))
    sizes = rng.integers(1, 5, int(rng.integers(1, 5)))
    outputs = [plain((*shape[:axis], int(n), *shape[axis + 1 :]), dtype) for n in sizes]
    shape[axis] = int(sizes.sum())
    if rng.random() < 0.3:
        sizes[int(rng.integers(0, len(sizes)))] = -1  # what the others leave
    given = axis - len(shape) if rng.random() < 0.3 else axis
    inputs = [plain(shape, dtype), constant(sizes, "int32"), constant(given, "int32")]
    tflm = ("int8", "int16", "int32", "float32")
    return model_case(rng, "SPLIT_V", dtype, inputs, outputs, {"num_splits": len(sizes)}, tflm)


_ALL = ("int8", "int16", "int32", "float32", "bool", "int64")
_COPIED = (*_ALL, "uint8", "uint32", "uint64")
_NUMBERS = ("int8", "int16", "int32", "float32")
GENERATORS = {
    "BROADCAST_TO": of_types(broadcast_to, _COPIED),
    "CONCATENATION": of_types(concatenation, _ALL),
    "PACK": of_types(pack, (*_NUMBERS, "int64")),
    "RESHAPE, SQUEEZE": of_types(reshape, (*_ALL, "uint8")),
    "REVERSE_V2": of_types(reverse, _ALL),
    "SLICE": of_types(slice_, _ALL),
    "SPACE_TO_DEPTH, DEPTH_TO_SPACE": of_types(space_to_depth, ("int8", "int32", "float32")),
    "SPLIT": of_types(split, _NUMBERS),
    "SPLIT_V": of_types(split_v, _NUMBERS),
    "STRIDED_SLICE": of_types(strided_slice, _ALL),
    "TILE": of_types(tile, _ALL),
    "TRANSPOSE": of_types(transpose, _ALL),
    "UNPACK": of_types(unpack, (*_NUMBERS, "bool")),
}
