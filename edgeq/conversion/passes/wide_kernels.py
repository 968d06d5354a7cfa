"""What LiteRT's 16-bit kernels lack or take for something else, said so that they get it right.

- ADD and SUB have a second way for scales that are powers of two. It is taken wherever all scales
  are nearly such (ranges of 1 or 2 are: 2 / 32767), and refuses most of them. The option that says
  "general scales" is off unless it is set.
- ARG_MAX and ARG_MIN know no int16; int32 has the same order.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import TENSOR_CODES, indices
from edgeq.conversion.network import Network

_ANY_SCALES = frozenset({"ADD", "SUB"})
_PLACES = frozenset({"ARG_MAX", "ARG_MIN"})


def suit_wide_kernels(network: Network) -> Network:
    """The integer network with what its int16 ops need to be computed as they are meant."""
    ops: list[Any] = []
    for op in network.ops:
        kind, source = network.kind(op), (indices(op.inputs) or [-1])[0]
        if source < 0 or network.dtype_of(source) != "int16":
            ops.append(op)
        elif kind in _ANY_SCALES:
            op.builtinOptions.potScaleInt16 = False
            ops.append(op)
        elif kind in _PLACES:
            ops += [_widened(network, op, source), op]
        else:
            ops.append(op)
    network.ops = ops
    return network


def _widened(network: Network, op: Any, source: int) -> Any:
    """The CAST in front of an op, which is changed to read it."""
    shape = network.graph.tensors[source].shape
    wide = network.add_tensor(f"{network.name(source)}/wide", shape, "int32")
    op.inputs = [wide, *indices(op.inputs)[1:]]
    codes = {"inDataType": TENSOR_CODES["int16"], "outDataType": TENSOR_CODES["int32"]}
    return network.new_op("CAST", [source], [wide], "Cast", **codes)
