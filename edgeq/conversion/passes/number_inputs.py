"""Inputs of integers that the model makes floats of are taken as they come.

A model that starts with `Input(dtype="uint8")` and a Rescaling has a CAST in front, for which
integer devices have no use: the integers are quantized values already, with a scale of 1.
"""

from __future__ import annotations

from edgeq.conversion.flatbuffer import TENSOR_CODES, drop_unused, indices
from edgeq.conversion.network import LIMITS, Network

_NUMBERS = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64")
_AS_THEY_COME = ("uint8", "int8")


def take_numbers(network: Network) -> Network:
    """The float network with float inputs in place of integer ones that it only casts to float.

    Those of 8 bits are noted: their range is that of their type, whatever the data.
    """
    found = False
    for source in network.inputs:
        readers = network.readers(source)
        casts = [
            op
            for op in readers
            if network.kind(op) == "CAST" and network.is_float(indices(op.outputs)[0])
        ]
        made = [indices(op.outputs)[0] for op in casts]
        dtype = network.dtype_of(source)
        alone = len(casts) == len(readers) and source not in network.outputs
        if dtype not in _NUMBERS or not casts or not alone or set(made) & set(network.outputs):
            continue
        network.graph.tensors[source].type = TENSOR_CODES["float32"]
        network.redirect(dict.fromkeys(made, source))
        if dtype in _AS_THEY_COME:
            least, most = LIMITS[dtype]
            network.integer_inputs[network.name(source)] = dtype
            network.learned_ranges[network.name(source)] = (float(least), float(most))
        found = True
    if found:
        drop_unused(network.model)
    return network
