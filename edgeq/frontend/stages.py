"""The graph of a front end while it is being built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from edgeq.model.graph import Graph, Op, Quantization, Subgraph, Tensor
from edgeq.model.stream import Stream

# Name, shape, type and, for quantized values, the scale and the zero point.
Result = (
    tuple[str, tuple[int, ...], str]
    | tuple[str, tuple[int, ...], str, float]
    | tuple[str, tuple[int, ...], str, float, int]
)


class Stages:
    """Ops in order; tensor 0 is the window of samples, the last op's first output the frame."""

    def __init__(self, samples: int, unit: float = 1 / 32768, dtype: str = "int16") -> None:
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self._add(("samples", (samples,), dtype, unit))

    def op(
        self,
        name: str,
        inputs: tuple[int, ...],
        result: Result | None,
        options: Mapping[str, Any] | None = None,
        into: int = -1,
    ) -> int:
        """Add a stage, whose output may be a variable; returns its first output."""
        output = into if result is None else self._add(result)
        self._ops.append(Op(len(self._ops), name, inputs, (output,), options or {}))
        return output

    def custom(
        self, name: str, inputs: tuple[int, ...], result: Result, options: Mapping[str, Any]
    ) -> int:
        """Add a custom op of TensorFlow Lite Micro."""
        output = self._add(result)
        packed = bytes(flexbuffers.Dumps(dict(options)))
        self._ops.append(
            Op(
                len(self._ops),
                "CUSTOM",
                inputs,
                (output,),
                custom_name=name,
                custom_options=packed,
            )
        )
        return output

    def also(self, result: Result) -> int:
        """One more output of the last stage."""
        output = self._add(result)
        last = self._ops[-1]
        options = last.options
        self._ops[-1] = Op(
            last.index,
            last.name,
            last.inputs,
            (*last.outputs, output),
            options,
            custom_name=last.custom_name,
            custom_options=last.custom_options,
        )
        return output

    def variable(self, name: str, shape: tuple[int, ...], dtype: str) -> int:
        """Memory that lives from call to call, zeros at first."""
        self._tensors.append(Tensor(len(self._tensors), name, shape, dtype, is_variable=True))
        return len(self._tensors) - 1

    def constant(self, name: str, values: NDArray[Any]) -> int:
        """A table."""
        self._tensors.append(
            Tensor(len(self._tensors), name, values.shape, values.dtype.name, data=values)
        )
        return len(self._tensors) - 1

    def graph(self, name: str, digest: str, stream: Stream) -> Graph:
        """All of it."""
        main = Subgraph(
            0, name, tuple(self._tensors), tuple(self._ops), (0,), self._ops[-1].outputs[:1]
        )
        return Graph(name, digest, 0, (main,), stream=stream)

    def _add(self, result: Result) -> int:
        name, shape, dtype = result[:3]
        quantization = None
        if len(result) > 3:
            scale = np.asarray([result[3]], np.float32)
            zero_point = np.asarray([*result[4:], 0][:1], np.int64)
            quantization = Quantization(scale, zero_point)
        self._tensors.append(Tensor(len(self._tensors), name, shape, dtype, quantization))
        return len(self._tensors) - 1
