"""What a network costs to run, by the channels that its groups keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.compress.channels import Groups, is_maker
from edgeq.compress.network import Network, Step

# Instructions of the Cortex-M4 kernels, fitted to the ops of benchmarks/tasks.py as
# `edgeq profile --on sim:cortex-m4` counts them (the share that is left when channels go comes out
# within three points): an output must be requantized and stored, a place looked up, a place of a
# window that is larger than 1x1 gathered.
_PER_OUTPUT = 11.5
_PER_PLACE = 20.0
_PER_TAP = 10.0
_PER_MAC = 0.83
_PER_DEPTHWISE_MAC = {1: 1.5, 2: 4.5}  # by stride: rows that overlap are read once
_PER_POOLED = 6.7


@dataclass(frozen=True)
class Cost:
    """Of one inference.

    Attributes:
        macs: Multiply-accumulates.
        instructions: Of a Cortex-M4, estimated; for comparing variants of one network.
    """

    macs: int = 0
    instructions: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.instructions + other.instructions)


def estimate_cost(network: Network, groups: Groups, counts: Mapping[int, int]) -> Cost:
    """What a network costs.

    Args:
        network: The network.
        groups: Its channels.
        counts: Channels of groups that have been changed.
    """

    def width(tensor: int) -> int:
        found, repeats = groups.of(tensor)
        return repeats * sum(counts.get(group, groups.sizes[group]) for group in found)

    return sum(
        (_cost(step, width(step.inputs[0]), width(step.outputs[0])) for step in network.steps
         if is_maker(step.layer) or step.kind.startswith(("Depthwise", "Global"))),
        Cost(),
    )  # fmt: skip


def _cost(step: Step, inside: int, outside: int) -> Cost:
    """Cost of a convolution, dense layer or pooling of whole images with these channels."""
    if step.kind.startswith("Global"):
        pooled = inside * int(np.prod([n or 1 for n in step.input_shape[1:-1]]))
        return Cost(0, pooled * _PER_POOLED)
    taps = int(np.prod(getattr(step.layer, "kernel_size", (1,))))
    shape = step.input_shape if step.kind == "Conv2DTranspose" else step.output_shape
    places = int(np.prod([n or 1 for n in shape[1:-1]]))
    outputs = places * outside
    if step.kind.startswith("Depthwise"):
        macs = outputs * taps
        per_mac = _PER_DEPTHWISE_MAC[min(max(step.layer.strides), 2)]
        return Cost(macs, outputs * _PER_OUTPUT + macs * per_mac)
    macs = outputs * taps * inside
    gathered = places * taps if taps > 1 else 0
    instructions = places * _PER_PLACE + outputs * _PER_OUTPUT
    return Cost(macs, instructions + gathered * _PER_TAP + macs * _PER_MAC)
