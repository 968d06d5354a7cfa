"""The integer proof: that a converted model really is what an integer-only device can run.

Converters fall back to float without a word where they cannot quantize an op, so every tensor of
every conversion is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from edgeq.boards.runtimes.check import lacking_in_litert
from edgeq.conversion.flatbuffer import indices, pack, unpack
from edgeq.conversion.tensorflow import quiet
from edgeq.devices.fatal import returns
from edgeq.devices.interpreters import divides_by_zero, micro_interpreter
from edgeq.errors import EdgeqError, raise_problems
from edgeq.model.graph import Graph, Op, Subgraph
from edgeq.model.model_file import parse_graph

_INTEGER = frozenset({"int2", "int4", "int8", "uint8", "int16", "int32", "int64", "bool"})
_DIVIDES = (
    "An input of zeros (all padding, or one colour) makes a divisor 0, and LiteRT gives up "
    "there{}: add a small number to the divisor if such inputs come."
)
_NEEDS_SCALE = frozenset({"int4", "int8", "uint8", "int16"})


@dataclass(frozen=True)
class Proof:
    """What was proven of a model.

    Attributes:
        tensors: Number of tensors checked.
        dtypes: How many tensors there are of each type.
        inputs, outputs: Types by position.
    """

    tensors: int
    dtypes: dict[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def prove_integer(
    data: bytes, io: str, where: str = "model", kept: Mapping[int, str] | None = None
) -> Proof:
    """Proof that a .tflite computes in integers only.

    Args:
        data: The file.
        io: Type that inputs and outputs must have; with "float32" they may be float, and so may
            the QUANTIZE and DEQUANTIZE ops that convert them.
        where: Name for messages.
        kept: Types of inputs that are not `io`, by position.

    Raises:
        EdgeqError: All that is not so, each named by the layer it comes from.
    """
    graph = parse_graph(data, where)
    problems = [problem for subgraph in graph.subgraphs for problem in _floats(subgraph, io, where)]
    problems += _layout(graph, where)
    main = graph.main
    inputs = tuple(main.tensors[i].dtype for i in main.inputs)
    outputs = tuple(main.tensors[i].dtype for i in main.outputs)
    for side, edge in (("input", main.inputs), ("output", main.outputs)):
        for position, index in enumerate(edge):
            tensor = main.tensors[index]
            # Indices and masks (int32, bool) have no scale and keep their type.
            wanted = (kept or {}).get(position, io) if side == "input" else io
            scaled = tensor.dtype in _NEEDS_SCALE or tensor.dtype == "float32"
            if tensor.dtype != wanted and scaled:
                problems.append(
                    EdgeqError(
                        f"The {side} {position} is {tensor.dtype}; {wanted} is asked for.",
                        f'{where}, "{tensor.name}"',
                    )
                )
    raise_problems(problems)
    counts: dict[str, int] = {}
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + 1
    return Proof(sum(counts.values()), dict(sorted(counts.items())), inputs, outputs)


def prove_runs(data: bytes, where: str = "model") -> tuple[str, ...]:
    """Run a model once on zeros with LiteRT's usual kernels, without a delegate.

    Returns:
        What the user should know, in sentences: that zeros would end the process. None as a rule.

    What LiteRT is known to lack and TensorFlow Lite Micro has is run there, where it is installed;
    `runs_on` says what neither of them has.

    Raises:
        EdgeqError: An op has no kernel for its types.
    """
    if lacking_in_litert(parse_graph(data, where)):
        with suppress(EdgeqError, RuntimeError):
            micro_interpreter(data).invoke()
        return ()
    if returns(lambda: _run_on_zeros(data, where)):
        return _run_on_zeros(data, where)
    graph = parse_graph(data, where)
    op = graph.main.ops[_first_fatal(data, len(graph.main.ops))]
    name = graph.main.describe(op)
    if op.name == "DIV":
        return (_DIVIDES.format(f", {name}"),)
    raise EdgeqError(
        f"LiteRT ends the process on the converted model: its kernel for {op.name} takes no such "
        "values or scales.",
        f"{where}, {name}",
        "another layer in its place, or --scheme dynamic or float16, which leave it in float",
    )


def _first_fatal(data: bytes, count: int) -> int:
    """Number of the op that ends the process: the first behind which no shortened model runs."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        model = unpack(data)
        graph = model.subgraphs[0]
        graph.operators = graph.operators[: middle + 1]
        graph.outputs = list(indices(graph.operators[-1].outputs))
        model.signatureDefs = []
        shortened = pack(model)
        if returns(lambda part=shortened: _run_on_zeros(part, "")):  # type: ignore[misc]
            low = middle + 1
        else:
            high = middle
    return low


def _run_on_zeros(data: bytes, where: str) -> tuple[str, ...]:
    with quiet():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            interpreter = Interpreter(
                model_content=data,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            interpreter.allocate_tensors()
            for detail in interpreter.get_input_details():
                interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            if divides_by_zero(reason):
                return (_DIVIDES.format(_blamed(data, reason)),)
            raise EdgeqError(
                f"LiteRT has no kernel for an op of the converted model: {reason}",
                where + _blamed(data, reason),
                "another --scheme; int8 has the most kernels",
            ) from error
    return ()


def _blamed(data: bytes, reason: str) -> str:
    """The layer that an error of LiteRT's is about, as an addition to "where"."""
    found = re.search(r"Node number (\d+)", reason)
    main = parse_graph(data).main
    if not found or int(found[1]) >= len(main.ops):
        return ""
    return f", {main.describe(main.ops[int(found[1])])}"


def float_ops(subgraph: Subgraph, io: str) -> list[Op]:
    """Ops that compute in float, other than the conversion of float inputs and outputs."""
    edges = set(subgraph.inputs) | set(subgraph.outputs) if io == "float32" else set()
    found = []
    for op in subgraph.ops:
        touched = [i for i in (*op.inputs, *op.outputs) if i >= 0]
        floats = [i for i in touched if subgraph.tensors[i].dtype not in _INTEGER]
        converts = op.name in ("QUANTIZE", "DEQUANTIZE") and set(floats) <= edges
        if floats and not converts:
            found.append(op)
    return found


def _floats(subgraph: Subgraph, io: str, where: str) -> list[EdgeqError]:
    """A problem per op that computes in float, and per integer tensor without a scale."""
    guilty = [op for op in float_ops(subgraph, io) if op.name not in ("QUANTIZE", "DEQUANTIZE")]
    found = [
        EdgeqError(
            f"{op.custom_name or op.name} stayed {_types(subgraph, op)}.",
            f'{where}, op {op.index}, layer "{subgraph.tensors[op.outputs[0]].name}"',
            "there is no integer kernel for it: another layer in its place, or --scheme dynamic "
            "or float16, which leave it in float",
        )
        for op in guilty
    ]
    if not found and (left := float_ops(subgraph, io)):
        found.append(EdgeqError("Float values remain between ops.", subgraph.describe(left[0])))
    found += [
        EdgeqError(f"The {tensor.dtype} tensor has no scale.", f'{where}, "{tensor.name}"')
        for tensor in subgraph.tensors
        if tensor.dtype in _NEEDS_SCALE and tensor.quantization is None and not tensor.is_constant
    ]
    return found


def _types(subgraph: Subgraph, op: Op) -> str:
    types = {subgraph.tensors[i].dtype for i in (*op.inputs, *op.outputs) if i >= 0}
    return " and ".join(sorted(types - _INTEGER))


def _layout(graph: Graph, where: str) -> list[EdgeqError]:
    found = []
    for subgraph in graph.subgraphs:
        dynamic: Sequence[str] = [t.name for t in subgraph.tensors if t.dynamic_axes]
        if dynamic:
            found.append(
                EdgeqError(f"{len(dynamic)} tensors have open shapes.", f'{where}, "{dynamic[0]}"')
            )
    if graph.external_buffers:
        found.append(
            EdgeqError(
                f"{len(graph.external_buffers)} constants lie outside the flatbuffer, where "
                "microcontrollers cannot read them.",
                where,
            )
        )
    return found
