"""The float islands that litert-quantizer leaves are turned into integer ops.

Where the quantizer does not know an op, it leaves DEQUANTIZE, the float op, QUANTIZE. Many of
these ops have integer kernels all the same (LEAKY_RELU, ABS, EXP, ...), or are another op in
disguise (SQUARE is MUL). Each is wrapped in new QUANTIZE and DEQUANTIZE ops with ranges from
calibration; then every DEQUANTIZE that meets a QUANTIZE goes away, or becomes one QUANTIZE from
scale to scale. What cannot be helped stays, and the integer proof names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.expansions import EXPANDED, expanded
from edgeq.conversion.flatbuffer import TENSOR_CODES, drop_unused, indices
from edgeq.conversion.network import LIMITS, Network, Scale
from edgeq.conversion.passes.tables import is_stand_in, look_up

# Kernels that take any scale on every side.
_ANY_SCALE = frozenset(
    {"LEAKY_RELU", "ABS", "EXP", "LOG", "ELU", "PRELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1",
     "SQUARED_DIFFERENCE", "MUL", "SUB", "ADD"}
)  # fmt: skip
# Kernels that choose among integers or put them together as they are; constants among them may lie
# outside of the range of the rest.
_CHOOSING = frozenset(
    {"MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2", "CONCATENATION", "PACK", "DYNAMIC_UPDATE_SLICE"}
)
# With those that move or compare integers as they are: one scale for all tensors.
_ONE_SCALE = _CHOOSING | {
    "TILE", "REDUCE_MAX", "SPLIT", "SPLIT_V", "REVERSE_V2", "SQUEEZE", "EXPAND_DIMS",
    "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH",
}  # fmt: skip
# Kernels that take integers of any scale and give indices or truth values.
_NO_SCALE_OUT = frozenset(
    {"ARG_MAX", "ARG_MIN", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"}
)
# Kernels whose output has a scale that the kernel itself fixes: width in reals, zero point.
_FIXED_OUT = {"L2_NORMALIZATION": (2.0, 0), "LOG_SOFTMAX": (16.0, 127)}


def integerize(network: Network) -> Network:
    """The quantized network with its remaining float ops in integers, as far as kernels exist."""
    editor = _Editor(network)
    if editor.wrap_float_ops() or network.spliced:
        editor.join_conversions()
        drop_unused(network.model)
    return network


class _Editor:
    """The main subgraph while it is being rewritten."""

    def __init__(self, network: Network) -> None:
        self._network, self._graph = network, network.graph

    def wrap_float_ops(self) -> bool:
        """Put each float op that can be integer between QUANTIZE and DEQUANTIZE; False if none."""
        operators: list[Any] = []
        found = False
        for op in self._network.ops:
            if self._helped(op):
                found = True
                for part in expanded(self._network, op):
                    operators += self._wrap(part)
            else:
                operators.append(op)
        self._network.ops = operators
        return found

    def _helped(self, op: Any) -> bool:
        kind = self._network.kind(op)
        truth = kind == "CAST" and self._network.dtype_of(indices(op.inputs)[0]) == "bool"
        known = truth or kind in (*_ANY_SCALE, *_ONE_SCALE, *_NO_SCALE_OUT, *_FIXED_OUT, *EXPANDED)
        touched = (*indices(op.inputs), *indices(op.outputs))
        floats = any(i >= 0 and self._network.is_float(i) for i in touched)
        return floats and (known or is_stand_in(self._network, op))

    def _wrap(self, op: Any) -> list[Any]:
        """An op, which becomes integer, between the conversions of what it reads and gives."""
        network, kind = self._network, self._network.kind(op)
        inputs, outputs = indices(op.inputs), indices(op.outputs)
        table = is_stand_in(network, op)
        shared = self._shared_scale(kind, inputs, outputs) if kind in _ONE_SCALE else None
        floats = [i for i in inputs if i >= 0 and self._to_convert(i, shared)]
        before, after = [], []
        for index in dict.fromkeys(floats):
            if network.is_constant(index):
                # The kernels of PRELU read its slopes as int8, whatever the activations are.
                dtype = "int8" if kind == "PRELU" else network.dtype
                made = self._integer_constant(index, shared, dtype)
            else:
                made = self._new_integer(index, shared or self._scale_of(index))
                before.append(network.new_op("QUANTIZE", [index], [made]))
            inputs = [made if i == index else i for i in inputs]
        for position, index in enumerate(outputs):
            if network.is_float(index):
                dtype, scale = self._truth(op) or ("", None)
                scale = scale or shared or self._output_scale(kind, index)
                made = self._new_integer(index, scale, dtype)
                after.append(network.new_op("DEQUANTIZE", [made], [index]))
                outputs[position] = made
        middle = [op]
        if table:
            (source,) = floats
            function = network.tables[network.name(indices(op.outputs)[0])]
            seen = self._range_of(source)
            middle = look_up(network, inputs[0], outputs[0], function, seen)
        op.inputs, op.outputs = inputs, outputs
        return [*before, *middle, *after]

    def _to_convert(self, index: int, shared: Scale | None) -> bool:
        """Whether an op that becomes integer cannot read a tensor as it is.

        The quantizer lets some float ops read the integers of an output.
        """
        network = self._network
        if network.is_float(index) or network.is_constant(index):
            return network.is_float(index)
        same_type = network.dtype_of(index) == network.dtype
        return shared is not None and same_type and network.scale(index) != shared

    def _truth(self, op: Any) -> tuple[str, Scale] | None:
        """Type and scale for a CAST of truth values, whose numbers are 0 and 1; None for others."""
        if self._network.kind(op) != "CAST":
            return None
        dtype = self._network.dtype
        codes = {"inDataType": TENSOR_CODES["bool"], "outDataType": TENSOR_CODES[dtype]}
        like = self._network.new_op("CAST", [], [], "Cast", **codes)
        op.builtinOptionsType, op.builtinOptions = like.builtinOptionsType, like.builtinOptions
        return dtype, (1.0, 0)

    def _shared_scale(self, kind: str, inputs: list[int], outputs: list[int]) -> Scale:
        """The one scale of an op that moves integers: its input's, its output's if it has more."""
        network = self._network
        moved = [i for i in inputs if i >= 0 and not network.is_constant(i)]
        single = len(moved) == 1 and kind not in _CHOOSING
        return self._scale_of(moved[0] if single else outputs[0])

    def join_conversions(self) -> None:
        """Take out DEQUANTIZE followed by QUANTIZE; other scales need a QUANTIZE between them."""
        source: dict[int, int] = {}
        same: dict[int, int] = {}
        for op in self._network.ops:
            op.inputs = [same.get(i, i) for i in indices(op.inputs)]
            kind = self._network.kind(op)
            if kind == "DEQUANTIZE":
                source[indices(op.outputs)[0]] = indices(op.inputs)[0]
            elif kind == "QUANTIZE" and op.inputs[0] in source:
                integer, result = source[op.inputs[0]], indices(op.outputs)[0]
                if self._alike(integer, result):
                    same[result] = integer
                op.inputs = [integer]
        for result in self._network.outputs:
            integer = same.get(result, result)
            if integer not in (*self._network.inputs, *self._network.outputs):
                self._network.replace_output(result, integer)
        self._rename_integers()

    def _rename_integers(self) -> None:
        """Call integer tensors as the float ones were called, now that those are gone."""
        network = self._network
        read = {i for op in network.ops for i in indices(op.inputs) if i >= 0}
        read.update(network.outputs)
        taken = {network.name(i) for i in read if network.is_float(i)}
        for index in sorted(read):
            plain = network.name(index)
            for ending in ("_quantized", "/output", "/integer", "_dequant"):
                plain = plain.removesuffix(ending)
            if plain not in taken:
                taken.add(plain)
                self._graph.tensors[index].name = plain.encode()

    def _scale_of(self, index: int) -> Scale:
        """The scale that a tensor has, or had or gets as an integer."""
        network = self._network
        if not network.is_float(index):
            return network.scale(index)
        for op in network.ops:
            kind = network.kind(op)
            if kind == "DEQUANTIZE" and index in indices(op.outputs):
                known = self._in_our_type(indices(op.inputs)[0])
            elif kind == "QUANTIZE" and index in indices(op.inputs):
                known = self._in_our_type(indices(op.outputs)[0])
            else:
                continue
            if known is not None:
                return known
        return network.scale_for(*network.range(index))

    def _in_our_type(self, index: int) -> Scale | None:
        """The scale of an integer tensor for the type of activations; None where steps differ."""
        network = self._network
        (scale, zero_point), dtype = network.scale(index), network.dtype_of(index)
        if {dtype, network.dtype} <= {"int8", "uint8"}:
            return scale, zero_point + LIMITS[network.dtype][0] - LIMITS[dtype][0]
        return (scale, zero_point) if dtype == network.dtype else None

    def _range_of(self, index: int) -> tuple[float, float]:
        """The range of a float tensor, also of one that the quantizer put in."""
        network = self._network
        plain = network.name(index).removesuffix("_dequant")
        if plain in network.ranges:
            return network.ranges[plain]
        (scale, zero_point), (least, most) = self._scale_of(index), LIMITS[network.dtype]
        return (least - zero_point) * scale, (most - zero_point) * scale

    def _output_scale(self, kind: str, index: int) -> Scale:
        if kind not in _FIXED_OUT:
            return self._scale_of(index)
        width, zero_point = _FIXED_OUT[kind]
        return width / 256, zero_point

    def _integer_constant(self, index: int, scale: Scale | None, dtype: str) -> int:
        """A float constant as an integer one."""
        values = self._network.constant(index)
        least, most = LIMITS[dtype]
        size, zero_point = scale or (max(float(np.abs(values).max()), 1e-8) / most, 0)
        made = self._new_integer(index, (size, zero_point), dtype)
        integers = np.clip(np.round(values / size) + zero_point, least, most)
        self._network.fill(made, integers.astype(dtype))
        return made

    def _new_integer(self, like: int, scale: Scale, dtype: str = "") -> int:
        network = self._network
        shape = self._graph.tensors[like].shape
        name = f"{network.name(like)}/integer"
        return network.add_tensor(name, shape, dtype or network.dtype, scale)

    def _alike(self, one: int, other: int) -> bool:
        first, second = self._graph.tensors[one], self._graph.tensors[other]
        return bool(
            first.type == second.type and self._network.scale(one) == self._network.scale(other)
        )
