"""Two spoken keywords, from the microphone's samples to the decision.

espeak-ng speaks the words. One TOML file describes the front end and the decision; the same C
computes the features for training, on this machine and in the emulated Cortex-M4. Thresholds are
tuned on one set of recordings for at most one false accept in two hours, and judged on another.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

import edgeq
from edgeq.conversion.tensorflow import import_tensorflow
from examples import networks, speech

KEYWORDS = ("computer", "banana")
FRONT_END = """
kind = "mfcc"
sample_rate = 16000
window_size_ms = 30
window_step_ms = 20
num_mel_bins = 20
upper_edge_hertz = 7000
num_mfccs = 10
precision = "int16"
frames = 49
stride = 10       # an answer every 200 ms

[decision]
labels = ["noise", "unknown", "computer", "banana"]
background = ["noise", "unknown"]
average = 2
refractory_ms = 1000
"""
PER_HOUR = 0.5


def main(folder: Path, *, clips: int = 300, forms: int = 30, minutes: int = 8) -> int:
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed: apt install espeak-ng")
        return 1
    integer = prepare(folder, clips=clips, forms=forms, minutes=minutes)
    record(folder / "test", count=minutes // 2, seconds=120, seed=4, forms=forms)
    found = edgeq.evaluate_recordings(integer, recordings=folder / "test", options=options(folder))
    edgeq.write_report([found.to_json()], folder / "report.html", force=True)
    total = found.total
    print(
        f"test: {total.found} of {total.happened} keywords in {found.seconds / 60:g} minutes "
        f"found, {total.false_accepts} false accepts; event F1 {total.f1 or 0:.4f}"
    )
    cut = edgeq.evaluate_recordings(
        integer, recordings=folder / "test", options=options(folder), seconds=60,
        on="sim:cortex-m4", also_on="c",
    )  # fmt: skip
    same = cut.also_on is not None and cut.also_on[1]
    print(f"60 s on an emulated Cortex-M4: {'the same' if same else 'DIFFERENT'} decisions")
    edgeq.compile(integer, folder / "c", options=options(folder), target="cortex-m4", force=True)
    return 0 if same else 3


def prepare(folder: Path, *, clips: int = 300, forms: int = 30, minutes: int = 8) -> Path:
    """The integer model, trained and converted, and keyword.toml with a decision that is tuned."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keyword.toml").write_text(FRONT_END)
    heard = speech.pool(KEYWORDS, forms, np.random.default_rng(1))
    model = train(folder, heard, clips)
    integer = folder / "keyword.tflite"
    edgeq.convert(model, data=str(folder / "calibration.npz"), output=integer, force=True)
    record(folder / "tuning", count=minutes // 2, seconds=120, seed=3, forms=forms)
    tuned = edgeq.evaluate_recordings(
        integer, recordings=folder / "tuning", options=options(folder), tune_decision=PER_HOUR
    ).tuned
    assert tuned is not None
    (folder / "keyword.toml").write_text(FRONT_END + tuned.table() + "\n")
    print(f"tuned: {tuned.table()}")
    return integer


def record(folder: Path, *, count: int, seconds: int, seed: int, forms: int = 30) -> None:
    """Recordings with voices in other speeds and pitches than those of training."""
    unheard = speech.pool(KEYWORDS, forms, np.random.default_rng(2))
    speech.write_recordings(folder, unheard, count, seconds, seed)


def options(folder: Path) -> edgeq.CompileOptions:
    """The front end and the decision of the file."""
    return edgeq.CompileOptions(frontend=edgeq.front_end(folder / "keyword.toml"))


def train(folder: Path, words: speech.Pool, clips: int) -> Path:
    """The network on the device's own features, so many clips a class."""
    _, keras = import_tensorflow()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(words.labels)), clips)
    rng.shuffle(labels)
    with edgeq.Extractor(folder / "keyword.toml") as extract:
        x = np.stack([extract(words.clip(words.labels[label], rng)) for label in labels])[..., None]
    np.savez(folder / "calibration.npz", x=x[:200])
    print(f"Training on {len(x)} clips ...", flush=True)
    model = networks.keyword(x.shape[1:], len(words.labels))
    model.get_layer("normalized").adapt(x)
    model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    model.fit(x, labels, epochs=12, batch_size=64, verbose=0)
    path = folder / "keyword.keras"
    model.save(path)
    return path


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/keyword")))
