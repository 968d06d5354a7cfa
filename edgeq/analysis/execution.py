"""Run a model on any device: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeq.analysis.models import as_tflite
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.errors import EdgeqError
from edgeq.model.arrays import model_inputs, read_arrays, without_batch, write_arrays
from edgeq.model.file_axes import read_axes
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array
from edgeq.support.output import check_writable


def run(
    model: str | Path,
    *,
    inputs: Array | Mapping[str, Array],
    on: str = "local",
    options: CompileOptions | None = None,
    where: str = "inputs",
) -> list[Array]:
    """One array per model output, shape (N, ...), of the model's own output dtype.

    A batch axis of one is dropped: an output of shape (1, 12) comes back as (N, 12).

    Args:
        model: A .tflite file, or a Keras file or SavedModel (run as float).
        inputs: One array, or arrays by input position ("0", "1", ...) or tensor name. The first
            axis counts samples; integers are taken as they are, floats are quantized with the
            input's own scale. Calls are made in order, so a stateful model sees them as a stream.
        on: Device address.
        options: How C is generated, where the address runs generated C.
        where: Name of the inputs, for error messages.

    Raises:
        EdgeqError: The inputs do not fit the model, or the device cannot run it.
    """
    with as_tflite(model) as path:
        graph = read_graph(path)
        axes = read_axes(graph.metadata, graph.path)
        arrays = model_inputs(inputs, graph.main, where, axes)
        with open_session(on, path, options) as session:
            return [without_batch(array) for array in session.run(arrays)]


def run_files(
    model: Path, on: str, source: Path, output: Path, options: CompileOptions, *, force: bool
) -> list[Array]:
    """`run` from an .npy or .npz file to another; the output is written whole or not at all.

    Raises:
        EdgeqError: As `run`; the output exists, cannot be written, or cannot hold all outputs.
    """
    if output.suffix not in (".npy", ".npz"):
        raise EdgeqError(f"'{output}' is neither .npy nor .npz.")
    check_writable(output, force=force)
    arrays = run(model, inputs=read_arrays(source), on=on, options=options, where=str(source))
    write_arrays(output, arrays)
    return arrays
