"""Random front ends: float against float64 numpy, int16 against float, cuts, and emulated cores.

python -m tests.frontend.fuzz            3,000 of them
python -m tests.frontend.fuzz -n 20 --seed 7
python -m tests.frontend.fuzz -n 1 --seed 18 --first 238        one of them again
python -m tests.frontend.fuzz --kind motion -n 300      of sensors: motion, image
"""

import argparse
import sys

import numpy as np

from edgeq.devices import host_c
from edgeq.errors import EdgeqError
from edgeq.frontend.build import graph_of
from edgeq.frontend.description import read_description
from edgeq.frontend.tables import log_factor
from tests.frontend.fuzz_sensors import KINDS
from tests.frontend.reference import reference
from tests.frontend.signals import CPUS, emulated, however_cut, recording, snr_db

EMULATED = 10  # one of so many is run in an emulator too
_LEAST_DB = 40


def random_description(rng):
    """A front end that makes sense, as plain values."""
    kind = str(rng.choice(["log-mel", "mfcc", "spectrogram", "micro"]))
    rate = int(rng.choice([8000, 11025, 16000, 22050, 44100, 48000]))
    low = 40 if kind == "micro" else 8
    length = int(rng.integers(low, 2049 if kind != "micro" else 1025))
    chosen = {
        "kind": kind, "sample_rate": rate, "frame_length": length,
        "frame_step": int(rng.integers(max(length // 4, 1), 2 * length)),
    }  # fmt: skip
    if kind != "spectrogram":
        edges = np.sort(rng.uniform(0, rate / 2, 2))
        # Triangles narrower than a bin hold nothing.
        width = rate / (1 << max(length - 1, 1).bit_length())
        bands = int(np.clip((edges[1] - edges[0]) / (4 * width), 1, 64))
        chosen |= {"num_mel_bins": bands, "lower_edge_hertz": float(edges[0])}
        chosen["upper_edge_hertz"] = float(max(edges[1], edges[0] + 2 * width))
    if kind == "micro":
        return {**chosen, "enable_pcan": bool(rng.integers(2)), "frame_length": min(length, 1000)}
    chosen |= {
        "window": str(rng.choice(["hann", "hamming", "povey", "rectangular"])),
        "periodic": bool(rng.integers(2)),
        "center": bool(rng.integers(2)),
        "pre_emphasis": float(rng.choice([0, 0, 0.5, 0.97])),
        "power": int(rng.integers(1, 3)),
        "log": str(rng.choice(["natural", "log2", "log10", "db"])),
        "log_floor": float(10.0 ** rng.uniform(-12, -5)),
        "log_offset": float(rng.choice([0, 0, 10.0 ** rng.uniform(-9, -3)])),
    }
    if kind == "mfcc":
        chosen["num_mfccs"] = int(rng.integers(1, chosen["num_mel_bins"] + 1))
        chosen["lifter"] = float(rng.choice([0, 22]))
    elif rng.integers(6) == 0:
        chosen |= {"log": "none", "power": 1}
    if kind != "spectrogram":
        chosen |= {
            "mel_scale": str(rng.choice(["htk", "slaney"])),
            "mel_slopes": str(rng.choice(["mel", "hertz"])),
            "norm": str(rng.choice(["none", "slaney"])),
        }
    return chosen


def check(description, rng, *, emulate=False):
    """Raise AssertionError where a front end is not what it should be; False if it is refused."""
    sound = recording(1.5, seed=int(rng.integers(1 << 30)))[: int(rng.integers(6000, 24000))]
    try:
        read_description(description)
    except EdgeqError:
        return False
    forms = ["int16"] if description["kind"] == "micro" else ["float32", "int16"]
    frames = {form: however_cut(description, form, sound) for form in forms}
    if "float32" in frames and len(frames["int16"]):
        exact = reference(description, sound)
        assert frames["float32"].shape == exact.shape
        heard, found = _heard(description, exact, frames["float32"])
        # Bands that hold nothing but zeros have no noise either.
        close = np.allclose(heard, found, rtol=1e-3, atol=1e-5)
        assert close or snr_db(heard, found) > _LEAST_DB + 10
        _check_fixed(description, exact, frames["int16"])
    if emulate:
        for form in frames:
            emulated(description, form, sound[:4000], str(rng.choice(CPUS)))
    return True


def _check_fixed(description, exact, fixed):
    if description.get("log") == "none":  # quiet bands are small beside a step of the output
        graph = graph_of(read_description(description), "int16")
        step = graph.main.tensors[graph.main.outputs[0]].scale
        np.testing.assert_allclose(fixed, exact, rtol=1e-3, atol=1.01 * step)
        return
    exact, fixed = _heard(description, exact, fixed)
    close = np.allclose(exact, fixed, rtol=1e-2, atol=1e-3)
    assert close or snr_db(exact, fixed) > _LEAST_DB


def _heard(description, exact, found):
    """Both without what lies 120 dB below the loudest band: there is only rounding, in float too.

    A tone under a window whose side lobes fall quickly leaves bins 150 dB below it.
    """
    d = read_description(description)
    if d.kind == "mfcc" or d.log == "none":
        return exact, found
    least = exact.max(axis=1, keepdims=True) - 6 * d.power * np.log(10) * log_factor(d)
    return np.maximum(exact, least), np.maximum(found, least)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="the C on this machine at -O1")
    parser.add_argument("--kind", choices=["sound", *KINDS], default="sound")
    given = parser.parse_args()
    if given.quick:
        flags = host_c._flags
        host_c._flags = lambda sources: [*flags(sources), "-O1"]
    random, judge = KINDS.get(given.kind, (random_description, check))
    wrong = tried = 0
    for number in range(given.first, given.first + given.n):
        rng = np.random.default_rng([given.seed, number])
        description = random(rng)
        try:
            tried += judge(description, rng, emulate=number % EMULATED == 0)
        except AssertionError as error:
            wrong += 1
            print(f"seed {given.seed} number {number}: {description}\n{error}", flush=True)
        if number % 100 == 99:
            print(f"to number {number}: {tried} tried, {wrong} wrong", file=sys.stderr, flush=True)
    print(f"{tried} front ends, {wrong} of them wrong")
    return 1 if wrong or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
