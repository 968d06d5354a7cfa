"""Which channels of a network belong together, so that they can be removed together.

Every layer that makes channels (dense, convolution) starts a group; layers in between hand its
channels on; an addition ties the groups of its inputs into one. A group whose channels something
else looks at (the output, a layer that edgeq does not know) is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.compress.network import Network, Step, kind_by_last_axis
from edgeq.conversion.layer_kinds import activation_of, kind_of

_MAKERS = frozenset(
    {"Dense", "Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "SeparableConv1D",
     "SeparableConv2D"}
)  # fmt: skip
# What reads channels with a kernel of its own, and whose own channels stay.
_READERS = frozenset({"LSTM", "GRU", "SimpleRNN"})
_DEPTHWISE = frozenset({"DepthwiseConv1D", "DepthwiseConv2D"})
_HAND_ON = frozenset(
    {"ReLU", "LeakyReLU", "Activation", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
     "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D",
     "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
     "GlobalMaxPooling2D", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D",
     "UpSampling1D", "UpSampling2D", "BatchNormalization", "ELU", "PReLU", "Identity",
     "GaussianNoise", "GaussianDropout", "Rescaling",
     # Operations of keras.ops
     "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "HardSilu",
     "HardSigmoid", "Sigmoid", "Tanh", "Absolute", "Square", "Clip"}
)  # fmt: skip
_TIE = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})


@dataclass(frozen=True)
class Channels:
    """The last axis of one tensor.

    Attributes:
        groups: Groups side by side, as Concatenate leaves them.
        repeats: How often all of them follow one another; more than 1 behind Flatten.
    """

    groups: tuple[int, ...]
    repeats: int = 1


class Groups:
    """The channel groups of a network."""

    def __init__(self, network: Network) -> None:
        self.sizes: list[int] = []
        self._parents: list[int] = []
        self._fixed: set[int] = set()
        self._channels: dict[int, Channels] = {}
        self._network = network
        for tensor in network.inputs:
            self._channels[tensor] = self._new(self._size_of_input(tensor), fixed=True)
        for step in network.steps:
            found = self._after(step)
            self._channels.update(dict.fromkeys(step.outputs, found))
        for tensor in network.outputs:
            self._fix(self._channels[tensor])

    def of(self, tensor: int) -> tuple[tuple[int, ...], int]:
        """The groups along a tensor's last axis, tied ones by one number, and their repeats."""
        channels = self._channels[tensor]
        return tuple(self.root(group) for group in channels.groups), channels.repeats

    def root(self, group: int) -> int:
        """The number that all groups tied to one share."""
        while self._parents[group] != group:
            group = self._parents[group]
        return group

    @property
    def free(self) -> list[int]:
        """Groups whose channels may be removed."""
        fixed = {self.root(group) for group in self._fixed}
        return sorted({self.root(group) for group in range(len(self.sizes))} - fixed)

    def _size_of_input(self, tensor: int) -> int:
        for step in self._network.readers(tensor):
            return int(step.input_shapes[step.inputs.index(tensor)][-1] or 1)
        return 1

    def _new(self, size: int, *, fixed: bool = False) -> Channels:
        group = len(self.sizes)
        self.sizes.append(size)
        self._parents.append(group)
        if fixed:
            self._fixed.add(group)
        return Channels((group,))

    def _fix(self, channels: Channels) -> None:
        self._fixed.update(channels.groups)

    def _after(self, step: Step) -> Channels:
        """The channels of a step's result."""
        inputs = [self._channels[tensor] for tensor in step.inputs]
        size = int(step.output_shape[-1] or 1)
        if not step.arrays:
            if is_maker(step.layer) and getattr(step.layer, "groups", 1) == 1:
                shared = self._network.calls(step.layer) > 1
                if shared:
                    self._fix(inputs[0])
                return self._new(size, fixed=shared)
            if is_reader(step.layer) and len(inputs) == self._network.calls(step.layer) == 1:
                return self._new(size, fixed=True)
            if self._hands_on(step):
                return inputs[0]
            if (joined := self._joined(step, inputs)) is not None:
                return joined
        for channels in inputs:
            self._fix(channels)
        return self._new(size, fixed=True)

    def _joined(self, step: Step, inputs: Sequence[Channels]) -> Channels | None:
        """The channels of tensors laid in a row or put together; None for other steps."""
        if step.kind == "Flatten" and inputs[0].repeats == 1:
            return Channels(
                inputs[0].groups, math.prod(int(n or 1) for n in step.input_shape[1:-1])
            )
        if step.kind in _TIE:
            # One channel for all of them, as a map of attention has it, stays as it is.
            single = [c for c in inputs if [self.sizes[g] for g in c.groups] == [1]]
            several = [c for c in inputs if c not in single] or single
            if self._alike(several):
                for channels in single:
                    self._fix(channels)
                for other in several[1:]:
                    self._tie(several[0], other)
                return several[0]
        if step.kind == "Concatenate" and all(c.repeats == 1 for c in inputs):
            axis = step.layer.axis
            if axis in (-1, len(step.output_shape) - 1):
                return Channels(tuple(g for c in inputs for g in c.groups))
        return None

    def _hands_on(self, step: Step) -> bool:
        layer = step.layer
        if self._network.calls(layer) > 1 and layer.weights:
            return False
        if step.kind in _DEPTHWISE:
            return bool(layer.depth_multiplier == 1)
        if hasattr(layer, "target_shape"):  # Reshape
            return step.input_shape[-1] == step.output_shape[-1]
        softmax = activation_of(layer) in ("softmax", "<Softmax>")
        if step.kind == "Rescaling" and np.ndim(layer.scale) + np.ndim(layer.offset) > 0:
            return False
        last = getattr(layer, "axis", -1) in (-1, len(step.input_shape) - 1)
        return step.kind in _HAND_ON and not softmax and last

    def _alike(self, inputs: Sequence[Channels]) -> bool:
        layouts = {(tuple(self.sizes[g] for g in c.groups), c.repeats) for c in inputs}
        return len(layouts) == 1

    def _tie(self, one: Channels, other: Channels) -> None:
        for a, b in zip(one.groups, other.groups, strict=True):
            self._parents[self.root(b)] = self.root(a)


def is_reader(layer: Any) -> bool:
    """Whether a layer has a kernel of its own for the channels it reads, and keeps its own."""
    return kind_of(layer) in _READERS


def is_maker(layer: Any) -> bool:
    """Whether a layer makes channels of its own."""
    return kind_by_last_axis(layer) in _MAKERS
