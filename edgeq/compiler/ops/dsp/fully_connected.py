"""FULLY_CONNECTED for cores with the DSP extension: four outputs at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.layers import as_words, dsp_scale, joined_words, pair_fits, pass_scale
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Loop,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels
from edgeq.model.graph import Subgraph

_WORTH_WIDENING = 16  # outputs
_STEP_BYTES = (64, 56)  # EQ_ROW_STEP_BYTES, EQ_ROW_WIDENED_STEP_BYTES
_TOLD = (
    *("input_c", "output_c", "doubled", "shift_1"),
    *("scale.twice_offset_plus_1", "scale.rectified"),
)


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
    channels: Channels, *, per_channel: bool, order: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The parts of the stream of each group of four outputs a, b, c, d.

    Args:
        order: Inputs in reading order, as `joined_words` takes them; by default as they lie.

    Returns:
        (groups, 4): 256 * bias_a + bias_b, bias_b, the same of c and d.
        (groups, steps, 4): Four words per four inputs: a and b joined, c and d joined, for inputs 0
            and 2, then for 1 and 3.
        (groups, 8): Doubled multiplier and shift minus one of each output; (groups, 0) where they
            are those of the tensor.
    """
    if order is None:
        order = np.arange(channels.weights.shape[1])
        order = np.concatenate([order, np.full(-len(order) % 4, -1)])
    full = _groups(channels)
    words = joined_words(full, order)
    groups, steps = len(words) // 2, words.shape[1]
    # (group, pair, step, half) to (group, step, half, pair)
    words = words.reshape(groups, 2, steps, 2).transpose(0, 2, 3, 1).reshape(groups, steps, 4)
    tables = group_tables(channels, per_channel=per_channel)
    bias = tables[0].reshape(groups, 2, 2)
    head = np.stack([256 * bias[..., 0] + bias[..., 1], bias[..., 1]], axis=-1)
    return head.reshape(groups, 4), words, tables[1]


def group_tables(
    channels: Channels, *, per_channel: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Biases (groups, 4), and the scales as `group_words` gives them."""
    full = _groups(channels)
    scale = np.stack([full.multiplier * 2, full.shift - 1], axis=-1).reshape(-1, 8)
    return full.bias.reshape(-1, 4), scale if per_channel else scale[:, :0]


def _pack(channels: Channels, *, per_channel: bool) -> NDArray[np.uint32]:
    """The stream of all groups of four outputs."""
    head, words, scale = group_words(channels, per_channel=per_channel)
    return as_words(np.concatenate([head, words.reshape(len(words), -1), scale], axis=1))


def lower_dsp(
    params: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    macs: int,
) -> Call | None:
    """The DSP kernel's call; None where this layer's numbers do not suit it.

    Args:
        params: batches, input_c and output_c.
    """
    values = dsp_params(params, node, channels, clamp)
    if values is None or not pair_fits(channels):
        return None
    merged = pass_scale(values["scale"], channels)["rectified"] and not values["per_channel"]
    values["merged"], values["widened"] = int(merged), int(_is_widened(node, params["input_c"]))
    stream = _pack(channels, per_channel=bool(values["per_channel"]))
    return Call(
        "fully_connected",
        "eq_fully_connected_dsp_s8",
        "eq_fully_connected_dsp_params",
        values,
        (INPUT, *constant_args(1), OUTPUT, SCRATCH),
        (Constant("weights", "uint32_t", stream, "by fours"),),
        scratch_bytes=_widened_bytes(params["input_c"])
        if values["widened"]
        else scratch_bytes(params["input_c"]),
        macs=macs,
        kernels="dsp",
        told=_TOLD,
        alike=(params["input_c"] % 4 == 0, params["output_c"] % 4 == 0),
        loops=(_loop(values),),
    )


def _loop(values: dict[str, Any]) -> Loop:
    """The pass over steps in eq_fully_connected_dsp.h."""
    widened, merged = values["widened"], values["merged"]
    outputs = "channel" if values["per_channel"] else "merged" if merged else "tensor"
    function = f"eq_row_pass_{'widened_' if widened else ''}{outputs}_dsp"
    entries = values["batches"] * -(-values["output_c"] // 4)
    steps = -(-values["input_c"] // 4)
    return Loop("EQ_ROW_PASS_UNROLL", 8, function, _STEP_BYTES[widened], 2, entries, steps)


def _widened_bytes(input_c: int) -> int:
    """For the input as 16 bits, filled up to whole steps."""
    return -(-input_c // 4) * 8


def _is_widened(node: Node, input_c: int) -> bool:
    """Whether the inputs are widened first: for speed always, else where no byte of RAM is lost."""
    few = node.output().shape[-1] < _WORTH_WIDENING
    if few or node.optimize == "speed":
        return not few
    own = node.input(0).bytes + node.output().bytes
    return node.optimize == "balanced" and own + _widened_bytes(input_c) <= _least_arena(
        node.subgraph
    )


@lru_cache(maxsize=4)
def _least_arena(subgraph: Subgraph) -> int:
    """A bound: a fully connected layer's input and output are in the arena together."""
    sizes = [
        subgraph.tensors[op.inputs[0]].bytes + subgraph.tensors[op.outputs[0]].bytes
        for op in subgraph.ops
        if op.name == "FULLY_CONNECTED"
    ]
    return max(sizes, default=0)


def scratch_bytes(input_c: int) -> int:
    """For the input filled up to whole words, where it is not."""
    return -(-input_c // 4) * 4 if input_c % 4 else 4


def dsp_params(
    shape: dict[str, int], node: Node, channels: Channels, clamp: dict[str, int]
) -> dict[str, Any] | None:
    """The fields of eq_fully_connected_dsp_params; None where the layer does not suit them."""
    scale = dsp_scale(channels, node.output(), clamp)
    if scale is None:
        return None
    weights = node.input(1).quantization
    per_channel = weights is not None and weights.per_channel
    tensor_scale = (0, 0) if per_channel else (channels.multiplier[0], channels.shift[0])
    doubled = int(2 * tensor_scale[0]) - (1 << 32)
    return {
        **shape,
        "per_channel": int(per_channel),
        "doubled": 0 if per_channel else doubled,
        "shift_1": 0 if per_channel else int(tensor_scale[1]) - 1,
        "merged": 0,
        "widened": 0,
        "scale": scale,
    }
