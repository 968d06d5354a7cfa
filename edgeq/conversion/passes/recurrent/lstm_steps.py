"""UNIDIRECTIONAL_SEQUENCE_LSTM as a loop of single steps, where the op itself does not serve.

The op's integers are fixed: gates in steps of 2^-12, tanh in steps of 2^-15. What has faded to next
to nothing, as in nets that were not trained, drowns in them; a loop's scales follow its values. And
its weights stay float32 where only weights are quantized; those of a loop's dense layers do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_unused, indices
from edgeq.conversion.loop_building import put_together
from edgeq.conversion.loops import Loop
from edgeq.conversion.moves import reshape
from edgeq.conversion.network import Network
from edgeq.conversion.passes.recurrent.lstm import (
    BIASES,
    CELL,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
    beyond_an_lstm,
)

_FAINT = 2.0**-6
# LiteRT takes tanh of cells of up to 64.
_LARGEST_CELL = 64.0


def unfuse_lstms(network: Network, *, unfit_only: bool) -> Network:
    """The float network with loops in place of its LSTM ops.

    Args:
        network: With ranges, if only some of them are to go.
        unfit_only: Whether only those go whose results never leave the range of 2^-6 around 0, or
            whose cells leave that of 64.
    """
    written = {i for op in network.ops for i in indices(op.outputs)}
    ops: list[Any] = []
    found = False
    for op in network.ops:
        fused = network.kind(op) == "UNIDIRECTIONAL_SEQUENCE_LSTM"
        fused = fused and not beyond_an_lstm(network, op)
        if fused and unfit_only:
            fused = not _fits(network, op)
        if not fused:
            ops.append(op)
            continue
        found = True
        states = {indices(op.inputs)[place] for place in (HIDDEN, CELL)}
        ops = [other for other in ops if states.isdisjoint(indices(other.outputs))]
        ops += _steps(network, op, carries=not states & written)
    if found:
        network.ops = ops
        drop_unused(network.model)
    return network


def _fits(network: Network, op: Any) -> bool:
    low, high = network.range(indices(op.outputs)[0])
    least, most = network.range(indices(op.inputs)[CELL])
    return max(-low, high) >= _FAINT and max(-least, most) <= _LARGEST_CELL


def step_names(name: str) -> Mapping[str, str]:
    """Names of the tensors of an LSTM's step, by what they are.

    Args:
        name: Of the op's result.
    """
    roles = ("x", "h", "c", "from_input", "from_hidden", "gates", *"ifgo", "input", "forget", "new",
             "output", "kept", "added", "cell", "squashed", "hidden")  # fmt: skip
    return {role: f"{name}/step/{role}" for role in roles}


def _steps(network: Network, op: Any, *, carries: bool) -> list[Any]:
    """The loop and what is around it."""
    source, (result,) = indices(op.inputs)[0], indices(op.outputs)
    name = network.name(result)
    _, steps, inputs = network.shape(source)
    cells = network.shape(result)[-1]
    sequence = network.add_tensor(f"{name}/steps_of_input", [steps, 1, inputs], "float32")
    every = network.add_tensor(f"{name}/steps", [steps, 1, cells], "float32")
    finals = [
        network.add_tensor(f"{name}/last_{kind}", [1, cells], "float32") for kind in ("h", "c")
    ]
    for index, like in ((sequence, source), (every, result)):
        if network.name(like) in network.ranges:
            network.ranges[network.name(index)] = network.ranges[network.name(like)]
    states = [indices(op.inputs)[place] for place in (HIDDEN, CELL)]
    if not carries:
        zeros = np.zeros((1, cells), np.float32)
        states = [network.add_constant(f"{name}/start_{kind}", zeros) for kind in ("h", "c")]
    loop = Loop(op, steps, [sequence], [], states, finals, [every])
    loop.step = _step(network, op, inputs, cells)
    made = [reshape(network, source, sequence), put_together(network, loop)]
    if carries:
        made += [
            network.new_op("MINIMUM", [final] * 2, [state], "MaximumMinimum")
            for final, state in zip(finals, states, strict=True)
        ]
    return [*made, reshape(network, every, result)]


def _step(network: Network, op: Any, inputs: int, cells: int) -> Any:
    """The ModelT of one step."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.operatorCodes, model.buffers = 3, [], [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators = b"main", [], []
    model.subgraphs, model.metadata, model.signatureDefs = [graph], [], []
    step = Network(model, network.source)
    names = step_names(network.name(indices(op.outputs)[0]))
    widths = {"x": inputs, "from_input": 4 * cells, "from_hidden": 4 * cells, "gates": 4 * cells}
    place = {
        role: step.add_tensor(full, [1, widths.get(role, cells)], "float32")
        for role, full in names.items()
    }

    def stacked(first: int, name: str) -> int:
        values = [network.constant(indices(op.inputs)[first + k]) for k in range(4)]
        return step.add_constant(f"{names['gates']}/{name}", np.concatenate(values))

    weights, recurrent, bias = (
        stacked(INPUT_WEIGHTS, "weights"),
        stacked(RECURRENT_WEIGHTS, "recurrent_weights"),
        stacked(BIASES, "bias"),
    )
    axis = step.add_constant(f"{names['gates']}/axis", np.array(1, np.int32))

    def add(kind: str, taken: list[int], made: str, options: str = "", **settings: int) -> None:
        outputs = [place[role] for role in made.split()]
        step.ops = [*step.ops, step.new_op(kind, taken, outputs, options, **settings)]

    p = place
    add("FULLY_CONNECTED", [p["x"], weights, bias], "from_input", "FullyConnected")
    add("FULLY_CONNECTED", [p["h"], recurrent, -1], "from_hidden", "FullyConnected")
    add("ADD", [p["from_input"], p["from_hidden"]], "gates", "Add")
    add("SPLIT", [axis, p["gates"]], "i f g o", "Split", numSplits=4)
    for gate, kind, made in (
        ("i", "LOGISTIC", "input"),
        ("f", "LOGISTIC", "forget"),
        ("g", "TANH", "new"),
        ("o", "LOGISTIC", "output"),
    ):
        add(kind, [p[gate]], made)
    add("MUL", [p["forget"], p["c"]], "kept", "Mul")
    add("MUL", [p["input"], p["new"]], "added", "Mul")
    add("ADD", [p["kept"], p["added"]], "cell", "Add")
    add("TANH", [p["cell"]], "squashed")
    add("MUL", [p["output"], p["squashed"]], "hidden", "Mul")
    graph.inputs = [p["x"], p["h"], p["c"]]
    graph.outputs = [p["hidden"], p["cell"], p["hidden"]]
    return model
