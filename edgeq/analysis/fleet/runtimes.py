"""Several runtimes on one device: `--runtime c,litert`. Each is tried after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgeq.analysis.energy.figures import Duty
from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate
from edgeq.analysis.evaluation.recordings import EventEvaluation, evaluate_recordings
from edgeq.analysis.fleet.each import Outcome, Progress, on_each
from edgeq.analysis.fleet.results import FleetReport, FleetResult
from edgeq.analysis.profiling import Measuring, Profile, profile_on
from edgeq.analysis.verification import Verification, verify
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import on_runtime, open_device
from edgeq.support.listing import several

_Found = TypeVar("_Found")


def profile_runtimes(
    model: str | Path,
    on: str,
    runtimes: Sequence[str],
    *,
    profile_options: ProfileOptions | None = None,
    options: CompileOptions | None = None,
    duty: Duty | None = None,
    power: str | None = None,
    progress: Progress | None = None,
) -> FleetReport:
    """One measurement with each of several runtimes on one device, one after the other.

    Args:
        model: A .tflite file.
        on: Address of a device behind a link.
        runtimes: What `?runtime=` takes.
        profile_options: How to measure.
        options: How C is generated; a level is that of generated C alone.
        duty: How often an inference is made, for the average power and a battery's life.
        power: A meter for the energy.
        progress: Is told the name of a runtime and its state, from another thread.

    Raises:
        UsageError: See `on_runtime`. Failures of runtimes are in the report.
    """
    how = Measuring.of(profile_options, options, duty, power)

    def measure(address: str) -> Profile:
        asked = replace(how, options=_options_on(address, how.options))
        return profile_on(open_device(address), model, asked)

    outcomes = _with_each(runtimes, on, measure, "measuring", progress)
    return _report(on, [each.result(profile=each.found) for each in outcomes])


def evaluate_runtimes(
    model: str | Path,
    on: str,
    runtimes: Sequence[str],
    *,
    options: CompileOptions | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> FleetReport:
    """How good a model is with each of several runtimes on one device.

    Args:
        model: As `evaluate` takes it.
        on: Address of a device behind a link.
        runtimes: What `?runtime=` takes.
        options: How C is generated; a level is that of generated C alone.
        progress: Is told the name of a runtime and its state, from another thread.
        how: What `evaluate` takes besides: data, metric, limit and so on. With `recordings`, what
            `evaluate_recordings` takes.

    Raises:
        UsageError: See `on_runtime`. Failures of runtimes are in the report.
    """
    evaluated = evaluate_recordings if "recordings" in how else evaluate

    def judge(address: str) -> Evaluation | EventEvaluation:
        return evaluated(model, on=address, options=_options_on(address, options), **how)

    outcomes = _with_each(runtimes, on, judge, "evaluating", progress)
    return _report(on, [each.result(evaluation=each.found) for each in outcomes])


def verify_runtimes(
    model: str | Path,
    on: str,
    runtimes: Sequence[str],
    *,
    options: CompileOptions | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> FleetReport:
    """Whether each of several runtimes on one device gives the oracle's bytes.

    Args:
        model: As `verify` takes it.
        on: Address of a device behind a link.
        runtimes: What `?runtime=` takes.
        options: How C is generated; a level is that of generated C alone.
        progress: Is told the name of a runtime and its state, from another thread.
        how: What `verify` takes besides: against, n, seed and so on.

    Raises:
        UsageError: See `on_runtime`. Failures of runtimes are in the report.
    """

    def check(address: str) -> Verification:
        return verify(model, on=address, options=_options_on(address, options), **how)

    outcomes = _with_each(runtimes, on, check, "verifying", progress)
    return _report(on, [each.result(verification=each.found) for each in outcomes])


def _with_each(
    runtimes: Sequence[str],
    on: str,
    work: Callable[[str], _Found],
    doing: str,
    progress: Progress | None,
) -> list[Outcome[_Found]]:
    members = [(name, on_runtime(on, name)) for name in several(runtimes)]
    return on_each(members, work, doing, progress, at_once=1)


def _options_on(address: str, options: CompileOptions | None) -> CompileOptions:
    """The options for the runtime of an address: only generated C has levels."""
    chosen = options or CompileOptions()
    in_c = parse_address(address).query["runtime"] == "c"
    return chosen if in_c else replace(chosen, isa="", dispatch=False)


def _report(on: str, results: Sequence[FleetResult]) -> FleetReport:
    return FleetReport(open_device(on).address, tuple(results), of_runtimes=True)
