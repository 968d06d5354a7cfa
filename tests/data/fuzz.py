"""Random containers, dialects and damages: the right figure, or an error that names the place.

    python -m tests.data.fuzz

Every case writes some digits in one container, changes them in one way, and evaluates the linear
model of `digits.py`. scikit-learn says what is right.
"""

import argparse
import csv
import functools
import io
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeq.errors import EdgeqError
from tests.data import damages, digits
from tests.data.damage import HARMLESS, NOT_TO_BE_SEEN, NotPossible

RIGHT, REFUSED, UNSEEN, NOT_TRIED = "right", "refused", "unseen", "not tried"
WRONG, CRASH = "WRONG", "CRASH"
BAD = (WRONG, CRASH)


@dataclass(frozen=True)
class Case:
    """What was tried, and what came of it."""

    seed: int
    container: str
    damage: str
    verdict: str
    text: str = ""


@dataclass
class Files:
    """A data set on its way into a container.

    Attributes:
        digits: Pixels and labels; what is right is said of these.
        data: What to pass as data.
        given: Options of the container.
    """

    digits: digits.Digits
    data: object = None
    given: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Models:
    """The linear model on pixels, and on recordings."""

    pixels: Path
    waves: Path


def random_table(rng):
    """A CSV file in a random dialect."""
    separator = rng.choice([",", ";", "\t", "|", " "])
    decimal = "," if separator != "," and rng.random() < 0.4 else "."
    number = rng.choice(["{:d}", "{:.1f}", "{:.3e}", "+{:d}"])
    quoted = separator != " " and rng.random() < 0.3
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16"])
    end = rng.choice(["\n", "\r\n"])
    first = rng.random() < 0.5  # the label's column
    header = rng.random() < 0.8
    names = rng.random() < 0.3
    labels = [f"d{n}" for n in range(10)] if names else [str(n) for n in range(10)]
    place = 0 if first else 64

    def write(folder, found):
        stream = io.StringIO()
        writer = csv.writer(
            stream, delimiter=separator, lineterminator=end,
            quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        )  # fmt: skip
        order = [f"p{n}" for n in range(64)]
        order.insert(place, "kind")
        if header:
            writer.writerow(order)
        for values, label in zip(found.pixels.reshape(-1, 64), found.labels, strict=True):
            fields = [_number(number, v).replace(".", decimal) for v in values]
            fields.insert(place, labels[label])
            writer.writerow(fields)
        (folder / "d.csv").write_text(stream.getvalue(), encoding=encoding, newline="")
        given = {"label": "kind" if header else str(place)}
        return folder / "d.csv", given | ({"classes": tuple(labels)} if names else {})

    return write


def _number(form, value):
    return form.format(int(value) if "d" in form else float(value))


def random_arrays(rng):
    """A .npz with random keys and types."""
    save = np.savez_compressed if rng.random() < 0.5 else np.savez
    x, y = rng.choice([("x", "y"), ("data", "label"), ("images", "t"), ("a", "b")])
    dtype = rng.choice(["u1", "<f4", ">f8", "<i4", "<i8", "<u2"])
    shape = [(8, 8), (8, 8, 1), (1, 8, 8), (1, 8, 8, 1)][rng.integers(4)]
    kind = rng.choice(["numbers", "columns", "one-hot", "names", "floats"])
    order = rng.choice(["C", "F"])

    def write(folder, found):
        labels = {
            "numbers": found.labels, "columns": found.labels[:, None],
            "one-hot": np.eye(10, dtype=int)[found.labels], "floats": found.labels * 1.0,
            "names": np.array([f"d{n}" for n in found.labels]),
        }[kind]  # fmt: skip
        pixels = np.asarray(found.pixels.reshape(-1, *shape), dtype, order=order)
        save(folder / "d.npz", **{x: pixels, y: labels})
        given = {"classes": tuple(f"d{n}" for n in range(10))} if kind == "names" else {}
        return f"{folder}/d.npz:{x},{y}", given

    return write


def _always(write, rng):
    return write


CONTAINERS = {
    **{name: functools.partial(_always, write) for name, write in digits.CONTAINERS.items()},
    **{name: functools.partial(_always, write) for name, write in digits.WAVS.items()},
    "table": random_table,
    "arrays": random_arrays,
}
# Random ones hold the most, so they are drawn more often.
NAMES = [*CONTAINERS, *["table"] * 12, *["arrays"] * 6, *["generator"] * 3]


def run_case(seed, models, folder):
    """One case; the folder is emptied before."""
    rng = np.random.default_rng(seed)
    name = NAMES[rng.integers(len(NAMES))]
    whole = digits.load()
    size = int(rng.integers(1, 30))
    rows = rng.permutation(len(whole.labels))[:size]
    files = Files(digits.Digits(whole.pixels[rows], whole.labels[rows], whole.judge))
    write = CONTAINERS[name](rng)
    files.data, files.given = write(folder, files.digits)
    if name == "npz names":
        files.given = {"classes": tuple(f"d{n}" for n in range(10))}
    if name.startswith("records png"):
        files.given = {"classes": tuple(f"digit {n}" for n in range(10))}
    damage = damages.draw(name, rng)
    try:
        fate = damage.apply(files, folder, rng)
        if name == "wav pcm8":  # eight bits hold what scikit-learn has not seen
            fate = NOT_TO_BE_SEEN
        verdict, text = _judge(files, models, fate, wave=name.startswith("wav"))
    except NotPossible:
        verdict, text = NOT_TRIED, ""
    return Case(seed, name, damage.name, verdict, text)


def _judge(files, models, fate, *, wave):
    """What comes of the data, against what may come of it."""
    import edgeq

    given = {"sample_rate": 16000, **files.given} if wave else files.given
    model = models.waves if wave else models.pixels
    try:
        found = edgeq.evaluate(model, data=files.data, dataset_options=digits.options(**given))
    except EdgeqError as error:
        if fate is HARMLESS:
            return WRONG, f"refused for no reason: {error}"
        return (REFUSED, str(error)) if error.where else (WRONG, f"no place: {error}")
    except Exception:  # noqa: BLE001  (that is what is looked for)
        return CRASH, traceback.format_exc()
    right = files.digits.accuracy()
    same = abs(found.score.value - right) < 1e-9 and found.n == len(files.digits.labels)
    if same:
        return RIGHT, ""
    text = (
        f"{found.score.value} of {found.n} for {right} of {len(files.digits.labels)}: {found.data}"
    )
    return (UNSEEN if fate is NOT_TO_BE_SEEN else WRONG), text


def make_models(folder):
    """The models' files."""
    from edgeq.conversion.float_model import float_model

    paths = []
    for name, shape in (("pixels", (8, 8, 1)), ("waves", (64, 1))):
        paths.append(folder / f"{name}.tflite")
        paths[-1].write_bytes(float_model(digits.keras_model(shape)).data)
    return Models(*paths)


def run(seeds, models, show=print):
    """All cases, and a word on each that is bad."""
    results = []
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix="edgeq-data-"))
        try:
            results.append(run_case(seed, models, folder))
        finally:
            shutil.rmtree(folder)
        last = results[-1]
        if last.verdict in BAD:
            show(f"seed {seed}: {last.container}, {last.damage}: {last.verdict}\n{last.text}")
    return results


def main():
    """Run, and say how often what came; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(Path(folder))
        results = run(range(arguments.seed, arguments.seed + arguments.n), models)
    for damage in sorted({case.damage for case in results}):
        verdicts = Counter(case.verdict for case in results if case.damage == damage)
        print(f"{damage}: {dict(sorted(verdicts.items()))}")
    print(f"{dict(Counter(case.verdict for case in results))}, {time.monotonic() - start:.0f} s")
    return int(any(case.verdict in BAD for case in results))


if __name__ == "__main__":
    sys.exit(main())
