"""FULLY_CONNECTED for cores with MVE: eight outputs at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.mve.layers import as_bytes, mve_scale, padded
from edgeq.compiler.ops.mve.rows import taps
from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Constant, Node, constant_args
from edgeq.compiler.ops.shared.channels import Channels

_GROUP = 8  # outputs made at once; half as many where there are few or few are left
_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # of a group's multipliers and shifts, as vectors hold the sums


def _words(rows: list[NDArray[np.int64]], group: int) -> NDArray[np.int8]:
    """The bytes of each row's words of a group, one row after the other: (groups, bytes)."""
    words = padded(np.stack(rows), group)
    words = words.reshape(len(rows), -1, group).transpose(1, 0, 2)
    return as_bytes(words.reshape(len(words), -1))


def _eights(count: int) -> int:
    """How many of a layer's outputs are made by groups of eight: few are not worth the code."""
    left = count % _GROUP
    if left and count < 2 * _GROUP:
        return 0
    return count if left > _GROUP // 2 else count - left


def _pack(channels: Channels, *, per_channel: bool) -> NDArray[np.int8]:
    """The stream of each group of eight outputs, then of each group of four.

    Eight: their biases; 16 weights of each output, for all inputs; per channel their multipliers,
    then their negative right shifts. Four: the words first, then the weights.
    """
    eights = _eights(channels.count)
    streams = []
    if eights:
        rows = slice(0, eights)
        parts = [_words([channels.bias[rows]], _GROUP), taps(channels.weights[rows], _GROUP)]
        if per_channel:
            scales = [channels.multiplier[rows], -channels.shift[rows]]
            ordered = [padded(s[None], _GROUP).reshape(-1, _GROUP)[:, _ORDER] for s in scales]
            parts.append(_words([s.reshape(-1) for s in ordered], _GROUP))
        streams.append(np.concatenate(parts, axis=1).reshape(-1))
    if eights < channels.count:
        rows = slice(eights, channels.count)
        words = [channels.bias[rows]]
        if per_channel:
            words += [channels.multiplier[rows], -channels.shift[rows]]
        half = _GROUP // 2
        parts = [_words(words, half), taps(channels.weights[rows], half)]
        streams.append(np.concatenate(parts, axis=1).reshape(-1))
    stream: NDArray[np.int8] = np.concatenate(streams)
    return stream


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
    return dense_call(shape, channels, scale, macs, per_channel=per_channel)


def dense_call(
    shape: dict[str, int],
    channels: Channels,
    scale: dict[str, int],
    macs: int,
    *,
    per_channel: bool,
) -> Call:
    """The call of the kernel, for convolutions that are dense layers, too."""
    return Call(
        "fully_connected",
        "eq_fully_connected_mve_s8",
        "eq_fully_connected_mve_params",
        {
            **shape,
            "eights": _eights(shape["output_c"]),
            "per_channel": int(per_channel),
            "multiplier": 0 if per_channel else int(channels.multiplier[0]),
            "shift": 0 if per_channel else -int(channels.shift[0]),
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT),
        (
            Constant(
                "weights",
                "int8_t",
                _pack(channels, per_channel=per_channel),
                "by eights and fours",
            ),
        ),
        macs=macs,
        kernels="mve",
    )
