"""A .tflite while passes rewrite it: unpacked once, handed from pass to pass, packed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    add_constant,
    indices,
    new_op,
    new_tensor,
    op_kinds,
    pack,
    unpack,
)
from edgeq.model.tflite.schema import TENSOR_TYPES
from edgeq.support.array import Array

Range = tuple[float, float]
"""Lowest and highest value."""
Scale = tuple[float, int]
"""Scale and zero point."""
Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Of many values at once."""
Answers = Callable[[Sequence[Sequence[Array]]], list[list[Array]]]
"""Of samples, each an array per input without a batch axis: an array per output likewise."""
LIMITS = {
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "uint8": (0, 255),
}
"""Lowest and highest integer of each quantized type."""


class NotAnswered(Exception):
    """What a float model was made of gives no answers.

    Attributes:
        instead: What comes closest to it and answers; None for nothing.
    """

    def __init__(self, why: str, instead: Answers | None) -> None:
        super().__init__(why)
        self.instead = instead


@dataclass(frozen=True)
class LearnedScale:
    """How training rounded a constant.

    Attributes:
        scales: One for the whole tensor, or one per slice along `axis`.
        axis: The quantized dimension; 0 where there is one scale.
    """

    scales: NDArray[np.float64]
    axis: int = 0


@dataclass
class Network:
    """A model that is being rewritten.

    Attributes:
        model: The ModelT of the flatbuffer; passes change its main subgraph.
        source: Name for messages.
        learned_ranges: Ranges of activations that training fixed, by tensor name.
        learned_scales: Scales of constants that training fixed, by tensor name.
        integer_inputs: Inputs that take integers as they come, by name, and their types.
        ranges: Ranges of activations, by tensor name; from calibration, once there was one.
        dtype: Type that activations shall have.
        symmetric: Whether all zero points shall be 0.
        io: Type that inputs and outputs shall have.
        floats: Constants of the float model, by tensor name.
        states: How many inputs and outputs, the last ones, are what goes from call to call.
        spliced: Whether integer ops have been put in between conversions from and to float.
        tables: Ops that stand for a function of one value, by the name of their output.
        answers: What the source of a float model computes in its own framework, where that may
            run.
    """

    model: Any
    source: str
    ranges: dict[str, Range] = field(default_factory=dict)
    dtype: str = "float32"
    symmetric: bool = False
    io: str = "float32"
    floats: Mapping[str, Array] = field(default_factory=dict)
    tables: dict[str, Function] = field(default_factory=dict)
    learned_ranges: dict[str, Range] = field(default_factory=dict)
    learned_scales: dict[str, LearnedScale] = field(default_factory=dict)
    integer_inputs: dict[str, str] = field(default_factory=dict)
    states: int = 0
    spliced: bool = False
    answers: Answers | None = None

    @classmethod
    def unpack(cls, data: bytes, source: str) -> Network:
        """The network in the bytes of a .tflite."""
        return cls(unpack(data), source)

    def pack(self) -> bytes:
        """The bytes of the .tflite."""
        return pack(self.model)

    def add_metadata(self, name: str, content: bytes) -> None:
        """Put a named buffer beside the graph; one of that name is replaced."""
        from ai_edge_litert.schema_py_generated import MetadataT

        made: Any = MetadataT()
        made.name = name.encode()
        made.buffer = add_constant(self.model, np.frombuffer(content, np.uint8))
        kept = [entry for entry in self.model.metadata or [] if entry.name != made.name]
        self.model.metadata = [*kept, made]

    @property
    def graph(self) -> Any:
        """The main subgraph."""
        return self.model.subgraphs[0]

    @property
    def ops(self) -> list[Any]:
        """The ops of the main subgraph, in order."""
        return list(self.graph.operators or [])

    @ops.setter
    def ops(self, ops: Sequence[Any]) -> None:
        self.graph.operators = list(ops)

    @property
    def outputs(self) -> list[int]:
        """Tensors that the model gives."""
        return indices(self.graph.outputs)

    @property
    def inputs(self) -> list[int]:
        """Tensors that the model takes."""
        return indices(self.graph.inputs)

    def kind(self, op: Any) -> str:
        """The builtin name of an op, such as "CONV_2D"."""
        return str(op_kinds(self.model)[op.opcodeIndex])

    def name(self, index: int) -> str:
        """The name of a tensor."""
        name = self.graph.tensors[index].name
        return name.decode() if isinstance(name, bytes) else str(name)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor."""
        return tuple(indices(self.graph.tensors[index].shape))

    def dtype_of(self, index: int) -> str:
        """The type of a tensor, such as "int8"."""
        return TENSOR_TYPES[self.graph.tensors[index].type]

    def is_float(self, index: int) -> bool:
        """Whether a tensor holds float32 values."""
        return bool(self.graph.tensors[index].type == TENSOR_CODES["float32"])

    def is_constant(self, index: int) -> bool:
        """Whether the value of a tensor stands in the file."""
        data = self.model.buffers[self.graph.tensors[index].buffer].data
        return data is not None and len(data) > 0

    def constant(self, index: int) -> NDArray[Any]:
        """The values of a constant as they stand in the file, in its shape."""
        raw = bytes(self.model.buffers[self.graph.tensors[index].buffer].data)
        return np.frombuffer(raw, self.dtype_of(index)).reshape(self.shape(index))

    def dequantized(self, index: int) -> NDArray[np.float64]:
        """The values of an int8 or int16 constant in reals."""
        raw = bytes(self.model.buffers[self.graph.tensors[index].buffer].data)
        values = np.frombuffer(raw, self.dtype_of(index)).reshape(self.shape(index))
        scale, zero_point = self.scale(index)
        return (values.astype(np.float64) - zero_point) * scale

    def scale(self, index: int) -> Scale:
        """The scale and zero point of a tensor with one of each."""
        found = self.graph.tensors[index].quantization
        return float(found.scale[0]), int(found.zeroPoint[0])

    def scale_for(self, low: float, high: float, dtype: str = "") -> Scale:
        """Scale and zero point that cover a range and represent 0 exactly.

        Args:
            low, high: The range.
            dtype: Of the tensor; the activations' if none is given.
        """
        least, most = LIMITS[dtype or self.dtype]
        low, high = min(low, 0.0), max(high, 0.0)
        if self.symmetric and dtype != "uint8":
            return max(-low, high, 1e-8) / most, 0
        scale = max(high - low, 1e-8) / (most - least)
        return scale, int(np.clip(round(least - low / scale), least, most))

    def range(self, index: int) -> Range:
        """The range of an activation, by its name or the one that it had before the quantizer."""
        plain = self.name(index).removesuffix("_dequant")
        return self.ranges.get(self.name(index), self.ranges.get(plain, (0.0, 0.0)))

    def replace_output(self, old: int, new: int) -> None:
        """Let the model give another tensor where it gave one."""
        self.graph.outputs = [new if index == old else index for index in self.outputs]
        for signature in self.model.signatureDefs or []:
            for entry in signature.outputs:
                entry.tensorIndex = new if entry.tensorIndex == old else entry.tensorIndex

    def fill(self, index: int, values: Any) -> None:
        """Make a tensor a constant."""
        self.graph.tensors[index].buffer = add_constant(self.model, values)

    def add_tensor(self, name: str, shape: Any, dtype: str, scale: Scale | None = None) -> int:
        """Index of a new tensor."""
        return new_tensor(self.model, name, shape, dtype, scale)

    def add_constant(self, name: str, values: Any, scale: Scale | None = None) -> int:
        """Index of a new tensor that holds an array."""
        index = self.add_tensor(name, list(values.shape), str(values.dtype), scale)
        self.fill(index, values)
        return index

    def new_op(
        self, kind: str, inputs: list[int], outputs: list[int], options: str = "", **settings: Any
    ) -> Any:
        """An op that is not yet among the ops.

        Args:
            kind: Builtin name.
            inputs, outputs: Tensors.
            options: Name of its option table, such as "Add"; empty for none.
            settings: Fields of that table that differ from their defaults.
        """
        op = new_op(self.model, kind, inputs, outputs)
        if options:
            from ai_edge_litert import schema_py_generated as schema

            op.builtinOptionsType = int(getattr(schema.BuiltinOptions, f"{options}Options"))
            op.builtinOptions = getattr(schema, f"{options}OptionsT")()
            for key, value in settings.items():
                setattr(op.builtinOptions, key, value)
        return op

    def readers(self, index: int) -> list[Any]:
        """The ops that read a tensor."""
        return [op for op in self.ops if index in indices(op.inputs)]

    def maker(self, index: int) -> Any | None:
        """The op that makes a tensor; None for inputs and constants."""
        return next((op for op in self.ops if index in indices(op.outputs)), None)

    def redirect(self, same: dict[int, int]) -> None:
        """Let everything that reads some tensors read others instead, model outputs left out."""
        for op in self.ops:
            op.inputs = [same.get(index, index) for index in indices(op.inputs)]


Pass = Callable[[Network], Network]
"""A rewrite: changes the network it is given and gives it back."""
