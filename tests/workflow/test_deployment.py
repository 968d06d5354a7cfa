"""`edgeq deploy`: the whole chain on a published model, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import edgeq
from edgeq.devices import inventory
from edgeq.errors import EdgeqError
from tests.tools import need

SAMPLES = "str_ww_calibration_samples.npz"


@pytest.fixture
def chain(models):
    """Arguments that deploy the streaming wake word model on its labelled samples."""
    pytest.importorskip("tensorflow")
    pytest.importorskip("unicorn")
    return [
        "deploy", models / "str_ww_ref_model.h5", "--data", f"{models / SAMPLES}:specs",
        "--eval", f"{models / SAMPLES}:specs,labels", "-n", "5",
    ]  # fmt: skip


def test_from_a_keras_file_to_a_report(cli, chain, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inventory.add("m4", "sim:nucleo-f446re")  # a name is the device behind it
    board = ("-t", "nucleo-f446re", "--on", "m4")
    done = cli(*chain, *board, "--max-drop", "0.05", "-o", out, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found == json.loads((out / "deploy.json").read_text())
    assert {check["on"] for check in found["verify"]} == {"c", "sim:nucleo-f446re"}
    assert all(check["equal"] for check in found["verify"])
    assert abs(found["evaluation"]["integer"]["correct"] - 41) <= 2
    assert found["evaluation"]["float"]["correct"] == 41
    assert found["profile"]["instructions"] > 500_000
    assert found["profile"]["memory_bytes"]["arena"] == found["memory"]["arena_bytes"]
    assert len(found["layers"]) == len(found["profile"]["ops"])
    assert found["met"]
    assert found["conversion"]["data"]["calibration"]["samples"] == 45
    understood = found["evaluation"]["integer"]["data"]
    assert understood["source"] == SAMPLES
    assert [entry["samples"] for entry in understood["classes"]] == [15, 15, 15]
    assert found["evaluation"]["float"]["data"] == understood
    assert "Warning: 45 of the 45 samples that the model is judged on are in the calib" in done.err
    assert sorted(path.name for path in out.iterdir()) == [
        "c", "deploy.json", "manifest.json", "reference.json", "report.html",
        "str_ww_ref_model.tflite",
    ]  # fmt: skip
    assert (out / "report.html").read_text().count("<figure") == 6
    for path in out.rglob("*.[ch]"):
        assert str(tmp_path) not in path.read_text()
    assert cli("verify-manifest", out / "manifest.json").code == 0
    model = out / "str_ww_ref_model.tflite"
    same = cli("drift", "check", model, out / "reference.json", "--data", f"{chain[3]}")
    assert same.code == 0, same.out


def test_a_missed_limit_is_3_and_still_reported(cli, models, tmp_path):
    out = tmp_path / "out"
    arguments = ["deploy", models / "ad01_int8.tflite", "--on", "c", "-n", "2", "-o", out]
    # Nothing here can measure a Cortex-M4's latency: a limit that cannot be checked is not met.
    done = cli(*arguments, "--max-latency", "1000")
    assert done.code == 3
    assert "MISSED" in done.out
    assert not json.loads((out / "deploy.json").read_text())["met"]


def test_a_budget_that_nothing_keeps_to_is_reported_too(cli, models, tmp_path):
    pytest.importorskip("unicorn")
    out = tmp_path / "out"
    done = cli("deploy", models / "ad01_int8.tflite", "-n", "2", "-o", out, "--flash", "10K")
    assert done.code == 3
    assert "flash bytes" in done.out
    found = json.loads((out / "deploy.json").read_text())
    missed = [check for check in found["limits"] if not check["met"]]
    assert [check["name"] for check in missed] == ["flash bytes"]
    assert missed[0]["value"] > missed[0]["limit"] == 10240


def test_the_memory_picture_when_layers_run_in_stripes(cli, models, tmp_path):
    done = cli(
        "deploy", models / "vww_int8.tflite", "--on", "c", "-n", "1", "--optimize", "ram",
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    memory = done.json["memory"]
    assert (
        max(block["offset"] + block["bytes"] for block in memory["blocks"])
        <= (memory["arena_bytes"])
    )
    assert max(block["last"] for block in memory["blocks"]) <= memory["steps"]


def test_from_a_configuration(cli, models, tmp_path):
    (tmp_path / "edgeq.toml").write_text(
        f'[deploy]\nmodel = "{models}/ad01_int8.tflite"\non = "c"\nverify = 2\noutput = "made"\n'
        "[limits]\naccuracy_drop = 0.01\n"
    )
    assert cli("deploy", tmp_path / "edgeq.toml").code == 2  # no labelled data
    text = (tmp_path / "edgeq.toml").read_text()
    (tmp_path / "edgeq.toml").write_text(text.partition("[limits]")[0])
    done = cli("deploy", tmp_path / "edgeq.toml", "--json")
    assert done.code == 0, done.err
    assert done.json["verify"][0]["n"] == 2
    assert (tmp_path / "made" / "report.html").is_file()
    assert done.json["conversion"] is None
    # What stands on the command line wins.
    words = ("-n", "3", "-o", tmp_path / "two", "--scheme", "int16x8", "--json")
    again = cli("deploy", tmp_path / "edgeq.toml", *words)
    assert again.json["verify"][0]["n"] == 3
    assert "the model is integer already; scheme would say how to convert one" in again.err


def test_a_disturbed_run_is_spoken_of(cli, models, tmp_path, monkeypatch):
    """A limit on the latency was met, or missed, without a word of that."""
    from edgeq.workflow import deployment

    def disturbed(*given, **how):
        found = profile(*given, **how)
        busy = replace(found.measurement, valid=False, warnings=["other programs are busy"])
        return replace(found, measurement=busy)

    profile = deployment.profile
    monkeypatch.setattr(deployment, "profile", disturbed)
    done = cli(
        "deploy", models / "ad01_int8.tflite", "-t", "x86-64", "--on", "c", "--max-latency", "9",
        "-n", "1", "--no-try-it", "-o", tmp_path / "out",
    )  # fmt: skip
    assert "Warning: other programs are busy" in done.err
    assert "was disturbed" in done.err


def test_what_is_not_the_target_is_said_of_stand_ins_alone(cli, models, tmp_path):
    """A core without a clock has no latency, and its own figures were called another's."""
    done = cli(
        "deploy", models / "ad01_int8.tflite", "-t", "cortex-m4", "-n", "1", "--no-try-it",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "latency: unknown" in done.out
    assert "which is not" not in done.out


def test_a_host_gets_a_float_scheme(cli, chain, tmp_path):
    out = tmp_path / "out"
    done = cli(*chain, "-t", "raspberry-pi-5", "--scheme", "float16", "-o", out, "--json")
    assert done.code == 0, done.err
    assert done.json["profile"]["latency_us"]["n"] > 0
    assert done.json["verify"] == []
    assert done.json["memory"] is None
    assert done.json["evaluation"]["integer"]["correct"] == 41
    takes = {each["delegate"]: each for each in done.json["delegates"]}
    assert set(takes) == {"edgetpu", "xnnpack"}
    assert len(takes["xnnpack"]["taken"]) == takes["xnnpack"]["ops"]
    assert takes["edgetpu"]["taken"] == []  # floats
    assert not (out / "c").exists()
    assert "<svg" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--target", "nucleo-f446"], 2, "nucleo-f446re"),
        (["--max-drop", "0.01"], 2, "--eval"),
        (["--metric", "acuracy"], 2, "no metric"),
        (["--on", "sim:z80"], 2, "z80"),
        (["--ram", "much"], 2, "no size"),
        (["--isa", "avx2"], 2, "No such option"),
        (["--dispatch"], 2, "No such option"),
        (["--metric", "regression"], 2, "metric is for labelled data"),
        (["--limit", "3"], 2, "limit is for labelled data"),
        (["--mean", "3"], 2, "no data is given"),
        (["--power", "x", "--verify", "1000000"], 2, "'x' is no meter"),
        (["--eval", "no.npz:x,y", "--verify", "1000000"], 1, "There is no 'no.npz'"),
        (["--data", "no", "--verify", "1000000"], 1, "There is no 'no'"),
        (["--power", "ppk2:/x?mv=9000", "--verify", "1000000"], 2, "no Power Profiler Kit"),
        (["--power", "joulescope:1", "--verify", "1000000"], 2, "has no port"),
        (["--power", "rapl", "--verify", "1000000"], 2, "is emulated"),
        (["--recordings", "no", "--frontend", "kws", "--verify", "1000000"], 1, "no folder of rec"),
    ],
)
def test_bad_requests_are_refused_before_any_work(cli, models, tmp_path, arguments, code, words):
    out = tmp_path / "out"
    done = cli("deploy", models / "ad01_int8.tflite", "-o", out, *arguments)
    assert done.code == code
    assert words in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(models, tmp_path):
    (tmp_path / "precious").write_text("!")
    with pytest.raises(EdgeqError, match="exists"):
        edgeq.deploy(edgeq.DeployConfig(str(models / "ad01_int8.tflite"), output=str(tmp_path)))
    assert (tmp_path / "precious").read_text() == "!"


def test_a_float_model_without_data(cli, models, tmp_path):
    done = cli("deploy", models / "ad01.h5", "-o", tmp_path / "out")
    assert done.code == 2
    assert "--data" in done.err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(models, tmp_path):
    need(hasattr(signal, "SIGINT") and os.name == "posix", "POSIX signals")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "edgeq", "deploy", str(models / "resnet_int8.tflite"),
            "--on", "c", "-n", "5000", "-o", "out",
        ],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background leaves them the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out*/c")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
