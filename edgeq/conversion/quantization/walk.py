"""A model run op by op over all samples at once, so that ops can still be changed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import indices
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter
from edgeq.model.parts import Whole

Array = NDArray[Any]


class Walk:
    """The main subgraph of a model, and the values of its tensors at one place of it.

    Only tensors that are still to be read are kept. An op takes effect as it is when the walk
    passes it: its constants may be changed until then.
    """

    def __init__(self, model: Any, inputs: Mapping[int, Array], options: LiteRtOptions) -> None:
        """Begin before the first op.

        Args:
            model: A ModelT.
            inputs: Values of all samples, samples on the first axis, by tensor.
            options: Kernels to run with.
        """
        self._whole, self._options = Whole(model), options
        self._samples = len(next(iter(inputs.values())))
        self._place = 0
        self._values = dict(inputs)
        self._outputs = set(indices(model.subgraphs[0].outputs))

    def to(self, position: int) -> None:
        """Run all ops before this one."""
        if position <= self._place:
            return
        part = self._whole.part(self._place, position)
        self._place = position
        if part.outputs:
            self._run(part.data, part.inputs, part.outputs)
        self._values = {
            index: value
            for index, value in self._values.items()
            if self._whole.read_after(index, position)
        }

    def _run(self, data: bytes, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        interpreter = litert_interpreter(data, self._options)
        places = [detail["index"] for detail in interpreter.get_input_details()]
        results = [detail["index"] for detail in interpreter.get_output_details()]
        found: list[list[Array]] = [[] for _ in outputs]
        for sample in range(self._samples):
            for place, index in zip(places, inputs, strict=True):
                interpreter.set_tensor(place, self._values[index][sample])
            interpreter.invoke()
            for kept, place in zip(found, results, strict=True):
                kept.append(interpreter.get_tensor(place))
        self._values |= {index: np.stack(kept) for index, kept in zip(outputs, found, strict=True)}

    def value(self, index: int) -> Array:
        """The values of a tensor, samples on the first axis."""
        return self._values[index]
