"""The float islands that litert-quantizer leaves are turned into integer ops.

Where the quantizer does not know an op, it leaves DEQUANTIZE, the float op, QUANTIZE. Many of
these ops have integer kernels all the same (LEAKY_RELU, ABS, EXP, ...), or are another op in
disguise (SQUARE is MUL). Each is wrapped in new QUANTIZE and DEQUANTIZE ops with ranges from
calibration; then every DEQUANTIZE that meets a QUANTIZE goes away, or becomes one QUANTIZE from
scale to scale. What cannot be helped stays, and the integer proof names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    add_constant,
    drop_unused,
    indices,
    new_op,
    new_tensor,
    op_kinds,
)
from edgeq.conversion.network import Network

_RELU6 = 3
_LIMITS = {"int8": (-128, 127), "int16": (-32768, 32767), "uint8": (0, 255)}

# Kernels that take any scale on every side.
_ANY_SCALE = frozenset(
    {"LEAKY_RELU", "ABS", "EXP", "LOG", "ELU", "PRELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1",
     "SQUARED_DIFFERENCE", "MUL", "SUB", "ADD"}
)  # fmt: skip
# Kernels that move or compare integers as they are: one scale for all tensors.
_ONE_SCALE = frozenset(
    {"TILE", "REDUCE_MAX", "SPLIT", "SPLIT_V", "MINIMUM", "REVERSE_V2", "SQUEEZE", "EXPAND_DIMS",
     "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"}
)  # fmt: skip
# Kernels that take integers of any scale and give indices or truth values.
_NO_SCALE_OUT = frozenset(
    {"ARG_MAX", "ARG_MIN", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"}
)
# Kernels whose output has a scale that the kernel itself fixes: width in reals, zero point.
_FIXED_OUT = {"L2_NORMALIZATION": (2.0, 0), "LOG_SOFTMAX": (16.0, 127)}
# What can be said in other ops.
_EXPANDED = frozenset({"SQUARE", "NEG", "HARD_SWISH"})

Scale = tuple[float, int]
"""Scale and zero point."""


def integerize(
    network: Network, ranges: Mapping[str, tuple[float, float]], dtype: str, *, symmetric: bool = False
) -> Network:
    """The network with its remaining float ops in integers, as far as integer kernels exist.

    Args:
        network: What the quantizer made.
        ranges: Lowest and highest value of each activation, by name.
        dtype: Type of activations, "int8" or "int16".
        symmetric: Whether zero points are always 0, as they are for int16.
    """
    model = network.model
    editor = _Editor(model, ranges, dtype, symmetric or dtype == "int16")
    if not editor.wrap_float_ops():
        return network
    editor.join_conversions()
    drop_unused(model)
    return network


class _Editor:
    """The main subgraph while it is being rewritten."""

    def __init__(
        self,
        model: Any,
        ranges: Mapping[str, tuple[float, float]],
        dtype: str,
        symmetric: bool,
    ) -> None:
        self._model, self._ranges = model, dict(ranges)
        self._dtype, self._symmetric = dtype, symmetric
        self._graph = model.subgraphs[0]

    def wrap_float_ops(self) -> bool:
        """Put each float op that can be integer between QUANTIZE and DEQUANTIZE; False if none."""
        operators: list[Any] = []
        found = False
        for op in self._graph.operators:
            if self._helped(op):
                found = True
                for part in self._expanded(op):
                    before, after = self._wrap(part)
                    operators += [*before, part, *after]
            else:
                operators.append(op)
        self._graph.operators = operators
        return found

    def _helped(self, op: Any) -> bool:
        kind = self._kind(op)
        known = kind in (*_ANY_SCALE, *_ONE_SCALE, *_NO_SCALE_OUT, *_FIXED_OUT, *_EXPANDED)
        touched = (*indices(op.inputs), *indices(op.outputs))
        return known and any(i >= 0 and self._is_float(i) for i in touched)

    def _expanded(self, op: Any) -> list[Any]:
        """The op, or what says the same in ops that have integer kernels everywhere."""
        kind, inputs = self._kind(op), indices(op.inputs)
        (result,) = indices(op.outputs)[:1]
        if kind == "SQUARE":
            return [self._product(inputs[0], inputs[0], result)]
        if kind == "NEG":
            minus_one = self._number(result, "minus_one", -1.0)
            return [self._product(inputs[0], minus_one, result)]
        if kind == "SQUARED_DIFFERENCE" and self._dtype == "int16":
            return self._squared_difference(inputs, result)
        if kind == "HARD_SWISH":
            return self._hard_swish(inputs[0], result)
        return [op]

    def _squared_difference(self, inputs: list[int], result: int) -> list[Any]:
        """(a - b)^2, which has no kernel for 16 bits."""
        largest = self._ranges.get(self._name(result), (0.0, 0.0))[1] ** 0.5
        difference = self._between(result, "difference", -largest, largest)
        subtract = new_op(self._model, "SUB", inputs, [difference])
        subtract.builtinOptionsType, subtract.builtinOptions = _options("Sub")
        return [subtract, self._product(difference, difference, result)]

    def _hard_swish(self, source: int, result: int) -> list[Any]:
        """Input * relu6(input + 3) / 6; 16 bits have no kernel for the op itself."""
        low, high = self._ranges.get(self._name(result), (0.0, 0.0))
        three, sixth = self._number(result, "three", 3.0), self._number(result, "sixth", 1 / 6)
        gate = self._between(result, "gate", 0.0, 6.0)
        whole = self._between(result, "whole", 6 * low, 6 * high)
        add = new_op(self._model, "ADD", [source, three], [gate])
        add.builtinOptionsType, add.builtinOptions = _options("Add")
        add.builtinOptions.fusedActivationFunction = _RELU6
        return [add, self._product(source, gate, whole), self._product(whole, sixth, result)]

    def _number(self, result: int, name: str, value: float) -> int:
        """A constant that helps to compute a result."""
        made = new_tensor(self._model, f"{self._name(result)}/{name}", [1], "float32")
        self._fill(made, np.array([value], np.float32))
        return made

    def _between(self, result: int, name: str, low: float, high: float) -> int:
        """A tensor on the way to a result, of the same shape, with a range."""
        full = f"{self._name(result)}/{name}"
        self._ranges[full] = (low, high)
        return new_tensor(self._model, full, self._graph.tensors[result].shape, "float32")

    def _product(self, one: int, other: int, result: int) -> Any:
        op = new_op(self._model, "MUL", [one, other], [result])
        op.builtinOptionsType, op.builtinOptions = _options("Mul")
        return op

    def _wrap(self, op: Any) -> tuple[list[Any], list[Any]]:
        """Conversion ops to put before and behind an op, which itself becomes integer."""
        kind = self._kind(op)
        inputs, outputs = indices(op.inputs), indices(op.outputs)
        floats = [i for i in inputs if i >= 0 and self._is_float(i)]
        shared = self._shared_scale(inputs, outputs) if kind in _ONE_SCALE else None
        before, after = [], []
        for index in dict.fromkeys(floats):
            if self._is_constant(index):
                made = self._integer_constant(index, shared)
            else:
                made = self._new_integer(index, shared or self._scale_of(index))
                before.append(new_op(self._model, "QUANTIZE", [index], [made]))
            inputs = [made if i == index else i for i in inputs]
        for position, index in enumerate(outputs):
            if self._is_float(index):
                made = self._new_integer(index, shared or self._output_scale(kind, index))
                after.append(new_op(self._model, "DEQUANTIZE", [made], [index]))
                outputs[position] = made
        op.inputs, op.outputs = inputs, outputs
        return before, after

    def _shared_scale(self, inputs: list[int], outputs: list[int]) -> Scale:
        """The one scale of an op that moves integers: its input's, its output's if it has more."""
        moved = [i for i in inputs if i >= 0 and not self._is_constant(i)]
        return self._scale_of(moved[0] if len(moved) == 1 else outputs[0])

    def join_conversions(self) -> None:
        """Take out DEQUANTIZE followed by QUANTIZE; other scales need a QUANTIZE between them."""
        source: dict[int, int] = {}
        same: dict[int, int] = {}
        for op in self._graph.operators:
            op.inputs = [same.get(i, i) for i in indices(op.inputs)]
            kind = self._kind(op)
            if kind == "DEQUANTIZE":
                source[indices(op.outputs)[0]] = indices(op.inputs)[0]
            elif kind == "QUANTIZE" and op.inputs[0] in source:
                integer, result = source[op.inputs[0]], indices(op.outputs)[0]
                if self._alike(integer, result) and result not in indices(self._graph.outputs):
                    same[result] = integer
                op.inputs = [integer]
        self._rename_integers()

    def _rename_integers(self) -> None:
        """Call integer tensors as the float ones were called, now that those are gone."""
        read = {i for op in self._graph.operators for i in indices(op.inputs) if i >= 0}
        taken = {self._name(i) for i in read if self._is_float(i)}
        for index in sorted(read):
            plain = self._name(index).removesuffix("_quantized").removesuffix("/integer")
            if plain not in taken:
                taken.add(plain)
                self._graph.tensors[index].name = plain.encode()

    def _scale_of(self, index: int) -> Scale:
        """The scale that a tensor has, or had or gets as an integer."""
        if not self._is_float(index):
            return self._own_scale(index)
        for op in self._graph.operators:
            kind = self._kind(op)
            if kind == "DEQUANTIZE" and index in indices(op.outputs):
                return self._own_scale(indices(op.inputs)[0])
            if kind == "QUANTIZE" and index in indices(op.inputs):
                return self._own_scale(indices(op.outputs)[0])
        low, high = self._ranges.get(self._name(index), (0.0, 0.0))
        return self._scale_for(low, high)

    def _output_scale(self, kind: str, index: int) -> Scale:
        if kind not in _FIXED_OUT:
            return self._scale_of(index)
        width, zero_point = _FIXED_OUT[kind]
        return width / 256, zero_point

    def _scale_for(self, low: float, high: float) -> Scale:
        """Scale and zero point that cover a range and represent 0 exactly."""
        least, most = _LIMITS[self._dtype]
        low, high = min(low, 0.0), max(high, 0.0)
        if self._symmetric:
            return max(-low, high, 1e-8) / most, 0
        scale = max(high - low, 1e-8) / (most - least)
        return scale, int(np.clip(round(least - low / scale), least, most))

    def _integer_constant(self, index: int, scale: Scale | None) -> int:
        """A float constant as an integer one."""
        tensor = self._graph.tensors[index]
        values = np.frombuffer(bytes(self._model.buffers[tensor.buffer].data), np.float32)
        least, most = _LIMITS[self._dtype]
        size, zero_point = scale or (max(float(np.abs(values).max()), 1e-8) / most, 0)
        made = self._new_integer(index, (size, zero_point))
        integers = np.clip(np.round(values / size) + zero_point, least, most)
        self._fill(made, integers.astype(self._dtype))
        return made

    def _new_integer(self, like: int, scale: Scale) -> int:
        shape = self._graph.tensors[like].shape
        return new_tensor(self._model, f"{self._name(like)}/integer", shape, self._dtype, scale)

    def _fill(self, index: int, values: Any) -> None:
        self._graph.tensors[index].buffer = add_constant(self._model, values)

    def _kind(self, op: Any) -> str:
        return str(op_kinds(self._model)[op.opcodeIndex])

    def _is_float(self, index: int) -> bool:
        return bool(self._graph.tensors[index].type == TENSOR_CODES["float32"])

    def _is_constant(self, index: int) -> bool:
        data = self._model.buffers[self._graph.tensors[index].buffer].data
        return data is not None and len(data) > 0

    def _name(self, index: int) -> str:
        return str(self._graph.tensors[index].name.decode())

    def _own_scale(self, index: int) -> Scale:
        found = self._graph.tensors[index].quantization
        return float(found.scale[0]), int(found.zeroPoint[0])

    def _alike(self, one: int, other: int) -> bool:
        first, second = self._graph.tensors[one], self._graph.tensors[other]
        return bool(first.type == second.type) and self._own_scale(one) == self._own_scale(other)


def _options(kind: str) -> tuple[int, Any]:
    """Type code and default value of an op's option table."""
    from ai_edge_litert import schema_py_generated as schema

    code = getattr(schema.BuiltinOptions, f"{kind}Options")
    return int(code), getattr(schema, f"{kind}OptionsT")()
