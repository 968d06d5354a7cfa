"""LSTM, GRU and simple recurrent layers, one direction or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.builder import Builder
from edgeq.conversion.sources.onnx.graph import Node
from edgeq.conversion.sources.onnx.layout import Value
from edgeq.support.array import Array

_KERAS = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}
# Where Keras's gates stand among ONNX's: i, f, c, o of i, o, f, c; z, r, h as they are.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}
_USUAL = {
    "LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)
}  # fmt: skip


def recurrent(net: Builder, node: Node, inputs: Sequence[Value]) -> list[Value | None]:
    """Every step's output, the last one, and the last cell state of an LSTM."""
    value = inputs[0]
    units = int(node.get("hidden_size", 0))
    _check(net, node, inputs, units)
    first = bool(node.get("layout", 0))
    tensor = net.stored(value, (0, 1, 2) if first else (1, 0, 2))
    direction = node.get("direction", "forward")
    wanted = [bool(name) and name in net.read for name in (*node.outputs, "", "")[:3]]
    makers = [
        _layer_weights(node, inputs, n) for n in range(2 if direction == "bidirectional" else 1)
    ]
    options = {"units": units, "return_sequences": wanted[0], "return_state": wanted[2]}
    if node.op == "GRU":
        options["reset_after"] = bool(node.get("linear_before_reset", 0))
    kind = getattr(net.keras.layers, _KERAS[node.op])
    if direction == "bidirectional":
        inner = kind(**options)
        layer = net.keras.layers.Bidirectional(inner, name=net.unique(node.name))
        made = net.call(layer, tensor, [array for part in makers for array in part])
    else:
        layer = kind(go_backwards=direction == "reverse", name=net.unique(node.name), **options)
        made = net.call(layer, tensor, makers[0])
    return _outputs(net, node, made, wanted, direction, first)


def _outputs(
    net: Builder, node: Node, made: Any, wanted: Sequence[bool], direction: str, first: bool
) -> list[Value | None]:
    """What the layer made, with ONNX's axes."""
    whole, *states = made if isinstance(made, list | tuple) else (made,)
    both = direction == "bidirectional"
    ways = 2 if both else 1
    units = int(node.get("hidden_size", 0))
    of_state = (0, 1, 2) if first else (1, 0, 2)
    batch = whole.shape[0]
    found: list[Value | None] = [None, None, None]
    last = whole
    if wanted[0]:
        steps = whole.shape[1]
        if direction == "reverse":
            whole = net.ops.flip(whole, axis=1)
        order = (0, 1, 2, 3) if first else (2, 0, 1, 3)
        found[0] = net.value(net.reshape(whole, (batch, steps, ways, units)), order)
        ahead, back = whole[:, -1], whole[:, 0]
        last = back if direction == "reverse" else ahead
        if both and wanted[1]:
            parts = [ahead[:, :units], back[:, units:]]
            last = net.helper("Concatenate", parts)
    if wanted[1]:
        found[1] = net.value(net.reshape(last, (batch, ways, units)), of_state)
    if wanted[2]:
        cells = states[1::2]
        cell = net.helper("Concatenate", cells) if both else cells[0]
        found[2] = net.value(net.reshape(cell, (batch, ways, units)), of_state)
    return found


def _check(net: Builder, node: Node, inputs: Sequence[Value], units: int) -> None:
    """Refuse what no Keras layer does."""
    value = inputs[0]
    ways = 2 if node.get("direction", "forward") == "bidirectional" else 1
    kernel, own = (x.constant for x in inputs[1:3])
    bias = inputs[3] if len(inputs) > 3 else None
    if kernel is None or own is None or (bias is not None and bias.constant is None):
        raise net.refuse(node, "its weights are computed by the model")
    gates = len(_GATES[node.op])
    if kernel.shape != (ways, gates * units, value.shape[-1]) or own.shape != (
        ways,
        gates * units,
        units,
    ):
        raise net.refuse(node, f"weights {kernel.shape} and {own.shape} for {units} units")
    given = [name.lower() for name in node.get("activations", ())]
    usual = list(_USUAL[node.op])
    if any(given) and given not in (usual, usual * ways):
        raise net.refuse(node, f"activations {', '.join(given)}")
    if node.get("clip") or node.get("input_forget"):
        raise net.refuse(node, "it clips its cells or joins its gates")
    for position, what in (
        (4, "lengths of sequences"),
        (5, "a first state"),
        (6, "a first cell state"),
        (7, "peepholes"),
    ):
        extra = inputs[position] if len(inputs) > position else None
        if extra is None or (
            position > 4 and extra.constant is not None and not extra.constant.any()
        ):
            continue
        if (
            position == 4
            and extra.constant is not None
            and set(extra.constant.ravel()) == {_steps(node, value)}
        ):
            continue
        raise net.refuse(
            node, f"it takes {what}", "export without: zeros are what edgeq starts from"
        )


def _steps(node: Node, value: Value) -> int:
    return value.shape[1 if node.get("layout", 0) else 0]


def _layer_weights(node: Node, inputs: Sequence[Value], way: int) -> list[Array]:
    """Kernel, recurrent kernel and bias of one direction, gates in Keras's order."""
    kernel, own = (_turned(node, x.constant[way]) for x in inputs[1:3] if x.constant is not None)
    count = kernel.shape[1]
    given = inputs[3].constant if len(inputs) > 3 and inputs[3] is not None else None
    bias = np.zeros(2 * count, np.float32) if given is None else given[way]
    halves = [_turned(node, half[:, None])[0] for half in (bias[:count], bias[count:])]
    apart = node.op == "GRU" and node.get("linear_before_reset", 0)
    return [kernel, own, np.stack(halves) if apart else halves[0] + halves[1]]


def _turned(node: Node, weights: Array) -> Array:
    gates = np.split(weights, len(_GATES[node.op]))
    turned: Array = np.concatenate([gates[i] for i in _GATES[node.op]]).T
    return turned


OPS = dict.fromkeys(_KERAS, recurrent)
