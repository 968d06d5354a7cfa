"""The float models behind a conversion, and what is to be said of one that streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.conversion.float_model import FloatModel, float_model, streaming_models
from edgeq.conversion.pass_log import PassLog
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.conversion.streaming.form import StreamForm
from edgeq.errors import MissingDependency
from edgeq.workflow.quality import QualityCheck

# What float32 makes of the order in which sums are taken, and recurrent layers of long ago.
_SAME_DB = 60.0
_NAMED = 4


@dataclass(frozen=True)
class Streamed:
    """How a converted model streams.

    Attributes:
        form: Axis, step, window, delay.
        quality: The float model of steps beside the float model of windows, over windows that
            slide along; None where it was not looked at.
    """

    form: StreamForm
    quality: Quality | None

    @property
    def max_difference(self) -> float | None:
        """Largest difference of an answer in float, in real numbers; None if not looked at."""
        if self.quality is None:
            return None
        return max(output.max_difference for output in self.quality.outputs)

    @property
    def apart(self) -> bool:
        """Whether answers are not those of windows, in float already."""
        outputs = () if self.quality is None else self.quality.outputs
        found = [o.signal_to_noise_db for o in outputs if o.signal_to_noise_db is not None]
        return min(found, default=_SAME_DB) < _SAME_DB

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = self.quality
        return {
            **self.form.to_json(),
            "float_max_difference": self.max_difference,
            "float_signal_to_noise_db": found and found.signal_to_noise_db,
            "windows": found and found.samples,
        }


def is_apart(found: Streamed | None) -> bool:
    """Whether a model streams, and its answers are not those of windows in float already."""
    return found is not None and found.apart


def float_models(
    model: str | Path | Any,
    stream: int | None,
    step: int | None,
    *,
    signature: str | None,
    trust: bool,
    split: bool,
    head: str,
    log: PassLog | None,
) -> tuple[FloatModel, FloatModel]:
    """The float model that was given, and the one to quantize: the same, or one of steps.

    Args:
        model, signature, trust, split, head, log: As in `float_model`.
        stream: Axis of time; None for a model that does not stream.
        step: Frames of a step.

    Raises:
        EdgeqError: As `float_model` does, or a layer cannot stream.
    """
    if stream is not None:
        return streaming_models(
            model, stream, 1 if step is None else step, trust=trust, split=split, head=head, log=log
        )
    found = float_model(model, signature=signature, trust=trust, split=split, head=head, log=log)
    return found, found


def streamed(
    check: QualityCheck, windows: FloatModel, steps: FloatModel, scheme: Scheme
) -> tuple[Streamed | None, tuple[str, ...]]:
    """How a model streams, and what the user should know of it, in sentences."""
    form = steps.stream
    if form is None:
        return None, ()
    try:
        found = Streamed(form, check.streamed(windows, steps, scheme))
    except MissingDependency:
        found = Streamed(form, None)
    words = []
    if form.delay:
        words.append(
            f"Answers come {form.delay} frames after the end of their window: padding makes layers "
            "look ahead."
        )
    same = found.quality is not None and not found.apart
    figure = ""
    if found.quality is not None and found.quality.signal_to_noise_db is not None:
        figure = f" (in float, signal-to-noise ratio {found.quality.signal_to_noise_db:.1f} dB)"
    if form.padded and not same:
        words.append(
            f"Answers are not quite those of windows{figure}: {_named(form.padded)} pad a window "
            "with zeros, where a stream has the frames around it. Train with padding='valid' for "
            "equal ones."
        )
    if form.carried and not same:
        words.append(
            f"Answers are not quite those of windows{figure}: {_named(form.carried)} start each "
            "window from zeros, and a stream where the step before has ended."
        )
    return found, tuple(words)


def _named(layers: tuple[str, ...]) -> str:
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(layers[:_NAMED]) + more
