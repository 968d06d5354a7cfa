"""`edgeq tune` on MLPerf Tiny's keyword model, with two dask workers of which one is killed.

    python -m benchmarks.tune KWS_REF_MODEL        the SavedModel of mlcommons/tiny; ten minutes

No labelled speech ships in a package, so inputs are synthesized: spectrograms of a few formants
that move, as the cepstrum the model was trained on; of those that it answers alike only some are
kept. The metric is agreement with the float model.
Prints the front and how every fixed scheme compares with it; writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import edgeq
from edgeq.support.array import Array
from edgeq.workflow.tuning.front import Judge, TuneLimits
from edgeq.workflow.tuning.trial import Trial
from edgeq.workflow.tuning.tune import JOURNAL, Tuning

_FRAMES, _BANDS, _COEFFICIENTS = 49, 40, 10
_KILL_AFTER = 10


def cepstra(count: int, seed: int = 0) -> Array:
    """Synthesized speech-like MFCCs, (count, 49, 10, 1) float32, about -120 to 30."""
    random = np.random.default_rng(seed)
    time_axis, bands = np.arange(_FRAMES), np.arange(_BANDS)
    k = np.arange(_COEFFICIENTS)[:, None]
    cosines = np.cos(np.pi * k * (bands + 0.5) / _BANDS) * np.sqrt(2 / _BANDS)
    made = []
    for _ in range(count):
        energy = np.full((_FRAMES, _BANDS), random.uniform(-18, -8))
        for _ in range(random.integers(1, 4)):
            middle, length = random.uniform(10, 40), random.uniform(4, 15)
            envelope = np.exp(-(((time_axis - middle) / length) ** 2))
            for _ in range(random.integers(1, 4)):
                place = random.uniform(0, _BANDS) + random.normal(0, 0.3) * (time_axis - middle)
                width, loudness = random.uniform(2, 8), random.uniform(4, 18)
                formant = np.exp(-(((bands - place[:, None]) / width) ** 2))
                energy += loudness * envelope[:, None] * formant
        energy += random.normal(0, random.uniform(0.3, 2), energy.shape)
        made.append(energy @ cosines.T)
    return np.asarray(made, np.float32)[..., None]


def balanced(model: Path, candidates: Array, most: int = 40) -> Array:
    """Of the candidates, at most so many that the model answers alike.

    Most of what is not speech is "unknown" to the model; agreement on that alone says little.
    """
    answers = edgeq.run(model, inputs=candidates)[0].argmax(axis=-1)
    chosen = [np.flatnonzero(answers == answer)[:most] for answer in np.unique(answers)]
    return candidates[np.sort(np.concatenate(chosen))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--minutes", type=float, default=8)
    given = parser.parse_args()
    data = balanced(given.model, cepstra(4000))
    print(f"{len(data)} samples", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scheduler, address = start_scheduler(folder)
        workers = [start(folder, "worker", address, "--no-nanny", "--nthreads=1") for _ in "12"]
        threading.Thread(target=kill_one, args=(folder / JOURNAL, workers[0]), daemon=True).start()
        try:
            found = edgeq.tune(
                given.model,
                data=data,
                output=folder,
                limits=TuneLimits(drop=0.02),
                trials=given.trials,
                minutes=given.minutes,
                limit=len(data),
                workers=address,
            )
        finally:
            for process in (*workers, scheduler):
                process.kill()
                process.wait()
    show(found)
    print(f"worker killed: {'yes' if workers[0].returncode == -signal.SIGKILL else 'no'}")


def start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    """A dask process."""
    with (folder / "dask.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            stdout=log,
            stderr=log,
            cwd=folder,
        )


def start_scheduler(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A dask scheduler on a free port, and its address."""
    file = folder / "scheduler.json"
    options = ("--port=0", "--no-dashboard", f"--scheduler-file={file}")
    scheduler = start(folder, "scheduler", *options)
    while not file.exists() or not file.read_text().strip():
        if scheduler.poll() is not None:
            raise SystemExit((folder / "dask.log").read_text())
        time.sleep(0.1)
    return scheduler, json.loads(file.read_text())["address"]


def kill_one(journal: Path, worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker as soon as some trials are finished."""
    while not journal.exists() or len(journal.read_text().splitlines()) <= _KILL_AFTER:
        time.sleep(0.5)
    os.kill(worker.pid, signal.SIGKILL)
    print(f"killed a worker after {_KILL_AFTER} trials", file=sys.stderr, flush=True)


def show(found: Tuning) -> None:
    """Print the front, the recommendation and the comparison with the fixed schemes."""
    judge = Judge(TuneLimits(), found.real, larger_is_better=True)

    def row(trial: Trial) -> str:
        return (
            f"| {trial.candidate.key} | {trial.score:.4f} | {trial.flash_bytes:,} "
            f"| {trial.ram_bytes:,} | {trial.cycles:,} |"
        )

    print("| front | agreement | flash | RAM | M4 cycles |\n|---|--:|--:|--:|--:|")
    print("\n".join(row(trial) for trial in found.front))
    fixed = [t for t in found.trials if t.candidate == type(t.candidate)(scheme=t.candidate.scheme)]
    print("\n| fixed scheme | agreement | flash | RAM | M4 cycles |\n|---|--:|--:|--:|--:|")
    for trial in fixed:
        costs = judge.costs(trial)
        better = [f for f in found.front if all(np.less_equal(judge.costs(f), costs))]
        if not better:
            raise SystemExit(f"The front is behind {trial.candidate.key}.")
        print(row(trial))
    errors = sum(bool(trial.error) for trial in found.trials)
    print(f"\nbest: {found.best.candidate.key}; the front is behind no fixed scheme")
    print(f"{len(found.trials)} trials, {errors} failed, {found.seconds:.0f} s")


if __name__ == "__main__":
    main()
