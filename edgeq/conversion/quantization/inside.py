"""The integers behind inputs and outputs that the model will not have in the end.

To the quantizer all inputs are one op, and so are all outputs: it gives those, too, the type that
the user wants at the edges of the model, and converts behind them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import LIMITS, Network

_CONVERT = ("QUANTIZE", "DEQUANTIZE")


def taken_inside(network: Network, index: int) -> int:
    """The integers that are made of an input of another type; the input itself if none are.

    What converts the input goes.
    """
    readers = network.readers(index)
    made = [indices(op.outputs)[0] for op in readers]
    converts = all(network.kind(op) in _CONVERT for op in readers)
    inside = network.dtype_of(index) != network.dtype
    if not (made and converts and inside) or network.dtype_of(made[0]) != network.dtype:
        return index
    network.ops = [op for op in network.ops if op is not readers[0]]
    for op, result in zip(readers[1:], made[1:], strict=True):
        if scale_and_type(network, result) == scale_and_type(network, made[0]):
            network.redirect({result: made[0]})
            network.ops = [other for other in network.ops if other is not op]
        else:
            op.inputs = [made[0]]
    return made[0]


def given_inside(network: Network, index: int) -> int:
    """The integers that an output of another type is made of; the output itself if it is not."""
    maker = network.maker(index)
    if maker is None or network.kind(maker) not in _CONVERT:
        return index
    source = indices(maker.inputs)[0]
    if network.dtype_of(index) == network.dtype or network.dtype_of(source) != network.dtype:
        return index
    if network.readers(index):
        return index
    network.ops = [op for op in network.ops if op is not maker]
    return source


def take_as_they_come(network: Network, wanted: Iterable[tuple[str, str]]) -> None:
    """Give inputs of 8 bits their own type where the quantizer gave several inputs one.

    Args:
        network: The integer network.
        wanted: Names of inputs and the types that they shall have.
    """
    (signature,) = network.model.signatureDefs
    for name, dtype in wanted:
        entry = next(e for e in signature.inputs if _text(e.name) == name)
        index = entry.tensorIndex
        before = network.dtype_of(index)
        if before == dtype or {before, dtype} != {"int8", "uint8"}:
            continue
        scale, zero_point = network.scale(index)
        moved = zero_point + LIMITS[dtype][0] - LIMITS[before][0]
        tensor = network.graph.tensors[index]
        made = network.add_tensor(network.name(index), tensor.shape, dtype, (scale, moved))
        tensor.name = f"{network.name(index)}/{before}".encode()
        network.graph.inputs = [made if i == index else i for i in network.inputs]
        entry.tensorIndex = made
        network.ops = [network.new_op("QUANTIZE", [made], [index]), *network.ops]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def scale_and_type(network: Network, index: int) -> Any:
    """What two tensors must share for the integers of one to be those of the other."""
    tensor = network.graph.tensors[index]
    quantization = tensor.quantization
    scaled = quantization is not None and quantization.scale is not None
    return (tensor.type, network.scale(index) if scaled and len(quantization.scale) else None)
