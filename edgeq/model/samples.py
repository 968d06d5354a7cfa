"""What samples for a model look like: from its tensors, and from what its metadata says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeq.data import Expected, InputSpec, Normalization
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.outputs import CLASSES
from edgeq.model.answer import class_count, find_outputs
from edgeq.model.file_axes import Axes, read_axes
from edgeq.model.graph import Graph, Tensor, check_outputs
from edgeq.model.tflite.metadata import Described
from edgeq.support.text import visible_line


def sample_specs(graph: Graph) -> list[InputSpec]:
    """What one sample of a data set looks like to this model, in real numbers.

    Inputs without a scale (indices, masks) keep their own integer type.
    """
    main = graph.main
    described = graph.info.inputs
    axes = read_axes(graph.metadata, graph.path)
    specs = [
        input_spec(main.tensors[index], described[position : position + 1], axes)
        for position, index in enumerate(main.inputs)
    ]
    stream = graph.stream
    if stream is None or stream.shape:
        return specs
    slack = stream.window if stream.axes == 1 else 0
    return [replace(spec, slack=slack, sensed=True, sound=stream.sound) for spec in specs]


def input_spec(
    tensor: Tensor, described: Sequence[Described] = (), axes: Axes | None = None
) -> InputSpec:
    """What one input takes.

    Args:
        tensor: The input.
        described: What metadata says of it, if anything.
        axes: How axes lay in the file that the model was made of, by input.
    """
    quantized = tensor.quantization is not None
    low, high = tensor.real_range
    slack = tensor.scale
    spec = InputSpec(
        tensor.name,
        tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape,
        "float32" if quantized else tensor.dtype,
        tensor.dtype if quantized and "int" in tensor.dtype else "",
        low,
        high,
    )
    own = (axes or {}).get(tensor.name, ())
    if len(own) == len(spec.shape):
        spec = replace(spec, file_axes=own)
    for found in described:
        spec = replace(spec, rate_hz=found.sample_rate or None)
        if found.mean and found.std:
            spec = replace(spec, normalization=_normalization(found, tensor.name))
        within = found.low >= spec.low - slack and found.high <= spec.high + slack
        if found.low < found.high and (within or not quantized):
            spec = replace(spec, low=found.low, high=found.high)
    return spec


def _normalization(found: Described, name: str) -> Normalization:
    try:
        return Normalization(found.mean, found.std)
    except UsageError as error:
        raise EdgeqError(
            f"The model's metadata make no sense for input '{visible_line(name)}'. {error.what}",
            hint=f"convert the model again, with --mean and --std: {error.hint}",
        ) from None


def expected_labels(graph: Graph) -> Expected:
    """What is known of a classifier's labels: names from its metadata, and how many classes.

    Raises:
        EdgeqError: The model has no output.
    """
    check_outputs(graph)
    main = graph.main
    last = main.tensors[main.outputs[0]].shape[-1:]
    kind = find_outputs(graph)
    if kind is not None and kind.kind == CLASSES:
        count = class_count(graph)
    else:
        count = 2 if last in ((), (1,)) else last[0]
    names = next((out.labels for out in graph.info.outputs if out.labels), ())
    return Expected(names if count in (None, len(names)) else (), count)
