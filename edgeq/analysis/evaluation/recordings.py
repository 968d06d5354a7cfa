"""Whole recordings through front end, model and decision: what is found, missed and made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.evaluation.detections import (
    DetPoint,
    Recording,
    Trials,
)
from edgeq.analysis.evaluation.recorded import Recorded, read_recordings
from edgeq.analysis.models import as_tflite
from edgeq.analysis.recordings import as_fed
from edgeq.analysis.remarks import remarks_of
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.frontend.silent import silent_bands_of
from edgeq.metrics.events import Course, Tally, tallies
from edgeq.model.decision import ONE, Decision, Rules
from edgeq.model.graph import Graph
from edgeq.model.joining import rules_for
from edgeq.model.model_file import read_graph
from edgeq.model.recording import samples_of_answer
from edgeq.model.scores import scores_of
from edgeq.model.stream import Stream
from edgeq.support.progress import track
from edgeq.support.result import Result

METRIC = "event_f1"
_HOUR_S = 3600.0
_LEAST_TOLERANCE_S = 0.5


@dataclass(frozen=True)
class Detection:
    """One decided event.

    Attributes:
        file: The recording.
        label: Name of the class.
        score: Mean score, real.
        time_s: When its score was reached.
        decided_s: When it could be had.
        correct: Whether it found something that happened.
    """

    file: str
    label: str
    score: float
    time_s: float
    decided_s: float
    correct: bool


@dataclass(frozen=True)
class Tuned:
    """The best thresholds for a wanted number of false accepts.

    Attributes:
        wanted_per_hour: At most so many false accepts in an hour.
        reached: Whether any thresholds are strict enough.
        thresholds, releases: Real values by label.
        result: Figures with them, on the same recordings.
    """

    wanted_per_hour: float
    reached: bool
    thresholds: Mapping[str, float]
    releases: Mapping[str, float]
    result: Tally

    def table(self) -> str:
        """What stands under [decision] then."""
        lines = []
        for key, values in (("threshold", self.thresholds), ("release", self.releases)):
            inside = ", ".join(f"{_quoted(k)} = {v:g}" for k, v in values.items())
            lines.append(f"{key} = {{{inside}}}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Thresholds and figures."""
        return {
            "wanted_per_hour": self.wanted_per_hour,
            "reached": self.reached,
            "thresholds": self.thresholds,
            "releases": self.releases,
            **self.result.to_json(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class EventEvaluation(Result):
    """How good a model's decisions on whole recordings are.

    Attributes:
        model: Path as given.
        sha256: Digest of the .tflite that ran.
        on: Device address.
        frontend: Name of the front end.
        recordings: How many.
        seconds: Their length together.
        tolerance_s: So long after its end an event still belongs to what happened.
        rules: The decision, as it ran.
        total: All figures together.
        by_class: And by label.
        detections: Every event.
        det: The DET curve.
        tuned: The best thresholds; None if not asked for.
        also_on: Another device, and whether it decided the same events; None if not asked for.
        warnings: What the user should know.
    """

    model: str
    sha256: str
    on: str
    frontend: str
    recordings: int
    seconds: float
    tolerance_s: float
    rules: Rules
    total: Tally
    by_class: Mapping[str, Tally]
    detections: tuple[Detection, ...]
    det: tuple[DetPoint, ...]
    tuned: Tuned | None = None
    also_on: tuple[str, bool] | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq evaluate --recordings`."""
        rules = self.rules
        figures = self.total.to_json()
        f1 = figures.pop("f1")
        return {
            "edgeq": __version__,
            "model": {"path": self.model, "sha256": self.sha256},
            "device": {"address": self.on},
            "frontend": self.frontend,
            "recordings": self.recordings,
            "seconds": self.seconds,
            "n": self.total.happened,
            "metric": METRIC,
            "larger_is_better": True,
            METRIC: f1,
            **figures,
            "macro_f1": self.macro_f1,
            "tolerance_s": self.tolerance_s,
            "classes": [rules.labels[c] for c in rules.firing],
            "by_class": {label: tally.to_json() for label, tally in self.by_class.items()},
            "decision": {
                "average": rules.average,
                "min_count": rules.min_count,
                "refractory": rules.refractory,
                "suppression": rules.suppression,
                "top_k": rules.top_k,
                "thresholds": _by_label(rules, rules.thresholds),
                "releases": _by_label(rules, rules.releases),
            },
            "detections": self.detections,
            "det": self.det,
            "tuned": self.tuned and self.tuned.to_json(),
            "also_on": self.also_on and {"on": self.also_on[0], "equal": self.also_on[1]},
            "warnings": list(self.warnings),
        }

    @property
    def macro_f1(self) -> float | None:
        """The mean of the classes' F1; None where no class has one."""
        found = [tally.f1 for tally in self.by_class.values() if tally.f1 is not None]
        return sum(found) / len(found) if found else None


def evaluate_recordings(
    model: str | Path,
    *,
    recordings: str | Path,
    options: CompileOptions,
    on: str = "c",
    also_on: str | None = None,
    resample: bool = False,
    tolerance_s: float | None = None,
    seconds: float | None = None,
    tune_decision: float | None = None,
    trust: bool = False,
) -> EventEvaluation:
    """How good a model's decisions on whole recordings are, on a device that runs generated C.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (float).
        recordings: A folder of .wav or .csv files with an `events.csv`: columns file, start, end
            (seconds from the recording's beginning, by its own clock where it has a column `time`)
            and label. Recordings that are not in it hold nothing.
        options: With the front end, whose table [decision] makes the events.
        on: Device address.
        also_on: A second device, whose events are compared.
        resample: Whether .wav files of another rate are resampled.
        tolerance_s: So long after its end an event still belongs to what happened; by default as
            long as an answer looks back (a model of steps as far as one of windows), half a second
            at the least.
        seconds: Use at most so much of all recordings together; what happens later is left out.
        tune_decision: Find the thresholds that miss least, of those with at most so many false
            accepts an hour.
        trust: Whether code inside a Keras file (Lambda layers) may run.

    Raises:
        EdgeqError: A recording or events.csv cannot be used, or the device cannot run the model.
        UsageError: There is no front end.
    """
    if options.frontend is None:
        raise UsageError("Recordings need a front end.", hint="--frontend NAME or FILE")
    front = options.frontend
    if front.decision is None:
        front = replace(front, decision=Decision())
        options = replace(options, frontend=front)
    if not isinstance(front.decision, Decision):
        raise UsageError(
            "This decision makes boxes, not events in time.",
            front.name,
            "--data, --metric detection",
        )
    with as_tflite(model, trust=trust) as path:
        graph = read_graph(path)
        stream = as_fed(graph, options).stream
        assert stream is not None
        if not stream.rate_hz:
            raise UsageError("This front end takes frames, no recordings.", front.name)
        rules = rules_for(front.decision, graph, stream)
        cut = read_recordings(Path(recordings), stream, rules, resample=resample, seconds=seconds)
        heard = _hear(on, path, options, cut, graph, rules)
        other = None
        if also_on is not None:
            theirs = _hear(also_on, path, options, cut, graph, rules, reference=also_on != on)
            other = (also_on, [r.events for r in theirs] == [r.events for r in heard])
    tolerance = tolerance_s
    if tolerance is None:
        back = samples_of_answer(graph, stream) + (rules.average - 1) * rules.step
        tolerance = max(back / stream.values_per_second, _LEAST_TOLERANCE_S)
    seconds_heard = sum(recording.seconds for recording in heard)
    warnings = (
        *silent_bands_of(options),
        *remarks_of(graph),
        *cut.warnings,
        *_too_little(stream, seconds_heard, tune_decision),
        *_never(rules, stream, cut),
    )
    return _judged(
        (str(model), graph.sha256, on, front.name), heard, rules, tolerance,
        tune_decision, other, warnings,
    )  # fmt: skip


def _too_little(stream: Stream, seconds: float, wanted: float | None) -> Iterator[str]:
    """Why a figure may say less than it seems to, in sentences."""
    if stream.frames > 1 and stream.frame_step >= stream.frames:
        yield (
            f"The model sees each frame once, an answer comes for {stream.frames} of them, and an "
            "event that lies across two windows may be missed. `stride` in the front end's file "
            "makes windows overlap; `edgeq convert --stream 1` makes a model that takes single "
            "frames."
        )
    if wanted and wanted * seconds < _HOUR_S:
        yield (
            f"{seconds / 60:.3g} minutes cannot tell {wanted:g} false accepts an hour: the "
            "thresholds are those without any in these recordings."
        )


def _never(rules: Rules, stream: Stream, cut: Recorded) -> Iterator[str]:
    """What leaves nothing to decide in any of the recordings, in sentences."""
    most = max(stream.answers(len(samples)) for _, samples, _, _ in cut.parts)
    for what, answers, effect in (
        ("The model says (EDGEQ_SETTLING) that its first", rules.settling, "do not count"),
        ("The decision waits (suppression) for", rules.suppression, "after an event's own"),
    ):
        if answers >= most:
            yield (
                f"{what} {answers:,} answers {effect}; the longest "
                f"recording has {most:,}, so that nothing can be decided."
            )


def _hear(
    address: str,
    path: Path,
    options: CompileOptions,
    cut: Recorded,
    graph: Graph,
    rules: Rules,
    *,
    reference: bool = False,
) -> list[Recording]:
    output = graph.main.tensors[graph.main.outputs[0]]
    heard = []
    with open_session(address, path, options, reference=reference) as session:
        parts = track(cut.parts, f"recordings on {address}", len(cut.parts))
        for name, samples, spans, clock in parts:
            found = session.hear(samples)
            scores = scores_of(found.answers[0], output, rules.full_scale)
            length_s = clock.at(len(samples))
            heard.append(Recording(name, length_s, found.events, scores, spans, clock))
    return heard


def _judged(
    what: tuple[str, str, str, str],
    heard: Sequence[Recording],
    rules: Rules,
    tolerance_s: float,
    wanted: float | None,
    also_on: tuple[str, bool] | None,
    warnings: tuple[str, ...],
) -> EventEvaluation:
    courses = [Course(r.found(r.events), r.happened, r.seconds) for r in heard]
    total, by_class = tallies(courses, rules.firing, tolerance_s)
    trials = Trials(heard, rules, tolerance_s)
    tuned = None
    if wanted is not None:
        best = trials.best(wanted)
        result = trials.judged(best)
        tuned = Tuned(
            wanted,
            result.false_accepts_per_hour <= wanted,
            _by_label(best, best.thresholds),
            _by_label(best, best.releases),
            result,
        )
    model, sha256, on, frontend = what
    return EventEvaluation(
        model, sha256, on, frontend, len(heard), sum(r.seconds for r in heard), tolerance_s, rules,
        total, {rules.labels[c]: tally for c, tally in by_class.items()},
        _detections(heard, rules, tolerance_s), tuple(trials.curve()), tuned, also_on,
        warnings,
    )  # fmt: skip


def _detections(
    heard: Sequence[Recording], rules: Rules, tolerance_s: float
) -> tuple[Detection, ...]:
    found = []
    for each in heard:
        of = each.references(tolerance_s)
        for event, span in zip(each.events, of, strict=True):
            score = event.score / ONE * rules.full_scale
            times = each.clock.at(event.sample), each.clock.at(event.decided)
            found.append(
                Detection(each.file, rules.labels[event.label], score, *times, span is not None)
            )
    return tuple(found)


def _by_label(rules: Rules, values: Sequence[int]) -> dict[str, float]:
    return {rules.labels[c]: round(values[c] / ONE * rules.full_scale, 5) for c in rules.firing}


def _quoted(label: str) -> str:
    plain = label.isascii() and label.replace("_", "").replace("-", "").isalnum()
    return label if plain else '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'
