"""FULLY_CONNECTED for cores with MVE: four outputs at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.mve.layers import LANES, as_bytes, mve_scale, padded
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Constant, Node, constant_args
from edgeq.compiler.ops.shared.channels import Channels

_GROUP = 4  # outputs made at once


def _pack(channels: Channels, *, per_channel: bool) -> NDArray[np.int8]:
    """The stream of each group of outputs.

    Words: bias of each, and per channel multiplier and negative right shift of each; then 16
    weights of each output, for all inputs.
    """
    groups = -(-channels.count // _GROUP)
    rows = [channels.bias]
    if per_channel:
        rows += [channels.multiplier, -channels.shift]
    words = padded(np.stack(rows), _GROUP).reshape(len(rows), groups, _GROUP)
    head = as_bytes(words.transpose(1, 0, 2).reshape(groups, -1))
    weights = padded(padded(channels.weights, LANES).T, _GROUP).T
    taps = weights.reshape(groups, _GROUP, -1, LANES).transpose(0, 2, 1, 3).reshape(groups, -1)
    stream: NDArray[np.int8] = np.concatenate([head, taps.astype(np.int8)], axis=1)
    return stream.reshape(-1)


def lower_mve(
    shape: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The MVE kernel's call; None where this layer's numbers do not suit it.

    Args:
        shape: batches, input_c and output_c.
    """
    scale = mve_scale(channels, node.output(), clamp)
    if scale is None:
        return None
    weights = node.input(1).quantization
    per_channel = weights is not None and weights.per_channel
    return Call(
        "fully_connected",
        "eq_fully_connected_mve_s8",
        "eq_fully_connected_mve_params",
        {
            **shape,
            "per_channel": int(per_channel),
            "multiplier": 0 if per_channel else int(channels.multiplier[0]),
            "shift": 0 if per_channel else -int(channels.shift[0]),
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("weights", "int8_t", _pack(channels, per_channel=per_channel), "by fours"),),
        macs=macs,
        kernels="mve",
    )
