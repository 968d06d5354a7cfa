"""FULLY_CONNECTED for cores with the DSP extension whose accumulators pass 24 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.fully_connected import dsp_params, group_words, scratch_bytes
from edgeq.compiler.ops.dsp.layers import as_words, halves_fit
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels

_LARGEST_INPUT = 128
_ROOM = 1 << 23
# A segment must be worth the call that it costs.
_FEWEST_STEPS = 8


def segment_steps(channels: Channels) -> int | None:
    """Steps of four inputs whose sums keep to 24 bits whatever the inputs are; None if too few.

    Only the first channel of each pair is bound: see eq_matmul_dsp.h.
    """
    weights = np.abs(channels.weights[0::2])
    missing = -weights.shape[1] % 4
    by_step = np.pad(weights, ((0, 0), (0, missing))).reshape(len(weights), -1, 4).sum(axis=2)
    reach = _LARGEST_INPUT * by_step
    steps = len(reach[0])
    for count in range(1, steps // _FEWEST_STEPS + 1):
        length = -(-steps // count)
        ends = range(0, steps, length)
        sums = np.add.reduceat(reach, list(ends), axis=1)
        sums[:, 0] += np.abs(channels.bias[0::2])
        if np.all(sums < _ROOM):
            return length
    return None


def _pack(channels: Channels, length: int, *, per_channel: bool) -> NDArray[np.uint32]:
    """The stream of all groups of four outputs, each segment behind a head of its own."""
    head, words, scale = group_words(channels, per_channel=per_channel)
    groups, steps = words.shape[:2]
    parts = []
    for start in range(0, steps, length):
        parts.append(head if start == 0 else np.zeros_like(head))
        parts.append(words[:, start : start + length].reshape(groups, -1))
    return as_words(np.concatenate([*parts, scale], axis=1))


def lower_wide(
    shape: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int], macs: int
) -> Call | None:
    """The call of the kernel that adds up segments; None where the layer does not suit it.

    Args:
        shape: batches, input_c and output_c.
    """
    values = dsp_params(shape, node, channels, clamp)
    length = segment_steps(channels)
    if values is None or length is None or not halves_fit(channels):
        return None
    stream = _pack(channels, length, per_channel=bool(values["per_channel"]))
    return Call(
        "fully_connected_wide",
        "eq_fully_connected_wide_dsp_s8",
        "eq_fully_connected_wide_dsp_params",
        {"layer": values, "segment_steps": length},
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, "by fours, in segments"),),
        scratch_bytes=scratch_bytes(shape["input_c"]),
        macs=macs,
        kernels="dsp",
    )
