"""The float models behind a conversion, and what is to be said of one that streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.conversion.float_model import FloatModel, float_model, streaming_models
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.pass_log import PassLog
from edgeq.conversion.passes.heads import outputs_of
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.conversion.sources.formats import is_function
from edgeq.conversion.sources.keras_front_ends import SplitModel, with_floor
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.conversion.spectra.refusal import refuse_spectrum
from edgeq.conversion.spectra.split import split_spectrum
from edgeq.conversion.streaming.form import StreamForm
from edgeq.data import DatasetOptions, open_dataset
from edgeq.errors import LimitError, MissingDependency, UsageError
from edgeq.workflow.front_ends import SplitFrontEnd, hearing_of, split_model
from edgeq.workflow.quality import QualityCheck

# What float32 makes of the order in which sums are taken, and recurrent layers of long ago.
_SAME_DB = 60.0
# Below this, where nothing tells the frames around a window from those in it, it is no rounding.
_OTHER_DB = 40.0
_NOTHING = 1e-5
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

    @property
    def unexplained(self) -> float | None:
        """The signal-to-noise ratio of answers that no layer pads or remembers for, but differ.

        None where they do not, or were not looked at.
        """
        if self.quality is None or self.form.padded or self.form.carried:
            return None
        ratios = [
            output.signal_to_noise_db
            for output in self.quality.outputs
            if output.signal_to_noise_db is not None and output.max_difference > _NOTHING
        ]
        least = min(ratios, default=_OTHER_DB)
        return least if least < _OTHER_DB else None

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = self.quality
        return {
            **self.form.to_json(),
            "float_max_difference": self.max_difference,
            "float_signal_to_noise_db": found and found.signal_to_noise_db,
            "windows": found and found.samples,
        }


def is_apart(found: Streamed | SplitFrontEnd | None) -> bool:
    """Whether answers are not those of the model that was given in float already."""
    return found is not None and found.apart


@dataclass(frozen=True)
class FloatModels:
    """The float models behind a conversion.

    Attributes:
        source: The one to quantize.
        windows: The same, taking whole windows where that takes steps.
        whole: With the front end that was split off, taking recordings; None without one.
        alone: The same as it answers to a recording that is given by itself, if that differs.
        split: The Keras model in two, where a front end was split off.
        split_outputs, head: How `float_model` is to take it.
        words: What is to be said of them, in sentences.
    """

    source: FloatModel
    windows: FloatModel
    whole: FloatModel | None = None
    alone: FloatModel | None = None
    split: SplitModel | None = None
    split_outputs: bool = False
    head: str = "scores"
    words: tuple[str, ...] = ()

    @property
    def given(self) -> FloatModel:
        """What the result is held against, by the same number of calls."""
        return self.windows if self.whole is None or self.source.stream else self.whole

    def fitted(self, data: Any, options: DatasetOptions, limit: int | None) -> FloatModels:
        """The same, the front end with what the layer takes from the recordings themselves."""
        front = self.source.front
        if front is not None and self.split is None and front.full_scale == 1.0:
            return self._of_integers(front, data, options, limit)
        if front is None or front.span_db is None:
            return self
        recordings = open_dataset(data, (front.spec,), options=options, limit=limit)
        fitted = front.fitted(sample.inputs for sample in recordings)
        if fitted is front or self.split is None or self.whole is None:
            return self
        source, windows = (replace(m, front=fitted) for m in (self.source, self.windows))
        keras_model = with_floor(self.split, fitted.values["log_floor"])
        made = float_model(keras_model, split=self.split_outputs, head=self.head)
        whole = replace(made, source=self.whole.source, outputs=self.whole.outputs)
        return replace(self, source=source, windows=windows, whole=whole, alone=self.whole)

    def _of_integers(
        self, front: Hearing, data: Any, options: DatasetOptions, limit: int | None
    ) -> FloatModels:
        """The same, split anew if the recordings hold samples as integers have them."""
        recordings = open_dataset(data, (front.spec,), options=options, limit=limit)
        if self.whole is None or not any(front.too_loud(each.inputs) for each in recordings):
            return self
        rest, _ = split_spectrum(self.whole, options.sample_rate, integers=True)
        return self if rest is None else replace(self, source=rest, windows=rest)


def _has_signatures(model: str | Path | Any) -> bool:
    """Whether it is a SavedModel; what is not there is for its reader to name."""
    if not isinstance(model, str | Path) or is_function(Path(model)):
        return False
    return Path(model).is_dir() or not Path(model).exists()


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
    options: DatasetOptions,
    front_ends: bool = True,
    image: bool = False,
) -> FloatModels:
    """The float model that was given, and the one to quantize: the same, or one of steps.

    Args:
        model, signature, trust, split, head, log: As in `float_model`.
        stream: Axis of time; None for a model that does not stream.
        step: Frames of a step.
        options: Sample rate of the recordings, for layers that do not say it.
        front_ends: Whether a front end that is a layer of a Keras model is split off, and a model
            with a spectrum of another kind refused.
        image: Whether layers that cut and resize pictures are one, too.

    Raises:
        EdgeqError: As `float_model` does, or a layer cannot stream, a front end cannot be split
            off, or a model computes a spectrum itself.
        UsageError: A signature of what has none.
    """
    if signature is not None and not _has_signatures(model):
        raise UsageError(
            "Only SavedModels have signatures to choose from.", hint="leave out --signature"
        )
    found, words = split_model(model, trust=trust, image=image) if front_ends else (None, ())
    if found is None:
        models = _models(
            model, stream, step, signature=signature, trust=trust, split=split, head=head, log=log
        )
        models = _behind_spectrum(models, options.sample_rate, log) if front_ends else models
        return replace(models, words=(*words, *models.words))
    rest = _models(
        found.rest, stream, step, signature=None, trust=trust, split=split, head=head, log=log
    )
    front = hearing_of(found, options.sample_rate)
    outputs = outputs_of(head, outputs_by_loss(model))
    whole = float_model(found.whole, split=split, head=head)
    return FloatModels(
        replace(rest.source, source=found.where, outputs=outputs, front=front),
        replace(rest.windows, source=found.where, outputs=outputs, front=front),
        replace(whole, source=found.where, outputs=outputs),
        split=found,
        split_outputs=split,
        head=head,
    )


def _behind_spectrum(models: FloatModels, rate: int | None, log: PassLog | None) -> FloatModels:
    """The models of features, where the model that was given computes a spectrum itself.

    Raises:
        EdgeqError: It does, and that cannot be split off.
    """
    whole = models.windows
    rest, why = None, "it streams"
    if models.source is whole:
        rest, why = split_spectrum(whole, rate, log)
    if rest is None:
        refuse_spectrum(whole.graph, why)
        return models
    return replace(models, source=rest, windows=rest, whole=whole, words=(why,) if why else ())


def _models(
    model: str | Path | Any,
    stream: int | None,
    step: int | None,
    *,
    signature: str | None,
    trust: bool,
    split: bool,
    head: str,
    log: PassLog | None,
) -> FloatModels:
    if stream is None:
        found = float_model(
            model, signature=signature, trust=trust, split=split, head=head, log=log
        )
        return FloatModels(found, found)
    windows, steps = streaming_models(
        model, stream, 1 if step is None else step, trust=trust, split=split, head=head, log=log
    )
    return FloatModels(steps, windows)


def streamed(
    check: QualityCheck, windows: FloatModel, steps: FloatModel, scheme: Scheme
) -> tuple[Streamed | None, tuple[str, ...]]:
    """How a model streams, and what the user should know of it, in sentences.

    Raises:
        LimitError: It answers otherwise than windows do for no reason that is known, and that is
            not accepted.
    """
    form = steps.stream
    if form is None:
        return None, ()
    try:
        found = Streamed(form, check.streamed(windows, steps, scheme))
    except MissingDependency:
        found = Streamed(form, None)
    words = []
    if (ratio := found.unexplained) is not None:
        words.append(_UNEXPLAINED.format(ratio))
        if not check.accept_loss:
            raise LimitError(words[0], windows.source, _OF_STREAM)
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


_UNEXPLAINED = (
    "In float the stream does not answer as windows do (signal-to-noise ratio {:.1f} dB), though "
    "no layer pads over time or remembers more than a window."
)
_OF_STREAM = (
    "this is a fault of the conversion, not of your model: report it with the model, and convert "
    "the model of windows without --stream; --accept-loss writes the stream all the same"
)


def _named(layers: tuple[str, ...]) -> str:
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(layers[:_NAMED]) + more
