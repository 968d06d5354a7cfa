"""FULLY_CONNECTED without the blocks of weights that are all zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.compiler.ops.dsp.fully_connected import group_words, scratch_bytes
from edgeq.compiler.ops.dsp.layers import as_words
from edgeq.compiler.ops.scalar.cores import Core
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    constant_args,
)
from edgeq.compiler.ops.shared.blocks import SIDE, BlockCost, Blocks, find_blocks
from edgeq.compiler.ops.shared.channels import Channels

# What one more kernel takes of flash where a dense layer stays beside it.
_CODE_BYTES = 512
_COSTS = {
    "dsp": BlockCost(16.5, 18.75, 10, _CODE_BYTES),
    "armv6m": BlockCost(58, 70, 10, _CODE_BYTES),
    "armv7m": BlockCost(33, 43, 26, _CODE_BYTES),
    "rv32": BlockCost(55, 60, 40, _CODE_BYTES),
}


def lower_blocks(
    dense: Call | None, node: Node, core: Core | None, channels: Channels
) -> Call | None:
    """The call of the kernel that leaves zero blocks out; `dense` where that does not pay.

    Args:
        dense: The call of the DSP kernel, or of the core's own; None if there is none.
    """
    found = find_blocks(channels.weights)
    if dense is None or found is None:
        return dense
    cost = next((_COSTS[name] for name in node.isa.kernels if name in _COSTS), None)
    if cost is None or not found.worth(cost, node.optimize):
        return dense
    if core is None:
        return _dsp_call(dense, channels, found)
    return _core_call(dense, core, channels, found)


def _dsp_call(dense: Call, channels: Channels, found: Blocks) -> Call:
    head, words, tail = group_words(channels, per_channel=bool(dense.params["per_channel"]))
    stream = [
        np.concatenate([head[group], words[group][stored].reshape(-1), tail[group]])
        for group, stored in enumerate(found.stored)
    ]
    return replace(
        dense,
        header="fully_connected_blocks",
        function="eq_fully_connected_blocks_dsp_s8",
        params_type="eq_fully_connected_blocks_dsp_params",
        params={k: v for k, v in dense.params.items() if k not in ("merged", "widened")},
        scratch_bytes=scratch_bytes(channels.weights.shape[1]),
        args=(INPUT, *constant_args(2), OUTPUT, SCRATCH),
        constants=(
            Constant("weights", "uint32_t", as_words(np.concatenate(stream)), found.note),
            Constant("blocks", "uint8_t", found.table(), "per group: count, zero blocks between"),
        ),
        blocks=(found.count, found.stored.size),
        loops=(),
    )


def _core_call(dense: Call, core: Core, channels: Channels, found: Blocks) -> Call:
    missing = (-channels.count % SIDE, -channels.weights.shape[1] % SIDE)
    full = np.pad(channels.weights, ((0, missing[0]), (0, missing[1])))
    groups, steps = found.stored.shape
    # (group, output, block, tap) to (group, block, tap, output)
    full = full.reshape(groups, SIDE, steps, SIDE).transpose(0, 2, 3, 1)
    weights = core.weights(full[found.stored])
    return replace(
        dense,
        header="fully_connected_blocks",
        function="eq_fully_connected_blocks_s8",
        params_type="eq_fully_connected_blocks_params",
        params={k: v for k, v in dense.params.items() if k != "partial"},
        args=(INPUT, *constant_args(3), OUTPUT, SCRATCH),
        constants=(
            Constant("weights", "int8_t", weights, found.note),
            Constant("blocks", "uint8_t", found.table(), "per group: count, zero blocks between"),
            dense.constants[1],
        ),
        scratch_bytes=SIDE * steps if missing[1] else 4,
        blocks=(found.count, found.stored.size),
    )
