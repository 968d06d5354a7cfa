"""What goes from call to call as it is, such as the frames of a streaming model, in integers.

The quantizer knows no variables. Before it, each becomes an input of the network and its next value
an output; behind it, it is a variable again, of the scale that it had as an input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network
from edgeq.conversion.quantization.inside import given_inside, scale_and_type, taken_inside

_KEEP_THEIR_OWN = frozenset({"UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE"})
_HAND_ON = frozenset({"CONCATENATION", "RESHAPE", "SLICE", "STRIDED_SLICE"})


@dataclass(frozen=True)
class Variables:
    """Variables that were made inputs and outputs.

    Attributes:
        taken, given: Names of the tensors that were made inputs and outputs, by position.
    """

    taken: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def lay_open(network: Network) -> Variables:
    """Make inputs and outputs of the variables of a float network whose ranges are known.

    Those of recurrent layers are left: `cut.py` takes them out with the layers.
    """
    pairs = [
        (indices(op.outputs)[0], indices(op.inputs)[0], op)
        for op in network.ops
        if len(indices(op.outputs)) == 1 and _is_plain(network, indices(op.outputs)[0])
    ]
    if not pairs:
        return Variables()
    writes = {id(op) for _, _, op in pairs}
    network.ops = [op for op in network.ops if id(op) not in writes]
    for state, later, _ in pairs:
        network.graph.tensors[state].isVariable = False
        _share_range(network, state, later)
    states, laters = [s for s, _, _ in pairs], [later for _, later, _ in pairs]
    (signature,) = network.model.signatureDefs
    signature.inputs = [*signature.inputs, *(_entry(network, index) for index in states)]
    signature.outputs = [*signature.outputs, *(_entry(network, index) for index in laters)]
    network.graph.inputs = [*network.inputs, *states]
    network.graph.outputs = [*network.outputs, *laters]
    return Variables(
        tuple(network.name(index) for index in states),
        tuple(network.name(index) for index in laters),
    )


def _is_plain(network: Network, index: int) -> bool:
    """Whether a tensor is a variable that is read by other ops than recurrent layers."""
    if not network.graph.tensors[index].isVariable:
        return False
    kinds = {network.kind(op) for op in network.readers(index)}
    return bool(kinds) and not kinds & _KEEP_THEIR_OWN


def _share_range(network: Network, state: int, later: int) -> None:
    """One range for all that a variable's values pass through on their way round."""
    maker = network.maker(later)
    ops = [*network.readers(state), *([maker] if maker is not None else [])]
    group = {state, later}
    for op in ops:
        if network.kind(op) in _HAND_ON:
            group |= {*indices(op.inputs), *indices(op.outputs)}
    names = [
        network.name(i)
        for i in group
        if i >= 0 and network.is_float(i) and not network.is_constant(i)
    ]
    seen = [network.ranges[name] for name in names if name in network.ranges]
    if seen:
        joined = (min(low for low, _ in seen), max(high for _, high in seen))
        network.ranges.update(dict.fromkeys(names, joined))


def close(network: Network, variables: Variables) -> None:
    """Make variables again of what `lay_open` made inputs and outputs of; they are the last."""
    count = len(variables.taken)
    if not count:
        return
    taken, given = network.inputs[-count:], network.outputs[-count:]
    network.graph.inputs = network.inputs[:-count]
    network.graph.outputs = network.outputs[:-count]
    (signature,) = network.model.signatureDefs
    signature.inputs = signature.inputs[:-count]
    signature.outputs = signature.outputs[:-count]
    for outer, result in zip(taken, given, strict=True):
        state, later = taken_inside(network, outer), given_inside(network, result)
        network.graph.tensors[state].isVariable = True
        _write(network, state, later)


def _write(network: Network, state: int, later: int) -> None:
    """Let the variable have its next value, when everything has read this one."""
    maker = network.maker(later)
    alone = not network.readers(later) and network.outputs.count(later) == 0
    if scale_and_type(network, state) != scale_and_type(network, later):
        op = network.new_op("QUANTIZE", [later], [state])
    elif alone and maker is not None and network.kind(maker) in _HAND_ON:
        op = maker
        op.outputs = [state]
    else:
        op = network.new_op("MINIMUM", [later, later], [state], "MaximumMinimum")
    network.ops = [*(other for other in network.ops if other is not op), op]


def _entry(network: Network, index: int) -> Any:
    """A line of the signature."""
    from ai_edge_litert import schema_py_generated as schema

    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = network.name(index), index
    return entry
