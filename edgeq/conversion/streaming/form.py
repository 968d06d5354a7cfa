"""How a model streams, and what becomes of windows of data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Windows that are looked at in the time of one.
_STOPS = 4


@dataclass(frozen=True)
class Answer:
    """Where the newest answer of a call is found in what the model of windows gives.

    Attributes:
        axis: Axis of time in the output; None for an output that is one answer.
        place: Which frame of the window it is: the last that no padding reaches.
        delay: Frames from the end of that window to the call.
    """

    axis: int | None
    place: int
    delay: int


@dataclass(frozen=True)
class StreamForm:
    """How a streaming model answers.

    Attributes:
        axis: Axis of time in the inputs, the batch being axis 0.
        step: Frames that a call brings.
        window: Frames that the model of windows takes.
        delays: Frames from the end of a window to its answer, by output.
        answers: By output, where the newest that a call gives is found in a window.
        windows: Shape of each input of the model of windows, without the batch.
        cut: Whether each input is cut into steps, or given as a whole.
        padded: Layers that pad over time: a window has zeros there, the stream its neighbours.
        carried: Recurrent layers: a window starts from zeros, the stream from what came before.
    """

    axis: int
    step: int
    window: int
    delays: tuple[int, ...]
    answers: tuple[Answer, ...]
    windows: tuple[tuple[int, ...], ...]
    cut: tuple[bool, ...]
    padded: tuple[str, ...]
    carried: tuple[str, ...]

    @property
    def delay(self) -> int:
        """Frames from the end of a window until all its answers are there."""
        return max(self.delays)

    @property
    def first_answer(self) -> int:
        """Frames until the answer to the first whole window."""
        return -(-(self.window + self.delay) // self.step) * self.step

    @property
    def calls(self) -> int:
        """Calls that a window and the wait for its answer take."""
        return self.first_answer // self.step

    def steps(self, window: Sequence[Array]) -> Iterator[list[Array]]:
        """The inputs of each call for one window: it ends with the last call before the wait.

        Frames that no data is there for are zeros, as padding is.

        Args:
            window: An array per input, without a batch axis.
        """
        waiting = -(-self.delay // self.step) * self.step
        before = -self.window % self.step
        axis = self.axis - 1
        filled = []
        for value, cut in zip(window, self.cut, strict=True):
            ends = [(0, 0)] * value.ndim
            if cut:
                ends[axis] = (before, waiting)
            filled.append(np.pad(value, ends))
        for start in range(0, before + self.window + waiting, self.step):
            yield self._part(filled, start, start + self.step)

    def sliding(
        self, windows: Iterable[Sequence[Array]]
    ) -> Iterator[tuple[list[Array], dict[int, list[Array]]]]:
        """The inputs of each call where windows follow each other without a break.

        With some of them, once there was a whole window, stand the windows that the answers are
        for: those that overlap two of the windows given, too.

        Args:
            windows: An array per input each, without a batch axis.

        Yields:
            The inputs of a call; windows by the delay of the answer.
        """
        every = max(1, self.window // self.step // _STOPS)
        axis = self.axis - 1
        held: list[Array] = []
        fed = total = 0
        for window in windows:
            held = [
                np.concatenate([old, new], axis) if cut else new
                for old, new, cut in zip(
                    held or _empty(window, axis), window, self.cut, strict=True
                )
            ]
            length = max(v.shape[axis] for v, cut in zip(held, self.cut, strict=True) if cut)
            while fed + self.step <= length:
                call = self._part(held, fed, fed + self.step)
                fed, total = fed + self.step, total + self.step
                due = total >= self.first_answer and total // self.step % every == 0
                yield call, {
                    delay: self._part(held, fed - delay - self.window, fed - delay)
                    for delay in {answer.delay for answer in self.answers} if due
                }  # fmt: skip
            gone = max(fed - self.first_answer, 0)
            held, fed = self._part(held, gone, length), fed - gone

    def _part(self, values: Sequence[Array], start: int, stop: int) -> list[Array]:
        """Some frames of each input that is cut."""
        places = (slice(None),) * (self.axis - 1) + (slice(start, stop),)
        return [v[places] if cut else v for v, cut in zip(values, self.cut, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data; lengths in frames of the input."""
        return {
            "axis": self.axis,
            "step": self.step,
            "window": self.window,
            "delay": self.delay,
            "first_answer": self.first_answer,
            "padded": list(self.padded),
            "carried": list(self.carried),
        }


def _empty(window: Sequence[Array], axis: int) -> list[Array]:
    """No frames yet."""
    return [v[(slice(None),) * axis + (slice(0, 0),)] if axis < v.ndim else v for v in window]
