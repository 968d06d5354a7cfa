"""run, verify, evaluate, profile and compile with --frontend, as a user calls them."""

import json

import numpy as np
import pytest

from edgeq.devices import inventory
from tests.frontend.test_features import run, write_wav
from tests.oracle.build import TensorSpec, single_op

EARS = """
kind = "log-mel"
frame_length = 400
frame_step = 400
num_mel_bins = 2
lower_edge_hertz = 100
upper_edge_hertz = 6000
precision = "int16"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a front end, a model that says which of two bands is louder, and recordings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ears.toml").write_text(EARS)
    x = TensorSpec((1, 2), "int8", scale=0.2, zero_point=20)
    y = TensorSpec((1, 2), "int8", scale=0.2, zero_point=20)
    (tmp_path / "louder.tflite").write_bytes(single_op("MAXIMUM", [x, x], [y]))
    t = np.arange(400) / 16000
    for name, hertz in (("a-low", 400), ("b-high", 3000)):
        for number in range(3):
            tone = 5000 * np.sin(2 * np.pi * hertz * (1 + number / 9) * t)
            write_wav(tmp_path / "tones" / name / f"{number}.wav", tone.astype(np.int16))
    return tmp_path


def said(capsys):
    return json.loads(capsys.readouterr().out)


def test_evaluate_takes_recordings(place, capsys):
    ears = ("--frontend", "ears.toml")
    assert run("evaluate", "louder.tflite", *ears, "--on", "c", "--data", "tones", "--json") == 0
    found = said(capsys)
    assert (found["accuracy"], found["n"], found["classes"]) == (1.0, 6, ["a-low", "b-high"])


def test_run_gives_every_answer_to_a_recording(place, capsys):
    ears = ("--frontend", "ears.toml")
    long = np.concatenate([np.zeros(1000), 9000 * np.sin(np.arange(3000))]).astype(np.int16)
    write_wav(place / "long.wav", long)
    np.save(place / "long.npy", long)
    answers = []
    for number, (source, on) in enumerate(
        [("long.wav", "c"), ("long.npy", "c"), ("long.wav", "sim:cortex-m3")]
    ):
        out = f"{number}.npy"
        code = run("run", "louder.tflite", *ears, "--on", on, "--input", source, "--output", out)
        assert code == 0
        answers.append(np.load(out))
    assert answers[0].shape == (10, 2)
    assert len(np.unique(answers[0])) > 4
    for other in answers[1:]:
        np.testing.assert_array_equal(other, answers[0])
    write_wav(place / "slow.wav", long, rate=8000)
    capsys.readouterr()
    assert run("run", "louder.tflite", *ears, "--on", "c", "--input", "slow.wav",
               "--output", "no.npy") == 1  # fmt: skip
    assert "8,000 Hz; the front end takes 16,000 Hz" in capsys.readouterr().err


def test_run_of_recordings_that_are_nearly_long_enough(place, capsys):
    """Silence follows, as when they are evaluated: for what lacks more there is an error."""
    long = (9000 * np.sin(np.arange(3000) / 3)).astype(np.int16)
    (place / "two.toml").write_text(EARS + "frames = 2\n")

    def answers(source, number):
        ears, output = ("--frontend", "two.toml", "--on", "c"), f"y{number}.npy"
        code = run("run", "four.tflite", *ears, "--input", source, "--output", output, "--force")
        return np.load(output) if code == 0 else capsys.readouterr().err

    x, y = (TensorSpec((1, 2, 2), "int8", scale=0.2, zero_point=20) for _ in range(2))
    (place / "four.tflite").write_bytes(single_op("MAXIMUM", [x, x], [y]))
    for number, count in enumerate((800, 799, 401)):
        np.save("whole.npy", np.pad(long[:count], (0, 800 - count)))
        np.save("row.npy", long[:count])
        np.save("rows.npy", long[None, :count])
        write_wav(place / "short.wav", long[:count])
        whole = answers("whole.npy", number)
        assert whole.shape == (1, 2, 2)
        for source in ("row.npy", "rows.npy", "short.wav"):
            np.testing.assert_array_equal(answers(source, number), whole)
    write_wav(place / "short.wav", long[:399])
    assert "has 399 samples; an answer needs 800" in answers("short.wav", 9)
    np.save("whole.npy", long[:800])
    np.save("long.npy", long[None, :1199])
    np.testing.assert_array_equal(answers("long.npy", 9), answers("whole.npy", 8))


def test_verify_and_profile_know_the_stages(place, capsys):
    ears = ("--frontend", "ears.toml")
    assert run("verify", "louder.tflite", *ears, "--on", "sim:cortex-m4", "-n", 2, "--json") == 0
    found = said(capsys)
    assert found["equal"]
    assert found["against"] == "c"
    assert run("profile", "louder.tflite", *ears, "--on", "sim:cortex-m4", "--json") == 0
    found = said(capsys)
    stages = {op["op"]: op["instructions"] for op in found["ops"]}
    assert 10_000 < stages["FRONTEND_FFT"] < 30_000
    assert sum(stages.values()) <= found["instructions"] < 60_000
    assert found["memory_bytes"]["flash_const"] > 4000
    assert found["memory_bytes"]["arena"] >= 400 * 2 + 512 * 4
    assert run("verify", "louder.tflite", *ears, "--on", "local") == 2
    assert "No front ends run on local" in capsys.readouterr().err


def test_compile_says_that_it_leaves_a_front_end_aside(place, capsys):
    (place / "louder.frontend.toml").write_text(EARS)
    for number, more in enumerate(((), ("--frontend", "none"), ("--frontend", "ears.toml"))):
        assert run("compile", "louder.tflite", "-o", f"c{number}", *more) == 0
        assert ("louder.frontend.toml is not taken" in capsys.readouterr().err) == (not more)
        header = (place / f"c{number}" / "louder.h").read_text()
        assert ("louder_push" in header) == (number == 2)


def test_silent_bands_are_said_by_every_command(place, capsys):
    narrow = EARS.replace("400", "32").replace("100", "510").replace("6000", "1010")
    (place / "narrow.toml").write_text(narrow)
    ears = ("louder.tflite", "--frontend", "narrow.toml")
    words = "1 of 2 bands hold no bin of the spectrum and are always silent (0): a larger fft"
    assert run("compile", *ears, "-o", "out") == 0
    assert words in capsys.readouterr().err
    data = ("--on", "c", "--data", "tones", "--json")
    for command in (("evaluate", *ears, *data), ("profile", *ears, "--on", "c", "--json"),
                    ("verify", *ears, "--on", "sim:cortex-m4", "-n", "2", "--json")):  # fmt: skip
        assert run(*command) == 0
        said = capsys.readouterr()
        assert said.err.count(words) == (command[0] != "profile"), command
        assert sum(words in each for each in json.loads(said.out)["warnings"]) == 1, command
    assert run("compile", "louder.tflite", "--frontend", "ears.toml", "-o", "other") == 0
    assert "bands" not in capsys.readouterr().err


def test_compile_says_how_samples_come(place, capsys):
    command = ("compile", "louder.tflite", "--frontend", "ears.toml", "-o", "out", "-n", "ears")
    assert run(*command) == 0
    header = (place / "out" / "ears.h").read_text()
    assert "int ears_push(const int16_t *samples, uint32_t count);" in header
    assert "#define EARS_FIRST_ANSWER 400\n" in header
    manifest = json.loads((place / "out" / "manifest.json").read_text())
    assert manifest["stream"]["rate_hz"] == 16000
    assert run(*command, "--force", "--golden") == 0
    assert "int ears_selftest(void);" in (place / "out" / "ears.h").read_text()
    target = ("-t", "nucleo-f446re")
    assert run(*command, "--force", "--reentrant", "--project", "bare-metal", *target) == 2
    assert run(*command, "--force", "--project", "bare-metal", *target) == 0
    assert (place / "out" / "model" / "ears_replay.c").exists()


def test_c_is_not_verified_against_itself(place, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    inventory.add("camera", "c")
    ears = ("--frontend", "ears.toml")
    for on in ("c", "camera"):
        assert run("verify", "louder.tflite", *ears, "--on", on, "-n", 2, "--json") == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["against"] == "tflm"
        assert "Compared is the model behind the front end" in said.err
    assert run("verify", "louder.tflite", "--on", "camera", "--against", "c", "-n", 2) == 0
    assert "camera was compared with itself" in capsys.readouterr().err
    np.save("sound.npy", np.zeros((1, 16000), np.int16))
    assert run("verify", "louder.tflite", *ears, "--on", "c", "--input", "sound.npy") == 2
    assert "c would be compared with itself" in capsys.readouterr().err


def test_a_recording_too_short_for_one_answer_is_named(place, capsys):
    write_wav(place / "short.wav", np.zeros(399, np.int16))
    command = ("run", "louder.tflite", "--frontend", "ears.toml", "--on", "c", "--output", "y.npy")
    assert run(*command, "--input", "short.wav") == 1
    assert "has 399 samples; an answer needs 400" in capsys.readouterr().err
    assert not (place / "y.npy").exists()
    write_wav(place / "long.wav", np.zeros(400, np.int16))
    assert run(*command, "--input", "long.wav") == 0
