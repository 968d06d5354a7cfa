"""Editing .tflite files that this process made or has checked: objects in, bytes out.

Reading for its own sake is `edgeq.model.graph`'s job; the object form is for changing a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.model.parts import unpacked
from edgeq.model.tflite.schema import BUILTIN_OPERATORS, TENSOR_TYPES
from edgeq.support.reasons import reason_of

TENSOR_CODES = {name: code for code, name in TENSOR_TYPES.items()}
_OPERATOR_CODES = {name: code for code, name in BUILTIN_OPERATORS.items()}


def unpack(data: bytes) -> Any:
    """The ModelT of a .tflite, every constant inside it.

    litert-quantizer leaves buffers behind the flatbuffer in larger models (Buffer.offset, size),
    which TensorFlow Lite Micro reads as garbage; they are brought back in.

    Raises:
        EdgeqError: Parts of the file that edgeq does not read itself are damaged.
    """
    try:
        return unpacked(data)
    except Exception as error:
        raise EdgeqError(f"The model file is damaged: {reason_of(error)}.") from error


def pack(model: Any) -> bytes:
    """The bytes of a ModelT."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_outputs(data: bytes, outputs: Sequence[int]) -> bytes:
    """A .tflite with other outputs of its main subgraph, and no signature."""
    model = unpack(data)
    model.subgraphs[0].outputs = list(outputs)
    model.signatureDefs = []
    return pack(model)


def indices(values: Any) -> list[int]:
    """A vector of the object form as a list; it may be None or a numpy array."""
    return [] if values is None else [int(value) for value in values]


def set_signature(
    model: Any, inputs: list[str], outputs: list[str], key: str = "serving_default"
) -> None:
    """Give the model one signature of that name, with these names of tensors, by position."""
    from ai_edge_litert import schema_py_generated as schema

    def entries(names: list[str], tensors: Any) -> list[Any]:
        found = []
        for name, tensor in zip(names, indices(tensors), strict=True):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, tensor
            found.append(entry)
        return found

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key, 0
    signature.inputs = entries(inputs, model.subgraphs[0].inputs)
    signature.outputs = entries(outputs, model.subgraphs[0].outputs)
    model.signatureDefs = [signature]


def like_signature(model: Any, other: Any) -> None:
    """Give the model another one's signature: the same names for the tensors at its places.

    Quantizers add tensors at the edges, and leave the signature at those that they replaced.
    """
    names = []
    (signature,) = other.signatureDefs
    graph = other.subgraphs[0]
    for entries, tensors in (
        (signature.inputs, graph.inputs),
        (signature.outputs, graph.outputs),
    ):
        rest = list(entries)
        for index in indices(tensors):
            entry = next(entry for entry in rest if entry.tensorIndex == index)
            rest.remove(entry)
            names.append(_text(entry.name))
    count = len(indices(graph.inputs))
    set_signature(model, names[:count], names[count:], _text(signature.signatureKey))


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def op_kinds(model: Any) -> list[str]:
    """Builtin names such as "CONV_2D", by operator code index."""
    return [
        BUILTIN_OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        for code in model.operatorCodes
    ]


def new_tensor(
    model: Any, name: str, shape: Any, dtype: str, scale: tuple[float, int] | None = None
) -> int:
    """Index of a new tensor of the main subgraph, with a scale and zero point if given."""
    from ai_edge_litert.schema_py_generated import QuantizationParametersT, TensorT

    tensor = TensorT()
    tensor.name, tensor.shape, tensor.type = name.encode(), shape, TENSOR_CODES[dtype]
    tensor.hasRank = True
    if scale is not None:
        tensor.quantization = QuantizationParametersT()
        tensor.quantization.scale = np.array([scale[0]], np.float32)
        tensor.quantization.zeroPoint = np.array([scale[1]], np.int64)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def new_op(model: Any, kind: str, inputs: list[int], outputs: list[int]) -> Any:
    """An op that is not yet in its subgraph, of a builtin kind such as "GATHER"."""
    from ai_edge_litert.schema_py_generated import OperatorT

    op = OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = op_code(model, kind), inputs, outputs
    return op


def op_code(model: Any, kind: str) -> int:
    """Index of the operator code of a builtin op; added where the model has none."""
    from ai_edge_litert.schema_py_generated import OperatorCodeT

    kinds = op_kinds(model)
    if kind in kinds:
        return kinds.index(kind)
    code = OperatorCodeT()
    code.builtinCode, code.version = _OPERATOR_CODES[kind], 1
    code.deprecatedBuiltinCode = min(_OPERATOR_CODES[kind], 127)
    model.operatorCodes.append(code)
    return len(kinds)


def add_constant(model: Any, values: Any) -> int:
    """Number of a new buffer that holds an array's bytes."""
    from ai_edge_litert.schema_py_generated import BufferT

    buffer = BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def drop_unused(model: Any) -> None:
    """Remove ops of the main subgraph whose results nobody reads, and tensors nobody uses."""
    graph = model.subgraphs[0]
    # What is written to a variable is read in the next call.
    variables = {number for number, tensor in enumerate(graph.tensors) if tensor.isVariable}
    needed = set(indices(graph.outputs)) | variables
    kept = []
    for op in reversed(graph.operators or []):
        if needed.intersection(indices(op.outputs)) or not indices(op.outputs):
            needed.update(indices(op.inputs))
            kept.append(op)
    graph.operators = kept[::-1]
    used = {*indices(graph.inputs), *indices(graph.outputs)}
    used.update(*((*indices(op.inputs), *indices(op.outputs)) for op in kept))
    used.update(*(indices(op.intermediates) for op in kept))
    place = {old: new for new, old in enumerate(sorted(used - {-1}))}
    place[-1] = -1
    graph.tensors = [graph.tensors[old] for old in sorted(used - {-1})]

    def moved(values: Any) -> list[int]:
        return [place[index] for index in indices(values)]

    for op in kept:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
        op.intermediates = moved(op.intermediates)
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for signature in model.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = place[entry.tensorIndex]
    _drop_buffers(model)


def drop_subgraphs(model: Any) -> None:
    """Remove subgraphs that no op of the main one calls, and those that only they call."""
    calls = ("condSubgraphIndex", "bodySubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex",
             "initSubgraphIndex", "subgraph")  # fmt: skip
    kept, todo = {0}, [0]
    called: list[tuple[Any, str]] = []
    while todo:
        for op in model.subgraphs[todo.pop()].operators or []:
            for name in calls:
                number = getattr(op.builtinOptions, name, None)
                if number is None:
                    continue
                called.append((op.builtinOptions, name))
                if number not in kept:
                    kept.add(number)
                    todo.append(number)
    place = {old: new for new, old in enumerate(sorted(kept))}
    for options, name in called:
        setattr(options, name, place[getattr(options, name)])
    model.subgraphs = [model.subgraphs[old] for old in sorted(kept)]


def drop_codes(model: Any) -> None:
    """Remove kinds of ops that no op is of; runtimes look for kernels of all that are named."""
    ops = [op for graph in model.subgraphs for op in graph.operators or []]
    used = sorted({op.opcodeIndex for op in ops})
    place = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[old] for old in used]
    for op in ops:
        op.opcodeIndex = place[op.opcodeIndex]


def _drop_buffers(model: Any) -> None:
    """Remove constants nobody uses; buffer 0 stays, it stands for "none"."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    users = [*tensors, *(model.metadata or [])]
    used = sorted({0, *(user.buffer for user in users)})
    place = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[old] for old in used]
    for user in users:
        user.buffer = place[user.buffer]
    model.metadataBuffer = None
