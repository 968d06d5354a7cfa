"""Ops whose result is known before the model runs become constants.

Converters leave such ops behind: SHAPE / STRIDED_SLICE / PACK in front of a reshape when the batch
was open, SPLIT of a constant in recurrent layers. Quantizers keep them float, and no device needs
to compute them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeq.conversion.constant_room import check_room
from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    add_constant,
    drop_unused,
    indices,
    op_kinds,
)
from edgeq.conversion.moves import clamp
from edgeq.conversion.network import LIMITS, Network
from edgeq.conversion.stored_weights import scales_like
from edgeq.conversion.tensorflow import first_line, quiet
from edgeq.errors import EdgeqError

_NARROW = frozenset({"int4", "uint4"})
_NEVER = frozenset(
    {
        "CUSTOM",
        "CALL_ONCE",
        "WHILE",
        "IF",
        "VAR_HANDLE",
        "READ_VARIABLE",
        "ASSIGN_VARIABLE",
        "RANDOM_UNIFORM",
        "RANDOM_STANDARD_NORMAL",
        "MULTINOMIAL",
    }
)


def fold_constants(network: Network) -> Network:
    """The network with every op that depends on no input replaced by its result."""
    model, graph = network.model, network.graph
    folded = _constant_ops(model, graph)
    if not folded:
        return network
    folded += _as_bytes(network, folded)
    made = [index for op in folded for index in indices(op.outputs)]
    kinds = op_kinds(model)
    try:
        check_room(
            (kinds[op.opcodeIndex], network.name(index), _numbers(graph.tensors[index].shape))
            for op in folded
            for index in indices(op.outputs)
        )
        values, shapes = _evaluate(network.pack(), made)
    except (MemoryError, RuntimeError, ValueError) as error:  # what LiteRT raises, too
        raise EdgeqError(
            f"The model's constants cannot be computed: {first_line(error)}.",
            network.source,
            "make them smaller, or let them depend on the input",
        ) from error
    for index in made:
        graph.tensors[index].buffer = add_constant(model, values[index])
    gone = {id(op) for op in folded}
    graph.operators = [op for op in graph.operators if id(op) not in gone]
    for index, tensor in enumerate(graph.tensors):
        tensor.shape = shapes.get(index, tensor.shape)
    drop_unused(model)
    return network


def _as_bytes(network: Network, folded: list[Any]) -> list[Any]:
    """The ops that bound what becomes integers of 4 bits, which LiteRT does not make; 8 do it."""
    added: dict[int, list[Any]] = {}
    for op in folded:
        (source, *_), (made, *_) = indices(op.inputs), indices(op.outputs)
        dtype = network.dtype_of(made)
        if network.kind(op) != "QUANTIZE" or dtype not in _NARROW:
            continue
        tensor, shape = network.graph.tensors[made], network.shape(source)
        scales = scales_like(tensor, len(shape))
        zeros = np.asarray(tensor.quantization.zeroPoint, np.int64).reshape(scales.shape)
        ends = [(end - zeros) * scales for end in LIMITS[dtype]]
        bounded = network.add_tensor(f"{network.name(made)}/bounded", list(shape), "float32")
        _, added[id(op)] = clamp(network, source, bounded, ends)
        op.inputs, tensor.type = [bounded], TENSOR_CODES["int8"]
    network.ops = [new for op in network.ops for new in (*added.get(id(op), ()), op)]
    return [op for ops in added.values() for op in ops]


def _constant_ops(model: Any, graph: Any) -> list[Any]:
    """Ops of the subgraph whose inputs are constants or fixed shapes."""
    kinds = op_kinds(model)
    known = {
        index
        for index, tensor in enumerate(graph.tensors)
        if _length(model.buffers[tensor.buffer].data) and not tensor.isVariable
    }
    outputs = set(indices(graph.outputs))
    found = []
    for op in graph.operators or []:
        inputs = [index for index in indices(op.inputs) if index >= 0]
        made = indices(op.outputs)
        kind = kinds[op.opcodeIndex]
        fixed = kind == "SHAPE" or (inputs and known.issuperset(inputs))
        # What writes to a state is done in each call, also where it writes the same.
        state = any(graph.tensors[index].isVariable for index in made)
        if fixed and kind not in _NEVER and not state and not outputs & set(made):
            known.update(made)
            found.append(op)
    return found


def _length(data: Any) -> int:
    return 0 if data is None else len(data)


def _numbers(shape: Any) -> int:
    """How many numbers a tensor of a shape has; axes that are left open count as 1."""
    return math.prod(max(1, int(size)) for size in ([] if shape is None else shape))


def _evaluate(data: bytes, made: list[int]) -> tuple[dict[int, Any], dict[int, Any]]:
    """Values of some tensors after one run on zeros, and the shapes of all, by index.

    Raises:
        ValueError: Results are larger than the file says, and too large.
        RuntimeError: An op cannot be computed.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=data,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        found = {each["index"]: each for each in interpreter.get_tensor_details()}
        check_room(("op", found[i]["name"], _numbers(found[i]["shape"])) for i in made)
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        interpreter.invoke()
    shapes = {each["index"]: each["shape"] for each in interpreter.get_tensor_details()}
    return {index: interpreter.get_tensor(index) for index in made}, shapes
