"""Chains of ops that together are a function of one value: found in a graph, and computed."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.network import Function, Network
from edgeq.conversion.tensorflow import quiet

COMPARISONS = frozenset(
    {"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"}
)  # fmt: skip
EQUALITY = frozenset({"EQUAL", "NOT_EQUAL"})
CHOICES = frozenset({"SELECT", "SELECT_V2", "LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"})
_POINTWISE = COMPARISONS | CHOICES | {
    "ABS", "ADD", "CAST", "CEIL", "COS", "DIV", "ELU", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD",
    "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG",
    "POW", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIGN", "SIN", "SQRT",
    "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH",
}  # fmt: skip


@dataclass(frozen=True)
class Chain:
    """Ops between two tensors that make each value of one from the same place of the other.

    Attributes:
        source, result: The tensors.
        ops: In order.
    """

    source: int
    result: int
    ops: tuple[Any, ...]


def chains(network: Network) -> list[Chain]:
    """The longest chains of a float network, in order; each ends where another op reads it."""
    sources: dict[int, int] = {}
    makers: dict[int, Any] = {}
    for op in network.ops:
        source = _source(network, op, sources)
        if source is not None:
            (result,) = indices(op.outputs)
            sources[result], makers[result] = source, op
    found = []
    read_by: dict[int, list[Any]] = {}
    for op in network.ops:
        for index in set(indices(op.inputs)):
            read_by.setdefault(index, []).append(op)
    for result, source in sources.items():
        inside = [sources.get(indices(op.outputs)[0]) == source for op in read_by.get(result, ())]
        ends = result in network.outputs or not all(inside) or not inside
        if ends and network.is_float(result):
            found.append(Chain(source, result, tuple(_between(result, source, makers))))
    return found


def _source(network: Network, op: Any, sources: dict[int, int]) -> int | None:
    """The one tensor that an op's result is a function of, place by place; None if it is not."""
    outputs = indices(op.outputs)
    if network.kind(op) not in _POINTWISE or len(outputs) != 1:
        return None
    constants = [i for i in indices(op.inputs) if i >= 0 and network.is_constant(i)]
    if any(np.prod(network.shape(i), dtype=int) != 1 for i in constants):
        return None
    values = {i for i in indices(op.inputs) if i >= 0} - set(constants)
    found = {sources.get(i, i) for i in values}
    if len(found) != 1:
        return None
    (source,) = found
    same = all(network.shape(i) == network.shape(outputs[0]) for i in (source, *values))
    return source if same and network.is_float(source) else None


def _between(result: int, source: int, makers: dict[int, Any]) -> Iterable[Any]:
    """The ops that lead from one tensor to the other, each after those it reads."""
    done: list[Any] = []

    def visit(index: int) -> None:
        op = makers.get(index)
        if index == source or op is None or any(op is other for other in done):
            return
        for before in indices(op.inputs):
            visit(before)
        done.append(op)

    visit(result)
    return done


def function_of(network: Network, chain: Chain) -> Function:
    """What a chain computes, as LiteRT computes it."""
    cut = copy.copy(network.model)
    graph = copy.copy(network.graph)
    graph.tensors = [copy.copy(tensor) for tensor in network.graph.tensors]
    graph.operators = [copy.copy(op) for op in chain.ops]
    graph.inputs, graph.outputs = [chain.source], [chain.result]
    cut.subgraphs, cut.signatureDefs, cut.metadata = [graph], None, None
    touched = {i for op in chain.ops for i in (*indices(op.inputs), *indices(op.outputs))}
    for index in touched:
        if index >= 0 and not network.is_constant(index):
            graph.tensors[index].shape = [1]
            graph.tensors[index].shapeSignature = None
    drop_unused(cut)
    data = Network(cut, network.source).pack()

    def compute(values: NDArray[np.float32]) -> NDArray[np.float32]:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            interpreter = Interpreter(
                model_content=data,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
            interpreter.resize_tensor_input(source["index"], [values.size])
            interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], values.astype(np.float32).ravel())
        try:
            interpreter.invoke()
        except RuntimeError:  # FLOOR_DIV takes no divisor of 0
            if values.size == 1:
                return np.full(values.shape, np.nan, np.float32)
            halves = np.array_split(values.ravel(), 2)
            return np.concatenate([compute(half) for half in halves]).reshape(values.shape)
        return np.asarray(interpreter.get_tensor(result["index"]).reshape(values.shape))

    return compute
