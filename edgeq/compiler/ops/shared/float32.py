"""What the float32 ops share."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import Constant, Node, Unsupported, require

_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {
    0: (-_LARGEST, _LARGEST),
    1: (0.0, _LARGEST),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}


def float_clamp(node: Node) -> dict[str, float]:
    """The fields activation_min and activation_max for an op's fused activation.

    Source: TFLite `CalculateActivationRange`.
    """
    code = node.op.options.get("fused_activation_function", 0)
    if code not in _RANGES:
        raise Unsupported(f"fused activation {code} (only none, RELU, RELU_N1_TO_1 and RELU6)")
    low, high = _RANGES[code]
    return {"activation_min": low, "activation_max": high}


def float_bias(node: Node, position: int, channels: int) -> Constant:
    """The bias of an op, zeros where it has none."""
    values = np.zeros(channels, np.float32)
    if node.has_input(position):
        values = node.constant(position).reshape(-1)
        require(values.dtype == np.float32, f"{values.dtype} bias")
        require(len(values) == channels, f"{len(values)} biases for {channels} channels")
    return Constant("bias", "float", values)
