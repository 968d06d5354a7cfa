"""One candidate, made and measured. Runs in a worker process; needs no TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.analysis.profiling import profile
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions
from edgeq.devices.base import Latency, ProfileOptions
from edgeq.devices.registry import patient_address
from edgeq.errors import EdgeqError
from edgeq.metrics.outputs import Outputs
from edgeq.support.array import Array
from edgeq.workflow.convert import convert
from edgeq.workflow.tuning.space import Candidate, Space

# What a journal may say of a trial.
_TEXT, _WHOLE, _NUMBER, _MAYBE = (str,), (int,), (int, float), (int, float, type(None))
_CANDIDATE = {
    **dict.fromkeys(("variant", "scheme", "calibration", "optimize"), _TEXT),
    **dict.fromkeys(("narrow", "wide"), _WHOLE),
}
_TRIAL = {
    **dict.fromkeys(("flash_bytes", "ram_bytes", "ram_spread_bytes"), _WHOLE),
    **dict.fromkeys(("cycles", "latency_us", "latency_spread_us"), _MAYBE),
    "score": _NUMBER,
    **dict.fromkeys(("error", "disturbed"), _TEXT),
}
_MOST = 1e18
# The peak of a process, and the median of a quiet run, differ by as much from run to run.
_RSS_SPREAD, _LEAST_SPREAD = 0.05, 0.05


@dataclass(frozen=True)
class Problem:
    """Everything a worker needs; it may be on another machine, so nothing is a path.

    Attributes:
        variants: Content of the float .tflite files by name.
        space: What can be chosen.
        calibration: Representative samples, one array per model input.
        samples, labels: Labelled samples, one array per model input.
        metric: How accuracy is measured.
        on: Device to profile on.
        arithmetic: Device to measure accuracy on; it has the same arithmetic, and is quick.
        notes: What the user should know of the data and of variants that could not be made.
        outputs: What the outputs' numbers are by the model's source.
        reading: What the user says of them.
    """

    variants: Mapping[str, bytes]
    space: Space
    calibration: list[Array]
    samples: list[Array]
    labels: Array
    metric: str
    on: str
    arithmetic: str
    notes: tuple[str, ...] = ()
    outputs: Outputs | None = None
    reading: DatasetOptions = field(default_factory=DatasetOptions)

    def evaluate(self, model: Path, on: str, options: CompileOptions | None = None) -> Evaluation:
        """How good a model is on the labelled samples."""
        return evaluate(
            model,
            data=(self.samples, self.labels),
            on=on,
            metric=self.metric,
            options=options,
            outputs=self.outputs,
            dataset_options=self.reading,
        )


@dataclass(frozen=True)
class Trial:
    """What a candidate is worth.

    Attributes:
        candidate: What was tried.
        score: The metric's value.
        flash_bytes, ram_bytes: Memory in all; of the .tflite and of the peak where the device
            shows no more.
        cycles: Of one inference; None where the device is timed instead.
        latency_us: Median of one inference; None where cycles are counted.
        latency_spread_us: How far single inferences were apart: medians closer than that are
            equal. None where cycles are counted.
        ram_spread_bytes: The same of the RAM; 0 where it is counted, not observed.
        score_interval: The score's 95 % interval.
        error: Why it cannot be; empty if it can.
        disturbed: Why its time is not to be believed; empty if it is.
    """

    candidate: Candidate
    score: float = 0.0
    flash_bytes: int = 0
    ram_bytes: int = 0
    cycles: int | None = None
    latency_us: float | None = None
    error: str = ""
    latency_spread_us: float | None = None
    ram_spread_bytes: int = 0
    score_interval: tuple[float, float] | None = None
    disturbed: str = ""

    @property
    def time(self) -> float:
        """Cycles, or microseconds where there are none."""
        return float(self.cycles if self.cycles is not None else self.latency_us or 0.0)

    @property
    def time_spread(self) -> float:
        """What times must differ by to be different; 0 for counted cycles."""
        return 0.0 if self.cycles is not None else self.latency_spread_us or 0.0

    def to_json(self) -> dict[str, Any]:
        """The trial as plain data."""
        return asdict(self)

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Trial:
        """The trial that `to_json` stored.

        Raises:
            TypeError, ValueError, KeyError: It is none.
        """
        interval = stored["score_interval"]
        candidate = Candidate(**stored["candidate"])
        _check_types(asdict(candidate), _CANDIDATE)
        _check_types({"disturbed": "", **stored}, _TRIAL)
        if interval is not None:
            low, high = interval
            _check_types({"low": low, "high": high}, dict.fromkeys(("low", "high"), _NUMBER))
            interval = low, high
        return Trial(**{**stored, "candidate": candidate, "score_interval": interval})


def _check_types(values: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    for name, allowed in types.items():
        value = values[name]
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!s:.60}")
        if isinstance(value, int | float) and not abs(value) < _MOST:
            raise ValueError(f"{name} is {value:g}")


@dataclass(frozen=True)
class DeviceFailure:
    """A candidate of which nothing is known, since the device failed.

    Attributes:
        candidate: What was tried.
        what, where, hint: As of the `EdgeqError`, which does not travel between processes.
    """

    candidate: Candidate
    what: str
    where: str
    hint: str

    def error(self, kept: int) -> EdgeqError:
        """Why the search stops, with `kept` trials in its journal."""
        goes_on = f"the same command again goes on behind the {kept} trials that are kept"
        hint = "; ".join(filter(None, (self.hint, goes_on if kept else "")))
        return EdgeqError(f"The search has stopped: {self.what}", self.where, hint)


def run_trial(problem: Problem, candidate: Candidate) -> Trial | DeviceFailure:
    """A candidate converted, evaluated and profiled; what fails says why instead of raising."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgeq-tune-") as folder:
            return _run(problem, candidate, Path(folder))
    except EdgeqError as error:
        if error.of_device:
            return DeviceFailure(candidate, error.what, error.where, error.hint)
        return Trial(candidate, error=error.what)


def make_model(problem: Problem, candidate: Candidate, output: Path) -> None:
    """Write the integer .tflite of a candidate."""
    with tempfile.TemporaryDirectory(prefix="edgeq-tune-") as folder:
        source = Path(folder) / "float.tflite"
        source.write_bytes(problem.variants[candidate.variant])
        convert(
            source,
            data=problem.calibration,
            output=output,
            scheme=candidate.scheme,
            precision=problem.space.precision(candidate),
            calibration=candidate.calibration,
            force=True,
            # The accuracy of each trial is measured right after.
            quality_check=False,
        )


def _run(problem: Problem, candidate: Candidate, folder: Path) -> Trial:
    model = folder / "model.tflite"
    make_model(problem, candidate, model)
    options = CompileOptions(optimize=candidate.optimize)
    # Two workers may be at the one device at once.
    accuracy = problem.evaluate(model, patient_address(problem.arithmetic), options)
    found = profile(
        model,
        on=patient_address(problem.on),
        profile_options=ProfileOptions(ops=False),
        options=options,
    ).measurement
    memory = found.memory_bytes
    timed = found.cycles is None and found.latency_us is not None
    return Trial(
        candidate,
        accuracy.score.value,
        memory.flash_total or model.stat().st_size,
        memory.ram_total or memory.peak_rss or 0,
        found.cycles,
        found.latency_us.typical if timed and found.latency_us else None,
        latency_spread_us=_spread(found.latency_us) if timed and found.latency_us else None,
        ram_spread_bytes=0 if memory.ram_total else round((memory.peak_rss or 0) * _RSS_SPREAD),
        score_interval=accuracy.score.interval,
        disturbed="" if found.valid else "; ".join(found.warnings) or "no reason given",
    )


def _spread(latency: Latency) -> float:
    """How far single inferences were apart, without the slowest; never less than a few percent."""
    slow = latency.mean + latency.stdev if latency.p90 is None else latency.p90
    return max(slow - latency.min, _LEAST_SPREAD * latency.typical)
