"""Known inputs with known results, for the self-test that goes into a firmware."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeq.compiler.codegen.source import Golden
from edgeq.compiler.plan.program import Program
from edgeq.model.graph import Graph
from edgeq.model.inputs import xorshift_inputs
from edgeq.model.model_file import read_graph
from edgeq.model.stream import STACK
from edgeq.support.array import Array


def oracle_golden(model: str | Path, program: Program, index: int = 0) -> Golden:
    """The CRC-32 of every op's outputs for one xorshift input, computed by the oracle.

    No oracle has front ends: their stages, and what decides about answers, are computed by the C
    of this machine, with as many calls as the first answer takes. The ops of the model itself are
    computed by the oracle, from what the front end gives.

    Args:
        model: The .tflite file.
        program: Its program; one CRC is made for each of its steps.
        index: Number of the xorshift input.

    Raises:
        EdgeqError: Neither TensorFlow Lite Micro nor LiteRT can run the model here.
    """
    tensors = [program.tensor(i) for i in program.subgraph.inputs]
    inputs = xorshift_inputs([t.shape for t in tensors], [t.dtype for t in tensors], index)
    heard = program.graph.stream is not None
    values = _heard(Path(model), program.graph, inputs) if heard else _traced(Path(model), inputs)
    crcs: list[int | None] = []
    for number, step in enumerate(program.steps):
        # The branch that a front end takes is taken by the last of the calls.
        branches = not heard and any(
            mark for position, mark in program.marks.items() if position <= number
        )
        complete = step.completes and all(output in values for output in step.completes)
        if branches or not complete:
            crcs.append(None)
            continue
        crc = 0
        for output in step.completes:
            crc = zlib.crc32(values[output].tobytes(), crc)
        crcs.append(crc)
    return Golden(tuple(x.tobytes() for x in inputs), tuple(crcs))


def _traced(model: Path, inputs: list[Array]) -> Mapping[int, Array]:
    from edgeq.devices.oracle import open_oracle

    _, session = open_oracle(model)
    with session:
        return session.trace(inputs)


def _heard(path: Path, graph: Graph, inputs: list[Array]) -> Mapping[int, Array]:
    """Tensors of a model behind a front end, after the call that ends in the first answer."""
    from edgeq.compiler.compilation import generate
    from edgeq.devices.generated import NAME
    from edgeq.devices.host_c import HostSession, host_target

    assert graph.stream is not None
    calls = graph.stream.frames
    with HostSession("c", generate(graph, name=NAME, target=host_target())) as session:
        each = session.trace_calls(inputs, calls)
    values = each[-1]
    model = read_graph(path)
    if any(tensor.is_variable for tensor in model.main.tensors) or len(model.subgraphs) > 1:
        return values
    base = graph.main.outputs[0] - model.main.outputs[0]
    fed = _fed(graph, base - 1, each)
    if fed is None:
        return values
    entry = model.main.tensors[model.main.inputs[0]]
    found = _traced(path, [fed.reshape(entry.shape)])
    return {**values, **{index + base: value for index, value in found.items()}}


def _fed(graph: Graph, index: int, calls: list[dict[int, Array]]) -> Array | None:
    """What reaches the model's input: the last frame, or all frames that were put together."""
    made = {output: op for op in graph.main.ops for output in op.outputs}
    source = made[index].inputs[0]
    if source in made and made[source].name == STACK:
        frame = made[source].inputs[0]
        if all(frame in values for values in calls):
            return np.concatenate([values[frame].reshape(-1) for values in calls])
        return None
    return calls[-1].get(source)
