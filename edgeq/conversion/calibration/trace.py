"""A float model run on data with every tensor's value kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.tensorflow import quiet
from edgeq.data import Sample

Values = Callable[[int], NDArray[Any]]
"""The value of a tensor of the main subgraph, by its index; valid until the next sample."""


def traced(model: FloatModel, samples: Iterable[Sample]) -> Iterator[Values]:
    """For each sample, what reads the tensors after the model has run on it.

    Args:
        model: The float model.
        samples: Read one at a time.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=model.data,
            num_threads=2,
            experimental_op_resolver_type=OpResolverType.BUILTIN,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    inputs = [(d["index"], tuple(d["shape"])) for d in interpreter.get_input_details()]
    for sample in samples:
        if sample.starts:
            interpreter.reset_all_variables()
        for (index, shape), value in zip(inputs, sample.inputs, strict=True):
            interpreter.set_tensor(index, value.reshape(shape))
        interpreter.invoke()
        yield interpreter.get_tensor
