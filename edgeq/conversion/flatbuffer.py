"""Editing .tflite files that this process made or has checked: objects in, bytes out.

Reading for its own sake is `edgeq.graph`'s job; the object form is for changing a file.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def unpack(data: bytes) -> Any:
    """The ModelT of a .tflite, every constant inside it.

    litert-quantizer leaves buffers behind the flatbuffer in larger models (Buffer.offset, size),
    which TensorFlow Lite Micro reads as garbage; they are brought back in.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for buffer in model.buffers:
        if buffer.offset and buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """The bytes of a ModelT."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def indices(values: Any) -> list[int]:
    """A vector of the object form as a list; it may be None or a numpy array."""
    return [] if values is None else [int(value) for value in values]


def set_signature(model: Any, inputs: list[str], outputs: list[str]) -> None:
    """Give the model the one signature "serving_default" with these names, by position."""
    from ai_edge_litert import schema_py_generated as schema

    def entries(names: list[str], tensors: Any) -> list[Any]:
        found = []
        for name, tensor in zip(names, indices(tensors), strict=True):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, tensor
            found.append(entry)
        return found

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs = entries(inputs, model.subgraphs[0].inputs)
    signature.outputs = entries(outputs, model.subgraphs[0].outputs)
    model.signatureDefs = [signature]
