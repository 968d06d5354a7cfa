"""The kind `motion` against scipy and numpy, and on emulated cores."""

import wave
from itertools import pairwise

import numpy as np
import pytest

import edgeq
from edgeq.analysis.recordings import read_recording
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.devices.emulator import EmulatorSession
from edgeq.errors import EdgeqError
from edgeq.frontend.build import graph_of
from edgeq.frontend.description import read_description
from tests.frontend.signals import frames_of

signal = pytest.importorskip("scipy.signal")
stats = pytest.importorskip("scipy.stats")

STATISTICS = [
    "mean", "std", "rms", "min", "max", "mean_abs", "skewness", "kurtosis", "zero_crossings",
    "peaks",
]  # fmt: skip
PLAIN = {"kind": "motion", "sample_rate": 100, "axes": 3, "unit": 0.001, "frame_length": 120}


def sway(rows=1000, axes=3, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(rows)[:, None] / 100
    swing = 4000 * np.sin(2 * np.pi * rng.uniform(0.5, 12, axes) * t + rng.uniform(0, 6, axes))
    drift = rng.normal(0, 300, (rows, axes)) + rng.uniform(-9000, 9000, axes)
    return np.clip(np.rint(swing + drift), -32768, 32767).astype(np.int16)


def windows(x, length=120, step=40):
    """Shape (windows, length, axes)."""
    return np.lib.stride_tricks.sliding_window_view(x, length, 0)[::step].transpose(0, 2, 1)


def test_filters_run_on_as_scipys_do():
    sos = signal.butter(4, [0.5, 20], "bandpass", fs=100, output="sos")
    x = sway()
    described = {**PLAIN, "frame_step": 40, "sos": sos.tolist()}
    found = frames_of(described, "float32", x.ravel())
    exact = windows(signal.sosfilt(sos, x * 0.001, axis=0))
    assert found.shape == (len(exact), 360)
    # float32, whose errors such a narrow filter keeps for long: 4 digits of what goes in.
    np.testing.assert_allclose(found, exact.reshape(len(exact), -1), atol=1e-4 * np.ptp(x) / 1000)


def test_statistics_are_numpys_and_scipys():
    x = sway(seed=1)
    found = frames_of({**PLAIN, "frame_step": 40, "statistics": STATISTICS}, "float32", x.ravel())
    rows = windows(x * 0.001)
    exact = [
        rows.mean(1), rows.std(1), np.sqrt((rows**2).mean(1)), rows.min(1), rows.max(1),
        np.abs(rows).mean(1), stats.skew(rows, 1), stats.kurtosis(rows, 1),
        (np.signbit(rows[:, 1:]) != np.signbit(rows[:, :-1])).sum(1),
        ((rows[:, 1:-1] > rows[:, :-2]) & (rows[:, 1:-1] > rows[:, 2:])).sum(1),
    ]  # fmt: skip
    exact = np.stack(exact, 1).reshape(len(rows), -1)
    assert found.shape == exact.shape
    np.testing.assert_allclose(found, exact, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("log", [False, True])
def test_bands_are_welchs(log):
    x = sway(seed=2)
    edges = [0.5, 3.0, 8.0, 25.0, 50.0]
    described = {**PLAIN, "frame_step": 40, "bands": edges, "log_power": log}
    found = frames_of(described, "float32", x.ravel())
    exact = []
    for row in windows(x * 0.001):
        f, density = signal.welch(row, 100, nperseg=120, nfft=128, axis=0)
        inside = [(f >= a) & (f < b) for a, b in pairwise(edges)]
        bands = [density[each].sum(0) * (f[1] - f[0]) for each in inside]
        exact.append(np.concatenate(bands))
    exact = np.log(exact) if log else np.asarray(exact)
    assert found.shape == exact.shape == (23, 12)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4 if log else 1e-9)


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus"])
def test_emulated_cores_and_any_cut_give_the_same(cpu):
    x = sway(300, seed=3).ravel()
    described = {
        **PLAIN, "frame_step": 60, "statistics": ["rms", "peaks"], "bands": [1, 5, 20],
        "sos": signal.butter(2, 15, fs=100, output="sos").tolist(),
    }  # fmt: skip
    whole = frames_of(described, "float32", x)
    assert whole.shape == (4, 12)
    for chunk in (1, 7, 900):
        np.testing.assert_array_equal(frames_of(described, "float32", x, chunk), whole)
    target = load_target(cpu)
    graph = graph_of(read_description(described), "float32")
    session = EmulatorSession(f"sim:{cpu}", target, generate(graph, name="model", target=target))
    np.testing.assert_array_equal(session.stream(x)[0], whole)


def test_features_of_arrays_in_real_units():
    x = np.stack([sway(240, seed=seed) for seed in range(3)])
    described = {**PLAIN, "frame_step": 120, "statistics": ["mean", "std"]}
    found = edgeq.features(described, (x * 0.001, np.asarray([0, 1, 1])))
    assert found.x.shape == (3, 2, 6)
    assert found.y.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.x[:, 0, :3], (x[:, :120] * 0.001).mean(1), atol=1e-4)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"frame_step": 50}, "120 is no multiple of frame_step 50"),
        ({"frame_step": 40, "sos": [[1, 2, 3]]}, "rows of six"),
        ({"frame_step": 40, "sos": [[1, 0, 0, 0, 0, 0]]}, "a0 in sos is 0"),
        ({"frame_step": 40, "sos": [[1, 0, 0, 1, -3, 2.5]]}, r"sos\[0\] is not stable"),
        ({"frame_step": 40, "sos": [[1, 0, 0, 1, 0, 0], [1, 0, 0, 2, 0, 2.1]]}, r"sos\[1\] is not"),
        ({"frame_step": 40, "sos": [[1e308, 0, 0, 1e-308, 0, 0]]}, "a coefficient beyond 1e"),
        ({"frame_step": 40, "unit": 1e39}, "unit is 1e.39, no number from"),
        ({"frame_step": 40, "mean": [1e308] * 360}, "a mean is beyond"),
        ({"frame_step": 40, "std": [1e-320] * 360}, "a std is not from"),
        ({"frame_step": 40, "bands": [0.5, 0.51, 8.0]}, "no bin, 0.78125 Hz apart, lies between"),
        ({"frame_step": 40, "name": ["x"]}, "name is .*, no text"),
        ({"frame_step": 40, "name": 5}, "name is 5, no text"),
        ({"frame_step": 40, "statistics": ["median"]}, "not some of mean"),
        ({"frame_step": 40, "bands": [5, 60]}, "outside 0 to 50 Hz"),
        ({"frame_step": 40, "bands": [5]}, "two at the least"),
        ({"frame_step": 40, "precision": "int16"}, "motion is float32"),
        ({"frame_step": 40, "frames": 3, "axis": 1}, "axis is unknown.*frames has no meaning"),
    ],
)
def test_what_makes_no_sense_is_said(words, problem):
    with pytest.raises(EdgeqError, match=problem):
        read_description({**PLAIN, **words})


def test_a_section_on_the_unit_circle_is_let_through():
    """An integrator's answers grow with what it is given, no faster."""
    described = {**PLAIN, "frame_step": 40, "sos": [[1, 0, 0, 1, -1, 0], [0, 0, 0, -2, 4, -2]]}
    assert len(read_description(described).sos) == 2


def test_features_that_are_no_numbers_are_refused():
    described = {**PLAIN, "frame_step": 120, "unit": 1e12, "bands": [0.5, 8], "log_power": False}
    described["sos"] = [[1e12, 0, 0, 1, 0, 0]]
    with pytest.raises(EdgeqError, match="features of recording 0 hold NaN or infinity"):
        edgeq.features(described, np.stack([sway(240)]) * 1e12)


@pytest.mark.parametrize("given", [("mean", "std"), ("mean",), ("std",)])
def test_features_are_normalized_one_by_one(given):
    plain = {**PLAIN, "frame_step": 40, "statistics": ["mean", "std"], "bands": [0.5, 3, 8]}
    x = sway(seed=2)
    raw = frames_of(plain, "float32", x.ravel())
    mean, std = raw.mean(0), raw.std(0) + 1
    values = {"mean": mean.tolist(), "std": std.tolist()}
    found = frames_of({**plain, **{key: values[key] for key in given}}, "float32", x.ravel())
    wanted = (raw - mean * ("mean" in given)) / np.where("std" in given, std, 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(EdgeqError, match="mean has 3 numbers and a frame 12 features"):
        read_description({**plain, "mean": [1, 2, 3]})
    with pytest.raises(EdgeqError, match="a std is not above 0"):
        read_description({**plain, "std": [0.0] * 12})


@pytest.mark.parametrize("axes", [1, 3])
def test_recordings_of_sound_are_none_of_motion(tmp_path, axes):
    """A .wav file has no unit: its values would be taken for g, and nothing be left of them."""
    rows = sway(400, axes)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((axes, 2, 100, 0, "NONE", ""))
        file.writeframes(rows.tobytes())
    given = {**PLAIN, "axes": axes, "statistics": ["mean", "rms"], "frame_step": 60}
    for frames in (None, 2):
        with pytest.raises(EdgeqError, match=r"takes no \.wav files"):
            edgeq.features(given, tmp_path, frames=frames)
    stream = graph_of(read_description(given), "float32").stream
    with pytest.raises(EdgeqError, match=r"takes no \.wav files"):
        read_recording(tmp_path / "a.wav", stream)
