"""What must hold of every op before and after it is lowered, however damaged the file is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeq.compiler.ops import FRONTEND_OPS
from edgeq.compiler.ops.shared.base import C_TYPES, Call, Node, ParamValue, require
from edgeq.compiler.plan.flatten import STATEFUL
from edgeq.model.graph import Tensor

# Far more memory than any microcontroller has; offsets and sizes stay small integers.
MAX_TENSOR_BYTES = 1 << 26
_LARGEST_SCALE = 1e30
_QUANTIZED = {
    "int4": (-8, 7),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
}
# Layers whose input 1 may be computed weights, and what hands these on as they are.
_WITH_WEIGHTS = ("CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_HANDING = ("COPY", "EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")
_CONSTANTS = {*C_TYPES, "float16", "int4"}
_INTEGERS = ("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t")
_INT32 = np.iinfo(np.int32)


def check_operands(node: Node) -> None:
    """Raise Unsupported unless every tensor of an op can stand in C."""
    op = node.op
    for index in {*op.inputs, *op.outputs} - {-1}:
        tensor = node.subgraph.tensors[index]
        _check_quantization(tensor)
        if tensor.data is not None and index not in op.outputs:
            known = tensor.dtype in _CONSTANTS and tensor.data.shape == tensor.shape
            require(known, f"{tensor.dtype} constants are unknown here")
            continue
        require(
            not _is_odd_activation(node, tensor),
            f'tensor "{tensor.name}" is no constant and has a scale for each channel',
        )
        require(tensor.dtype in C_TYPES, f"{tensor.dtype} tensors have no place in C")
        require(tensor.elements > 0, f"shape {tensor.shape} has no elements")
        require(
            tensor.bytes <= MAX_TENSOR_BYTES,
            f"shape {tensor.shape} takes more than {MAX_TENSOR_BYTES} bytes",
        )
        changing = op.name in ("COPY", *STATEFUL) or op.name in FRONTEND_OPS
        stateful = not tensor.is_variable or op.custom_name or changing
        require(bool(stateful), f"it cannot take the variable tensor {index}")


def _is_odd_activation(node: Node, tensor: Tensor) -> bool:
    """Whether it has a scale for each channel, as weights have and no runtime's activations."""
    if tensor.quantization is None or not tensor.quantization.per_channel:
        return False
    weights = node.op.inputs[1:2] if node.op.name in _WITH_WEIGHTS else ()
    handed = node.op.name in _HANDING or tensor.index in weights
    return tensor.dtype in _QUANTIZED and not handed


def _check_quantization(tensor: Tensor) -> None:
    quantization, limits = tensor.quantization, _QUANTIZED.get(tensor.dtype)
    if quantization is None or limits is None:
        return
    scale, zero_point = quantization.scale, quantization.zero_point
    # A scale may be 0: converters give that to the zeros that an LSTM starts with.
    require(
        bool(np.all((scale >= 0) & (scale <= _LARGEST_SCALE))),
        f'tensor "{tensor.name}" has a scale of {float(scale.max())}',
    )
    require(
        bool(np.all((zero_point >= limits[0]) & (zero_point <= limits[1]))),
        f'tensor "{tensor.name}" has a zero point outside {tensor.dtype}',
    )


def check_call(node: Node, call: Call) -> None:
    """Raise Unsupported unless the numbers of a call fit their C types."""
    for arg in call.args:
        empty = arg.kind == "input" and not node.input(arg.index).elements
        require(not empty, f"input {arg.index} has no elements")
    kinds = {arg.kind for arg in call.args}
    require(call.grouped is None or call.grouped in kinds, f"it has no {call.grouped}")
    for name, value in call.params.items():
        require(_fits(value), f"{name} is {value}, which no 32-bit integer holds")
    for constant in call.constants:
        values = constant.values
        require(values.size > 0, f"its {constant.suffix} are empty")
        if constant.ctype in _INTEGERS:
            limits = np.iinfo(constant.ctype.removesuffix("_t"))
            inside = limits.min <= values.min() and values.max() <= limits.max
            require(bool(inside), f"its {constant.suffix} do not fit {constant.ctype}")


def _fits(value: ParamValue) -> bool:
    if isinstance(value, Mapping):
        return all(_fits(each) for each in value.values())
    if isinstance(value, Sequence):
        return all(_fits(each) for each in value)
    return isinstance(value, float) or _INT32.min <= value <= _INT32.max
