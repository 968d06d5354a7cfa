"""The search: fixed schemes first, then sensitivity, then Optuna; every trial is journalled."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.evaluation.evaluate import refuse_chance
from edgeq.analysis.kinds import cycles_at
from edgeq.boards.target import load_target
from edgeq.data import DatasetOptions
from edgeq.devices.address import is_emulated, parse_address
from edgeq.devices.registry import address_of
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.metrics.base import Score
from edgeq.support.figures import Figure, beside, score_text
from edgeq.support.jsontext import json_text
from edgeq.support.output import write_results
from edgeq.support.progress import stage
from edgeq.support.result import Result
from edgeq.support.seeds import check_seed
from edgeq.workflow.tuning.front import PREFERENCES, Judge, TuneLimits
from edgeq.workflow.tuning.identity import identity_of
from edgeq.workflow.tuning.journal import BEST, JOURNAL, RESULT, Journal, is_ours
from edgeq.workflow.tuning.problem import check_device, pose
from edgeq.workflow.tuning.space import Candidate, Space, parameters
from edgeq.workflow.tuning.trial import DeviceFailure, Problem, Trial, make_model
from edgeq.workflow.tuning.workers import Workers, open_workers

_MOST_REPEATS = 50
_UNKNOWN = Figure(None, "unknown", "cycles")


@dataclass(frozen=True, repr=False)
class Tuning(Result):
    """What a search found.

    Attributes:
        output: Folder with the journal, tune.json and best.tflite.
        metric: Name of the headline figure.
        real: The metric of the float model.
        trials: Everything that was tried.
        front: The trials that no other beats in everything.
        best: The one to take; it keeps to the limits if any does.
        met: Whether it does.
        layers: Scheme of each layer of `best` that is not the usual one.
        device: Address that was profiled on.
        seconds: How long this run took.
        warnings: What the user should know, in sentences.
        cycles: What kind of figure the trials' cycles are; it has no value.
    """

    output: Path
    metric: str
    real: float
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    best: Trial
    met: bool
    layers: Mapping[str, str]
    device: str
    seconds: float
    warnings: tuple[str, ...] = ()
    larger_is_better: bool = True
    cycles: Figure = _UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq tune`, and of tune.json."""

        def row(trial: Trial) -> dict[str, Any]:
            return {"name": trial.candidate.key, **trial.to_json()}

        return {
            "edgeq": __version__,
            "device": {"address": self.device},
            "metric": self.metric,
            "larger_is_better": self.larger_is_better,
            "float": self.real,
            "best": row(self.best),
            "layers": dict(self.layers),
            "met": self.met,
            "front": [row(trial) for trial in self.front],
            "trials": [row(trial) for trial in self.trials],
            "seconds": round(self.seconds, 1),
            "warnings": list(self.warnings),
            **beside({"cycles": self.cycles}),
        }


def tune(
    model: str | Path,
    *,
    data: Any,
    output: str | Path,
    eval_data: Any = None,
    train_data: Any = None,
    on: str = "sim:cortex-m4",
    limits: TuneLimits | None = None,
    metric: str = "classification",
    prefer: str = "balanced",
    trials: int = 40,
    minutes: float | None = None,
    workers: str | None = None,
    limit: int | None = 500,
    dataset_options: DatasetOptions | None = None,
    trust: bool = False,
    force: bool = False,
    seed: int = 0,
) -> Tuning:
    """The best ways to make an integer model, searched for on a device.

    Args:
        model: Any model that `edgeq convert` takes; compressions need a Keras file.
        data: Representative data.
        output: Folder for the journal and the results; a search that was interrupted goes on.
        eval_data: Labelled data; without it, agreement with the float model is measured.
        train_data: Labelled data to train on; with it, compressions are tried too (Keras files).
        on: Device address to profile on.
        limits: What the model must keep to.
        metric: How accuracy is measured, as for `edgeq.evaluate`.
        prefer: What counts most among models that keep to the limits, one of PREFERENCES.
        trials: How many candidates to try, those of an earlier run included.
        minutes: Begin no further trial after so many minutes.
        workers: Address of a dask scheduler, or a number of local processes; by default one per
            core.
        limit: Use at most so many samples of `data` and of `eval_data`.
        dataset_options: How data is read.
        trust: Whether code inside a Keras file (Lambda layers) may run.
        force: Whether an earlier search in the folder is thrown away.
        seed: Of the search.

    Raises:
        EdgeqError: Model, data or device cannot be used, or no candidate works on the device.
    """
    started = time.monotonic()
    _check(prefer, trials, minutes, seed)
    on = address_of(on).text  # a name may stand for another device next time
    check_device(on)
    bounds = _with_clock(limits or TuneLimits(drop=0.01), on)
    folder = Path(output)
    ours = is_ours(folder, (model, data, eval_data, train_data), force=force)
    problem = pose(
        model,
        data=data,
        eval_data=eval_data,
        train_data=train_data,
        on=on,
        metric=metric,
        limit=limit,
        options=dataset_options,
        trust=trust,
        cache=folder,
    )
    real = _float_score(problem, model, eval_data)
    journal = Journal(folder / JOURNAL, identity_of(problem, metric, real), fresh=force)
    judge = Judge(bounds, real.value, real.larger_is_better)
    deadline = None if minutes is None else started + 60 * minutes
    with open_workers(workers, problem) as pool:
        search = _Search(problem.space, journal, judge, pool, trials, deadline, seed)
        search.run()
    done = tuple(journal.trials.values())
    best = judge.choose(done, prefer)
    if best is None:
        reasons = {trial.error for trial in done}
        raise EdgeqError(f"No candidate works on {on}: {next(iter(reasons), 'none was tried')}")
    with tempfile.TemporaryDirectory(prefix="edgeq-tune-") as scratch:
        make_model(problem, best.candidate, Path(scratch) / BEST)
        content = (Path(scratch) / BEST).read_bytes()
    result = Tuning(
        folder,
        real.metric,
        real.value,
        done,
        tuple(judge.front(done)),
        best,
        not judge.excess(best),
        problem.space.precision(best.candidate) or {},
        on,
        time.monotonic() - started,
        (*problem.notes, *_warnings(bounds, problem, best, real), *_disturbed(done, on)),
        real.larger_is_better,
        _UNKNOWN if best.cycles is None else cycles_at(on),
    )
    text = json_text(result.to_json()) + "\n"
    write_results({folder / RESULT: text, folder / BEST: content}, force=ours)
    return result


class _Search:
    """Asks Optuna for candidates and keeps all workers busy."""

    def __init__(
        self,
        space: Space,
        journal: Journal,
        judge: Judge,
        workers: Workers,
        trials: int,
        deadline: float | None,
        seed: int,
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            raise MissingDependency("optuna", "the search", "pip install 'edgeq[tune]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._space, self._journal, self._judge = space, journal, judge
        self._workers, self._trials, self._deadline = workers, trials, deadline
        self._study = optuna.create_study(
            directions=["minimize"] * 4,
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        )
        self._running: dict[str, Any] = {}
        for trial in journal.trials.values():
            self._remember(trial)
        self._first = [c for c in space.fixed() if c.key not in journal.trials]

    def run(self) -> None:
        """Try candidates until there are enough, time is up, or nothing new comes.

        They go out a batch at a time, and Optuna hears of a batch in the order in which it was
        asked: which worker is quickest has no say in what comes next.

        Raises:
            EdgeqError: The device failed, which says nothing of a candidate.
        """
        while self._start_batch():
            done, failures = {}, []
            for _ in self._running:
                trial = self._workers.next()
                if isinstance(trial, DeviceFailure):
                    failures.append(trial)
                    continue
                self._journal.add(trial)
                done[trial.candidate.key] = trial
                self._say(trial)
            if failures:
                raise failures[0].error(kept=len(self._journal.trials))
            for key, asked in self._running.items():
                if asked is None:
                    self._remember(done[key])
                else:
                    self._tell(asked, done[key])
            self._running.clear()

    def _start_batch(self) -> bool:
        """Give every worker a candidate, as far as there are any; whether there was one."""
        while len(self._running) < self._workers.count and self._wanted():
            found = self._next()
            if found is None:
                break
            candidate, asked = found
            self._running[candidate.key] = asked
            self._workers.start(candidate)
        return bool(self._running)

    def _wanted(self) -> bool:
        late = self._deadline is not None and time.monotonic() > self._deadline
        return not late and len(self._journal.trials) + len(self._running) < self._trials

    def _next(self) -> tuple[Candidate, Any] | None:
        """A candidate that was not tried yet, with Optuna's trial; None if there is none left."""
        if self._first:
            return self._first.pop(0), None
        for _ in range(_MOST_REPEATS):
            asked = self._study.ask(self._space.distributions())
            candidate = self._space.candidate(asked.params)
            known = self._journal.trials.get(candidate.key)
            if known is None and candidate.key not in self._running:
                return candidate, asked
            self._tell(asked, known)
        return None

    def _say(self, trial: Trial) -> None:
        done = f"{len(self._journal.trials)} of {self._trials}"
        stage(f"{done}: {trial.candidate.key}: {trial.error or self._figures(trial)}")

    def _figures(self, trial: Trial) -> str:
        return f"{score_text(trial.score)}, flash {trial.flash_bytes:,}, RAM {trial.ram_bytes:,}"

    def _tell(self, asked: Any, trial: Trial | None) -> None:
        if trial is None or trial.error:
            self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(asked, self._judge.coarse_costs(trial))

    def _remember(self, trial: Trial) -> None:
        """Let Optuna know of a trial that it did not ask for."""
        if trial.error:
            return
        space = self._space.distributions()
        chosen = parameters(trial.candidate)
        if all(space[name]._contains(space[name].to_internal_repr(chosen[name])) for name in space):
            made = self._optuna.trial.create_trial(
                params=chosen, distributions=space, values=self._judge.coarse_costs(trial)
            )
            self._study.add_trial(made)


def _check(prefer: str, trials: int, minutes: float | None, seed: int) -> None:
    if prefer not in PREFERENCES:
        raise UsageError(f"--prefer {prefer}: one of {', '.join(PREFERENCES)}.")
    if trials < 1:
        raise UsageError(f"--trials {trials}: at least one is needed.")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes {minutes:g}: more than none are needed.")
    check_seed(seed)


def _with_clock(limits: TuneLimits, on: str) -> TuneLimits:
    """The limits, with those on time and energy turned into cycles where cycles are counted.

    Raises:
        UsageError: It cannot be: the machine has no clock, or nobody knows what it draws.
    """
    limits = _with_power(limits, on)
    if limits.latency_us is None or not is_emulated(on):
        return limits
    clock = load_target(parse_address(on).rest).running_clock_hz
    if clock is None:
        raise UsageError(
            f"'{on}' counts cycles and has no clock to turn them into milliseconds.",
            hint="--cycles, or a board such as --on sim:nucleo-f446re",
        )
    cycles = int(limits.latency_us * clock / 1e6)
    return replace(limits, latency_us=None, cycles=min(cycles, limits.cycles or cycles))


def _with_power(limits: TuneLimits, on: str) -> TuneLimits:
    """The limits, with one on energy turned into cycles."""
    if limits.energy_uj is None:
        return limits
    power = load_target(parse_address(on).rest).power if is_emulated(on) else None
    if power is None:
        raise UsageError(
            f"Nobody knows what '{on}' draws, so no search can keep to a limit on energy.",
            hint="an emulated board with [power] in its target, such as --on sim:nucleo-u575zi-q",
        )
    cycles = int(limits.energy_uj / power.cycle_uj)
    return replace(limits, energy_uj=None, cycles=min(cycles, limits.cycles or cycles))


def _warnings(limits: TuneLimits, problem: Problem, best: Trial, real: Score) -> Iterator[str]:
    """Limits that this search cannot judge."""
    count = len(problem.labels)
    fine = real.metric != "accuracy" or limits.drop is None or limits.drop <= 0
    if not fine and 1 / count > (limits.drop or 0):
        yield (
            f"With {count} samples one answer is {1 / count:.1%} of the accuracy, which is more "
            f"than the {limits.drop:.1%} that may be lost. Give more labelled data."
        )
    for name, limit, value in (
        ("cycles", limits.cycles, best.cycles),
        ("latency", limits.latency_us, best.latency_us),
    ):
        if limit is not None and value is None:
            yield f"{problem.on} does not measure {name}, so that limit cannot be met there."


def _disturbed(trials: Sequence[Trial], on: str) -> Iterator[str]:
    """What is to be said of times that were taken while something else was going on."""
    reasons = [trial.disturbed for trial in trials if trial.disturbed]
    if reasons:
        yield (
            f"{len(reasons)} of {len(trials)} runs on {on} were disturbed ({reasons[-1]}): their "
            "times, and what was chosen by them, are not sound."
        )


def _float_score(problem: Problem, source: str | Path, eval_data: Any) -> Score:
    """What the float model has on the labelled samples.

    Raises:
        EdgeqError: It does no better than chance, so that nothing can be judged by it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(problem.variants["plain"])
        found = problem.evaluate(path, "local")
    if eval_data is not None:
        named = isinstance(eval_data, str | Path)
        found = replace(found, model=str(source))
        refuse_chance(found, str(eval_data) if named else "the arrays given")
    return found.score
