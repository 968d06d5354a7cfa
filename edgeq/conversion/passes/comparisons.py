"""Both sides of a comparison get one scale.

LiteRT's int16 kernels compare the integers, whatever their scales. And a value is equal to the
maximum that it was chosen for only if both were rounded alike, also in int8.

The int8 kernels take no scale of 1 or more, as raw pixels have it, and end the process: then both
sides are compared as int32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import TENSOR_CODES, indices
from edgeq.conversion.network import LIMITS, Network, Scale
from edgeq.conversion.pointwise import COMPARISONS, EQUALITY


def _half_away(steps: Any) -> Any:
    """Rounded as values are: in float32, halves away from zero."""
    single = np.asarray(steps, np.float32)
    return np.trunc(single + np.copysign(np.float32(0.5), single))


# How a number that integers are compared with is rounded, where it stands on the right and on the
# left: the integers above 2.5 are those above 2.
_ROUNDED: dict[str, tuple[Any, Any]] = {
    "GREATER": (np.floor, np.ceil),
    "LESS_EQUAL": (np.floor, np.ceil),
    "GREATER_EQUAL": (np.ceil, np.floor),
    "LESS": (np.ceil, np.floor),
    "EQUAL": (_half_away, _half_away),
    "NOT_EQUAL": (_half_away, _half_away),
}
# A number so close to a step is on it, but for the rounding of the scale.
_ON_A_STEP = 1e-3
# Ops whose results are some of the values they read.
_CHOOSERS = frozenset(
    {"BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS",
     "GATHER", "GATHER_ND", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "PACK", "PAD", "QUANTIZE",
     "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SELECT",
     "SELECT_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE",
     "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK"}
)  # fmt: skip


def align_comparisons(network: Network) -> Network:
    """The integer network with both inputs of each comparison on one scale, where that matters."""
    ops: list[Any] = []
    for op in network.ops:
        if network.kind(op) in COMPARISONS:
            ops += _aligned(network, op, ops)
            ops += _widened(network, op)
            op = _turned(network, op)
        ops.append(op)
    network.ops = ops
    return network


def _is_coarse(network: Network, op: Any) -> bool:
    """Whether a comparison of int8 reads a scale that its kernel does not take."""
    inputs = indices(op.inputs)
    return all(network.dtype_of(i) == "int8" for i in inputs) and any(
        network.scale(i)[0] >= 1 for i in inputs
    )


def _widened(network: Network, op: Any) -> list[Any]:
    """The CASTs to int32 in front of a comparison that needs them; it is changed to read those."""
    if not _is_coarse(network, op):
        return []
    codes = {"inDataType": TENSOR_CODES["int8"], "outDataType": TENSOR_CODES["int32"]}
    made = {}
    for index in dict.fromkeys(indices(op.inputs)):
        shape = network.graph.tensors[index].shape
        made[index] = network.add_tensor(f"{network.name(index)}/compared", shape, "int32")
    op.inputs = [made[index] for index in indices(op.inputs)]
    return [network.new_op("CAST", [i], [wide], "Cast", **codes) for i, wide in made.items()]


def _turned(network: Network, op: Any) -> Any:
    """A GREATER of int16 as LESS of the two the other way round; any other op as it is.

    TensorFlow Lite Micro takes GREATER of int16 and gives wrong answers, since it scales both sides
    by factors that it never sets. It has no LESS of int16, and says so.
    """
    if network.kind(op) != "GREATER" or network.dtype_of(indices(op.inputs)[0]) != "int16":
        return op
    first, second = indices(op.inputs)
    return network.new_op("LESS", [second, first], indices(op.outputs))


def _aligned(network: Network, op: Any, done: list[Any]) -> list[Any]:
    """What has to be put before a comparison and behind the ops done; it is changed to read it."""
    inputs = indices(op.inputs)
    if any(network.dtype_of(i) != network.dtype for i in inputs):
        return []
    constants = [network.is_constant(i) for i in inputs]
    if all(constants):
        return []
    coarse = any(network.scale(i)[0] >= 1 for i in inputs)
    matters = network.dtype == "int16" or network.kind(op) in EQUALITY or coarse
    if any(constants):
        position = constants.index(True)
        return _to_number(network, op, position, done) if matters else []
    first, second = inputs
    if network.scale(first) == network.scale(second):
        return []
    if _chosen(network, second, first):
        target = second
    elif _chosen(network, first, second):
        target = first
    elif matters:
        target = max(inputs, key=lambda i: network.scale(i)[0])
    else:
        return []
    other = first if target == second else second
    made, before = _requantized(network, other, network.scale(target), done)
    op.inputs = [made if i == other else i for i in inputs]
    return before


def _to_number(network: Network, op: Any, position: int, done: list[Any]) -> list[Any]:
    """Bring a constant to the scale of what is compared with it."""
    least, most = LIMITS[network.dtype]
    inputs = indices(op.inputs)
    constant, value = inputs[position], inputs[1 - position]
    known = network.floats.get(network.name(constant).removesuffix("/integer"))
    reals = network.dequantized(constant) if known is None else np.asarray(known, np.float64)
    scale, zero_point = network.scale(value)
    before: list[Any] = []
    integers = np.round(reals / scale) + zero_point
    if integers.min() <= least or integers.max() >= most:
        # At the end of the range all larger numbers look the same.
        ends = ((least - zero_point) * scale, (most - zero_point) * scale)
        margin = 2 * scale
        low = min(float(reals.min()) - margin, ends[0])
        high = max(float(reals.max()) + margin, ends[1])
        scale, zero_point = network.scale_for(low, high)
        value, before = _requantized(network, value, (scale, zero_point), done)
    steps = reals / scale
    steps = np.where(np.abs(steps - np.round(steps)) < _ON_A_STEP, np.round(steps), steps)
    integers = _ROUNDED[network.kind(op)][1 - position](steps) + zero_point
    values = np.clip(integers, least, most).astype(network.dtype)
    name = f"{network.name(constant)}/compared"
    made = network.add_constant(name, values.reshape(network.shape(constant)), (scale, zero_point))
    op.inputs = [made, value] if position == 0 else [value, made]
    return before


def _requantized(
    network: Network, index: int, scale: Scale, done: list[Any]
) -> tuple[int, list[Any]]:
    """A tensor on another scale, and the op to add for it; none where one that is done will do."""
    for op in done:
        if index not in indices(op.inputs):
            continue
        result = indices(op.outputs)[0]
        same_type = network.kind(op) == "QUANTIZE" and network.dtype_of(result) == network.dtype
        if same_type and network.scale(result) == scale:
            return result, []
    name = f"{network.name(index)}/rescaled"
    made = network.add_tensor(name, network.graph.tensors[index].shape, network.dtype, scale)
    return made, [network.new_op("QUANTIZE", [index], [made])]


def _chosen(network: Network, result: int, value: int) -> bool:
    """Whether one tensor holds values of the other."""
    seen: set[int] = set()
    stack = [result]
    while stack:
        index = stack.pop()
        if index == value:
            return True
        op = network.maker(index) if index not in seen else None
        seen.add(index)
        if op is not None and network.kind(op) in _CHOOSERS:
            stack += [i for i in indices(op.inputs) if i >= 0]
    return False
