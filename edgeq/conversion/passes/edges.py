"""Outputs that the quantizer left in float because something beside them stayed float."""

from __future__ import annotations

from edgeq.conversion.network import LIMITS, Network


def quantize_outputs(network: Network) -> Network:
    """The quantized network with integer outputs, where integers are asked for.

    A QUANTIZE is put behind each that is float; `integerize` joins it with what is before it.
    """
    if network.io == "float32":
        return network
    added = []
    for index in dict.fromkeys(network.outputs):
        if not network.is_float(index) or network.io not in LIMITS:
            continue
        low, high = network.range(index)
        scale = network.scale_for(low, high, network.io)
        shape = network.graph.tensors[index].shape
        made = network.add_tensor(f"{network.name(index)}/output", shape, network.io, scale)
        added.append(network.new_op("QUANTIZE", [index], [made]))
        network.replace_output(index, made)
    network.ops = [*network.ops, *added]
    return network
