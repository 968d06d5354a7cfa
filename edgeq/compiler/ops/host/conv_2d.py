"""CONV_2D for hosts: inner products over gathered inputs, left to the compiler to vectorise."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
)
from edgeq.compiler.ops.shared.channels import Channels


def lower_host(
    g: dict[str, int],
    node: Node,
    channels: Channels,
    clamp: dict[str, int],
    overlap: Overlap,
    macs: int,
) -> Call | None:
    """The host kernel's call; None for grouped convolutions."""
    if g["filter_c"] != g["input_c"]:
        return None
    rows = np.stack([channels.bias, channels.multiplier, channels.shift], axis=1)
    return Call(
        "conv_2d",
        "eq_conv_2d_host_s8",
        "eq_conv_2d_host_params",
        {
            **{k: v for k, v in g.items() if k != "filter_c"},
            "input_zero_point": node.input(0).zero_point,
            "output_offset": node.output().zero_point,
            **clamp,
        },
        (INPUT, *constant_args(2), OUTPUT, SCRATCH),
        (
            Constant("weights", "int8_t", channels.weights, "OHWI"),
            Constant("requant", "eq_requant", rows, "bias, multiplier (Q31), right shift"),
        ),
        scratch_bytes=2 * channels.weights.shape[1],
        overlaps=(overlap,),
        macs=macs,
        kernels="host",
    )
