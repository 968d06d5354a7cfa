"""Inputs that a model reads as int32 only become inputs of int32.

`keras.Input` is float32 unless told otherwise, also in front of an Embedding, which casts; it may
be uint8, too. Integer devices have no such casts, and need none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    add_constant,
    drop_unused,
    indices,
    new_tensor,
    op_kinds,
)
from edgeq.conversion.network import Network

_COMPARES = frozenset({"EQUAL", "NOT_EQUAL"})
_CAST = tuple(TENSOR_CODES[name] for name in ("uint8", "int8", "uint16", "int16", "uint32"))


def take_indices(network: Network) -> Network:
    """The network with int32 inputs where it casts them to int32 and needs them for nothing else.

    Comparing floats with a constant is allowed: masks of padding do.
    """
    model, graph = network.model, network.graph
    found = [i for i in set(indices(graph.inputs)) if _is_index(model, graph, i)]
    if not found:
        return network
    kinds = op_kinds(model)
    same: dict[int, int] = {}
    for source in found:
        graph.tensors[source].type = TENSOR_CODES["int32"]
    for op in graph.operators:
        inputs = indices(op.inputs)
        kind = kinds[op.opcodeIndex]
        if kind == "CAST" and inputs[0] in found:
            same[indices(op.outputs)[0]] = inputs[0]
        elif kind in _COMPARES and set(inputs) & set(found):
            inputs = [i if i in found else _whole(model, graph.tensors[i]) for i in inputs]
        op.inputs = [same.get(index, index) for index in inputs]
    drop_unused(model)
    return network


def _is_index(model: Any, graph: Any, source: int) -> bool:
    """Whether an input is cast to int32; one of floats may be compared besides."""
    kinds = op_kinds(model)
    readers = [op for op in graph.operators if source in indices(op.inputs)]
    casts = [op for op in readers if kinds[op.opcodeIndex] == "CAST"]
    made = [index for op in casts for index in indices(op.outputs)]
    others = [
        model.buffers[graph.tensors[index].buffer].data
        for op in readers
        if op not in casts
        for index in indices(op.inputs)
        if index != source
    ]
    outputs = set(indices(graph.outputs))
    dtype = graph.tensors[source].type
    return (
        (dtype == TENSOR_CODES["float32"] or (dtype in _CAST and casts == readers))
        and source not in outputs
        and bool(made)
        and all(graph.tensors[index].type == TENSOR_CODES["int32"] for index in made)
        and not outputs & set(made)
        and all(op in casts or kinds[op.opcodeIndex] in _COMPARES for op in readers)
        and all(data is not None and len(data) for data in others)
    )


def _whole(model: Any, tensor: Any) -> int:
    """A float constant as an int32 one; a fraction equals no index, and the lowest one is none."""
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32)
    least = np.iinfo(np.int32).min
    whole = np.where(values % 1 == 0, values, least).astype(np.int32)
    name = f"{tensor.name.decode()}/index"
    made = new_tensor(model, name, tensor.shape, "int32")
    model.subgraphs[0].tensors[made].buffer = add_constant(model, whole)
    return made
