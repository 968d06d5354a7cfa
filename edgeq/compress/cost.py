"""What a network costs to run, by the channels that its groups keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.compress.channels import Groups, is_maker, is_reader
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

_ALSO = ("Depthwise", "Global")
_Width = tuple[tuple[int, ...], int]


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


class Costs:
    """What a network costs, by the channels of its groups.

    Source of the factors: see the top of this file.
    """

    def __init__(self, network: Network, groups: Groups) -> None:
        self._sizes = groups.sizes
        self._steps: list[tuple[Step, _Width, _Width]] = []
        self._touched: dict[int, list[int]] = {}
        for step in network.steps:
            if is_maker(step.layer) or is_reader(step.layer) or step.kind.startswith(_ALSO):
                inside, outside = groups.of(step.inputs[0]), groups.of(step.outputs[0])
                for group in {*inside[0], *outside[0]}:
                    self._touched.setdefault(group, []).append(len(self._steps))
                self._steps.append((step, inside, outside))

    def of(self, counts: Mapping[int, int]) -> Cost:
        """The whole network's cost.

        Args:
            counts: Channels of groups that have been changed.
        """
        return self._sum(range(len(self._steps)), counts)

    def change(self, counts: Mapping[int, int], group: int, count: int) -> Cost:
        """What is added when a group gets another number of channels; less than 0 if fewer.

        Only the layers that have to do with the group are computed.
        """
        steps = self._touched.get(group, [])
        before, after = self._sum(steps, counts), self._sum(steps, {**counts, group: count})
        return Cost(after.macs - before.macs, after.instructions - before.instructions)

    def _sum(self, steps: Iterable[int], counts: Mapping[int, int]) -> Cost:
        def width(of: _Width) -> int:
            groups, repeats = of
            return repeats * sum(counts.get(group, self._sizes[group]) for group in groups)

        parts = (self._steps[number] for number in steps)
        costs = (_cost(step, width(inside), width(outside)) for step, inside, outside in parts)
        return sum(costs, Cost())


def _cost(step: Step, inside: int, outside: int) -> Cost:
    """Cost of a convolution, dense layer or pooling of whole images with these channels."""
    if step.kind.startswith("Global"):
        pooled = inside * int(np.prod([n or 1 for n in step.input_shape[1:-1]]))
        return Cost(0, pooled * _PER_POOLED)
    if is_reader(step.layer):
        state, gates = step.layer.cell.recurrent_kernel.shape
        macs = int(step.input_shape[1] or 1) * (inside + state) * gates
        return Cost(macs, macs * _PER_MAC)
    taps = int(np.prod(getattr(step.layer, "kernel_size", (1,))))
    shape = step.input_shape if step.kind.endswith("Transpose") else step.output_shape
    places = int(np.prod([n or 1 for n in shape[1:-1]]))
    outputs = places * outside
    if step.kind.startswith("Depthwise"):
        macs = outputs * taps
        per_mac = _PER_DEPTHWISE_MAC[min(max(step.layer.strides), 2)]
        return Cost(macs, outputs * _PER_OUTPUT + macs * per_mac)
    before = Cost()
    if step.kind.startswith("Separable"):
        inside *= step.layer.depth_multiplier
        first = places * inside
        before = Cost(first * taps, first * _PER_OUTPUT + first * taps * _PER_DEPTHWISE_MAC[1])
        taps = 1
    macs = outputs * taps * inside
    gathered = places * taps if taps > 1 else 0
    instructions = places * _PER_PLACE + outputs * _PER_OUTPUT
    return before + Cost(macs, instructions + gathered * _PER_TAP + macs * _PER_MAC)
