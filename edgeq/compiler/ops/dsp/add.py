"""ADD of two int8 tensors of the same shape for cores with the DSP extension."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.dsp.layers import dsp_scale
from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, Overlap
from edgeq.compiler.ops.shared.channels import Channels

_HALF = (1 << 30, 0)


def lower_dsp(node: Node, scales: dict[str, int], clamp: dict[str, int]) -> Call | None:
    """The DSP kernel's call; None where its arithmetic would not be exact.

    Args:
        node: The op.
        scales: The fields that `add.scaling` gives.
        clamp: activation_min and activation_max.
    """
    factors = [(scales[f"input{k}_multiplier"], scales[f"input{k}_shift"]) for k in (1, 2)]
    half = 0 if factors[0] == _HALF else 1
    multiplier, shift = factors[1 - half]
    if factors[half] != _HALF or shift > 0 or multiplier == 0:
        return None
    one = np.zeros((1, 1), np.int64)
    output = Channels(
        weights=one,
        bias=one[0],
        multiplier=one[0] + scales["output_multiplier"],
        shift=one[0] - scales["output_shift"],
        # Each input is at most 255 steps from its zero point, half of 2^20 each.
        bound=one[0] + 2 * (255 << 19),
    )
    scale = dsp_scale(output, node.output(), clamp)
    if scale is None:
        return None
    offsets = [scales["input1_offset"], scales["input2_offset"]]
    return Call(
        "add",
        "eq_add_dsp_s8",
        "eq_add_dsp_params",
        {
            "size": node.output().elements,
            "half_offset": offsets[half] << 19,
            "other_offset": offsets[1 - half] << 21,
            "other_multiplier": multiplier,
            "other_shift": -shift,
            "doubled": 2 * scales["output_multiplier"] - (1 << 32),
            "shift_1": -scales["output_shift"] - 1,
            "scale": scale,
        },
        (Arg("input", half), Arg("input", 1 - half), OUTPUT),
        overlaps=(Overlap(0), Overlap(1)),
        kernels="dsp",
    )
