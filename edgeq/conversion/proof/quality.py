"""The proof that integers mean what the floats meant: both models side by side on real samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeq.boards.runtimes.check import lacking_in_litert
from edgeq.conversion.flatbuffer import with_outputs
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.proof.agreement import (
    STEPS_THAT_TELL,
    Answers,
    Array,
    ByChannel,
    Closeness,
)
from edgeq.conversion.proof.heads import Head, has_fixed_scale, head_of
from edgeq.conversion.proof.limits import QualityLimits
from edgeq.conversion.streaming.form import Answer, StreamForm
from edgeq.devices.interpreters import (
    LiteRtOptions,
    computing,
    litert_interpreter,
    stand_in_for_litert,
)
from edgeq.model.arrays import dequantize, to_input
from edgeq.model.graph import Graph, Tensor
from edgeq.model.model_file import parse_graph

SAMPLES = 100
SECONDS = 3.0
GOOD, WARNED, FAILED, NOT_JUDGED = "good", "warned", "failed", "not judged"
# Where nearly all answers are one class, two or three that differ are chance.
_DIFFERENT_ROWS_THAT_TELL = 4
_CONSTANT = STEPS_THAT_TELL / 255
# A class so far below the highest score is masked: it has no share, however far it is.
_MASKED = 5e3
_CHANNELS = range(2, 4097)


@dataclass(frozen=True)
class OutputQuality:
    """How close one output of the converted model is to the float model's.

    Attributes:
        name: Of the output.
        signal_to_noise_db: None where there is no difference.
        cosine: Between both models' values.
        max_difference: Largest difference, in real numbers.
        max_difference_steps: The same in steps of the output's scale; None where it has none.
        top1_agreement: Share of answers that are the same, where the output is scores or labels.
        agreement_beyond_chance: The same on answers that are clear, less what chance makes.
        logits_db: Signal-to-noise ratio of what goes into a softmax; None without one.
        bad_channels: Positions on the last axis whose values are lost while others are not.
        channels: Length of that axis, where it was looked at; 0 otherwise.
        verdict: "good", "warned", "failed" or "not judged".
        reason: Why, in words; empty where it is good.
        only_class: The class that the float model puts first in all samples; None if there are
            several, or none.
    """

    name: str
    signal_to_noise_db: float | None
    cosine: float
    max_difference: float
    max_difference_steps: float | None
    top1_agreement: float | None
    agreement_beyond_chance: float | None
    logits_db: float | None
    bad_channels: tuple[int, ...]
    channels: int
    verdict: str
    reason: str
    only_class: int | None = None


@dataclass(frozen=True)
class Quality:
    """How close a converted model is to its float model.

    Attributes:
        samples: Samples that both models ran on.
        limits: What was asked of it.
        outputs: By position.
    """

    samples: int
    limits: QualityLimits
    outputs: tuple[OutputQuality, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict of all outputs."""
        found = {output.verdict for output in self.outputs}
        return next((v for v in (FAILED, WARNED, NOT_JUDGED) if v in found), GOOD)

    @property
    def signal_to_noise_db(self) -> float | None:
        """The least of all outputs that were judged; None where none differs."""
        judged = [output for output in self.outputs if output.verdict != NOT_JUDGED]
        found = [o.signal_to_noise_db for o in judged if o.signal_to_noise_db is not None]
        return min(found, default=None)

    @property
    def top1_agreement(self) -> float | None:
        """The least of all outputs that were judged; None where none holds scores."""
        judged = [output for output in self.outputs if output.verdict != NOT_JUDGED]
        return min((o.top1_agreement for o in judged if o.top1_agreement is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "verdict": self.verdict,
            "signal_to_noise_db": self.signal_to_noise_db,
            "top1_agreement": self.top1_agreement,
            **asdict(self),
        }


def measure_quality(
    source: FloatModel,
    converted: bytes,
    samples: Iterable[Sequence[Array]],
    limits: QualityLimits,
    *,
    scores: int | None = None,
    features: Callable[[Sequence[Array]], Sequence[Array]] | None = None,
) -> Quality:
    """How close a converted model's outputs are to the float model's on the same samples.

    At most SAMPLES are looked at, and no more begun after SECONDS.

    Args:
        source: The float model.
        converted: The .tflite that was made from it.
        samples: Inputs in real numbers: one array per model input, without a batch axis.
        limits: Of its scheme.
        scores: Position of an output that holds scores though no softmax makes it; None for none.
        features: What the converted model takes of a sample, where it is the model behind a front
            end; None for the sample itself.
    """
    graph = parse_graph(converted, source.source)
    pairs = [
        _Pair(source.graph, graph, a, b, position == scores)
        for position, (a, b) in enumerate(
            zip(source.graph.main.outputs, graph.main.outputs, strict=True)
        )
    ]
    real = _Runner(source.graph, source.data, [p.real_scores for p in pairs], LiteRtOptions())
    # The target's integers, but for a step now and then. The plain kernels are ten times slower,
    # and end the process over a SOFTMAX of hardly any range.
    ours = _Runner(graph, converted, [p.scores for p in pairs], LiteRtOptions(delegate="none"))
    count = 0
    for sample in _within_time(samples):
        taken = sample if features is None else features(sample)
        exact, found = real.run(sample), ours.run(taken)
        for pair in pairs:
            pair.add(exact, found)
        count += 1
    return Quality(count, limits, tuple(pair.result(limits) for pair in pairs))


def measure_stream(
    source: FloatModel,
    converted: bytes,
    stream: StreamForm,
    samples: Iterable[Sequence[Array]],
    limits: QualityLimits,
    *,
    scores: int | None = None,
) -> Quality:
    """How close a streaming model's answers are to those of the float model of windows.

    The samples come one after the other without a break; windows that overlap two are compared too.

    Args:
        source: The float model of windows.
        converted: A .tflite that takes steps of these, float or not.
        stream: How it streams.
        samples: Windows in real numbers: one array per input, without a batch axis.
        limits: Of its scheme.
        scores: Position of an output that holds scores though no softmax makes it; None for none.
    """
    graph = parse_graph(converted, source.source)
    pairs = [
        _Pair(source.graph, graph, a, b, position == scores, frames=answer.axis is not None)
        for position, (a, b, answer) in enumerate(
            zip(source.graph.main.outputs, graph.main.outputs, stream.answers, strict=True)
        )
    ]
    real = _Runner(source.graph, source.data, [p.real_scores for p in pairs], LiteRtOptions())
    ours = _Runner(graph, converted, [p.scores for p in pairs], LiteRtOptions(delegate="none"))
    count = 0
    for call, windows in stream.sliding(_within_time(samples)):
        found = ours.run(call)
        exact = {delay: real.run(window) for delay, window in windows.items()}
        for pair, answer in zip(pairs, stream.answers, strict=True):
            if windows:
                pair.add_frame(exact[answer.delay], found, answer)
        count += bool(windows)
    return Quality(count, limits, tuple(pair.result(limits) for pair in pairs))


def _within_time(samples: Iterable[Sequence[Array]]) -> Iterator[Sequence[Array]]:
    """The samples as long as there is time; the first one always."""
    begun = time.monotonic()
    for number, sample in enumerate(samples):
        if number and (number >= SAMPLES or time.monotonic() - begun > SECONDS):
            return
        yield sample


class _Runner:
    """A model whose outputs, and some tensors beside them, can be read after a run."""

    def __init__(
        self, graph: Graph, data: bytes, beside: Sequence[int | None], options: LiteRtOptions
    ) -> None:
        self._inputs = [graph.main.tensors[index] for index in graph.main.inputs]
        watched = list(dict.fromkeys([*graph.main.outputs, *(i for i in beside if i is not None)]))
        if len(watched) > len(set(graph.main.outputs)):
            data = with_outputs(data, watched)
        self._interpreter: Any
        if lacking_in_litert(graph):
            self._interpreter = stand_in_for_litert(data, graph.main.inputs, watched)
        else:
            self._interpreter = litert_interpreter(data, options)
        self._watched = watched

    def run(self, sample: Sequence[Array]) -> dict[int, Array]:
        """The outputs by tensor index, as the model computes them."""
        for tensor, value in zip(self._inputs, sample, strict=True):
            given = to_input(np.asarray(value)[None], tensor, tensor.name)[0]
            self._interpreter.set_tensor(tensor.index, given)
        with computing("a sample of the data"):
            self._interpreter.invoke()
        return {index: self._interpreter.get_tensor(index) for index in self._watched}


class _Pair:
    """One output of both models, and the scores behind it."""

    def __init__(
        self,
        real: Graph,
        graph: Graph,
        output: int,
        converted: int,
        scores: bool,
        *,
        frames: bool = False,
    ) -> None:
        self._real, self._tensor = real.main.tensors[output], graph.main.tensors[converted]
        head, other = head_of(real, output), head_of(graph, converted)
        # What a head of frames reads need not have them on an axis.
        head = head if head.kind == other.kind and not frames else Head()
        self._fixed = has_fixed_scale(graph, converted)
        self.kind = head.kind or ("scores" if scores else "")
        # What a head reads may be a constant or an input; there is nothing to be judged then.
        self.real_scores = head.scores if other.scores is not None else None
        self.scores = other.scores if head.scores is not None else None
        self._scores_tensor = None if self.scores is None else graph.main.tensors[self.scores]
        last = self._real.shape[-1] if self._real.shape else 1
        looked_at = not self.kind and last in _CHANNELS and "float" in self._real.dtype
        self._channels = last if looked_at and self._step(self._tensor) else 0
        self._values = Closeness(by_channel=ByChannel(last) if self._channels else None)
        self._logits = Closeness()
        self._answers = Answers()

    @staticmethod
    def _step(tensor: Tensor | None) -> float:
        """The scale of a tensor; 0 where it has none."""
        if tensor is None or tensor.quantization is None or "int" not in tensor.dtype:
            return 0.0
        return float(tensor.scale)

    def add(self, exact: dict[int, Array], found: dict[int, Array]) -> None:
        """Take one sample in: tensors by index of the float and of the converted model."""
        wanted = exact[self._real.index].astype(np.float64)
        got = _plain(found[self._tensor.index], self._tensor)
        self._values.add(wanted, got.reshape(wanted.shape))
        if self.kind in ("softmax", "scores") and wanted.ndim and wanted.shape[-1] > 1:
            answers, theirs = (
                x.reshape(wanted.shape).argmax(axis=-1).ravel() for x in (wanted, got)
            )
            margins = _margins(wanted, answers=answers.size)
            # A softmax's steps are what they are; other scales must be fit to tell classes apart.
            step = self._step(self._tensor) if self._fixed else 0.0
            self._answers.add(answers, theirs, margins, step)
        if self.real_scores is None or self.scores is None or self._scores_tensor is None:
            return
        scores = exact[self.real_scores].astype(np.float64)
        ours = _plain(found[self.scores], self._scores_tensor).reshape(scores.shape)
        if self.kind == "label":
            answers, margins = wanted.ravel(), _margins(scores, answers=wanted.size)
            self._answers.add(answers, got.ravel(), margins, self._step(self._scores_tensor))
        else:
            masked = scores < scores.max(axis=-1, keepdims=True) - _MASKED
            self._logits.add(_centred(scores, masked), _centred(ours, masked))

    def add_frame(self, exact: dict[int, Array], found: dict[int, Array], answer: Answer) -> None:
        """Take the newest answer of a stream in, which stands somewhere in that of a window."""
        if answer.axis is not None:
            real, ours = self._real.index, self._tensor.index
            exact = {real: exact[real].take([answer.place], answer.axis)}
            found = {ours: found[ours].take([-1], answer.axis)}
        self.add(exact, found)

    def result(self, limits: QualityLimits) -> OutputQuality:
        """The figures, judged."""
        values, step = self._values, self._step(self._tensor)
        verdict, reason = self._judged(limits)
        bad: tuple[int, ...] = ()
        if values.by_channel is not None and verdict == GOOD:
            bad = values.by_channel.bad(step, limits.warn_db, limits.fail_db)
        return OutputQuality(
            name=self._real.name,
            signal_to_noise_db=values.decibels,
            cosine=values.cosine,
            max_difference=values.largest,
            max_difference_steps=values.largest / step if step else None,
            top1_agreement=self._answers.agreement,
            agreement_beyond_chance=self._answers.beyond_chance,
            logits_db=self._logits.decibels,
            bad_channels=bad,
            channels=self._channels,
            verdict=WARNED if verdict == GOOD and bad else verdict,
            reason=reason,
            only_class=self._answers.only_class,
        )

    def _judged(self, limits: QualityLimits) -> tuple[str, str]:
        """Verdict on the output as a whole, and why."""
        ratios = [] if self.kind == "label" else [("", self._values), ("logits' ", self._logits)]
        low = [
            (found.decibels, f"its {name}signal-to-noise ratio is {found.decibels:.1f} dB")
            for name, found in ratios
            if found.decibels is not None and found.decibels < limits.warn_db
        ]
        beyond = self._answers.beyond_chance
        wrong = (
            self._answers.decided - self._answers.agreed >= _DIFFERENT_ROWS_THAT_TELL
            and beyond is not None
            and beyond < limits.agreement
        )
        if reason := self._cannot_be_judged():
            return NOT_JUDGED, reason
        if not low and not wrong:
            return GOOD, ""
        reasons = [reason for _, reason in sorted(low)]
        if wrong:
            reasons.append(f"its first class agrees in {self._answers.agreement:.0%} of the cases")
        failed = wrong or min(ratio for ratio, _ in low) < limits.fail_db
        return FAILED if failed else WARNED, " and ".join(reasons)

    def _cannot_be_judged(self) -> str:
        """Why an output's integers cannot tell what it says; empty where they can."""
        step, values = self._step(self._tensor), self._values
        told = STEPS_THAT_TELL * step
        # Where calibration chose the scale, a scale that tells nothing is a fault of it.
        constant = self._fixed or values.span <= _CONSTANT * max(-values.low, values.high)
        if self.kind != "label" and constant and values.span < told and values.largest < told:
            return "its float values vary by less than two steps of its scale"
        fine = step if self.kind != "label" else self._step(self._scores_tensor)
        known = self.kind in ("softmax", "label")
        if known and fine and self._answers.rows and self._answers.too_close(fine):
            return "first and second class are hardly ever two steps of its scale apart"
        return ""


def _plain(value: Array, tensor: Tensor) -> Array:
    """Real numbers, as float64."""
    if tensor.quantization is None or "int" not in tensor.dtype:
        return np.asarray(value, np.float64)
    return np.asarray(dequantize(value, tensor), np.float64)


def _centred(scores: Array, masked: Array) -> Array:
    """What a softmax sees of its input: a common shift makes no difference to it, nor a mask."""
    left = np.maximum((~masked).sum(axis=-1, keepdims=True), 1)
    mean = np.where(masked, 0, scores).sum(axis=-1, keepdims=True) / left
    return np.where(masked, 0, scores - mean)


def _margins(scores: Array, answers: int) -> Array:
    """First minus second score of each answer; infinite where the axis cannot be told."""
    if scores.shape[-1] < 2 or scores.size != answers * scores.shape[-1]:
        return np.full(answers, math.inf)
    top = np.sort(scores, axis=-1)[..., -2:]
    return np.asarray((top[..., 1] - top[..., 0]).ravel())
