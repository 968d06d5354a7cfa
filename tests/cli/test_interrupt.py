"""Ctrl-C at random moments: no traceback, nothing half-written, no temporary files left."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

MOMENTS = 4


def start(arguments, folder):
    """The command in a process group of its own, with Ctrl-C as a terminal sends it."""
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "edgeq", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def files(folder):
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*")}


@pytest.mark.parametrize("command", ["compile", "deploy"])
def test_ctrl_c(models, tmp_path, command):
    model = models / "ad01_int8.tflite"
    arguments = {
        "compile": ["compile", model, "--target", "nucleo-f446re", "--project", "bare-metal"],
        "deploy": ["deploy", model, "--on", "c", "-n", "2"],
    }[command]
    begin = time.monotonic()
    process = start([*arguments, "-o", tmp_path / "whole"], tmp_path)
    assert process.wait(120) == 0, process.stderr.read()
    took_s = time.monotonic() - begin
    chance = random.Random(command)
    for number in range(MOMENTS):
        output = tmp_path / str(number) / "out"
        output.parent.mkdir()
        process = start([*arguments, "-o", output], tmp_path)
        try:
            process.wait(chance.uniform(0.3, took_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        said = "".join(process.communicate(timeout=60))
        assert process.returncode in (0, 130, -signal.SIGINT), said
        assert "Traceback" not in said
        assert {file.name for file in output.parent.iterdir()} <= {"out"}
        if output.exists():  # the command was done but for its last words
            assert files(output).keys() == files(tmp_path / "whole").keys()
        assert not list((tmp_path / "tmp").glob("edgeq-*"))
