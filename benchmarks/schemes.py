"""What every scheme and every compression costs and saves, on real data, over seeds.

    python -m benchmarks.schemes                     four tasks, three seeds (about an hour)
    python -m benchmarks.schemes --seeds 1 --tasks image
    python -m benchmarks.schemes --table             write docs/schemes.md from what is there
    python -m benchmarks.schemes --again 'int4*'     flash, arena and cycles of these rows anew

Rows are written to benchmarks/schemes.json as they come, and are not computed twice. Accuracy is
that of the generated C on held-out data; flash, arena and cycles are those of the Cortex-M4 in the
emulator. "more training" is the control: the plain model trained for as many more epochs as the
methods get, at the learning rate of most (1e-3) and at that of structured pruning (5e-3), so that a
method is not praised for the training alone. Of the schemes that compute in float, dynamic runs in
LiteRT only; the generated C takes the others, and holds their weights unpacked, as float32. Plain
int4 keeps small layers at 8 bits and rounds layer after layer; "int4 in all layers" is
`--precision '*=int4' --calibration minmax`, rounded as is said. Flash, arena and cycles are of the
kernels of the day that a row was measured: the latest for int4, "more training, int4", "qat int4"
and the conversions of the first task's network (seed 0); earlier ones, which had less flash and
more cycles, for the rest.

Converted models are kept in ~/.cache/edgeq/benchmarks/schemes, so that --again need not train.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import edgeq
from benchmarks.networks import FOLDER
from benchmarks.tasks import TASKS, Task
from edgeq.compress.clustering import cluster
from edgeq.compress.equalization import equalize
from edgeq.compress.factorization import factorize
from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.network import load_network
from edgeq.compress.pruning import prune, prune_2_of_4
from edgeq.compress.qat import qat
from edgeq.compress.structured import prune_channels
from edgeq.compress.task import Task as Purpose
from edgeq.compress.training import STRUCTURED_RATE, Labelled, Training, fit
from edgeq.devices.base import ProfileOptions

HERE = Path(__file__).parent
MODELS = FOLDER / "schemes"
STORE = HERE / "schemes.json"
TABLE = HERE.parent / "docs" / "schemes.md"
FLOAT_SCHEMES = ("float16", "bfloat16", "float8-e4m3", "float8-e5m2")
ONLY_LITERT = ("dynamic",)
ALL_INT4 = "int4 in all layers"
"""Without what int4 does unless asked otherwise: `--precision '*=int4' --calibration minmax`."""
Row = dict[str, Any]


def methods(task: Task, seed: int, model: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """(name, scheme to convert with, what makes the model) of every row."""
    training = Training(epochs=task.more_epochs, teach=0.5)
    faster = Training(epochs=task.more_epochs, learning_rate=STRUCTURED_RATE, teach=0.5)
    purpose = Purpose(task.train, training=training)
    half = Purpose(task.train, training=Training(epochs=task.more_epochs // 2, teach=0.5))
    spoiled = spoil(model)
    more = cache(lambda: trained_more(model, task, training))
    for scheme in ("int8", "int8-per-tensor", "int16x8", "int4"):
        yield scheme, scheme, lambda: model
    for scheme in (*FLOAT_SCHEMES, "weight-only", "weight-only-int4", *ONLY_LITERT):
        yield scheme, scheme, lambda: model
    yield "int8, biases corrected", "int8+bias", lambda: model
    yield f"{ALL_INT4}, to nearest", "int4+all", lambda: model
    yield f"{ALL_INT4}, biases corrected", "int4+all+bias", lambda: model
    yield f"{ALL_INT4}, adaptive rounding", "int4+all+adaptive", lambda: model
    yield (
        f"{ALL_INT4}, adaptive rounding and biases corrected",
        "int4+all+adaptive+bias",
        lambda: model,
    )
    yield "mixed: first and last layer int8, others int4", "mixed", lambda: model
    yield "more training, int8", "int8", more
    yield "more training, int4", "int4", more
    yield "more training at 5e-3, int8", "int8", lambda: trained_more(model, task, faster)
    yield "qat int8", "int8", lambda: qat(model, purpose, scheme="int8").model
    yield "qat int4", "int4", lambda: qat(model, purpose, scheme="int4").model
    yield "equalize, int8-per-tensor", "int8-per-tensor", lambda: equalize(model).model
    if spoiled is not None:
        yield "spoiled ranges, int8-per-tensor", "int8-per-tensor", lambda: spoiled
        yield "spoiled, then equalize", "int8-per-tensor", lambda: equalize(spoiled).model
    yield "prune 50 %, int8", "int8", lambda: prune(model, purpose, sparsity=0.5).model
    yield "prune 2:4, int8", "int8", lambda: prune_2_of_4(model, purpose).model
    yield (
        "prune 50 %, then qat int8",
        "int8",
        lambda: qat(prune(model, half, sparsity=0.5).model, half, scheme="int8").model,
    )
    yield (
        "channels: half the MACs, int8",
        "int8",
        lambda: prune_channels(model, Purpose(task.train, training=faster), macs=0.5).model,
    )
    yield "cluster 16, int8-per-tensor", "int8-per-tensor", lambda: cluster(model, purpose).model
    yield (
        "cluster 16, then qat int8-per-tensor",
        "int8-per-tensor",
        lambda: qat(cluster(model, half).model, half, scheme="int8-per-tensor").model,
    )
    student = partial(half_as_wide, model, task, seed)
    yield "half as wide, trained alone, int8", "int8", lambda: student(teach=0.0)
    yield "half as wide, distilled, int8", "int8", lambda: student(teach=0.7)
    if task.rank is not None:
        yield (
            f"low rank {task.rank}, int8",
            "int8",
            lambda: factorize(model, purpose, rank=task.rank).model,
        )


def trained_more(model: Any, task: Task, training: Training) -> Any:
    copy = load_network(model)
    fit(copy, Labelled([task.train[0]], task.train[1]), training, model)
    return copy


def half_as_wide(model: Any, task: Task, seed: int, *, teach: float) -> Any:
    """A student with half the channels, with or without the model as its teacher."""
    student = task.untrained(seed, 0.5)
    training = Training(epochs=task.epochs + task.more_epochs, learning_rate=2e-3, teach=teach)
    fit(student, Labelled([task.train[0]], task.train[1]), training, model if teach else None)
    return student


def spoil(model: Any) -> Any | None:
    """The same function with ranges of the first layer's channels a factor of 300 apart."""
    folded = fold_batch_norm(load_network(model))
    weighted = [layer for layer in folded.layers if layer.get_weights()]
    first, second = weighted[:2]
    if "Depthwise" not in type(second).__name__:
        return None
    factor = np.logspace(-1.25, 1.25, first.get_weights()[1].size).astype(np.float32)
    first.set_weights([weight * factor for weight in first.get_weights()])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / factor[:, None], bias])
    return folded


def converted(model: Any, scheme: str, task: Task, path: Path) -> Path:
    """The .tflite of a model converted with a scheme, such as "int4+all+adaptive+bias"."""
    scheme, *repairs = scheme.split("+")
    precision = {"*": "int4"} if "all" in repairs else None
    plain = "all" in repairs or scheme == "mixed"
    if scheme == "mixed":
        names = [layer.name for layer in load_network(model).layers if layer.get_weights()]
        narrow = [n for n in names[1:-1] if not n.startswith(("batch", "depthwise"))]
        precision = dict.fromkeys(narrow, "int4")
    path.parent.mkdir(parents=True, exist_ok=True)
    edgeq.convert(
        model,
        data=task.train[0][:300],
        output=path,
        scheme=scheme,
        precision=precision,
        rounding="adaptive" if "adaptive" in repairs else "nearest" if plain else None,
        calibration="minmax" if plain else None,
        bias_correction="bias" in repairs,
        force=True,
        quality_check=False,
    )
    return path


def accuracy(path: Path, scheme: str, task: Task) -> Row:
    """Accuracy and size of a converted model."""
    content = path.read_bytes()
    address = "local" if scheme in ONLY_LITERT else "c"
    return {
        "accuracy": edgeq.evaluate(path, data=task.test, on=address).score.value,
        "tflite_bytes": len(content),
        "gzip_bytes": len(gzip.compress(content)),
    }


def cost(path: Path) -> Row:
    """What a converted model takes of a device."""
    found = edgeq.profile(
        path, on="sim:cortex-m4", profile_options=ProfileOptions(ops=False)
    ).measurement
    return {
        "flash_bytes": found.memory_bytes.flash_total,
        "arena_bytes": found.memory_bytes.arena,
        "instructions": found.instructions,
        "cycles": found.cycles,
    }


def kept(key: str) -> Path:
    """Where the converted model of a row is kept."""
    return MODELS / (re.sub(r"[^a-z0-9/]+", "-", key) + ".tflite")


def run(task_name: str, seed: int, rows: dict[str, Row]) -> None:
    """All rows of one task and seed that are not there yet."""
    task = TASKS[task_name]()
    model = task.trained(seed)
    found = model.predict(task.test[0], verbose=0).argmax(-1)
    store(rows, f"{task_name}/{seed}/float", {"accuracy": float(np.mean(found == task.test[1]))})
    for name, scheme, make in methods(task, seed, model):
        key = f"{task_name}/{seed}/{name}"
        if key not in rows:
            path = converted(make(), scheme, task, kept(key))
            row = accuracy(path, scheme, task)
            store(rows, key, row if scheme in ONLY_LITERT else row | cost(path))


def run_again(task_name: str, seed: int, rows: dict[str, Row], patterns: Sequence[str]) -> None:
    """Device columns of the rows of one task and seed that match; their accuracy stays.

    Only rows whose converted model is not kept from before need training.
    """
    place = f"{task_name}/{seed}/"
    wanted = {
        key
        for key in rows
        if key.startswith(place)
        and any(fnmatchcase(key.removeprefix(place), pattern) for pattern in patterns)
        and key.removeprefix(place) not in ("float", *ONLY_LITERT)
    }
    if not all(kept(key).exists() for key in wanted):
        task = TASKS[task_name]()
        for name, scheme, make in methods(task, seed, task.trained(seed)):
            if place + name in wanted and not kept(place + name).exists():
                converted(make(), scheme, task, kept(place + name))
    for key in sorted(wanted):
        store(rows, key, rows[key] | cost(kept(key)))


def store(rows: dict[str, Row], key: str, row: Row) -> None:
    rows[key] = row
    STORE.write_text(json.dumps(rows, indent=1) + "\n")
    print(key, row, flush=True)


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown, one table per task: means over seeds, accuracy with its range."""
    text = ["# Schemes and compressions, measured", "", __doc__.split("\n\n")[2].strip(), ""]
    for task_name in TASKS:
        mine = {key: row for key, row in rows.items() if key.startswith(task_name + "/")}
        if not mine:
            continue
        seeds = sorted({key.split("/")[1] for key in mine})
        text += [
            f"## {(TASKS[task_name].__doc__ or task_name).rstrip('.')}",
            "",
            f"Seeds {', '.join(seeds)}.",
            "",
        ]
        text += [
            "| | accuracy | worst to best | .tflite | gzipped | flash | arena | M4 cycles |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for name in dict.fromkeys(key.split("/", 2)[2] for key in mine):
            found = [
                mine[f"{task_name}/{s}/{name}"] for s in seeds if f"{task_name}/{s}/{name}" in mine
            ]
            accuracies = [row["accuracy"] for row in found]
            cells = [
                name,
                f"{mean(accuracies):.4f}",
                f"{min(accuracies):.3f}–{max(accuracies):.3f}",
            ]
            for field in ("tflite_bytes", "gzip_bytes", "flash_bytes", "arena_bytes", "cycles"):
                values = [row[field] for row in found if row.get(field) is not None]
                cells.append(f"{mean(values):,.0f}" if values else "")
            text.append("| " + " | ".join(cells) + " |")
        text.append("")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--again", nargs="+", metavar="ROW", help="may hold * and ?")
    parser.add_argument("--table", action="store_true", help="only write the table")
    given = parser.parse_args()
    rows: dict[str, Row] = json.loads(STORE.read_text()) if STORE.exists() else {}
    if not given.table:
        for seed in range(given.seeds):
            for task_name in given.tasks:
                if given.again:
                    run_again(task_name, seed, rows, given.again)
                else:
                    run(task_name, seed, rows)
    TABLE.write_text(table(rows))


if __name__ == "__main__":
    main()
