"""The inputs and outputs of a model as devices see them: shapes, dtypes, bytes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, numpy_dtype
from edgeq.model.inputs import xorshift_inputs
from edgeq.model.places import Bounds, input_bounds
from edgeq.support.array import Array


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: Name in the model file.
        shape: Shape of one call.
        dtype: numpy name of its elements.
        bounds: Of an input whose values count something; None where any are right.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bounds: Bounds | None = None

    @property
    def bytes(self) -> int:
        """Size of one call's value."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def graph_specs(graph: Graph, indices: Iterable[int]) -> list[TensorSpec]:
    """The specs of some tensors of the main subgraph, such as `graph.main.inputs`.

    Raises:
        EdgeqError: A tensor's type has no counterpart in numpy.
    """
    specs = []
    bounds = input_bounds(graph.main, graph.subgraphs)
    for index in indices:
        tensor = graph.main.tensors[index]
        try:
            dtype = numpy_dtype(tensor.dtype).name
        except KeyError:
            raise EdgeqError(
                f"{tensor.dtype} tensors cannot be fed or read.",
                f'{graph.path}, tensor {index} "{tensor.name}"',
            ) from None
        specs.append(TensorSpec(tensor.name, tensor.shape, dtype, bounds.get(index)))
    return specs


def check_batch(inputs: Sequence[Array], specs: Sequence[TensorSpec]) -> int:
    """The number of calls that `inputs` holds: the length of every first axis.

    Raises:
        EdgeqError: The number of arrays, a shape or a dtype does not fit the model.
    """
    if len(inputs) != len(specs):
        raise EdgeqError(f"The model has {len(specs)} inputs, {len(inputs)} arrays were given.")
    for array, spec in zip(inputs, specs, strict=True):
        if array.shape[1:] != spec.shape or array.dtype.name != spec.dtype:
            raise EdgeqError(
                f"Input '{spec.name}' is {spec.dtype} of shape (N, {_numbers(spec.shape)}); "
                f"{array.dtype.name} of shape ({_numbers(array.shape)}) was given."
            )
    counts = {len(array) for array in inputs}
    if len(counts) > 1:
        raise EdgeqError(f"The inputs hold different numbers of samples: {sorted(counts)}.")
    return counts.pop() if counts else 1


def _numbers(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def call_in_order(
    inputs: Sequence[Array],
    specs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    call: Callable[[list[Array]], Sequence[Array]],
) -> list[Array]:
    """The outputs of N calls, one after the other, as Session.run gives them.

    Args:
        inputs: What Session.run was given.
        specs: The model's inputs.
        outputs: The model's outputs.
        call: One inference, from one array per input to one array per output.
    """
    count = check_batch(inputs, specs)
    results = [np.empty((count, *spec.shape), spec.dtype) for spec in outputs]
    for number in range(count):
        for result, value in zip(results, call([a[number] for a in inputs]), strict=True):
            result[number] = value
    return results


def one_call(inputs: Sequence[Array]) -> list[Array]:
    """The inputs of one call (without a sample axis) as a batch of one."""
    return [np.asarray(array)[np.newaxis] for array in inputs]


def profile_inputs(specs: Sequence[TensorSpec], index: int) -> list[Array]:
    """The reproducible inputs number `index` that `profile` feeds, without a sample axis."""
    shapes, dtypes = [spec.shape for spec in specs], [spec.dtype for spec in specs]
    return xorshift_inputs(shapes, dtypes, index, [spec.bounds for spec in specs])


def digest(outputs: Iterable[Array]) -> str:
    """SHA-256 of all output bytes, in order of the outputs."""
    total = hashlib.sha256()
    for array in outputs:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
