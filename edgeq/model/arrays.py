"""Arrays on their way into and out of a model: files, sample axis, dtypes, quantization."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgeq.data.arrays import whole_arrays
from edgeq.errors import EdgeqError, raise_problems
from edgeq.model.file_axes import Axes
from edgeq.model.graph import Subgraph, Tensor, numpy_dtype
from edgeq.support.array import Array
from edgeq.support.output import write_results


def input_tensors(model: Subgraph) -> list[Tensor]:
    """The model's inputs by position."""
    return [model.tensors[index] for index in model.inputs]


def output_tensors(model: Subgraph) -> list[Tensor]:
    """The model's outputs by position."""
    return [model.tensors[index] for index in model.outputs]


def read_arrays(path: Path) -> Array | dict[str, Array]:
    """What an .npy (one array) or .npz file (arrays by key) holds. Pickles are never loaded.

    Raises:
        EdgeqError: No such file, not numpy's format, a pickled array, or far too large.
    """
    arrays = whole_arrays(path)
    return arrays.get("", arrays)


def model_inputs(
    loaded: Array | Mapping[str, Array] | Sequence[Array],
    model: Subgraph,
    where: str,
    axes: Axes | None = None,
) -> list[Array]:
    """Arrays for `Session.run` from what a file holds.

    Args:
        loaded: One array, or arrays by position ("0", "1", ...) or by tensor name, or in order.
        model: Whose inputs they are for.
        where: Name of the file, for messages.
        axes: How axes lay in the file that the model was made of, by input; arrays that lie so
            are turned.

    Returns:
        One array per model input, shape (N, *input_shape), of the input's dtype.

    Raises:
        EdgeqError: Inputs are missing or too many, or shapes, dtypes, counts or values do not fit.
    """
    tensors = input_tensors(model)
    given = _by_position(loaded, tensors, where)
    problems: list[EdgeqError] = []
    result = []
    for position, tensor in enumerate(tensors):
        place = f'{where}, input {position} "{tensor.name}"'
        try:
            own = (axes or {}).get(tensor.name, ())
            result.append(to_input(_turned(given[position], tensor.shape, own), tensor, place))
        except EdgeqError as error:
            problems.append(error)
    raise_problems(problems)
    counts = sorted({len(array) for array in result})
    if len(counts) > 1:
        raise EdgeqError(f"the inputs have {' and '.join(map(str, counts))} samples.", where)
    return result


def _turned(array: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Samples that lie as in the file that the model was made of as the model takes them."""
    if not axes or shape[:1] != (1,) or len(axes) != len(shape) - 1:
        return array
    own = tuple(shape[1:][axes.index(axis)] for axis in range(len(axes)))
    if array.shape[1:] not in (own, (1, *own)):
        return array
    lead = array.ndim - len(axes)
    return np.transpose(array, (*range(lead), *(lead + axis for axis in axes)))


def _by_position(
    loaded: Array | Mapping[str, Array] | Sequence[Array], tensors: Sequence[Tensor], where: str
) -> list[Array]:
    if isinstance(loaded, np.ndarray):
        arrays = {"0": loaded}
    elif isinstance(loaded, Mapping):
        arrays = dict(loaded)
    else:
        arrays = {str(position): np.asarray(array) for position, array in enumerate(loaded)}
    if len(tensors) == 1 and len(arrays) == 1:
        return list(arrays.values())
    keys = [
        str(position) if str(position) in arrays else tensor.name
        for position, tensor in enumerate(tensors)
    ]
    missing = [key for key in keys if key not in arrays]
    spare = sorted(set(arrays) - set(keys))
    if missing or spare:
        names = ", ".join(f'{i} or "{tensor.name}"' for i, tensor in enumerate(tensors))
        raise EdgeqError(
            f"the keys {sorted(arrays)} do not match the model's {len(tensors)} inputs.",
            where,
            f"an .npz with the keys {names}",
        )
    return [arrays[key] for key in keys]


def to_input(array: Array, tensor: Tensor, where: str) -> Array:
    """`array` with the sample axis in front, in the dtype of the input `tensor`.

    Integers are taken as they are, floats are quantized with the input's own scale.

    Args:
        array: Shape (N, *shape), or (N, *shape[1:]) where the input's first axis is 1.
        tensor: The model input.
        where: File and input, for messages.

    Returns:
        Shape (N, *shape).

    Raises:
        EdgeqError: Shape, dtype or a value does not fit, or there is no sample.
    """
    shaped = _with_sample_axis(array, tensor.shape, where)
    if not len(shaped):
        raise EdgeqError("there are no samples.", where)
    wanted = numpy_dtype(tensor.dtype)
    if shaped.dtype.kind not in "fiub":
        raise EdgeqError(f"{shaped.dtype} is no number type.", where)
    if shaped.dtype.kind == "f" and not np.isfinite(shaped).all():
        bad = int((~np.isfinite(shaped)).reshape(len(shaped), -1).any(axis=1).argmax())
        raise EdgeqError(f"sample {bad} holds NaN or infinity.", where)
    if wanted.kind == "f":
        return shaped.astype(wanted)
    if shaped.dtype.kind == "f":
        return quantize(shaped, tensor, where)
    if shaped.dtype == wanted:
        return shaped
    low, high = (0, 1) if wanted.kind == "b" else (np.iinfo(wanted).min, np.iinfo(wanted).max)
    if shaped.min() < low or shaped.max() > high:
        raise EdgeqError(
            f"values from {shaped.min()} to {shaped.max()} do not fit {tensor.dtype} "
            f"({low} to {high}).",
            where,
            "integers are taken as they are; give floats to have them quantized",
        )
    return shaped.astype(wanted)


def _with_sample_axis(array: Array, shape: tuple[int, ...], where: str) -> Array:
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape:
        return array
    if shape and shape[0] == 1 and array.ndim == len(shape) and array.shape[1:] == shape[1:]:
        return array.reshape(len(array), *shape)
    short = ("N", *shape[1:]) if shape and shape[0] == 1 else ("N", *shape)
    raise EdgeqError(
        f"shape {array.shape} does not fit; the model takes "
        f"({', '.join(map(str, short))}), N samples.",
        where,
    )


def quantize(array: Array, tensor: Tensor, where: str = "") -> Array:
    """Real values as integers of `tensor`: round half away from zero, then saturate.

    Source: TFLite's AffineQuantize (tensorflow/lite/kernels/internal/reference/quantize.h).

    Raises:
        EdgeqError: The tensor has no scale.
    """
    if not tensor.scale:
        raise EdgeqError(
            f'"{tensor.name}" holds plain {tensor.dtype} numbers; they have no scale.',
            where,
            "give an integer array",
        )
    limits = np.iinfo(numpy_dtype(tensor.dtype))
    with np.errstate(over="ignore"):  # what overflows saturates like everything beyond the range
        scaled = array.astype(np.float32) / np.float32(tensor.scale)
    # Beyond here as double, which holds the limits of 32 bits; of 64, the next number that fits.
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.float64)
    most = min(limits.max, (1 << 63) - 1024)
    clipped: Array = np.clip(rounded + tensor.zero_point, limits.min, most)
    return clipped.astype(numpy_dtype(tensor.dtype))


def dequantize(array: Array, tensor: Tensor) -> Array:
    """Integers of `tensor` as float32; floats and tensors without a scale as they are."""
    if tensor.quantization is None or array.dtype.kind == "f":
        return array.astype(np.float32)
    scale = tensor.quantization.scale.astype(np.float32)
    zero_point = tensor.quantization.zero_point
    if tensor.quantization.per_channel:
        spread = [1] * array.ndim
        spread[array.ndim - len(tensor.shape) + tensor.quantization.quantized_dimension] = -1
        scale, zero_point = scale.reshape(spread), zero_point.reshape(spread)
    return ((array.astype(np.int64) - zero_point) * scale).astype(np.float32)


def without_batch(array: Array) -> Array:
    """(N, 1, ...) as (N, ...): a batch axis of one dropped; other arrays as they are."""
    if array.ndim > 1 and array.shape[1] == 1:
        return array.reshape(len(array), *array.shape[2:])
    return array


def check_finite(outputs: Sequence[Array], names: Sequence[str]) -> None:
    """Refuse answers that no figure can be made of.

    Args:
        outputs: A model's outputs in real numbers, each (N, ...).
        names: Their names.

    Raises:
        EdgeqError: One holds NaN or infinity.
    """
    for output, name in zip(outputs, names, strict=True):
        if np.isfinite(output).all():
            continue
        bad = (~np.isfinite(output)).reshape(len(output), -1).any(axis=1)
        raise EdgeqError(
            f"The model answers {int(bad.sum())} of {len(output)} samples with NaN or infinity; "
            f"the first is sample {int(bad.argmax())}.",
            f'output "{name}"',
            "look for a logarithm, a root or a division in the model that these samples take out "
            "of its range, or for weights that are NaN after a training that diverged",
        )


def write_arrays(path: Path, arrays: Sequence[Array], *, force: bool) -> None:
    """Write an .npy, or an .npz with positions for keys, whole or not at all.

    Raises:
        EdgeqError: Several arrays are to go into an .npy.
    """
    buffer = io.BytesIO()
    if path.suffix == ".npz":
        named = {str(position): array for position, array in enumerate(arrays)}
        np.savez(buffer, **named)  # type: ignore[arg-type]  # keywords are array names
    elif len(arrays) == 1:
        np.save(buffer, arrays[0])
    else:
        raise EdgeqError(
            f"the model has {len(arrays)} outputs; '{path}' holds one array.",
            hint=f"--output {path.with_suffix('.npz')}",
        )
    write_results({path: buffer.getvalue()}, force=force)
