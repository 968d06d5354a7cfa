"""The panel that runs the model inside the page, in a real browser."""

import json
import re
import struct

import numpy as np
import pytest

import edgeq
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.frontend.build import front_end
from edgeq.frontend.description import toml_text
from edgeq.frontend.stamp import stamped
from edgeq.report.trial import MOST_BYTES, Trial, find_model, model_trial, trial_beside, trial_facts
from tests.analysis.evaluation.test_recordings import place, sounds  # noqa: F401  (a fixture)
from tests.browser import browser
from tests.oracle.build import TensorSpec, single_op
from tests.report.test_graph import NASTY, skipping

pytestmark = pytest.mark.slow

READY = "document.querySelector('.trial').dataset.ready === 'yes'"
SAID = "document.querySelector('[data-part=said]').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def part(name):
    return f"document.querySelector('[data-part={name}]').textContent"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A net whose every name is hostile, deployed."""
    pytest.importorskip("ziglang")
    folder = tmp_path_factory.mktemp("deployed")
    model = folder / "evil.tflite"
    model.write_bytes(skipping((NASTY, NASTY, NASTY, NASTY)))
    config = edgeq.DeployConfig(str(model), on="c", verify=1, output=str(folder / "out"))
    return edgeq.deploy(config).output


def test_a_phone_opens_ops_and_runs_numbers(deployed, page, cli, tmp_path):
    page.open((deployed / "report.html").as_uri(), width=360, height=740)
    page.wait(READY)
    assert page.value("document.documentElement.scrollWidth") == 360
    facts = "document.querySelector('details[data-op=\"3\"]')"
    assert not page.value(f"{facts}.open")
    page.click('details[data-op="3"] summary')
    assert page.value(f"{facts}.open")
    text = page.value(f"{facts}.innerText")
    assert "evil.c, line " in text
    assert "evil_scaled_sum_1(EQ_AT(int8_t, " in text
    assert "int8 1x8x8x1, 64 bytes, scale 0.5, zero point 3" in text
    assert "share of the time" in text
    assert "<img src=x onerror" in text
    page.value(f"{facts}.querySelector('summary').focus()")
    page.press("Enter", "\r")
    assert not page.value(f"{facts}.open")
    assert page.value("document.documentElement.scrollWidth") == 360

    values = np.linspace(-40, 40, 64, dtype=np.float32)
    (tmp_path / "rows.csv").write_text("\n".join([",".join(map(str, values)), ",".join("1" * 64)]))
    page.give('[data-part="csv"]', tmp_path / "rows.csv")
    page.wait(f"{SAID}.includes('row 1 of 2')")
    np.save(tmp_path / "x.npy", values.reshape(1, 8, 8, 1))
    done = cli("run", deployed / "evil.tflite", "--on", "tflm", "--input", tmp_path / "x.npy",
               "--output", tmp_path / "y.npy")  # fmt: skip
    assert done.code == 0, done.err
    raw = np.array(page.value(part("raw")).split(), np.int8)
    np.testing.assert_array_equal(raw, np.load(tmp_path / "y.npy").ravel())
    assert "a call, with vectors" in page.value(part("time"))
    page.click('[data-part="run"]')
    assert "row 2 of 2" in page.value(SAID)
    page.value("document.querySelector('[data-part=numbers]').value = '1 2 3'")
    page.click('[data-part="run"]')
    assert page.value(SAID) == "The model takes 64 numbers; 3 are there."

    assert page.value("document.title").startswith("edgeq: evil.tflite")
    assert page.value("document.images.length") == 0
    assert page.said == []
    assert page.asked == [(deployed / "report.html").as_uri()]


def test_nothing_that_is_not_the_page_s_own_runs_or_is_fetched(deployed, page, tmp_path):
    text = (deployed / "report.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[\w+/=]{44}' )+'wasm-unsafe-eval'", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/=]{44}'", rules["style-src"])
    assert rules["img-src"] == "data: blob:"
    assert "style=" not in text
    assert set(re.findall(r'https?://[^"\s<]+', text)) == {"http://www.w3.org/2000/svg"}
    evil = '<script>document.title = "mine"</script><img src="http://localhost:9/x" onerror="1">'
    (tmp_path / "changed.html").write_text(text.replace("</body>", f"{evil}</body>"))
    page.open((tmp_path / "changed.html").as_uri())
    page.wait(READY)
    assert page.value("document.title") != "mine"
    assert len(page.said) >= 2  # the browser says what it has refused
    assert all("Content Security Policy" in said for said in page.said)


def bitmap(pixels):
    """A BMP file of pixels (height, width, 3), whose rows are whole words."""
    height, width, _ = pixels.shape
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + pixels.size, 0, 54, 40, width, height,
                       1, 24, 0, pixels.size, 2835, 2835, 0, 0)  # fmt: skip
    return head + pixels[::-1].tobytes()


def test_pictures_files_keys_and_the_camera(deployed, page, tmp_path):
    page.open((deployed / "report.html").as_uri())
    page.wait(READY)
    page.value("document.querySelector('[data-part=draw]').focus()")
    page.press(" ", " ")
    for _ in range(12):
        page.press("ArrowDown")
    assert page.value(SAID) == "Drawn."
    seen = np.array(page.value(part("given")).split(), int).reshape(8, 8)
    ink = seen > 0
    assert ink[:, 3:5].all() or ink[:, 4:5].all(), seen  # an upright line fills the height
    assert not ink[:, :2].any()
    assert not ink[:, 6:].any()

    left = np.zeros((40, 60, 3), np.uint8)
    left[:, :30] = 255
    (tmp_path / "half.bmp").write_bytes(bitmap(left))
    page.give('[data-part="file"]', tmp_path / "half.bmp")
    page.wait(f"{SAID} === 'Picture.'")
    seen = np.array(page.value(part("given")).split(), int).reshape(8, 8)
    assert (seen[:, :3] == 127).all()
    assert (seen[:, 5:] == -128).all()

    page.click('[data-part="camera"]')
    before = page.value(part("given"))
    page.wait(f"{part('given')} !== {json.dumps(before)}")
    page.click('[data-part="camera"]')
    assert page.value("document.querySelector('[data-part=camera]').textContent") == "Camera"
    assert page.said == []


def test_sound_gives_the_events_of_the_device(place, page, cli):  # noqa: F811
    done = cli("deploy", "louder.tflite", "--frontend", "ears.toml", "--on", "c", "-n", "1",
               "-o", "out")  # fmt: skip
    assert done.code == 0, done.err
    page.open((place / "out" / "report.html").as_uri())
    page.wait(READY)
    page.give('[data-part="file"]', place / "heard" / "one.wav")
    page.wait(f"{SAID}.includes('answers')")
    shown = page.value(
        "Array.from(document.querySelector('[data-part=events]').rows, (row) => row.innerText)"
    )
    tones = [(1, "low", 5000), (3, "high", 5000), (6, "low", 5000)]
    options = CompileOptions(frontend=front_end("ears.toml"))
    with open_device("c").open(place / "louder.tflite", options) as session:
        heard = session.hear(sounds(8, tones))
    names = ["low", "high"]
    expected = [f"{e.sample / 16000:.2f} s\t{names[e.label]}" for e in heard.events]
    assert len(expected) == 3
    assert [row.rpartition("\t")[0] for row in shown] == expected
    raw = np.array(page.value(part("raw")).split(), np.int8)
    np.testing.assert_array_equal(raw, heard.answers[0][-1].ravel())
    page.click('[data-part="microphone"]')
    page.wait(f"{SAID} === 'Listening.'")
    page.click('[data-part="microphone"]')
    assert page.value(SAID) == "Ready."
    assert all("AudioWorklet" in said for said in page.said)  # which would have to be fetched


def test_without_zig_the_page_says_how_to_get_it(deployed, cli, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    page = tmp_path / "without.html"
    assert cli("report", deployed / "deploy.json", "-o", page).code == 0
    text = page.read_text()
    assert "pip install &#39;edgeq[firmware]&#39;" in text
    assert 'class="trial"' not in text
    assert "wasm-unsafe-eval" not in text
    assert 'data-op="3"' in text


def test_report_makes_the_page_of_deploy_again(deployed, cli, tmp_path):
    page = tmp_path / "again.html"
    assert cli("report", deployed / "deploy.json", "-o", page).code == 0
    assert page.read_text() == (deployed / "report.html").read_text()
    plain = tmp_path / "plain.html"
    assert cli("report", deployed / "deploy.json", "-o", plain, "--no-try-it").code == 0
    assert 'class="trial"' not in plain.read_text()


def test_only_the_very_file_is_run(deployed):
    model = json.loads((deployed / "deploy.json").read_text())["model"]
    assert find_model(model, [deployed]) == deployed / "evil.tflite"
    assert find_model({**model, "sha256": "00"}, [deployed]) is None
    assert find_model({**model, "path": "deploy.json"}, [deployed]) is None
    other = {**model, "path": "../../etc/evil.tflite"}
    assert find_model(other, [deployed]) == deployed / "evil.tflite"


def test_a_front_end_of_another_model_is_not_taken(tmp_path, models):
    """`run` refuses it; the page fed the model with it."""
    model = tmp_path / "m.tflite"
    model.write_bytes((models / "ad01_int8.tflite").read_bytes())
    text = stamped(b'kind = "mfcc"\n', b"another model")
    model.with_suffix(".frontend.toml").write_bytes(text)
    assert trial_beside(model) == "m.frontend.toml was written for another model."


@pytest.mark.parametrize(
    ("classes", "scores", "labels"),
    [
        (["no", "yes"], 2, ["no", "yes"]),
        (["no", "yes"], 1, []),  # a sigmoid gives the second one's score
        (["normal", "anomaly"], 640, []),
        ([], 12, []),
        (["no", "yes"], 0, []),
    ],
)
def test_outputs_are_named_where_each_has_a_name(classes, scores, labels):
    """Labels of data that lacks some classes were taken for the names of the first outputs."""
    data = {"classes": [{"name": "0", "samples": 3}, {"name": "3", "samples": 3}]}
    found = {"of": "integer", "classes": classes, "data": data}
    section = {"evaluations": [{"of": "float", "classes": ["a", "b"]}, found]}
    panel = Trial("", "", "", "", "", "numbers", 1.0, scores)
    assert trial_facts(section, panel)["labels"] == labels


def test_of_very_many_scores_the_highest_is_shown(page, cli, tmp_path):
    """The best of the first thousand was marked as the best of all."""
    model = tmp_path / "wide.tflite"
    x, y = (TensorSpec((1, 1030), "int8", scale=1.0, zero_point=0) for _ in range(2))
    model.write_bytes(single_op("RELU", [x], [y]))
    profile = cli("profile", model, "--on", "sim:cortex-m4", "--json")
    (tmp_path / "p.json").write_text(profile.out)
    assert cli("report", tmp_path / "p.json", "-o", tmp_path / "r.html").code == 0
    page.open((tmp_path / "r.html").as_uri())
    page.wait(READY)
    page.value(
        "document.querySelector('[data-part=numbers]').value = "
        "Array.from({length: 1030}, (_, k) => k === 1020 ? 9 : k === 7 ? 5 : 0).join(' ')"
    )
    page.click('[data-part="run"]')
    page.wait(f"{SAID} === 'Numbers'")
    rows = "document.querySelectorAll('[data-part=scores] tr')"
    assert (
        page.value("document.querySelector('[data-part=scores] .top').innerText.split(/\\s+/)[0]")
        == "1020"
    )
    assert page.value(f"{rows}.length") == 1002
    assert page.value(f"{rows}[1001].innerText").strip() == "29 more"


def test_a_camera_s_front_end_has_no_panel(tmp_path):
    """It had one for numbers, in which all ended in an error."""
    camera = {"kind": "image", "width": 8, "height": 8, "out_width": 4, "out_height": 4}
    path = tmp_path / "eye.tflite"
    x, y = (TensorSpec((1, 4, 4, 3), "int8", scale=1.0, zero_point=-128) for _ in range(2))
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    assert "what other sensors give" in model_trial(path, front_end(camera))
    path.with_suffix(".frontend.toml").write_text(toml_text(camera))
    assert "what other sensors give" in trial_beside(path)


def test_models_that_no_page_holds(tmp_path, models):
    large = tmp_path / "large.tflite"
    large.write_bytes(b"\0" * (MOST_BYTES + 1))
    assert "of up to 1,048,576 bytes" in model_trial(large)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"TFL3")
    assert isinstance(model_trial(broken), str)
