"""Ops that pad, resize, gather and fill."""

import numpy as np

from tests.oracle.build import TensorSpec, single_op, with_data
from tests.oracle.check import Case, random_case
from tests.oracle.generators.tensors import constant, of_types, plain, seed_of, shape_of, values


def pads(rng, shape, largest):
    """Paddings of which some are 0."""
    return [[int(rng.integers(0, m + 1) * (rng.random() < 0.7)) for _ in "ab"] for m in largest]


def pad(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 6)), size, 4)
    around = pads(rng, shape, [3] * len(shape))
    x = plain(shape, dtype)
    y = plain([n + sum(p) for n, p in zip(shape, around, strict=True)], dtype)
    inputs = [x, constant(around, "int32")]
    # TFLM takes either for the other one.
    name = str(rng.choice(["PAD", "PADV2"]))
    if rng.random() < 0.5:
        value = plain(() if rng.random() < 0.7 else (1,), dtype)
        fixed = with_data(value, values(rng, value.shape, dtype))
        inputs.append(fixed if rng.random() < 0.7 else value)
    what = f"{name} {dtype} {shape} {around} {len(inputs)}"
    return random_case(what, single_op(name, inputs, [y]), seed=seed_of(rng))


def mirror_pad(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 7)), size, 5 if rng.random() < 0.5 else 2)
    mode = int(rng.integers(0, 2))
    around = pads(rng, shape, [n if mode else n - 1 for n in shape])
    if rng.random() < 0.2:
        around[-1][1] += 3  # more than there is to mirror, which TFLM takes behind an axis only
    y = plain([n + sum(p) for n, p in zip(shape, around, strict=True)], dtype)
    inputs = [plain(shape, dtype), constant(around, "int32")]
    model = single_op("MIRROR_PAD", inputs, [y], {"mode": mode})
    return random_case(f"MIRROR_PAD {dtype} {shape} {around} {mode}", model, seed=seed_of(rng))


def resize_nearest(rng, size, dtype):
    n, h, w, c = shape_of(rng, 4, size, 7)
    new = [int(k) for k in rng.integers(1, 12, 2)]
    options = {k: bool(rng.random() < 0.4) for k in ("align_corners", "half_pixel_centers")}
    inputs = [plain((n, h, w, c), dtype), constant(new, "int32")]
    model = single_op("RESIZE_NEAREST_NEIGHBOR", inputs, [plain((n, *new, c), dtype)], options)
    return random_case(
        f"RESIZE_NEAREST {dtype} {(n, h, w, c)} {new} {options}", model, seed=seed_of(rng)
    )


def space_batch(rng, size, dtype):
    axes = int(rng.integers(1, 3))
    n, c = shape_of(rng, 2, size, 3)
    blocks = [int(k) for k in rng.integers(1, 4, axes)]
    small = [int(k) for k in rng.integers(1, 4, axes)]
    borders = [
        [int(rng.integers(0, s * b // 2 + 1)), int(rng.integers(0, s * b - s * b // 2))]
        for s, b in zip(small, blocks, strict=True)
    ]
    wide = [s * b - sum(p) for s, b, p in zip(small, blocks, borders, strict=True)]
    image = plain((n, *wide, c), dtype)
    batch = plain((n * int(np.prod(blocks)), *small, c), dtype)
    extra = [constant(blocks, "int32"), constant(borders, "int32")]
    what = f"{dtype} {image.shape} {batch.shape} {blocks} {borders}"
    if rng.random() < 0.5:
        # TFLM leaves the value of the padding uninitialised.
        oracle = "litert" if np.any(borders) else "tflm"
        model = single_op("SPACE_TO_BATCH_ND", [image, *extra], [batch])
        return random_case(f"SPACE_TO_BATCH_ND {what}", model, seed=seed_of(rng), oracle=oracle)
    model = single_op("BATCH_TO_SPACE_ND", [batch, *extra], [image])
    return random_case(f"BATCH_TO_SPACE_ND {what}", model, seed=seed_of(rng))


def gather(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size, 5)
    axis = int(rng.integers(0, len(shape)))
    batch_dims = int(rng.integers(0, axis + 1)) if rng.random() < 0.5 else 0
    places = (*shape[:batch_dims], *shape_of(rng, int(rng.integers(0, 3)), size, 4))
    index = rng.integers(0, shape[axis], places).astype(np.int32)
    output = (*shape[:axis], *places[batch_dims:], *shape[axis + 1 :])
    return indexed(rng, "GATHER", shape, index, output, dtype, axis=axis, batch_dims=batch_dims)


def gather_nd(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 5)), size, 5)
    depth = int(rng.integers(1, len(shape) + 1))
    outer = shape_of(rng, int(rng.integers(1, 3)), size, 4)
    index = np.stack([rng.integers(0, n, outer) for n in shape[:depth]], -1).astype(np.int32)
    return indexed(rng, "GATHER_ND", shape, index, (*outer, *shape[depth:]), dtype)


def indexed(rng, name, shape, index, output, dtype, **options):
    """A case with constant indices, or with indices as an input."""
    x, y = plain(shape, dtype), plain(output, dtype)
    fed = [values(rng, shape, dtype)]
    indices = constant(index)
    if rng.random() < 0.5:
        indices, fed = TensorSpec(index.shape, "int32"), [*fed, index]
    what = f"{name} {dtype} {shape} {index.shape} {options}"
    return Case(what, single_op(name, [x, indices], [y], options), [fed])


def fill(rng, size, dtype):
    shape = shape_of(rng, int(rng.integers(1, 4)), size)
    inputs = [constant(shape, "int32"), plain((), dtype)]
    return random_case(
        f"FILL {dtype} {shape}", single_op("FILL", inputs, [plain(shape, dtype)]), seed=seed_of(rng)
    )


def zeros_like(rng, size, dtype):
    spec = plain(shape_of(rng, 3, size), dtype)
    model = single_op("ZEROS_LIKE", [spec], [plain(spec.shape, dtype)])
    return random_case(f"ZEROS_LIKE {dtype} {spec.shape}", model, seed=seed_of(rng))


_SOME = ("int8", "float32")
GENERATORS = {
    "FILL": of_types(fill, ("int8", "int32", "float32")),
    "GATHER": of_types(gather, _SOME),
    "GATHER_ND": of_types(gather_nd, _SOME),
    "MIRROR_PAD": of_types(mirror_pad, _SOME),
    "PAD, PADV2": of_types(pad, ("int8", "int8", "int16", "int32", "float32")),
    "RESIZE_NEAREST_NEIGHBOR": of_types(resize_nearest, ("int8", "int16", "float32")),
    "SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND": of_types(space_batch, _SOME),
    "ZEROS_LIKE": of_types(zeros_like, ("int8", "int32", "int64", "float32")),
}
