"""What each training-time method does to accuracy, bytes and cycles: before and after.

    python -m benchmarks.compressions                 three nets, one seed
    python -m benchmarks.compressions --epochs 4      less training, for a quick look
    python -m benchmarks.compressions --table         only write the table from what is there

Rows are written to benchmarks/compressions.json as they come and are not computed twice; the table
goes into docs/compression.md. Accuracy is that of the generated C on held-out data; flash and
cycles (estimated) are those of the Cortex-M4 in the emulator. "before" is the plain network
converted with the same scheme, both as that scheme is by default. p is McNemar's exact test between
the two on the same samples.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import edgeq
from benchmarks.schemes import converted, cost
from benchmarks.tasks import TASKS, Task
from edgeq.compress.clustering import cluster
from edgeq.compress.distillation import distill
from edgeq.compress.factorization import factorize
from edgeq.compress.pruning import prune, prune_2_of_4
from edgeq.compress.qat import qat
from edgeq.compress.task import Task as Purpose
from edgeq.compress.training import Training
from edgeq.errors import EdgeqError
from edgeq.metrics.base import Score
from edgeq.metrics.paired import compare_scores

HERE = Path(__file__).parent
STORE = HERE / "compressions.json"
PAGE = HERE.parent / "docs" / "compression.md"
BEGIN, END = "<!-- compressions:begin -->", "<!-- compressions:end -->"
NETS = ("narrow", "image", "sensor")
_COLUMNS = (
    "accuracy before", "after", "p", "gzipped bytes before", "after", "flash before", "after",
    "M4 cycles before", "after",
)  # fmt: skip
Row = dict[str, Any]


def methods(task: Task, seed: int, model: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """(name, scheme to convert with, what makes the model) of every row."""
    purpose = Purpose(task.train, training=Training(epochs=task.more_epochs, teach=0.5, seed=seed))
    long = Training(epochs=task.epochs + task.more_epochs, learning_rate=2e-3, teach=0.7, seed=seed)
    yield "qat int8", "int8", lambda: qat(model, purpose, scheme="int8").model
    yield "qat int4", "int4", lambda: qat(model, purpose, scheme="int4").model
    yield "prune 50 %", "int8", lambda: prune(model, purpose, sparsity=0.5).model
    yield "prune 80 %", "int8", lambda: prune(model, purpose, sparsity=0.8).model
    yield "prune 2:4", "int8", lambda: prune_2_of_4(model, purpose).model
    yield "cluster 16", "int8-per-tensor", lambda: cluster(model, purpose, clusters=16).model
    yield "low rank", "int8", lambda: factorize(model, purpose, energy=0.9).model
    yield (
        "half as wide, distilled",
        "int8",
        lambda: distill(task.untrained(seed, 0.5), model, Purpose(task.train, training=long)).model,
    )


def measured(model: Any, scheme: str, task: Task, folder: Path) -> tuple[Row, Score]:
    """What a model is, converted with a scheme."""
    path = converted(model, scheme, task, folder / "model.tflite")
    score = edgeq.evaluate(path, data=task.test, on="c").score
    content = path.read_bytes()
    row = {
        "accuracy": score.value,
        "interval": score.interval,
        "n": score.n,
        "tflite_bytes": len(content),
        "gzip_bytes": len(gzip.compress(content)),
        **cost(path),
    }
    return row, score


def run(name: str, seed: int, epochs: int | None, rows: dict[str, Row]) -> None:
    """All rows of one net that are not there yet."""
    task = TASKS[name]()
    if epochs is not None:
        task = Task(task.train, task.test, task.network, task.epochs, epochs, task.rank)
    model = task.trained(seed)
    plain: dict[str, tuple[Row, Score]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for method, scheme, make in methods(task, seed, model):
            key = f"{name}/{method}"
            if key in rows:
                continue
            if scheme not in plain:
                plain[scheme] = measured(model, scheme, task, Path(folder))
            before, score = plain[scheme]
            try:
                after, other = measured(make(), scheme, task, Path(folder))
            except EdgeqError as error:
                rows[key] = {"scheme": scheme, "left_out": error.what}
            else:
                paired = compare_scores(score, other)
                rows[key] = {
                    "scheme": scheme,
                    "seed": seed,
                    "more_epochs": task.more_epochs,
                    "before": before,
                    "after": after,
                    "p_value": paired and paired.p_value,
                }
            STORE.write_text(json.dumps(rows, indent=1) + "\n")
            print(key, rows[key], flush=True)


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown, one table per net."""
    text = []
    for name in NETS:
        mine = {key.split("/", 1)[1]: r for key, r in rows.items() if key.startswith(name + "/")}
        done = [row for row in mine.values() if "after" in row]
        if not done:
            continue
        first = done[0]
        text += [
            f"{(TASKS[name].__doc__ or name).rstrip('.')}: {_conditions(first)}.",
            "",
            f"| method | scheme | {' | '.join(_COLUMNS)} |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for method, row in mine.items():
            if "after" not in row:
                text.append(f"| {method} | {row['scheme']} | {row['left_out']} |" + " |" * 8)
                continue
            before, after = row["before"], row["after"]
            pairs = " | ".join(
                f"{before[field]:,} | {after[field]:,}"
                for field in ("gzip_bytes", "flash_bytes", "cycles")
            )
            text.append(
                f"| {method} | {row['scheme']} | {before['accuracy']:.4f} "
                f"| {after['accuracy']:.4f} | {row['p_value']:.2g} | {pairs} |"
            )
        text.append("")
    return "\n".join(text).rstrip()


def _conditions(row: Row) -> str:
    samples, epochs = row["before"]["n"], row["more_epochs"]
    return f"{samples} held-out samples, {epochs} more epochs, seed {row['seed']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="of each method, in place of the net's own")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--table", action="store_true", help="only write the table")
    given = parser.parse_args()
    rows: dict[str, Row] = json.loads(STORE.read_text()) if STORE.exists() else {}
    if not given.table:
        for name in given.nets:
            run(name, given.seed, given.epochs, rows)
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(rows)}\n{END}{tail}")


if __name__ == "__main__":
    main()
