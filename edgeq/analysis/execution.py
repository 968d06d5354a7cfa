"""Run a model on any device: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from edgeq.analysis.models import as_tflite
from edgeq.analysis.recordings import as_fed, read_recording
from edgeq.analysis.remarks import remarks_of
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.data.audio import AUDIO_SUFFIXES
from edgeq.errors import EdgeqError
from edgeq.frontend.silent import silent_bands_of
from edgeq.model.arrays import model_inputs, read_arrays, without_batch, write_arrays
from edgeq.model.file_axes import read_axes
from edgeq.model.model_file import read_graph
from edgeq.model.recording import answerable, as_long, whole_recording
from edgeq.model.stream import Stream
from edgeq.support.array import Array
from edgeq.support.output import check_writable


def run(
    model: str | Path,
    *,
    inputs: Array | Mapping[str, Array] | Sequence[Array],
    on: str = "local",
    options: CompileOptions | None = None,
    where: str = "inputs",
) -> list[Array]:
    """One array per model output, shape (N, ...), of the model's own output dtype.

    A batch axis of one is dropped: an output of shape (1, 12) comes back as (N, 12).

    With a front end in the options the inputs are recordings: one of any length (a row of samples,
    of which every answer comes back), or several just long enough for the answer to a whole window.
    Silence follows where up to a window is missing.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (as float).
        inputs: One array, or arrays in order, or by position ("0", "1", ...) or tensor name. The
            first axis counts samples; integers are taken as they are, floats are quantized with the
            input's own scale. Calls are made in order, so a stateful model sees them as a stream.
        on: Device address.
        options: How C is generated, where the address runs generated C.
        where: Name of the inputs, for error messages.

    Raises:
        EdgeqError: The inputs do not fit the model, or the device cannot run it.
    """
    return _run(model, inputs, on, options, where).arrays


@dataclass(frozen=True, eq=False)
class Ran:
    """Outputs, and what is known to be wrong with the arithmetic that made them."""

    arrays: list[Array]
    warnings: tuple[str, ...]


def _run(
    model: str | Path,
    inputs: Array | Mapping[str, Array] | Sequence[Array],
    on: str,
    options: CompileOptions | None,
    where: str,
) -> Ran:
    with as_tflite(model) as path, open_session(on, path, options) as session:
        graph = read_graph(path)
        fed = as_fed(graph, options)
        warnings = (*session.warnings, *silent_bands_of(options), *remarks_of(graph))
        stream = None if fed is graph else fed.stream
        if stream is not None and _is_one(inputs, stream):
            samples = answerable(whole_recording(inputs, stream, where), stream, where)
            return Ran([without_batch(a) for a in session.stream(samples)], warnings)
        if stream is not None and isinstance(inputs, np.ndarray):
            inputs = as_long(inputs, fed)
        axes = None if stream is not None else read_axes(graph.metadata, graph.path)
        arrays = model_inputs(inputs, fed.main, where, axes)
        return Ran([without_batch(array) for array in session.run(arrays)], warnings)


def _is_one(inputs: object, stream: Stream) -> TypeGuard[Array]:
    """Whether this is one recording rather than several of the same length."""
    if not isinstance(inputs, np.ndarray) or stream.shape:
        return False
    return inputs.ndim == 1 + (stream.axes > 1)


def run_files(
    model: Path, on: str, source: Path, output: Path, options: CompileOptions, *, force: bool
) -> Ran:
    """`run` from an .npy or .npz file to another; the output is written whole or not at all.

    Raises:
        EdgeqError: As `run`; the output exists, cannot be written, or cannot hold all outputs.
    """
    if output.suffix not in (".npy", ".npz"):
        raise EdgeqError(f"'{output}' is neither .npy nor .npz.")
    check_writable(output, force=force, inputs=(model, source))
    if options.frontend is not None and source.suffix.lower() in AUDIO_SUFFIXES:
        inputs: Array | Mapping[str, Array] = read_recording(source, options.frontend.stream)
    else:
        inputs = read_arrays(source)
    ran = _run(model, inputs, on, options, str(source))
    write_arrays(output, ran.arrays, force=force)
    return ran
