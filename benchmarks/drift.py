"""How often `edgeq drift check` gives an alarm, on data of the same source and on changed data.

    python -m benchmarks.drift

Three tasks of benchmarks/tasks.py, references of 300 samples, drawn anew for each check. The rows
are those of docs/deploy.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from benchmarks.tasks import TASKS
from edgeq.analysis.drift.check import check_drift, reference_profile
from edgeq.support.array import Array

CHECKS = 10
REFERENCE = 300
SIZES = (50, 500)

Change = Callable[[Array], Array]


def _axis(*factors: float) -> Array:
    return np.array(factors, np.float32)


CHANGES: dict[str, dict[str, Change]] = {
    "narrow": {
        "brighter by 0.2": lambda x: np.clip(x + 0.2, 0, 1),
        "contrast 0.8": lambda x: x * 0.8,
        "moved by a pixel": lambda x: np.roll(x, 1, 2),
        "noise of 0.1": lambda x: x + np.random.default_rng(0).normal(0, 0.1, x.shape),
    },
    "sensor": {
        "offset of 0.3 in one channel": lambda x: x + _axis(0.3, 0, 0, 0, 0, 0),
        "gain 1.3": lambda x: x * 1.3,
        "one channel dead": lambda x: x * _axis(0, 1, 1, 1, 1, 1),
        "two channels swapped": lambda x: x[..., [1, 0, 2, 3, 4, 5]],
    },
    "audio": {"gain 0.8": lambda x: x * 0.8},
}


def main() -> None:
    """Print the table."""
    print("| | " + " | ".join(f"{size} samples" for size in SIZES) + " |\n|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, changes in CHANGES.items():
            task = TASKS[name]()
            model = Path(folder) / f"{name}.tflite"
            edgeq.convert(task.trained(0), output=model, data=task.train[0][:300])
            # Other people move differently: the test set of the sensors is another source.
            parts = [task.train[0], *([task.test[0]] if name != "sensor" else [])]
            data = np.concatenate(parts)
            for what, change in {"nothing": lambda x: x, **changes}.items():
                shares = [f"{_alarms(model, data, size, change):.0%}" for size in SIZES]
                print(f"| {name}: {what} | " + " | ".join(shares) + " |", flush=True)


def _alarms(model: Path, data: Any, size: int, change: Change) -> float:
    """Share of checks that give an alarm."""
    random = np.random.default_rng(0)
    found = 0
    for _ in range(CHECKS):
        order = random.permutation(len(data))
        reference = reference_profile(model, data[order[:REFERENCE]])
        new = data[order[REFERENCE : REFERENCE + size]]
        found += check_drift(model, reference, change(new).astype(np.float32)).drifted
    return found / CHECKS


if __name__ == "__main__":
    main()
