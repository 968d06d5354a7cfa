"""Loops of recurrent layers in the one form that can be calibrated, quantized and run everywhere.

TensorFlow's converter makes a WHILE of a recurrent layer, which writes its results with SLICE and
CONCATENATION of changing shapes. Here each becomes UNIDIRECTIONAL_SEQUENCE_LSTM where it computes
one (`lstm.py`), else a WHILE of fixed shapes with one body (`conversion/loops.py`). Loops of other
kinds are left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_subgraphs, drop_unused, indices
from edgeq.conversion.loop_building import put_together
from edgeq.conversion.loops import Loop, take_apart
from edgeq.conversion.moves import copy, reshape
from edgeq.conversion.network import Network
from edgeq.conversion.passes.recurrent.lstm import as_lstm

_BIAS = 2


def keep_recurrent(network: Network) -> Network:
    """The float network with one op or one body for each of its recurrent layers."""
    found = {id(op): take_apart(network, op) for op in network.ops if network.kind(op) == "WHILE"}
    if not any(found.values()):
        return network
    for op in network.ops:
        loop = found.get(id(op))
        if loop is not None:
            made = _kept(network, loop)
            network.ops = [new for old in network.ops for new in (made if old is op else [old])]
    _join_reshapes(network)
    drop_subgraphs(network.model)
    drop_unused(network.model)
    return network


def _kept(network: Network, loop: Loop) -> list[Any]:
    """The ops that do what a loop does."""
    _drop_unread(network, loop)
    step = loop.step_network(network.source)
    _copy_passed(step)
    _bypass_reshapes(step)
    _fold_biases(step)
    drop_unused(step.model)
    whole = as_lstm(network, loop)
    if whole is not None:
        return whole
    lasts = _lasts_of_states(network, loop)
    drop_unused(step.model)
    return [put_together(network, loop), *lasts]


def _copy_passed(step: Network) -> None:
    """Let a step give copies of what it takes and hands on, as a state that is another as it was.

    Runtimes put what a step gives in place of what it takes one tensor after the other, and would
    hand on what is there by then.
    """
    for index in dict.fromkeys(step.outputs):
        if index in step.inputs:
            step.replace_output(index, _before(step, index))


def _before(network: Network, index: int) -> int:
    """A copy of a tensor, made before all else."""
    name, dtype = f"{network.name(index)}/before", network.dtype_of(index)
    made = network.add_tensor(name, list(network.shape(index)), dtype)
    network.ops = [copy(network, index, made), *network.ops]
    return made


def _lasts_of_states(network: Network, loop: Loop) -> list[Any]:
    """What makes the last items that are states of their own."""
    graph = loop.step.subgraphs[0]
    outputs, states = indices(graph.outputs), len(loop.states)
    first = states + len(loop.every)
    ops, kept = [], []
    for result, out in zip(loop.lasts, outputs[first:], strict=True):
        if out in outputs[:states]:
            ops.append(reshape(network, loop.finals[outputs.index(out)], result))
        else:
            kept.append((result, out))
    loop.lasts = [result for result, _ in kept]
    graph.outputs = [*outputs[:first], *(out for _, out in kept)]
    return ops


def _drop_unread(network: Network, loop: Loop) -> None:
    """Forget the results of a loop that nobody reads."""
    read = {i for op in network.ops for i in indices(op.inputs)} | set(network.outputs)
    graph = loop.step.subgraphs[0]
    outputs, states = indices(graph.outputs), len(loop.states)
    items = list(zip([*loop.every, *loop.lasts], outputs[states:], strict=True))
    kept = [(result, out) for result, out in items if result in read]
    loop.every = [result for result, _ in kept if result in loop.every]
    loop.lasts = [result for result, _ in kept if result in loop.lasts]
    graph.outputs = [*outputs[:states], *(out for _, out in kept)]


def _bypass_reshapes(step: Network) -> None:
    """Take out what takes an axis of 1 off the front of a sum's operand, where the sum has it."""
    same: dict[int, int] = {}
    for op in step.ops:
        if step.kind(op) != "RESHAPE":
            continue
        source, made = indices(op.inputs)[0], indices(op.outputs)[0]
        axes = len(step.shape(source))
        summed = all(
            step.kind(reader) == "ADD" and len(step.shape(indices(reader.outputs)[0])) == axes
            for reader in step.readers(made)
        )
        if summed and step.shape(source) == (1, *step.shape(made)) and made not in step.outputs:
            same[made] = source
    step.redirect(same)


def _fold_biases(step: Network) -> None:
    """Let layers add the constants that are added to their results."""
    for op in step.ops:
        inputs = indices(op.inputs)
        if step.kind(op) != "ADD" or op.builtinOptions.fusedActivationFunction:
            continue
        for constant, other in (inputs, inputs[::-1]):
            if not step.is_constant(constant) or not step.is_float(constant):
                continue
            if step.shape(other) != step.shape(indices(op.outputs)[0]):
                continue  # the sum has more axes
            if _takes_bias(step, other, step.constant(constant)):
                step.redirect({indices(op.outputs)[0]: other})
                if indices(op.outputs)[0] in step.outputs:
                    step.replace_output(indices(op.outputs)[0], other)
                break


def _takes_bias(step: Network, index: int, bias: Any) -> bool:
    """Whether a layer could take a bias, which it has then."""
    maker = step.maker(index)
    uses = sum(indices(op.inputs).count(index) for op in step.ops)
    if maker is None or uses + step.outputs.count(index) != 1:
        return False
    kind, inputs = step.kind(maker), indices(maker.inputs)
    fused = getattr(maker.builtinOptions, "fusedActivationFunction", None)
    if fused is None or fused:
        return False
    if kind == "ADD":
        return any(_takes_bias(step, operand, bias) for operand in inputs)
    size = step.shape(index)[-1]
    along = bias.size == size and bias.shape[-1:] == (size,)
    if kind != "FULLY_CONNECTED" or not along or (len(inputs) > _BIAS and inputs[2] >= 0):
        return False
    name = f"{step.name(inputs[1])}/bias"
    made = step.add_constant(name, np.ascontiguousarray(bias, np.float32).reshape(size))
    maker.inputs = [*inputs[:_BIAS], made]
    return True


def _join_reshapes(network: Network) -> None:
    """Reshapes of reshapes are one, and none where the shape is the first one's again."""
    plain: dict[int, int] = {}
    same: dict[int, int] = {}
    for op in network.ops:
        op.inputs = [same.get(i, i) for i in indices(op.inputs)]
        made = indices(op.outputs)[0]
        if _is_shrink(network, op):
            like = reshape(network, op.inputs[0], made)
            op.opcodeIndex, op.inputs = like.opcodeIndex, like.inputs
            op.builtinOptionsType, op.builtinOptions = like.builtinOptionsType, like.builtinOptions
        if network.kind(op) != "RESHAPE":
            continue
        source = plain.get(op.inputs[0], op.inputs[0])
        plain[made] = source
        op.inputs = [source, *op.inputs[1:]]
        if network.shape(source) != network.shape(made):
            continue
        if made not in network.outputs:
            same[made] = source
        elif _give_as(network, op, source, made):
            # Nothing makes the source any more; what was to read it reads the output.
            plain.pop(made)
            plain = {k: made if v == source else v for k, v in plain.items()}
            same = {k: made if v == source else v for k, v in same.items()} | {source: made}


def _give_as(network: Network, op: Any, source: int, made: int) -> bool:
    """Let what makes a tensor make the output instead that is a copy of it; False if it cannot."""
    maker = network.maker(source)
    kept = (*network.inputs, *network.outputs)
    if maker is None or source in kept or network.graph.tensors[source].isVariable:
        return False
    maker.outputs = [made if index == source else index for index in indices(maker.outputs)]
    network.redirect({source: made})
    network.ops = [other for other in network.ops if other is not op]
    return True


def _is_shrink(network: Network, op: Any) -> bool:
    """Whether a slice takes all of its input, and so only takes off axes."""
    if network.kind(op) != "STRIDED_SLICE":
        return False
    source, made = indices(op.inputs)[0], indices(op.outputs)[0]
    steps = network.model.buffers[network.graph.tensors[indices(op.inputs)[3]].buffer].data
    forward = steps is not None and (np.frombuffer(bytes(steps), np.int32) == 1).all()
    whole = np.prod(network.shape(source)) == np.prod(network.shape(made))
    return bool(forward and whole)


def keep_states(network: Network) -> Network:
    """The network with a variable for each of its states.

    The exporter makes an input of each state and an output of its next value. Here the input
    becomes a variable, which runtimes set to zeros before the first call, and an op writes the next
    value to it. What else goes on with a state, the model's outputs or a state that is another as
    it was, goes on with a copy from before anything is written.
    """
    count = network.states
    if not count:
        return network
    taken, given = network.inputs[-count:], network.outputs[-count:]
    (signature,) = network.model.signatureDefs
    network.graph.inputs = network.inputs[:-count]
    network.graph.outputs = network.outputs[:-count]
    signature.inputs = signature.inputs[:-count]
    signature.outputs = signature.outputs[:-count]
    before = {}
    for state in taken:
        if state in given or state in network.outputs:
            before[state] = _before(network, state)
            network.replace_output(state, before[state])
    for state, later in zip(taken, given, strict=True):
        network.graph.tensors[state].isVariable = True
        network.ops = [*network.ops, copy(network, before.get(later, later), state)]
    network.states = 0
    return network
