"""One model in several schemes, side by side: what each is worth, and what it costs on a device."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.analysis.profiling import Profile, profile
from edgeq.analysis.recordings import hears
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.float_model import float_model
from edgeq.conversion.passes.heads import outputs_of
from edgeq.conversion.quantization.schemes import find_scheme
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.data import DatasetOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError
from edgeq.frontend.build import front_end
from edgeq.support.listing import several
from edgeq.support.progress import track
from edgeq.support.result import Result
from edgeq.workflow.convert import convert
from edgeq.workflow.streams import float_models

BASELINE = "float32"
"""The name of the model as it is, among the schemes."""


@dataclass(frozen=True, repr=False)
class SchemeOnDevice(Result):
    """One scheme on one device.

    Attributes:
        scheme: Its name; "float32" for the model as it is.
        on: Device address.
        file_bytes: Size of the .tflite; None where it could not be made.
        evaluation: On the labelled data, with that device's arithmetic; None if it cannot run.
        profile: What it costs there; None if it cannot run.
        error: Why there is nothing; empty otherwise.
    """

    scheme: str
    on: str
    file_bytes: int | None = None
    evaluation: Evaluation | None = None
    profile: Profile | None = None
    error: str = ""

    @property
    def time(self) -> float | None:
        """Median latency in microseconds, or cycles where time is not kept."""
        if self.profile is None:
            return None
        found = self.profile.measurement
        return found.latency_us.typical if found.latency_us else found.cycles

    @property
    def ram_bytes(self) -> int | None:
        """RAM in all; on hosts the peak of the process."""
        memory = self.profile.measurement.memory_bytes if self.profile else None
        return None if memory is None else memory.ram_total or memory.peak_rss


@dataclass(frozen=True)
class _Made:
    """One scheme's .tflite.

    Attributes:
        path: The file.
        error: Why there is none; empty otherwise.
        front: What is to stand before it, where a layer of the Keras model became a front end.
        behind: The file behind it, where `path` holds the layer too.
    """

    path: Path
    error: str = ""
    front: Mapping[str, Any] | None = None
    behind: Path | None = None

    def on(self, address: str) -> tuple[Path, CompileOptions | None]:
        """What runs on a device: with a layer of its own only where nothing runs front ends."""
        if self.front is None or (self.behind is not None and not hears(address)):
            return self.path, None
        return self.behind or self.path, CompileOptions(frontend=front_end(self.front))


@dataclass(frozen=True, repr=False)
class SchemeComparison(Result):
    """Every scheme on every device.

    Attributes:
        model: As given.
        metric: Name of the figure that the schemes are judged by.
        rows: In the order asked for, device by device.
        max_drop: How much worse than the float model the metric may be.
        best: By device: the quickest scheme within `max_drop` of the float model, the smaller file
            where two are as quick; devices without one are left out, and all are where "float32"
            is not among the schemes.
    """

    model: str
    metric: str
    rows: tuple[SchemeOnDevice, ...]
    max_drop: float
    best: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq convert --compare`, which `edgeq report` takes."""
        return {
            "edgeq": __version__,
            "model": self.model,
            "metric": self.metric,
            "max_drop": self.max_drop,
            "best": dict(self.best),
            "schemes": [
                {
                    "scheme": row.scheme,
                    "on": row.on,
                    "file_bytes": row.file_bytes,
                    "evaluation": row.evaluation and row.evaluation.to_json(),
                    "profile": row.profile and row.profile.to_json(),
                    "error": row.error or None,
                }
                for row in self.rows
            ],
        }


def compare_schemes(
    model: str | Path,
    *,
    data: Any,
    eval_data: Any,
    schemes: Sequence[str],
    on: Sequence[str] = ("local",),
    metric: str = "classification",
    max_drop: float = 0.01,
    dataset_options: DatasetOptions | None = None,
    **settings: Any,
) -> SchemeComparison:
    """Convert a model by several schemes, and evaluate and profile each on every device.

    Args:
        model: Any model that `edgeq convert` takes.
        data: Representative data.
        eval_data: Labelled data; all see the very same samples.
        schemes: Names of schemes, and "float32" for the model as it is, which is the baseline.
        on: Device addresses.
        metric: What is computed on the labelled data (see `edgeq.evaluate`).
        max_drop: How much worse than the baseline a scheme may be to count as the best.
        dataset_options: How both are read.
        settings: Other arguments of `edgeq.convert`, for every scheme; schemes that keep float keep
            the layers that `image_front_end` splits off.

    Raises:
        UsageError: No such scheme or device, or none at all.
        EdgeqError: The model or the data is not usable. What one scheme cannot do is said in its
            row.
    """
    if not math.isfinite(max_drop):
        raise UsageError(f"The metric may not lose {max_drop:g}.", hint="max_drop=0.01")
    names, on = list(dict.fromkeys(several(schemes))), list(dict.fromkeys(several(on)))
    for name in names:
        if name != BASELINE:
            find_scheme(name)
    if not names or not on:
        raise UsageError("There is nothing to compare.", hint="--compare float32,int8,int16x8")
    for address in on:
        open_device(address)
    reading = dataset_options or DatasetOptions()
    rows: list[SchemeOnDevice] = []
    with tempfile.TemporaryDirectory(prefix="edgeq-schemes-") as folder:
        made = {
            name: _make(name, model, Path(folder) / f"{name}.tflite", data, reading, settings)
            for name in track(names, "schemes", total=len(names))
        }
        front = next((each.front for each in made.values() if each.front), None)
        if front is not None and BASELINE in made:
            made[BASELINE] = _behind(made[BASELINE], front, model, reading, settings)
        judge = {
            "data": eval_data, "metric": metric, "dataset_options": reading,
            "outputs": outputs_of(settings.get("head") or "scores", outputs_by_loss(model)),
        }  # fmt: skip
        for name, each in track(made.items(), "measuring", total=len(made)):
            rows += [_measured(name, each, address, judge) for address in on]
    rows.sort(key=lambda row: on.index(row.on))
    measured = next((row.evaluation for row in rows if row.evaluation), None)
    figure = measured.score.metric if measured else metric
    return SchemeComparison(str(model), figure, tuple(rows), max_drop, _best(rows, on, max_drop))


def _make(
    name: str,
    model: str | Path,
    path: Path,
    data: Any,
    reading: DatasetOptions,
    settings: Mapping[str, Any],
) -> _Made:
    """Write one scheme's .tflite."""
    if name == BASELINE:
        path.write_bytes(_float(model, settings))
        return _Made(path)
    # The metric judges each scheme right after, and a bad one is to be seen beside the others.
    unchecked = {**settings, "quality_check": False}
    if not find_scheme(name).integer:
        unchecked |= {"image_front_end": False, "symmetric": False}
    try:
        made = convert(
            model, data=data, output=path, scheme=name, dataset_options=reading, **unchecked
        )
    except EdgeqError as error:
        return _Made(path, error.what)
    return _Made(path, front=None if made.frontend is None else made.frontend.values)


def _float(model: Any, settings: Mapping[str, Any]) -> bytes:
    """A model as it is."""
    known = {k: v for k, v in settings.items() if k in ("signature", "trust", "head") and v}
    return float_model(model, split=bool(settings.get("split_outputs")), **known).data


def _behind(
    whole: _Made,
    front: Mapping[str, Any],
    model: str | Path,
    reading: DatasetOptions,
    settings: Mapping[str, Any],
) -> _Made:
    """The model as it is, and what of it lies behind its front end."""
    found = float_models(
        model, None, None, signature=settings.get("signature"),
        trust=bool(settings.get("trust")), split=bool(settings.get("split_outputs")),
        head=settings.get("head") or "scores", log=None, options=reading,
        image=bool(settings.get("image_front_end")),
    )  # fmt: skip
    path = whole.path.with_suffix(".behind.tflite")
    path.write_bytes(found.source.data)
    return replace(whole, front=front, behind=path)


def _measured(name: str, made: _Made, address: str, judge: Mapping[str, Any]) -> SchemeOnDevice:
    """One scheme on one device; what fails there is said."""
    if made.error:
        return SchemeOnDevice(name, address, error=made.error)
    path, options = made.on(address)
    size = path.stat().st_size
    try:
        found = evaluate(path, on=address, options=options, **judge)
        cost = profile(path, on=address, options=options)
    except EdgeqError as failure:
        scheme = None if name == BASELINE else find_scheme(name)
        why = failure.what if scheme is None or scheme.in_c else f"it runs on {scheme.runs_on}"
        return SchemeOnDevice(name, address, size, error=_shortly(why))
    # The files were made for this comparison only: their names mean nothing to anybody.
    found, cost = replace(found, model=f"{name}.tflite"), replace(cost, path=f"{name}.tflite")
    return SchemeOnDevice(name, address, size, found, cost)


def _shortly(why: str) -> str:
    """The first line of an error, and of many problems the first one."""
    first, *more = why.splitlines()
    return f"{first} {more[0].strip()}" if more and first.endswith("problems:") else first


def _best(rows: Sequence[SchemeOnDevice], on: Sequence[str], max_drop: float) -> Mapping[str, str]:
    """The quickest scheme of each device that has one which is good enough."""
    best = {}
    for address in on:
        if good := _good(rows, address, max_drop):
            chosen = min(good, key=lambda row: (row.time or float("inf"), row.file_bytes or 0))
            best[address] = chosen.scheme
    return best


def _good(rows: Sequence[SchemeOnDevice], address: str, max_drop: float) -> list[SchemeOnDevice]:
    """The rows of a device that keep to the drop from its own float model, if there is one."""
    there = [row for row in rows if row.on == address and row.evaluation is not None]
    # Where the float model cannot run, it is worth what it is elsewhere.
    bases = [
        row.evaluation.score for row in (*there, *rows) if row.scheme == BASELINE and row.evaluation
    ]
    if not bases:
        return []
    base = bases[0]
    sign = 1 if base.larger_is_better else -1
    return [
        row
        for row in there
        if row.evaluation and sign * (base.value - row.evaluation.score.value) <= max_drop + 1e-9
    ]
