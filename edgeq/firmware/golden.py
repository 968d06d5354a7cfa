"""Known inputs with known results, for the self-test that goes into a firmware."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.codegen.selftest import Golden
from edgeq.compiler.plan.program import Program
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph
from edgeq.model.inputs import xorshift_inputs
from edgeq.model.model_file import read_graph
from edgeq.model.places import input_bounds, is_of_places
from edgeq.model.stream import STACK
from edgeq.support.array import Array

# What calls expf, tanhf and their like where it computes in float32.
_BY_LIBRARY = frozenset(
    {
        "COS", "ELU", "EXP", "GELU", "LOG", "LOGISTIC", "LOG_SOFTMAX", "POW", "RSQRT", "SIN",
        "SOFTMAX", "SVDF", "TANH", "TFLite_Detection_PostProcess", "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }
)  # fmt: skip


# Ops that write their first output in some calls only; the last says whether.
_WHEN_READY = frozenset({"SignalFramer", "SignalStacker"})


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
    inputs = _random_inputs(program, index)
    heard = program.graph.stream is not None
    values = _heard(Path(model), program.graph, inputs) if heard else _traced(Path(model), inputs)
    inexact = _inexact(program, _unwritten(program, values))
    exact = values.keys() - inexact
    settled = _settled(program, last_call=heard)
    crcs = [_crc(values, shown) if shown and exact.issuperset(shown) else None for shown in settled]
    checked = {
        index
        for shown, crc in zip(settled, crcs, strict=True)
        if crc is not None
        for index in shown
    }
    unchecked = exact & _reached(program, last_call=heard) - checked
    ends = {
        position: _crc(values, [index])
        for position, index in enumerate(program.subgraph.outputs)
        if index in unchecked
    }
    return Golden(
        tuple(x.tobytes() for x in inputs), tuple(crcs), _near(program, values, inexact), ends
    )


def _random_inputs(program: Program, index: int) -> list[Array]:
    bounds = input_bounds(program.graph.main, program.graph.subgraphs)
    tensors = [program.tensor(i) for i in program.subgraph.inputs]
    return xorshift_inputs(
        [t.shape for t in tensors],
        [t.dtype for t in tensors],
        index,
        [bounds.get(i) for i in program.subgraph.inputs],
    )


def _unwritten(program: Program, values: Mapping[int, Array]) -> set[int]:
    """First outputs of ops that did not write them in this call."""
    return {
        step.op.outputs[0]
        for step in program.steps
        if step.op.custom_name in _WHEN_READY and not np.any(values.get(step.op.outputs[-1], 1))
    }


def _reached(program: Program, *, last_call: bool) -> set[int]:
    """Tensors that are complete when the call ends, which may be early."""
    early = _inside(program, last_call=False) - _inside(program, last_call=True)
    count = len(program.steps) if last_call else min(early, default=len(program.steps))
    return {index for step in program.steps[:count] for index in step.completes}


def _near(
    program: Program, values: Mapping[int, Array], inexact: set[int]
) -> dict[int, NDArray[np.float32]]:
    """By position, the finite float outputs whose last bits may be others elsewhere."""
    found = {
        position: np.asarray(values[index], np.float32).reshape(-1)
        for position, index in enumerate(program.subgraph.outputs)
        if index in inexact and index in values and program.tensor(index).dtype == "float32"
    }
    return {position: near for position, near in found.items() if np.isfinite(near).all()}


def _crc(values: Mapping[int, Array], indices: Iterable[int]) -> int:
    crc = 0
    for index in indices:
        crc = zlib.crc32(values[index].tobytes(), crc)
    return crc


def _settled(program: Program, *, last_call: bool) -> list[tuple[int, ...]]:
    """Of each step, the tensors that have the value then that they have after the call.

    None of those in a branch or a loop, which may run never or again; and nothing of what a later
    step writes once more, as a loop does its values, and layers with a state theirs.

    Args:
        program: The program.
        last_call: Whether the call is one that a front end lets run to its end.
    """
    last = {
        index: number
        for number, step in enumerate(program.steps)
        for index in (*step.changes, *step.completes)
    }
    found: list[tuple[int, ...]] = []
    inside = _inside(program, last_call=last_call)
    for number, step in enumerate(program.steps):
        final = all(last[index] == number for index in step.completes)
        found.append(step.completes if final and number not in inside else ())
    return found


def _inside(program: Program, *, last_call: bool) -> set[int]:
    """Steps in branches and loops; the rest of a call that ends early there is one, too."""
    count = len(program.steps)
    blocks: list[tuple[int, bool]] = []  # where it begins, whether it may end a call early
    found: set[int] = set()
    for position in range(count + 1):
        for mark in program.marks.get(position, ()):
            if mark.kind in ("once", "if", "while"):
                blocks.append((position, mark.kind == "if"))
            elif mark.kind == "else":
                blocks[-1] = (blocks[-1][0], False)
            elif mark.kind == "end":
                begin, early = blocks.pop()
                if not (last_call and early and position == count):
                    found.update(range(begin, position))
    return found


def _inexact(program: Program, unwritten: set[int]) -> set[int]:
    """Tensors whose last bits another C library or another host's kernels may make otherwise.

    And all that is computed of some that no op wrote.
    """
    found = {*unwritten}
    before = -1
    while len(found) > before:  # once more for what a loop hands to its next turn
        before = len(found)
        for step in program.steps:
            floats = any(program.tensor(index).dtype == "float32" for index in step.op.outputs)
            fused = step.call is not None and step.call.kernels == "host"
            by_library = (step.op.custom_name or step.op.name) in _BY_LIBRARY
            if (floats and (fused or by_library)) or found.intersection(step.op.inputs):
                found.update(step.op.outputs)
    return found


def _traced(model: Path, inputs: list[Array]) -> Mapping[int, Array]:
    from edgeq.devices.oracle import open_oracle

    _, session = open_oracle(model)
    with session:
        try:
            return session.trace(inputs)
        except EdgeqError as error:
            if error.hint or not is_of_places(error.what):
                raise
            raise EdgeqError(
                f"{error.what.rstrip('.')}: the inputs of a self-test are random numbers.",
                str(model),
                "leave out --golden; edgeq verify -i FILE compares with inputs of yours",
            ) from None


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
