"""The quality check of a conversion: figures, where it breaks, and whether that is acceptable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from edgeq.analysis.diagnosis.diagnose import Diagnosis, LayerDiagnosis, diagnose
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.proof.heads import joined_by
from edgeq.conversion.proof.limits import STREAM_LIMITS, QualityLimits, quality_limits
from edgeq.conversion.proof.own import Comparison, compare_with_source
from edgeq.conversion.proof.quality import (
    FAILED,
    NOT_JUDGED,
    SAMPLES,
    WARNED,
    OutputQuality,
    Quality,
    measure_quality,
    measure_stream,
)
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.conversion.streaming.form import StreamForm
from edgeq.data import Dataset, DatasetOptions, open_dataset
from edgeq.errors import EdgeqError, LimitError, MissingDependency
from edgeq.support.array import Array
from edgeq.support.listing import listed

_BLAMED = 3
_LEAST_BLAME = 0.05
_BLAME_SAMPLES = 8
_SAMPLES_THAT_TELL = 16


@dataclass(frozen=True)
class QualityCheck:
    """What a quality check looks at.

    Attributes:
        wanted: Whether there is to be a check at all.
        data: Representative data; not read for schemes that need none.
        eval_data: Labelled data, which is looked at first; None for none.
        options: How both are read.
        accept_loss: Whether a result that differs much from the float model is accepted.
        metric: What `eval_data` is for; classification makes scores of the first output.
        scores: Position of an output that is known to hold scores; None for none.
        known: What was found on the way, in sentences that belong to a refusal.
        front: What makes features of the data's recordings; None where a sample is an input.
    """

    wanted: bool
    data: Any
    eval_data: Any
    options: DatasetOptions
    accept_loss: bool
    metric: str = "classification"
    scores: int | None = None
    known: tuple[str, ...] = ()
    front: Hearing | None = None

    def run(
        self,
        source: FloatModel,
        scheme: Scheme,
        converted: bytes,
        stream: StreamForm | None = None,
        apart: bool = False,
    ) -> tuple[Quality | None, tuple[str, ...]]:
        """The quality of a conversion with what there is to say about it.

        There is none where it is not wanted, or there is no data.

        Args:
            source: The float model, of windows if the result streams.
            scheme: How the result was quantized.
            converted: The result.
            stream: How it streams, if it does.
            apart: Whether a stream answers otherwise than windows do in float already.

        Raises:
            LimitError: It differs too much from the float model, and that is not accepted.
        """
        if not self.wanted or not self._has_samples(scheme):
            return None, ()
        try:
            limits = STREAM_LIMITS if apart else quality_limits(scheme.name)
            quality = self._measure(source, limits, converted, stream)
        except MissingDependency as error:
            return None, (_not_compared(error),)
        bad = [output for output in quality.outputs if output.verdict in (FAILED, WARNED)]
        warnings = [_words(output, quality) for output in quality.outputs if output.reason]
        warnings += [_channels(source, i, o) for i, o in enumerate(quality.outputs)]
        warnings += [_one_class(output, quality) for output in quality.outputs]
        low = any(output.reason for output in bad)
        blame = self._blame(source, scheme, converted) if low and stream is None else ""
        if quality.verdict == FAILED and not self.accept_loss:
            raise LimitError(
                "The converted model does not compute what the float model does. "
                + " ".join(_words(o, quality) for o in bad if o.verdict == FAILED)
                + "".join(f" {words}" for words in (*self.known, blame) if words),
                source.source,
                f"{self._remedy(scheme, apart)}; --accept-loss writes it all the same",
            )
        if blame:
            warnings.append(blame)
        if low and not apart:
            warnings.append(f"To come closer to the float model, try {_remedy(scheme)}.")
        return quality, tuple(text for text in warnings if text)

    def of_source(self, model: FloatModel) -> tuple[str, ...]:
        """What is to be said of a float model beside the model it was made of.

        Raises:
            LimitError: It computes something else, and that is not accepted.
        """
        given = self.eval_data is not None or self.data is not None
        if not self.wanted or not given or model.own is None:
            return ()
        found = compare_with_source(model, (sample.inputs for sample in self._samples(model)))
        if found.why_not:
            return (f"The float model was not compared with the model itself: {found.why_not}.",)
        said = (_as_read(found.instead),) if found.instead else ()
        if not found.apart:
            return said
        words = (
            "The float model that TensorFlow's converter made does not compute what the model "
            f"itself does. {_apart(found)}"
        )
        if self.accept_loss:
            return (*said, words)
        raise LimitError(words, model.source, _OF_CONVERTER)

    def _has_samples(self, scheme: Scheme) -> bool:
        return self.eval_data is not None or (scheme.integer and self.data is not None)

    def _remedy(self, scheme: Scheme, apart: bool) -> str:
        """What may help."""
        if not apart:
            return _remedy(scheme)
        return _OF_WINDOWS if self.front is None else _OF_LAYERS

    def streamed(self, source: FloatModel, streaming: FloatModel, scheme: Scheme) -> Quality | None:
        """How close the float model of steps is to that of windows; None without data."""
        if not self.wanted or self.data is None or not scheme.integer:
            return None
        return self._measure(source, STREAM_LIMITS, streaming.data, streaming.stream)

    def front_end(self, whole: FloatModel, windows: FloatModel, scheme: Scheme) -> Quality | None:
        """How close a front end and the float model behind it are to the model of both.

        Raises:
            LimitError: Too far, and that is not accepted.
        """
        if not self.wanted or self.data is None or not scheme.integer:
            return None
        quality = self._measure(whole, STREAM_LIMITS, windows.data, None)
        if quality.verdict != FAILED or self.accept_loss:
            return quality
        assert self.front is not None
        raise LimitError(
            f"In float already the front end that was the layer {self.front.layer} leads to other "
            f"answers. {' '.join(_words(o, quality) for o in quality.outputs if o.reason)} "
            f"{' '.join(self.front.approximate)}",
            whole.source,
            f"{_OF_LAYERS}; --accept-loss writes it all the same",
        )

    def single(self, whole: FloatModel, alone: FloatModel, scheme: Scheme) -> Quality | None:
        """How close two float models are that take the same recordings."""
        if not self.wanted or self.data is None or not scheme.integer:
            return None
        return replace(self, front=None)._measure(
            replace(whole, front=self.front), STREAM_LIMITS, alone.data, None
        )

    def _measure(
        self,
        source: FloatModel,
        limits: QualityLimits,
        converted: bytes,
        stream: StreamForm | None,
    ) -> Quality:
        labelled, front = self.eval_data is not None, self.front
        data = self._samples(source)
        samples: Iterator[list[Array]] = (sample.inputs for sample in data)
        scores = self.scores
        if scores is None and labelled and self.metric == "classification":
            scores = 0
        if stream is not None:
            # The first two again, so that one window is enough for an answer.
            samples = chain(samples, (sample.inputs for sample, _ in zip(data, "12", strict=False)))
            if front is not None:
                samples = map(front.features, samples)
            return measure_stream(source, converted, stream, samples, limits, scores=scores)
        features = None if front is None else front.features
        return measure_quality(source, converted, samples, limits, scores=scores, features=features)

    def _samples(self, source: FloatModel) -> Dataset:
        labelled = self.eval_data is not None
        return open_dataset(
            self.eval_data if labelled else self.data,
            source.samples if self.front is None else (self.front.spec,),
            labelled=labelled,
            options=self.options,
            limit=SAMPLES,
            # What is cut into steps begins anew with each sample.
            spread=(self.front or source.pieces) is not None or not source.graph.is_stream,
        )

    def _blame(self, source: FloatModel, scheme: Scheme, converted: bytes) -> str:
        """The layers that the error comes from, in a sentence; empty where nobody can tell."""
        if not scheme.integer or self.data is None or self.front is not None:
            return ""
        with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
            integer, real = Path(folder) / "integer.tflite", Path(folder) / "float.tflite"
            integer.write_bytes(converted)
            real.write_bytes(source.data)
            try:
                found = diagnose(
                    integer,
                    real,
                    data=self.data,
                    limit=_BLAME_SAMPLES,
                    dataset_options=self.options,
                )
            except EdgeqError:
                return ""
        return _guilty(found)


def _apart(found: Comparison) -> str:
    """Which outputs are not the source's, and how far."""
    return " ".join(
        f'Output "{output.name}" differs by up to {output.difference:.3g} where its largest value '
        f"is {output.largest:.3g}, signal-to-noise ratio {output.decibels:.1f} dB over "
        f"{found.samples} samples."
        for output in found.apart
    )


def _not_compared(error: MissingDependency) -> str:
    """Why a model that LiteRT cannot run was not looked at."""
    return (
        "The result was not compared with the float model: LiteRT has no kernel for one of its "
        f"ops. {error.what} {error.hint}"
    )


def _words(output: OutputQuality, quality: Quality) -> str:
    """What is wrong with one output as a whole."""
    ratio = output.signal_to_noise_db
    figure = "" if ratio is None else f", signal-to-noise ratio {ratio:.1f} dB"
    if output.verdict == NOT_JUDGED:
        return (
            f'Output "{output.name}" is not judged{figure}: {output.reason}, as in a model that '
            "is not trained."
        )
    limits = quality.limits
    return (
        f'Output "{output.name}" differs from the float model: {output.reason} over '
        f"{quality.samples} samples (below {limits.warn_db:g} dB is warned of, below "
        f"{limits.fail_db:g} dB refused)."
    )


def _one_class(output: OutputQuality, quality: Quality) -> str:
    """What is wrong with data of a single class."""
    if output.only_class is None or quality.samples < _SAMPLES_THAT_TELL:
        return ""
    if output.verdict == NOT_JUDGED:
        return ""
    return (
        f"All {quality.samples} samples are class {output.only_class} to the float model (output "
        f'"{output.name}"): ranges for other classes are guesses. Give samples of all classes.'
    )


def _channels(source: FloatModel, position: int, output: OutputQuality) -> str:
    """What is wrong with single channels of an output."""
    if not output.bad_channels or output.verdict in (FAILED, NOT_JUDGED):
        return ""
    joined = joined_by(source.graph, source.graph.main.outputs[position])
    advice = (
        "--split-outputs makes an output with a scale of its own of each part that is joined there"
        if joined is not None
        else "give them an output of their own, or scale them to the range of the others"
    )
    bad = listed("channel", output.bad_channels)
    return (
        f'In output "{output.name}" the {bad} of {output.channels} '
        "hardly tell anything: all channels share one scale, and their signal-to-noise ratio is "
        f"too low; {advice}."
    )


def _guilty(found: Diagnosis) -> str:
    worst = [layer for layer in found.layers if layer.blame >= _LEAST_BLAME][:_BLAMED]
    if not worst:
        return ""
    shares = ", ".join(f'"{layer.name}" ({layer.blame:.0%})' for layer in worst)
    return f"Most of the error comes from {shares}. {_advice(worst[0])}"


def _advice(layer: LayerDiagnosis) -> str:
    return f'For "{layer.name}": {layer.advice}'


_OF_WINDOWS = (
    "in float the stream answers otherwise, too: train without padding over time, or without "
    "layers that remember more than a window"
)


def _as_read(why: str) -> str:
    """What the float model was compared with where its file is silent."""
    return f"The float model was compared with what edgeq read, not with the file itself: {why}."


_OF_CONVERTER = (
    "this is a fault of the conversion, not of your model: report it with the model; --accept-loss "
    "writes what it made all the same"
)
_OF_LAYERS = "in float the front end leads to other answers, too: train on `edgeq features`"
_REMEDIES: Mapping[str, str] = {
    "int8": "--calibration mse, more samples of --data, or --scheme int16x8",
    "int8-per-tensor": "--scheme int8, or --scheme int16x8",
    "mixed": "int8 or int16x8 for the layers named, with --precision",
    "int4": "--scheme mixed, which keeps 8 bits where 4 are too few, or --scheme int8",
    "float16": "--scheme weight-only, or bfloat16, which has the range of float32",
    "bfloat16": "--scheme float16, or weight-only",
    "weight-only": "--scheme float16 or bfloat16, which keep more of the weights",
    "int16x8": "more samples of --data; edgeq diagnose shows each layer",
}


def _remedy(scheme: Scheme) -> str:
    return _REMEDIES.get(scheme.name, "--scheme float16, which keeps more of the weights")
