"""Inputs and outputs that the quantizer left in float."""

from __future__ import annotations

from edgeq.conversion.flatbuffer import TENSOR_CODES
from edgeq.conversion.network import LIMITS, Network

_UNSEEN = (-1.0, 1.0)


def quantize_unread_inputs(network: Network) -> Network:
    """The quantized network with integers for inputs that no op reads, where they are asked for.

    A device hands them over all the same; what they hold is nobody's concern.
    """
    for index in network.inputs:
        unread = not network.readers(index) and index not in network.outputs
        if network.io not in LIMITS or not network.is_float(index) or not unread:
            continue
        low, high = network.range(index)
        scale, zero_point = network.scale_for(
            *((low, high) if low or high else _UNSEEN), network.io
        )
        like = network.add_tensor("", network.shape(index), network.io, (scale, zero_point))
        tensor, made = network.graph.tensors[index], network.graph.tensors.pop(like)
        tensor.type, tensor.quantization = TENSOR_CODES[network.io], made.quantization
    return network


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
