"""Where the frames of a window are while they come in a step at a time.

A model of windows sees `length` frames at once. Streamed, a call brings `hop` new ones, and what a
layer makes of older frames has been made by calls before. Strides that do not divide the step
become spacing: a layer runs on every frame there is, and those behind it take every second one, so
that each step has the answer to its own window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frames:
    """A tensor of a streaming model, and which frames of the window it holds.

    Attributes:
        tensor: The KerasTensor: `hop` frames along `axis`, the newest last.
        axis: Axis of time, the batch being axis 0.
        length: Frames that the model of windows has here.
        spacing: From one of these to the next, counted in frames of the stream.
        newest: Place of the newest frame of the stream where the window's first has 0.
        hop: Frames of the stream that a call brings.
        unit: Frames of the model's input that one frame of the stream stands for.
        padded: Which frames of the window were made with the help of padding.
    """

    tensor: Any
    axis: int
    length: int
    spacing: int
    newest: int
    hop: int
    unit: int
    padded: NDArray[np.bool_]

    @property
    def last(self) -> int:
        """Place of the window's last frame."""
        return (self.length - 1) * self.spacing

    @property
    def rank(self) -> int:
        """Axes of the tensor, the batch among them."""
        return len(self.tensor.shape)

    def made(self, tensor: Any, axis: int | None = None) -> Frames:
        """The same frames in another tensor."""
        return replace(self, tensor=tensor, axis=self.axis if axis is None else axis)

    def shifted(self, left: int, right: int) -> Frames:
        """The window with frames more (or fewer, where negative) at its ends."""
        ends = [np.ones(max(n, 0), bool) for n in (left, right)]
        inner = self.padded[max(-left, 0) : self.length - max(-right, 0)]
        padded = np.concatenate([ends[0], inner, ends[1]])
        return replace(
            self,
            length=len(padded),
            newest=self.newest + left * self.spacing,
            padded=padded,
        )


@dataclass(frozen=True)
class Taps:
    """What one frame is made of: `count` frames, every `rate`-th, anew at every `stride`-th."""

    count: int
    rate: int = 1
    stride: int = 1


@dataclass(frozen=True, eq=False)
class Reach:
    """What a layer of taps reads of the stream in one call.

    Attributes:
        frames: Frames of the stream it needs.
        behind: How many newer ones it leaves for the next call.
        rate, stride: Its taps, in frames of the stream.
        results: Frames that it makes in a call.
        made: What it makes, without a tensor.
    """

    frames: int
    behind: int
    rate: int
    stride: int
    results: int
    made: Frames


def reach(source: Frames, taps: Taps) -> Reach | None:
    """What a layer needs in a call; None if the window is too short for it."""
    span = (taps.count - 1) * taps.rate
    length = (source.length - span - 1) // taps.stride + 1
    if source.length <= span:
        return None
    rate = taps.rate * source.spacing
    stride = math.gcd(taps.stride * source.spacing, source.hop)
    latest = source.newest - (taps.count - 1) * rate
    newest = latest // stride
    results = source.hop // stride
    places = np.arange(length)[:, None] * taps.stride + np.arange(taps.count) * taps.rate
    made = replace(
        source,
        tensor=None,
        length=length,
        spacing=taps.stride * source.spacing // stride,
        newest=newest,
        hop=results,
        unit=source.unit * stride,
        padded=np.asarray(source.padded[places].any(axis=1)),
    )
    frames = (results - 1) * stride + (taps.count - 1) * rate + 1
    return Reach(frames, latest - newest * stride, rate, stride, results, made)
