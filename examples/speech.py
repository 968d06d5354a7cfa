"""Spoken words by espeak-ng in several voices, alone and in long recordings with background."""

from __future__ import annotations

import csv
import io
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeq.data.resampling import resample

RATE = 16_000
VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us+f3", "en-gb+f4")
OTHERS = ("lamp", "window", "seven", "monday", "kitchen", "please", "water", "music", "paper",
          "stop", "garden", "yellow")  # fmt: skip
Samples = NDArray[np.float32]


def spoken(word: str, rng: np.random.Generator) -> Samples:
    """A word by some voice at some speed and pitch, without the silence around it."""
    command = ["espeak-ng", "--stdout", "-v", str(rng.choice(VOICES))]
    command += ["-s", str(rng.integers(120, 190)), "-p", str(rng.integers(25, 75)), word]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(raw)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 24)
    values = np.frombuffer(frames[: len(frames) // 2 * 2], "<i2").astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(values) > 0.02)
    values = values[loud[0] : loud[-1] + 1]
    return np.asarray(resample(values[:, None], rate, RATE)[:, 0], np.float32)


def background(count: int, rng: np.random.Generator) -> Samples:
    """Noise of some colour and loudness, as rooms and streets have it."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= (1 + np.arange(len(spectrum)) * 8000 / len(spectrum) / 200) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, count)
    return (noise / noise.std() * 10 ** rng.uniform(-3.2, -2)).astype(np.float32)


@dataclass(frozen=True)
class Pool:
    """Words in several forms.

    Attributes:
        labels: "noise", "unknown", and the keywords.
        forms: By label; none of "noise".
    """

    labels: tuple[str, ...]
    forms: dict[str, list[Samples]]

    def clip(self, label: str, rng: np.random.Generator) -> Samples:
        """A second with one of its forms somewhere in it."""
        sound = background(RATE, rng)
        if label in self.forms:
            form = self._form(label, rng)[:RATE]
            at = int(rng.integers(0, RATE - len(form) + 1))
            sound[at : at + len(form)] += form
        return np.clip(sound, -1, 1)

    def recording(
        self, seconds: int, rng: np.random.Generator
    ) -> tuple[Samples, list[tuple[float, float, str]]]:
        """Background with words every few seconds; start, end and label of each keyword."""
        sound = np.concatenate([background(10 * RATE, rng) for _ in range(-(-seconds // 10))])
        sound, events = sound[: seconds * RATE], []
        at = RATE
        while True:
            label = str(rng.choice(self.labels[1:], p=self._shares()))
            form = self._form(label, rng)
            if at + len(form) > len(sound):
                return np.clip(sound, -1, 1), events
            sound[at : at + len(form)] += form
            if label != "unknown":
                events.append((at / RATE, (at + len(form)) / RATE, label))
            at += len(form) + int(rng.integers(RATE, 4 * RATE))

    def _form(self, label: str, rng: np.random.Generator) -> Samples:
        forms = self.forms[label]
        loud: Samples = forms[int(rng.integers(len(forms)))] * np.float32(rng.uniform(0.3, 1.2))
        return loud

    def _shares(self) -> list[float]:
        keywords = len(self.labels) - 2
        return [0.6, *[0.4 / keywords] * keywords]


def pool(keywords: tuple[str, ...], forms: int, rng: np.random.Generator) -> Pool:
    """Some forms of each keyword, and as many of other words for each of them."""
    found = {word: [spoken(word, rng) for _ in range(forms)] for word in keywords}
    others = [spoken(str(rng.choice(OTHERS)), rng) for _ in range(forms * len(keywords))]
    return Pool(("noise", "unknown", *keywords), {"unknown": others, **found})


def write_recordings(folder: Path, words: Pool, count: int, seconds: int, seed: int) -> None:
    """Recordings in a folder, with the events.csv that `edgeq evaluate --recordings` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        sound, events = words.recording(seconds, np.random.default_rng([seed, number]))
        name = f"{number}.wav"
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(np.rint(sound * 32767).astype("<i2").tobytes())
        rows += [(name, f"{start:.3f}", f"{end:.3f}", label) for start, end, label in events]
    with (folder / "events.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("file", "start", "end", "label"), *rows])
