"""`edgeq evaluate --recordings`: what is found in recordings of which everything is known."""

import itertools
import json

import numpy as np
import pytest

import edgeq
from edgeq.analysis.clock import Clock
from edgeq.analysis.evaluation import detections
from edgeq.analysis.evaluation.detections import Recording, Trials
from edgeq.analysis.evaluation.recordings import evaluate_recordings
from edgeq.analysis.fleet.results import FleetReport, FleetResult
from edgeq.analysis.recordings import read_timed
from edgeq.cli.shared.recordings import _show_each
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.network import Network
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.decider import with_thresholds
from edgeq.metrics.events import Span
from edgeq.model.decision import Rules
from edgeq.model.settling import ENTRY as SETTLING
from tests.frontend.test_features import run, write_float_wav, write_wav
from tests.oracle.build import TensorSpec, single_op

EARS = """
kind = "log-mel"
frame_length = 400
frame_step = 400
num_mel_bins = 2
lower_edge_hertz = 100
upper_edge_hertz = 6000
precision = "int16"

[decision]
labels = ["low", "high"]
full_scale = 30
threshold = 4.5
release = {low = 2, high = 3}
average_ms = 50
refractory_ms = 500
suppression_ms = 100
"""
HERTZ = {"low": 400, "high": 3000}


def sounds(seconds, bursts, seed=0):
    """Faint noise with tones of 0.3 s: (seconds, name, amplitude)."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 3, int(seconds * 16000))
    t = np.arange(4800) / 16000
    for start, name, amplitude in bursts:
        at = int(start * 16000)
        samples[at : at + 4800] += amplitude * np.sin(2 * np.pi * HERTZ[name] * t)
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def passing(values, scale, zero_point):
    """A model that gives back its input."""
    x, y = (TensorSpec((1, values), "int8", scale=scale, zero_point=zero_point) for _ in range(2))
    return single_op("MAXIMUM", [x, x], [y])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two recordings with five tones: one of them not in events.csv, one too faint."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ears.toml").write_text(EARS)
    (tmp_path / "louder.tflite").write_bytes(passing(2, 0.2, 20))
    one = [(1, "low", 5000), (3, "high", 5000), (6, "low", 5000)]
    write_wav(tmp_path / "heard" / "one.wav", sounds(8, one))
    write_wav(tmp_path / "heard" / "more" / "two.wav",
              sounds(4, [(1, "high", 6000), (2.5, "low", 12)], 1))  # fmt: skip
    (tmp_path / "heard" / "events.csv").write_text(
        "file,start,end,label\none.wav,1.0,1.3,low\none.wav,3,3.3,high\n"
        "more/two.wav,1,1.3,high\nmore/two.wav,2.5,2.8,low\n"
    )
    return tmp_path


EVALUATE = ("evaluate", "louder.tflite", "--frontend", "ears.toml", "--recordings", "heard")


def test_what_is_found_missed_and_made_up(place, capsys):
    assert run(*EVALUATE, "--json", "--tune-decision", "--also-on", "sim:cortex-m4") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["found"], found["misses"], found["false_accepts"]) == (4, 3, 1, 1)
    assert found["event_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert found["false_accepts_per_hour"] == pytest.approx(1 / (12 / 3600))
    assert found["seconds"] == 12
    assert found["also_on"] == {"on": "sim:cortex-m4", "equal": True}
    assert found["device"]["address"] == "c"
    latency = found["latency_s"]
    assert latency["n"] == 3
    # Two answers of 25 ms for the mean, four more for stronger neighbours.
    assert 0.1 < latency["p50"] <= 0.2
    assert latency["after_end_p50"] == pytest.approx(latency["p50"] - 0.3)
    low, high = (found["by_class"][name] for name in ("low", "high"))
    assert (low["found"], low["misses"], low["false_accepts"]) == (1, 1, 1)
    assert (high["found"], high["misses"], high["f1"]) == (2, 0, 1)
    assert [(d["file"], d["label"], d["correct"]) for d in found["detections"]] == [
        ("more/two.wav", "high", True), ("one.wav", "low", True), ("one.wav", "high", True),
        ("one.wav", "low", False),
    ]  # fmt: skip
    times = [d["time_s"] for d in found["detections"]]
    assert np.abs(np.array(times) - [1, 1, 3, 6]).max() < 0.08
    rates = [(p["false_accepts_per_hour"], p["miss_rate"]) for p in found["det"]]
    assert rates[0][0] >= rates[-1][0] == 0
    assert rates[-1][1] == 1
    assert found["tuned"]["false_accepts"] == 0
    assert found["tuned"]["reached"]
    assert found["tuned"]["thresholds"]["low"] > 4.5
    (place / "found.json").write_text(json.dumps(found))
    assert run("report", "found.json", "-o", "page.html") == 0
    page = (place / "page.html").read_text()
    assert "3 of 4 found" in page
    assert page.count("false accepts an hour, ") == len(found["det"])


def test_what_was_asked_for_is_shown_of_each_runtime(place, capsys):
    """Thresholds were looked for, and shown with one runtime alone."""
    found = evaluate_recordings(
        "louder.tflite",
        recordings="heard",
        on="c",
        options=CompileOptions(frontend=front_end("ears.toml")),
        tune_decision=1.0,
        also_on="sim:cortex-m4",
    )
    row = FleetResult("litert", "ssh://x", None, None, 1, 0.0, evaluation=found)
    _show_each(FleetReport("ssh://x", (row,), of_runtimes=True))
    shown = capsys.readouterr().out
    assert "litert: events on sim:cortex-m4: the same" in shown
    assert "litert: best for 1 false accepts an hour" in shown and "threshold = {" in shown


def test_words_and_a_cut(place, capsys):
    assert run(*EVALUATE, "--seconds", 6, "--tune-decision", 300) == 0
    said = capsys.readouterr()
    # All of more/two.wav, and two seconds of one.wav.
    assert "2 recordings, 6.0 s (c)" in said.out
    assert "2 of 3 found, 1 missed, 0 false accepts (0.00 an hour), F1 0.8000" in said.out
    assert "best for 300 false accepts an hour" in said.out
    assert "threshold = {low = " in said.out
    tuned = said.out[said.out.index("threshold = {") :]
    head = EARS[: EARS.index("threshold")] + tuned + EARS[EARS.index("average_ms") :]
    (place / "ears.toml").write_text(head)
    assert run(*EVALUATE, "--json") == 0
    assert json.loads(capsys.readouterr().out)["found"] == 3


def test_python(place):
    found = edgeq.evaluate_recordings(
        "louder.tflite",
        recordings="heard",
        options=CompileOptions(frontend=front_end("ears.toml")),
        tolerance_s=0,
    )
    assert found.total.found == 3
    assert found.by_class["high"].f1 == 1.0
    assert found.macro_f1 == pytest.approx((0.5 + 1) / 2)


def test_recordings_that_cannot_be_used(place, capsys):
    heard = place / "heard"
    cases = {
        "rate": (lambda p: write_wav(p, sounds(1, []), rate=8000), "8,000 Hz; the front end takes"),
        "stereo": (lambda p: write_wav(p, sounds(1, []), channels=2), "2 channels"),
        "empty": (lambda p: write_wav(p, sounds(0, [])), "The recording is empty"),
        "short": (lambda p: write_wav(p, sounds(0.01, [])), "an answer needs 400"),
        "nan": (lambda p: write_float_wav(p, np.full(900, np.nan, np.float32)), "NaN or infinity"),
    }
    for name, (write, words) in cases.items():
        write(heard / "zz.wav")
        assert run(*EVALUATE) == 1, name
        assert words in capsys.readouterr().err
    # 8,000 Hz with --resample; 24 bits and floats as they are; what is clipped is said.
    write_wav(heard / "zz.wav", sounds(1, [])[::2], rate=8000)
    clipped = np.clip(9.0 * np.sin(np.arange(16000) / 40), -1, 1).astype(np.float32)
    write_float_wav(heard / "yy.wav", clipped)
    wide = (sounds(2, [(1, "low", 5000)]).astype("<i4") << 8).view(np.uint8).reshape(-1, 4)
    write_wav(heard / "xx.wav", wide[:, :3], width=3)
    assert run(*EVALUATE, "--resample", "--json") == 0
    said = capsys.readouterr()
    assert "clipped recordings: yy.wav\n" in said.err
    found = json.loads(said.out)
    assert found["seconds"] == 16
    assert ("xx.wav", "low") in [(d["file"], d["label"]) for d in found["detections"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("three.wav,1,2,low", "There is no recording three.wav"),
        ("one.wav,1,2,middle", "No class is called middle"),
        ("one.wav,2,1,low", "no times in seconds"),
        ("one.wav,x,1,low", "no times in seconds"),
        ("one.wav,7,9,low", "An event ends at 9 s; one.wav has 8.000 s"),
        ("one.wav,1", "fields; the header has 4"),
        ("one.wav,3.0,3.30,high", "The line says the same as line 3"),
    ],
)
def test_events_that_make_no_sense(place, capsys, line, words):
    with (place / "heard" / "events.csv").open("a") as file:
        file.write(line + "\n")
    assert run(*EVALUATE) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("line", ["3.1,3.2", "2,3.05", "3.3,3.5", "2,5"])
def test_events_that_overlap_are_said_to_be_one(place, capsys, line):
    """One of them is missed whatever the model does, without a word."""
    with (place / "heard" / "events.csv").open("a") as file:
        file.write(f"one.wav,{line},high\none.wav,{line},low\n")
    assert run(*EVALUATE, "--json") == 0
    said = capsys.readouterr()
    assert "events under one label overlap or touch in events.csv: high from " in said.err
    assert "of one.wav; where they are one event" in said.err
    assert json.loads(said.out)["n"] == 6


def test_options_that_do_not_go_together(place, capsys):
    for more, words in [
        (("--data", "heard"), "--data and --recordings exclude each other"),
        (("--limit", 3), "--limit and --recordings exclude each other"),
        (("--on", "local"), "No front ends run on local"),
    ]:
        assert run(*EVALUATE, *more) == 2
        assert words in capsys.readouterr().err
    assert run("evaluate", "louder.tflite", "--frontend", "ears.toml") == 2
    assert run("evaluate", "louder.tflite", "--data", "x", "--seconds", 3) == 2
    assert run("evaluate", "louder.tflite", "--recordings", "heard") == 2


MOTION = """
kind = "motion"
axes = 3
unit = 0.001
frame_length = 20
frame_step = 10
statistics = ["std"]
[decision]
labels = ["x", "y", "z"]
threshold = 0.4
release = 0.2
"""


def test_motion_from_csv_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heard").mkdir()
    (tmp_path / "arm.toml").write_text(MOTION)
    (tmp_path / "same.tflite").write_bytes(passing(3, 1 / 128, 0))
    t = np.arange(1000) / 100
    values = np.random.default_rng(0).normal(0, 0.02, (1000, 3))
    values[200:400, 1] += np.sin(20 * t[:200])
    values[600:700, 2] += np.sin(20 * t[:100])
    rows = np.column_stack([t, values])
    table = "time,ax,ay,az\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows)
    (tmp_path / "heard" / "walk.csv").write_text(table)
    (tmp_path / "heard" / "events.csv").write_text(
        "file,start,end,label\nwalk.csv,2,4,y\nwalk.csv,6,7,z\nwalk.csv,8,9,x\n"
    )
    command = ("evaluate", "same.tflite", "--frontend", "arm.toml", "--recordings", "heard")
    for address in ("c", "sim:cortex-m4"):
        assert run(*command, "--json", "--on", address) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["found"], found["misses"], found["false_accepts"]) == (2, 1, 0)
        assert found["event_f1"] == pytest.approx(0.8)
        assert [d["label"] for d in found["detections"]] == ["y", "z"]
        assert found["detections"][0]["time_s"] == pytest.approx(2.2, abs=0.11)
    (tmp_path / "heard" / "walk.csv").write_text(table.replace("time", "left"))
    assert run(*command) == 1
    assert "4 columns of values; the front end takes 3" in capsys.readouterr().err
    # Axes went by their place, and those of another logger each for another one.
    (tmp_path / "heard" / "walk.csv").write_text(table)
    turned = "ay,az,time,ax\n" + "\n".join(
        ",".join(f"{row[k]:.4f}" for k in (2, 3, 0, 1)) for row in rows
    )
    (tmp_path / "heard" / "back.csv").write_text(turned)
    assert run(*command) == 1
    said = capsys.readouterr().err
    assert "walk.csv has its columns in the order ax, ay, az, back.csv in ay, az, ax." in said


def jitter(samples):
    """How late rows are, drawn once."""
    return lambda n: (n + np.random.default_rng(0).normal(0, samples, len(n))) / 100


TIMES = {
    "whole": (lambda n: n / 100, None),
    "in hundredths, late now and then": (lambda n: np.round(n / 100 + (n % 7 == 3) / 150, 2), None),
    "in hundredths, of another rate": (lambda n: np.round(n / 98.2, 2), None),
    "late by a fifth of a sample": (jitter(0.2), None),
    "late by two fifths of a sample": (jitter(0.4), None),
    "some stamped late": (lambda n: (n + (115 - n % 200) * (abs(n % 200 - 107) < 8)) / 100, None),
    "two of a packet": (lambda n: n // 2 / 50, None),
    "since 1970": (lambda n: 1.7e9 + n / 100, None),
    "one is lost": (lambda n: (n + (n > 500)) / 100, None),
    "a pause": (lambda n: (n + 300 * (n > 500)) / 100, "from 5 to 8.01 s: 300 samples are missing"),
    "two pauses": (
        lambda n: (n + 90.0 * (n > 300) + 30 * (n > 700)) / 100,
        "from 3 to 3.91 s: 90 samples are missing, and 1 more such places",
    ),
    "a pause at the beginning": (lambda n: (n + 40 * (n > 0)) / 100, "from 0 to 0.41 s: 40"),
    "a pause at the end": (lambda n: (n + 40 * (n > 996)) / 100, "from 9.96 to 10.37 s: 40"),
    "five are lost": (lambda n: (n + 5 * (n > 500)) / 100, "from 5 to 5.06 s: 5 samples are miss"),
    "every tenth is lost": (lambda n: (n + n // 10) / 100, "has 9[01].* Hz by its times"),
    "every thirtieth is lost": (lambda n: (n + n // 30) / 100, "has 9[67].* Hz by its times"),
    "some come twice": (
        lambda n: (n - 200 * (n >= 600)) / 100,
        "from 5.99 to 4 s: 200 samples are too many",
    ),
    "the clock jumps back": (
        lambda n: n % 700 / 100,
        "from 6.99 to 0 s: 700 samples are too many",
    ),
    "no number": (lambda n: np.where(n == 50, np.inf, n / 100), "A field is no number"),
    "no time": (lambda n: np.where(n == 50, 1e300, n / 100), "from 0.49 to 1e.300 s: one of the"),
    "another rate": (lambda n: n / 90, "The recording has 90 Hz by its times"),
    "milliseconds": (lambda n: 10.0 * n, "has 0.1 Hz by its times"),
    "of packets": (lambda n: n // 8 / 12.5, None),
    "of packets of 32, begun in the middle": (lambda n: (n + 20) // 32 * 0.32, None),
    "of packets of another rate": (lambda n: n // 16 * 16 / 98.2, None),
    "of packets that come late": (
        lambda n: n // 16 * 16 / 100 + np.random.default_rng(0).uniform(0, 0.012, 1000)[n // 16],
        None,
    ),
    "of packets, one of which is lost": (
        lambda n: (n // 16 + (n >= 480)) * 0.16,
        "to 4.96 s: 16 samples are missing",
    ),
    "of packets, of which some come twice": (
        lambda n: (n // 16 - 3 * (n >= 480)) * 0.16,
        "to 4.32 s: 48 samples are too many",
    ),
    "of packets of no one size": (
        lambda n: (n // 10 + (n % 40 == 9)) / 10,
        "do not rise from row to row: most steps are 0 s",
    ),
    "of one packet": (lambda n: 0.0 * n, "do not rise from row to row: most steps are 0 s"),
    "backwards": (lambda n: 20 - n / 100, "do not rise from row to row: most steps are -0.01 s"),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_of_a_recording_rise_by_a_sample_each(kind, tmp_path):
    """What was missing was closed up: all events behind it lay elsewhere, silently."""
    times, refused = TIMES[kind]
    (tmp_path / "arm.toml").write_text(MOTION)
    stream = front_end(tmp_path / "arm.toml").stream
    path = tmp_path / "walk.csv"
    n = np.arange(1000)
    lines = [f"{t:.4f},0,{row},0" for row, t in enumerate(times(n))]
    path.write_text("time,ax,ay,az\n" + "\n".join(lines))
    if refused is None:
        samples, clock = read_timed(path, stream)
        assert samples.shape == (3000,)
        at = np.array([clock.at(3 * k) for k in n])
        assert (np.diff(at) > 0).all()
        # Where the rows are by themselves is met to a sample and what is lost at once.
        rate = 98.2 if kind.endswith("of another rate") else 100
        assert np.abs(at - n / rate).max() < 0.0151
        return
    with pytest.raises(EdgeqError, match=refused) as caught:
        read_timed(path, stream)
    if kind == "a pause":
        assert caught.value.where == f"{path}, line 503"


@pytest.mark.parametrize("rate", [98.2, 100])
def test_events_are_where_the_times_of_a_recording_say(rate, tmp_path, monkeypatch, capsys):
    """They were where the front end's rate would have put them: 10 s away after some minutes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heard").mkdir()
    (tmp_path / "arm.toml").write_text(MOTION)
    (tmp_path / "same.tflite").write_bytes(passing(3, 1 / 128, 0))
    t = 7.5 + np.arange(0, 600, 1 / rate)
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.02, (len(t), 3))
    moved = (t >= 567.5) & (t < 569.5)
    values[moved, 1] += np.sin(20 * t[moved])
    rows = np.column_stack([t + rng.normal(0, 0.002, len(t)), values])
    rows[0, 0] = 7.5
    table = "time,ax,ay,az\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows)
    (tmp_path / "heard" / "walk.csv").write_text(table)
    (tmp_path / "heard" / "events.csv").write_text("file,start,end,label\nwalk.csv,560,562,y\n")
    command = ("evaluate", "same.tflite", "--frontend", "arm.toml", "--recordings", "heard",
               "--tolerance", 0, "--json")  # fmt: skip
    assert run(*command) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["found"], found["misses"], found["false_accepts"]) == (1, 0, 0)
    assert found["seconds"] == pytest.approx(600, abs=0.05)
    assert found["detections"][0]["time_s"] == pytest.approx(560.2, abs=0.11)
    assert (f"recordings have a rate of {rate} and not 100 hertz: walk.csv" in said.err) == (
        rate != 100
    )
    assert "the times of walk.csv do not begin at 0" in said.err
    assert run(*command, "--seconds", 561) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == pytest.approx(560, abs=0.02)  # of an event no half is heard
    assert (found["n"], found["false_accepts"]) == (0, 0)
    with (tmp_path / "heard" / "events.csv").open("a") as file:
        file.write("walk.csv,603,604,y\n")
    assert run(*command) == 1
    assert "its times begin at 7.5 s" in capsys.readouterr().err


def test_the_best_thresholds_are_the_best_of_all(monkeypatch):
    steps = [1, 3000, 9000, 14000, 17000, 20000, 26000, 32767]
    monkeypatch.setattr(detections, "_STEPS", steps)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rules = Rules(("a", "b"), (16384, 16384), (9000, 9000), 2, 1, 3, 0, 2, 8, 1, 1)
        scores = np.clip(16000 + np.cumsum(rng.normal(0, 4000, (400, 2)), 0) % 16000, 0, 32767)
        spans = [
            Span(int(rng.integers(2)), s, s + 4) for s in sorted(rng.uniform(0, 390, 20).tolist())
        ]
        heard = [Recording("r", 3600.0, (), scores.astype(np.int16), tuple(spans), Clock(1))]
        trials = Trials(heard, rules, 2.0)
        everything = [
            trials.judged(with_thresholds(rules, limits))
            for limits in itertools.product(steps, repeat=2)
        ]
        for wanted in (0, 3, 10, 40):
            best = trials.judged(trials.best(wanted))
            possible = [tally.misses for tally in everything if tally.false_accepts <= wanted]
            assert best.misses == min(possible)
            assert best.false_accepts <= wanted


@pytest.mark.parametrize(
    "more",
    [
        ("--mean", "3"), ("--std", "2"), ("--metric", "regression"), ("--classes", "x,y"),
        ("--label", "x"), ("--from-logits",), ("--from-probabilities",), ("--sample-rate", "44100"),
        ("--resize", "crop"), ("--background", "black"),
    ],
)  # fmt: skip
def test_options_of_labelled_data_are_refused(place, capsys, more):
    assert run(*EVALUATE, *more) == 2
    assert "--recordings takes no " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("calls", "decision", "words"),
    [
        ("100000", "", "that its first 100,000 answers do not count; the longest"),
        ("", "suppression = 320", "waits (suppression) for 320 answers after an event's own"),
        ("319", "suppression = 319", None),
        ("999999999", "", None),  # nothing that makes sense
    ],
)  # fmt: skip
def test_decisions_that_nothing_can_reach_are_named(place, capsys, calls, decision, words):
    model = place / "louder.tflite"
    network = Network.unpack(model.read_bytes(), "")
    network.add_metadata(SETTLING, calls.encode())
    model.write_bytes(network.pack())
    if decision:
        text = EARS.replace("suppression_ms = 100", decision)
        (place / "ears.toml").write_text(text)
    assert run(*EVALUATE, "--json") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    never = [warning for warning in found["warnings"] if "nothing can be decided" in warning]
    assert [words in warning for warning in never] == ([True] if words else [])
    if words:
        assert found["detections"] == []
        assert words in said.err
    assert run("compile", "louder.tflite", "-o", "c", "--frontend", "ears.toml") == 0
    told = capsys.readouterr().out
    assert ("decisions leave out the first" in told) == (calls in ("100000", "319"))


def test_a_model_of_steps_is_judged_as_one_of_windows(place, capsys):
    """Events of a stream had half a second, where a window's had all that it looks back."""
    assert run(*EVALUATE, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tolerance_s"] == 0.5
    model = place / "louder.tflite"
    network = Network.unpack(model.read_bytes(), "")
    network.add_metadata(SETTLING, b"40")
    model.write_bytes(network.pack())
    assert run(*EVALUATE, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # A window of 25 ms and 40 steps until it is whole, and the mean of two answers.
    assert found["tolerance_s"] == pytest.approx(0.025 * (1 + 40 + 1), abs=0.01)


def test_more_seconds_than_there_are(place, capsys):
    assert run(*EVALUATE, "--seconds", "1e308") == 0
    assert "2 recordings, 12.0 s" in capsys.readouterr().out


def test_a_rest_of_the_seconds_that_is_no_answer_is_left_out(place, capsys):
    assert run(*EVALUATE, "--seconds", 4.01) == 0
    assert "1 recordings, 4.0 s" in capsys.readouterr().out


def test_an_event_that_the_seconds_cut_in_two_is_no_false_accept(place, capsys):
    """It was left out, and what was found in its first half was held to be made up."""
    (place / "heard" / "events.csv").write_text(
        "file,start,end,label\nmore/two.wav,0.9,3.9,high\nmore/two.wav,2.5,2.8,low\n"
    )
    (place / "heard" / "one.wav").unlink()
    assert run(*EVALUATE, "--seconds", 2, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["false_accepts"], found["seconds"]) == (0, 0, 0.9)
    assert run(*EVALUATE, "--seconds", 3.95, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["found"], found["seconds"]) == (2, 1, 3.95)
    (place / "heard" / "events.csv").write_text("file,start,end,label\nmore/two.wav,0,3,high\n")
    assert run(*EVALUATE, "--seconds", 2) == 1
    assert "0 samples; an answer needs" in capsys.readouterr().err


def test_nothing_happened_and_nothing_was_decided(place, capsys):
    (place / "heard" / "events.csv").write_text("file,start,end,label\n")
    for path in (place / "heard").rglob("*.wav"):
        path.unlink()
    write_wav(place / "heard" / "quiet.wav", sounds(2, []))
    assert run(*EVALUATE, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 0
    assert [found[key] for key in ("event_f1", "macro_f1", "recall")] == [None] * 3
    (place / "r.json").write_text(json.dumps(found))
    assert run("report", "r.json", "-o", "r.html") == 0
    assert run("compare", "r.json", "r.json") == 1
    assert "event_f1 is not known: nothing happened" in capsys.readouterr().err


def test_a_threshold_that_no_answer_reaches(place, capsys):
    """Answers of the model go to 0.2 * (127 - 20) = 21.4."""
    limits = EARS[EARS.index("threshold") : EARS.index("average_ms")]
    for limit, code in ((21.5, 1), (21.4, 0)):
        (place / "ears.toml").write_text(EARS.replace(limits, f"threshold = {limit}\n"))
        if code:
            assert run(*EVALUATE) == code
        assert run("compile", "louder.tflite", "-o", f"c{code}", "--frontend", "ears.toml") == code
        said = capsys.readouterr().err
        assert ("answers reach 21.4 at most, and no threshold is below 21.5" in said) == (code == 1)
