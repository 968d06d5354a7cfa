"""Builds .tflite models directly, tensor by tensor, without a converter in between."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.model.tflite.schema import BUILTIN_OPERATORS, DEFAULT_OPTIONS, TENSOR_TYPES

_TYPE_CODES = {name: code for code, name in TENSOR_TYPES.items()}
_OP_CODES = {name: code for code, name in BUILTIN_OPERATORS.items()}
_OPTION_CLASSES = {
    number: name for name, number in vars(schema.BuiltinOptions).items() if name[0] != "_"
}
_CUSTOM = _OP_CODES["CUSTOM"]


@dataclass(frozen=True, eq=False)
class TensorSpec:
    """One tensor of a model to build.

    Attributes:
        scale: One scale, one per slice along `axis`, or None.
        data: Value of a constant; int4 as one int8 per element.
        signature: Shape signature, with -1 for open axes.
    """

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | Sequence[float] | None = None
    zero_point: int | Sequence[int] = 0
    data: Any = None
    axis: int = 0
    name: str = ""
    variable: bool = False
    signature: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class OpSpec:
    """One op; an op that is no builtin one is a custom op.

    Attributes:
        inputs, outputs, intermediates: Tensor numbers, -1 for an input left out.
        options: Fields of the option table, in snake case.
    """

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    custom_options: bytes = b""
    intermediates: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class SubgraphSpec:
    """Tensors, ops in order, and which tensors are inputs and outputs."""

    tensors: Sequence[TensorSpec]
    ops: Sequence[OpSpec]
    inputs: Sequence[int]
    outputs: Sequence[int]
    name: str = ""


def single_op(
    name: str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: Mapping[str, Any] | None = None,
    **op: Any,
) -> bytes:
    """A model of one op. Inputs with data are constants, None is an input left out.

    Args:
        op: Further fields of OpSpec.
    """
    return build([single_op_subgraph(name, inputs, outputs, options, **op)])


def single_op_subgraph(
    name: str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: Mapping[str, Any] | None = None,
    **op: Any,
) -> SubgraphSpec:
    """The subgraph of `single_op`."""
    tensors: list[TensorSpec] = []
    numbers: dict[int, int] = {}
    for spec in (*inputs, *outputs):
        if spec is not None and id(spec) not in numbers:
            numbers[id(spec)] = len(tensors)
            tensors.append(spec)
    taken = [-1 if spec is None else numbers[id(spec)] for spec in inputs]
    made = [numbers[id(spec)] for spec in outputs]
    fed = [i for i in taken if i >= 0 and tensors[i].data is None and not tensors[i].variable]
    spec = OpSpec(name, taken, made, options or {}, **op)
    return SubgraphSpec(tensors, [spec], list(dict.fromkeys(fed)), made)


def build(
    subgraphs: Sequence[SubgraphSpec],
    description: str = "",
    signatures: Mapping[str, int] | None = None,
) -> bytes:
    """The bytes of a model; subgraph 0 is the main one.

    Args:
        signatures: Names of subgraphs.
    """
    model = schema.ModelT()
    model.version = 3
    model.description = description
    model.buffers = [schema.BufferT()]
    model.operatorCodes = []
    codes: dict[tuple[str, int], int] = {}
    model.subgraphs = [_subgraph(model, codes, spec) for spec in subgraphs]
    model.signatureDefs = []
    for key, number in (signatures or {}).items():
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key, number
        signature.inputs, signature.outputs = [], []
        model.signatureDefs.append(signature)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _subgraph(model: Any, codes: dict[tuple[str, int], int], spec: SubgraphSpec) -> Any:
    subgraph = schema.SubGraphT()
    subgraph.name = spec.name
    subgraph.tensors = [_tensor(model, i, tensor) for i, tensor in enumerate(spec.tensors)]
    subgraph.operators = [_op(model, codes, op) for op in spec.ops]
    subgraph.inputs = np.asarray(spec.inputs, np.int32)
    subgraph.outputs = np.asarray(spec.outputs, np.int32)
    return subgraph


def _tensor(model: Any, index: int, spec: TensorSpec) -> Any:
    tensor = schema.TensorT()
    tensor.name = spec.name or f"t{index}"
    tensor.type = _TYPE_CODES[spec.dtype]
    tensor.shape = np.asarray(spec.shape, np.int32)
    tensor.isVariable = spec.variable
    if spec.signature is not None:
        tensor.shapeSignature = np.asarray(spec.signature, np.int32)
    if spec.scale is not None:
        scales = np.atleast_1d(np.asarray(spec.scale, np.float32))
        zero_points = np.broadcast_to(np.asarray(spec.zero_point, np.int64), scales.shape)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = scales
        tensor.quantization.zeroPoint = np.array(zero_points)
        tensor.quantization.quantizedDimension = spec.axis
    if spec.data is not None:
        tensor.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(constant_bytes(spec), np.uint8)
    return tensor


def constant_bytes(spec: TensorSpec) -> bytes:
    """The value of a constant as the file holds it."""
    if spec.dtype in ("int4", "uint4"):
        nibbles = np.asarray(spec.data, np.int8).reshape(-1).view(np.uint8) & 15
        pairs = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8)).reshape(-1, 2)
        return (pairs[:, 0] | pairs[:, 1] << 4).tobytes()
    return np.ascontiguousarray(np.asarray(spec.data), np.dtype(spec.dtype)).tobytes()


def _op(model: Any, codes: dict[tuple[str, int], int], spec: OpSpec) -> Any:
    op = schema.OperatorT()
    op.opcodeIndex = _opcode(model, codes, spec)
    op.inputs = np.asarray(spec.inputs, np.int32)
    op.outputs = np.asarray(spec.outputs, np.int32)
    if len(spec.intermediates):
        op.intermediates = np.asarray(spec.intermediates, np.int32)
    if spec.custom_options:
        op.customOptions = np.frombuffer(spec.custom_options, np.uint8)
    number = DEFAULT_OPTIONS.get(spec.name)
    if number is not None:
        op.builtinOptionsType = number
        op.builtinOptions = getattr(schema, f"{_OPTION_CLASSES[number]}T")()
        for name, value in spec.options.items():
            _set_option(op.builtinOptions, name, value)
    elif spec.options:
        raise ValueError(f"{spec.name} has no option table")
    return op


def _set_option(table: Any, name: str, value: Any) -> None:
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    if not hasattr(table, camel):
        raise ValueError(f"{type(table).__name__} has no field {camel}")
    setattr(table, camel, value)


def _opcode(model: Any, codes: dict[tuple[str, int], int], spec: OpSpec) -> int:
    key = (spec.name, spec.version)
    if key not in codes:
        code = schema.OperatorCodeT()
        code.builtinCode = _OP_CODES.get(spec.name, _CUSTOM)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = spec.version
        if code.builtinCode == _CUSTOM:
            code.customCode = spec.name
        codes[key] = len(model.operatorCodes)
        model.operatorCodes.append(code)
    return codes[key]


def with_data(spec: TensorSpec, data: Any) -> TensorSpec:
    """The same tensor as a constant."""
    return replace(spec, data=data)
