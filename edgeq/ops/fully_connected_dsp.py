"""FULLY_CONNECTED for cores with the DSP extension: four outputs at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.ops.base import INPUT, OUTPUT, SCRATCH, Call, Constant, Node, constant_args
from edgeq.ops.channels import Channels
from edgeq.ops.dsp import as_words, dsp_scale, int4_fits, joined_words, pair_fits


def _groups(channels: Channels) -> Channels:
    """The channels filled up to a multiple of four."""
    missing = -channels.count % 4

    def fill(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([values, np.repeat(values[-1:] * 0, missing, axis=0)])

    return Channels(
        fill(channels.weights),
        fill(channels.bias),
        fill(channels.multiplier),
        fill(channels.shift),
        fill(channels.bound),
    )


def group_words(
    channels: Channels, *, per_channel: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The parts of the stream of each group of four outputs a, b, c, d.

    Returns:
        (groups, 4): 256 * bias_a + bias_b, bias_b, the same of c and d.
        (groups, steps, 4): Four words per four inputs: a and b joined, c and d joined, for inputs 0
            and 2, then for 1 and 3.
        (groups, 8): Doubled multiplier and shift minus one of each output; (groups, 0) where they
            are those of the tensor.
    """
    full = _groups(channels)
    groups = full.count // 4
    order = np.arange(full.weights.shape[1])
    order = np.concatenate([order, np.full(-len(order) % 4, -1)])
    words = joined_words(full, order)
    steps = words.shape[1]
    # (group, pair, step, half) to (group, step, half, pair)
    words = words.reshape(groups, 2, steps, 2).transpose(0, 2, 3, 1).reshape(groups, steps, 4)
    bias = full.bias.reshape(groups, 2, 2)
    head = np.stack([256 * bias[..., 0] + bias[..., 1], bias[..., 1]], axis=-1)
    scale = np.stack([full.multiplier * 2, full.shift - 1], axis=-1).reshape(groups, 8)
    return head.reshape(groups, 4), words, scale if per_channel else scale[:, :0]


def _int4_words(channels: Channels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Biases and weights of int4, (groups, 4) and (groups, words).

    Two words per four inputs: all four outputs for inputs 0 and 2, then for 1 and 3; see
    eq_fully_connected_int4_dsp.h.
    """
    full = _groups(channels)
    weights = np.pad(full.weights, ((0, 0), (0, -full.weights.shape[1] % 4)))
    a, b, c, d = weights.reshape(-1, 4, weights.shape[1]).transpose(1, 0, 2)
    halves = (4096 * a + 256 * (b + 8) + 16 * (c + 8) + d + 8) & 0xFFFF
    quads = halves.reshape(len(a), -1, 4)
    words = np.stack(
        [quads[..., 0] | quads[..., 2] << 16, quads[..., 1] | quads[..., 3] << 16], axis=-1
    )
    return full.bias.reshape(-1, 4), words.reshape(len(a), -1)


def _pack(channels: Channels, *, per_channel: bool, int4: bool) -> NDArray[np.uint32]:
    """The stream of all groups of four outputs."""
    head, words, scale = group_words(channels, per_channel=per_channel)
    if int4:
        head, words = _int4_words(channels)
    return as_words(np.concatenate([head, words.reshape(len(words), -1), scale], axis=1))


def lower_dsp(
    params: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
    *,
    int4: bool = False,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it.

    Args:
        params: batches, input_c and output_c.
        int4: Whether the weights are to be kept as int4.
    """
    scale = dsp_scale(channels, node.output(), clamp)
    # The int4 kernel takes 8 * sum(x) off the bias before it adds products of weights up to 15.
    reach = np.abs(channels.bias).max(initial=0) + 23 * 128 * params["input_c"]
    fits = int4_fits(channels) and reach < 1 << 31 if int4 else pair_fits(channels)
    if scale is None or not fits:
        return None
    weights = node.input(1).quantization
    per_channel = weights is not None and weights.per_channel
    tensor_scale = (0, 0) if per_channel else (channels.multiplier[0], channels.shift[0])
    doubled = int(2 * tensor_scale[0]) - (1 << 32)
    stream = _pack(channels, per_channel=per_channel, int4=int4)
    note = "packed: two int4 to a byte, by fours" if int4 else "by fours"
    return Call(
        f"fully_connected{'_int4' * int4}",
        f"eq_fully_connected{'_int4' * int4}_dsp_s8",
        "eq_fully_connected_dsp_params",
        {
            **params,
            "per_channel": int(per_channel),
            "doubled": 0 if per_channel else doubled,
            "shift_1": 0 if per_channel else int(tensor_scale[1]) - 1,
            "scale": scale,
        },
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, note),),
        scratch_bytes=-(-params["input_c"] // 4) * 4 if params["input_c"] % 4 else 4,
        macs=macs,
        kernels="dsp",
        packed=int4,
    )
