"""How samples reach a program that takes them as they come."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeq.model.decision import Rules
from edgeq.model.detection import BoxRules

# The ops of front ends are no ops of files; this one's place in a program steers the rest.
STACK = "FRONTEND_STACK"


@dataclass(frozen=True)
class Stream:
    """The window of samples that slides over a recording; it is input 0 of the graph.

    Attributes:
        name: Of the front end.
        rate_hz: Samples a second; 0 where there is no rate.
        window: Samples in the window, with what stands before it.
        step: Samples from one window to the next; may be more than a window.
        zeros: Samples of silence that the first window begins with.
        frames: Frames in an answer, and `frame_step` frames from one answer to the next.
        sound: Whether a microphone gives the samples.
        axes: Values at a time, which stand beside each other; `window` and `step` count them all.
        unit: Real value of a sample's step.
        dtype: Of a sample.
        shape: Of a recording as data sets have it; empty for rows of samples.
        seen: Of a camera's frame the part that the model sees, in parts: left, top, width, height.
        counter: The tensor whose first value says whether an answer is ready; None where every
            frame gives one.
        decision: What makes events of the answers; None where nothing does.
    """

    name: str
    rate_hz: int
    window: int
    step: int
    zeros: int = 0
    frames: int = 1
    frame_step: int = 1
    sound: bool = False
    axes: int = 1
    unit: float = 1 / 32768
    dtype: str = "int16"
    shape: tuple[int, ...] = ()
    seen: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    counter: int | None = None
    decision: Rules | BoxRules | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data, but for a detector's tables, which stand in the C."""
        found = asdict(self)
        decision = found["decision"] or {}
        tables = [key for key, value in decision.items() if isinstance(value, np.ndarray)]
        for key in tables:
            del decision[key]
        return found

    @property
    def values_per_second(self) -> int:
        """Samples of all axes in a second; 0 where there is no rate."""
        return self.rate_hz * self.axes

    @property
    def first_answer(self) -> int:
        """Samples until the first answer."""
        return self.window - self.zeros + (self.frames - 1) * self.step

    def answers(self, samples: int) -> int:
        """How many answers so many samples give."""
        if samples < self.first_answer:
            return 0
        return 1 + (samples - self.first_answer) // (self.step * self.frame_step)
