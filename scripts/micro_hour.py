"""The kind `micro` against pymicro-features over an hour: all values of all frames are equal.

python scripts/micro_hour.py [--minutes 60]

Speech comes from espeak-ng and music-like sound from sox where they are installed; noise, tones,
silence, clipping and the test suite's own voice-like sound in any case.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from edgeq.data.resampling import resample
from tests.frontend.signals import RATE, frames_of, recording
from tests.frontend.test_micro import micro_features

WORDS = (
    "turn the lights on", "one two three four", "okay nabu", "stop", "what time is it in the north",
    "the quick brown fox jumps over the lazy dog", "play some music in the kitchen",
)  # fmt: skip
VOICES = ("en-us", "en-gb", "de", "fr", "es", "it", "pl")


def spoken(seed: int) -> np.ndarray:
    """Some words by a voice of espeak-ng, at its own loudness or far too loud."""
    rng = np.random.default_rng(seed)
    command = ["espeak-ng", "--stdout", "-v", str(rng.choice(VOICES))]
    command += ["-s", str(rng.integers(110, 240)), "-p", str(rng.integers(10, 90))]
    raw = subprocess.run([*command, str(rng.choice(WORDS))], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(raw)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 30)
    samples = np.frombuffer(frames[: len(frames) // 2 * 2], "<i2").astype(np.float32) / 32768
    slow = resample(samples[:, None], rate, RATE)[:, 0] * rng.choice([0.05, 0.5, 1, 4])
    return np.clip(np.rint(slow * 32768), -32768, 32767).astype(np.int16)


def music(seed: int) -> np.ndarray:
    """Three seconds of plucked strings by sox."""
    rng = np.random.default_rng(seed)
    notes = [str(rng.choice(["E2", "A2", "D3", "G3", "B3", "E4"])) for _ in range(4)]
    command = ["sox", "-n", "-r", str(RATE), "-b", "16", "-t", "raw", "-", "synth", "3"]
    command += [part for note in notes for part in ("pluck", note)]
    raw = subprocess.run([*command, "remix", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, "<i2")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=60)
    minutes = parser.parse_args().minutes
    makers = [m for tool, m in (("espeak-ng", spoken), ("sox", music)) if shutil.which(tool)]
    frames = wrong = 0
    for minute in range(minutes):
        pieces = [recording(60 if not makers else 30, seed=minute + 100)]
        for number in range(8):
            pieces += [make(1000 * minute + number) for make in makers]
        sound = np.concatenate(pieces)[: 60 * RATE]
        ours, theirs = frames_of("micro", "int16", sound), micro_features(sound)
        frames += len(theirs)
        wrong += int((ours != theirs).any(axis=1).sum())
    used = ", ".join(make.__name__ for make in makers) or "neither espeak-ng nor sox"
    print(f"{frames:,} frames ({used}), {wrong} of them differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
