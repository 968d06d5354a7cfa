"""Shoulder exercises from a smartwatch's inertial sensor, from its samples to events.

One TOML file describes a low-pass filter, statistics and band powers of windows of three seconds,
and the decision. The network is trained on features that the device's own C computes, and judged
on whole recordings of people it has never seen (seglearn's watch data). The same events come from
Python, from the C on this machine and from an emulated Cortex-M4.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgeq
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.frontend.decider import decide
from edgeq.model.decision import Decision
from edgeq.model.joining import rules_for
from edgeq.model.model_file import read_graph
from edgeq.model.scores import scores_of
from examples.data import Session, watch_sessions

RATE, UNIT = 50, 0.001  # Hz; g and rad/s in a step of a sample
TUNING, TEST = (8,), (9, 10)  # people
PER_HOUR = 6.0
FRONT_END = """
kind = "motion"
sample_rate = {rate}
axes = 6
unit = {unit}
frame_length = 150
frame_step = 50
statistics = ["mean", "std", "zero_crossings", "peaks"]
bands = [0.2, 1.0, 2.0, 4.0, 8.0]
sos = {sos}
"""
DECISION = """
[decision]
labels = {labels}
average_ms = 5000
refractory_ms = 15000
"""
LIMITS = "threshold = 0.6\nrelease = 0.3\n"  # before they are tuned


def main(folder: Path, *, epochs: int = 30) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    sessions, classes = watch_sessions()
    model = train(folder, [s for s in sessions if s.person not in TUNING + TEST], classes, epochs)
    integer = folder / "motion.tflite"
    edgeq.convert(model, data=str(folder / "calibration.npz"), output=integer, force=True)
    for name, people in (("tuning", TUNING), ("test", TEST)):
        write_recordings(folder / name, [s for s in sessions if s.person in people], classes)
    tuned = edgeq.evaluate_recordings(
        integer, recordings=folder / "tuning", options=options(folder), tune_decision=PER_HOUR
    ).tuned
    assert tuned is not None
    file = folder / "motion.toml"
    file.write_text(file.read_text().replace(LIMITS, tuned.table() + "\n"))
    found = edgeq.evaluate_recordings(integer, recordings=folder / "test", options=options(folder))
    total = found.total
    print(
        f"test: {total.found} of {total.happened} exercises in {found.seconds / 60:.1f} minutes "
        f"found, {total.false_accepts} false accepts; event F1 {total.f1 or 0:.4f}"
    )
    here = [(each.file, each.label, round(each.time_s * RATE)) for each in found.detections]
    alike = here == in_python(folder, integer)
    print(f"in Python: {'the same' if alike else 'DIFFERENT'} events")
    cut = edgeq.evaluate_recordings(
        integer, recordings=folder / "test", options=options(folder), seconds=120,
        on="sim:cortex-m4f", also_on="c",
    )  # fmt: skip
    same = cut.also_on is not None and cut.also_on[1] and cut.detections != ()
    print(f"120 s on an emulated Cortex-M4: {'the same' if same else 'DIFFERENT'} events")
    edgeq.compile(integer, folder / "c", options=options(folder), target="cortex-m4f", force=True)
    return 0 if same and alike else 3


def options(folder: Path) -> edgeq.CompileOptions:
    """The front end and the decision of the file."""
    return edgeq.CompileOptions(frontend=edgeq.front_end(folder / "motion.toml"))


def train(folder: Path, sessions: list[Session], classes: tuple[str, ...], epochs: int) -> Path:
    """The network, on features that the device's C computes of whole recordings."""
    from scipy.signal import butter

    _, keras = import_tensorflow()
    keras.utils.set_random_seed(0)
    sos = butter(2, 10, fs=RATE, output="sos").tolist()
    text = FRONT_END.format(rate=RATE, unit=UNIT, sos=sos)
    file = folder / "motion.toml"
    file.write_text(text)
    with edgeq.Extractor(file) as extract:
        parts = [extract(session.samples.astype(np.float32)) for session in sessions]
    x = np.concatenate(parts)
    y = np.concatenate([np.full(len(p), s.label) for p, s in zip(parts, sessions, strict=True)])
    # Features of unlike ranges meet before the quantized input, which has one scale.
    mean, std = x.mean(0), np.maximum(x.std(0), 1e-3)
    text += f"mean = {mean.tolist()}\nstd = {std.tolist()}\n"
    file.write_text(text + DECISION.format(labels=json.dumps(classes)) + LIMITS)
    x = np.clip((x - mean) / std, -5, 5)
    np.savez(folder / "calibration.npz", x=x[::7])
    print(f"Training on {len(x)} windows of {len(sessions)} recordings ...", flush=True)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(len(classes), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, batch_size=128, verbose=0)
    path = folder / "motion.keras"
    model.save(path)
    return path


def write_recordings(folder: Path, sessions: list[Session], classes: tuple[str, ...]) -> None:
    """A .csv file for each person and arm, one exercise after the other; events.csv says which."""
    folder.mkdir(exist_ok=True)
    lines = ["file,start,end,label"]
    for person, arm in sorted({(s.person, s.arm) for s in sessions}):
        mine = [s for s in sessions if (s.person, s.arm) == (person, arm)]
        np.random.default_rng(person * 2 + arm).shuffle(mine)  # type: ignore[arg-type]
        name, at = f"person_{person}_arm_{arm}.csv", 0
        for session in mine:
            end = at + len(session.samples)
            lines.append(f"{name},{at / RATE},{end / RATE},{classes[session.label]}")
            at = end
        whole = np.concatenate([session.samples for session in mine])
        np.savetxt(folder / name, whole, "%.4f", ",", header="ax,ay,az,wx,wy,wz", comments="")
    (folder / "events.csv").write_text("\n".join(lines) + "\n")


def in_python(folder: Path, integer: Path) -> list[tuple[str, str, int]]:
    """File, label and time (in samples) of all events, without NAME_push and NAME_decision.

    Features by the Extractor, the model on single inputs, the decision by its twin in Python.
    """
    front, graph = edgeq.front_end(folder / "motion.toml"), read_graph(integer)
    assert isinstance(front.decision, Decision)
    rules = rules_for(front.decision, graph, front.stream)
    output = graph.main.tensors[graph.main.outputs[0]]
    found = []
    for file in sorted((folder / "test").glob("person*.csv")):
        samples = np.loadtxt(file, np.float32, delimiter=",", skiprows=1)
        with edgeq.Extractor(front) as extract:
            features: NDArray[np.float32] = extract(samples)
        (answers,) = edgeq.run(integer, inputs=features, on="c")
        events = decide(scores_of(answers, output, rules.full_scale), rules)
        found += [(file.name, rules.labels[e.label], e.sample // 6) for e in events]
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/motion")))
