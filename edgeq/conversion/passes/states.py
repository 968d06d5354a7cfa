"""What a model keeps from call to call lies in variable tensors.

The exporter makes an input of each state and an output of its next value. Here the input becomes a
variable, which runtimes set to zeros before the first call, and an op writes the next value to it:
the lesser of it and itself, since a copy alone may be optimized away.
"""

from __future__ import annotations

from edgeq.conversion.network import Network


def keep_states(network: Network) -> Network:
    """The network with a variable for each of its states."""
    count = network.states
    if not count:
        return network
    taken, given = network.inputs[-count:], network.outputs[-count:]
    (signature,) = network.model.signatureDefs
    network.graph.inputs = network.inputs[:-count]
    network.graph.outputs = network.outputs[:-count]
    signature.inputs = signature.inputs[:-count]
    signature.outputs = signature.outputs[:-count]
    for state, later in zip(taken, given, strict=True):
        network.graph.tensors[state].isVariable = True
        write = network.new_op("MINIMUM", [later, later], [state], "MaximumMinimum")
        network.ops = [*network.ops, write]
    network.states = 0
    return network
