"""Library projects of models with a front end: samples in, the events of Python out."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
import wave
from functools import partial

import numpy as np
import pytest

from edgeq.compiler.build.toolchain import BARE_HEADERS
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.firmware.building import build_project
from edgeq.firmware.create import create_project
from edgeq.frontend.build import front_end
from tests.browser import browser
from tests.devices.test_replay import EARS, passing
from tests.frontend.signals import recording
from tests.tools import need

pytestmark = pytest.mark.slow

LABELS = [f"word{k}" for k in range(12)]
HEARD = {**EARS, "decision": {**EARS["decision"], "labels": LABELS}}
SAMPLES = recording(3, seed=2)


@pytest.fixture(scope="module")
def options():
    return CompileOptions(frontend=front_end(HEARD))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return passing(tmp_path_factory.mktemp("passing"))


@pytest.fixture(scope="module")
def heard(model, options):
    """What Python hears: the answers, and events as (label, score, sample)."""
    with open_device("c").open(model, options) as session:
        found = session.hear(SAMPLES)
    events = [(event.label, event.score, event.sample) for event in found.events]
    assert len(events) > 3
    assert len({label for label, _, _ in events}) > 1
    return found.answers[0], events


@pytest.fixture(scope="module")
def make(model, options, tmp_path_factory):
    def made(template):
        folder = tmp_path_factory.mktemp(template) / "ears"
        create_project(
            [model], folder, target="portable", template=template, name="ears", options=options
        )
        return folder

    return made


def run(*command, cwd, **more):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, timeout=600, check=False, **more
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout.decode()


def write_wav(path, rate=16000, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(SAMPLES.tobytes())


_CPP = """
#include <cstdio>
#include <ears.hpp>

static_assert(ears::Ears::sample_rate == 16000);

int main()
{
    ears::Ears model;
    if (model.self_test() != 0) {
        return 1;
    }
    model.reset();
    int16_t part[77];
    for (std::size_t got; (got = std::fread(part, 2, 77, stdin)) > 0;) {
        model.push(std::span<const int16_t>(part, got));
        while (const auto event = model.decision()) {
            const char *name = ears::Ears::label(event->label);
            std::printf("%s %d %u\\n", name, event->score, event->sample);
        }
    }
    return 0;
}
"""
_PYTHON = """
import sys; sys.path.insert(0, "site")
import json
import numpy as np, ears
samples = np.load("samples.npy")
model = ears.Ears()
assert model.self_test() == 0
model.reset()
assert model.SAMPLE_RATE == 16000
answers, real, events = [], [], []
for start in range(0, len(samples), model.ANSWER_STEP):
    ready = model.push(samples[start : start + model.ANSWER_STEP])
    assert ready in (0, 1)
    if ready:
        answers.append(model.output()); real.append(model.output_real())
    while event := model.decision():
        events.append([model.label(event.label), round(event.score * 32768), event.sample])
np.savez("out.npz", answers=np.stack(answers), real=np.stack(real))
try:
    model.push(samples.astype(np.float32))
    raise SystemExit("floats were taken")
except TypeError as error:
    assert "int16" in str(error)
print(json.dumps(events))
"""


def named(events):
    return [[LABELS[label], score, sample] for label, score, sample in events]


def test_linux_in_c_cpp_and_python(make, heard, tmp_path):
    for tool in ("cmake", "gcc", "g++"):
        need(shutil.which(tool), tool)
    project = make("linux")
    answers, events = heard
    build_project(project)
    run("ctest", "--test-dir", "build", cwd=project)
    run("cmake", "--install", "build", "--prefix", tmp_path / "usr", cwd=project)

    write_wav(tmp_path / "sound.wav")
    (tmp_path / "sound.raw").write_bytes(SAMPLES.tobytes())
    program = project / "build" / "ears_run"
    for file in ("sound.wav", "sound.raw"):
        *lines, count = run(program, file, "out.bin", cwd=tmp_path).splitlines()
        assert count == f"{len(answers)} answers"
        assert (tmp_path / "out.bin").read_bytes() == answers.tobytes()
        said = [(int(at), name, float(score)) for at, name, score in map(str.split, lines)]
        assert said == [
            (sample, LABELS[label], pytest.approx(score / 32768, abs=1e-3))
            for label, score, sample in events
        ]
    for rate, channels, why in ((8000, 1, "is not of 16000 Hz"), (16000, 2, "of one channel")):
        write_wav(tmp_path / "wrong.wav", rate, channels)
        done = subprocess.run([program, "wrong.wav", "x"], cwd=tmp_path, capture_output=True)
        assert done.returncode == 1
        assert why in done.stderr.decode()

    (tmp_path / "main.cpp").write_text(_CPP)
    run(
        *("g++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.cpp"),
        *("-I", tmp_path / "usr" / "include" / "ears", *(tmp_path / "usr").rglob("libears.a")),
        *("-o", "listen"),
        cwd=tmp_path,
    )
    lines = run("./listen", cwd=tmp_path, input=SAMPLES.tobytes()).splitlines()
    assert [[n, int(s), int(at)] for n, s, at in map(str.split, lines)] == named(events)

    run(sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "dist", cwd=project)
    run(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"),
        *("--target", tmp_path / "site", *(tmp_path / "dist").glob("*.whl")),
        cwd=tmp_path,
    )
    np.save(tmp_path / "samples.npy", SAMPLES)
    assert json.loads(run(sys.executable, "-c", _PYTHON, cwd=tmp_path)) == named(events)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["answers"].reshape(answers.shape), answers)


_NODE = """
import { readFile } from "node:fs/promises";
import * as net from "./index.js";
const bytes = await readFile("samples.raw");
const samples = new Int16Array(new Uint8Array(bytes).buffer);
const found = [];
for (const vectors of [true, false]) {
    const model = await net.loadEars({ vectors });
    if (model.selfTest() !== 0) throw new Error("self-test");
    for (const size of [7, 160, samples.length]) {
        model.reset();
        const events = [];
        let answers = 0;
        for (let at = 0; at < samples.length; at += size) {
            answers += model.push(samples.subarray(at, at + size));
            for (let event; (event = model.decision());) {
                events.push([model.label(event.label), event.score * 32768, event.sample]);
            }
        }
        found.push({ size, answers, events, last: Array.from(model.output()) });
    }
    for (const wrong of [() => model.push([1, 2]), () => model.run()]) {
        try { wrong(); throw new Error("taken"); } catch (error) {
            if (!(error instanceof TypeError)) throw error;
        }
    }
}
console.log(JSON.stringify(found));
"""


def test_node(make, heard):
    need(shutil.which("node"), "node")
    project = make("web")
    answers, events = heard
    (project / "samples.raw").write_bytes(SAMPLES.tobytes())
    for found in json.loads(run("node", "--input-type=module", "-e", _NODE, cwd=project)):
        assert found["answers"] == len(answers)
        assert found["last"] == answers[-1].ravel().tolist()
        if found["size"] < 1000:  # of more that come at once than are kept the oldest are lost
            assert found["events"] == named(events)
        else:
            assert found["events"] == named(events)[-8:]
    run("npm", "test", cwd=project)


_JAVA = """
import edgeq.ears.*;
import java.nio.*;
import java.nio.file.*;

public class Main {
    public static void main(String[] args) throws Exception {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(Path.of("samples.raw")));
        short[] samples = new short[bytes.remaining() / 2];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(samples);
        Ears model = new Ears();
        if (model.selfTest() != 0) throw new IllegalStateException("self-test");
        model.reset();
        int answers = 0;
        for (int at = 0; at < samples.length; at += 700) {
            int end = Math.min(at + 700, samples.length);
            answers += model.push(java.util.Arrays.copyOfRange(samples, at, end));
            for (Ears.Event event; (event = model.decision()) != null;) {
                System.out.println(model.label(event.label) + " " + event.score * 32768f + " "
                    + event.sample);
            }
        }
        System.out.println(answers + " " + Ears.ANSWER_STEP + " "
            + java.util.Arrays.toString(model.output()) + model.outputReal().length);
        try {
            model.push(samples, samples.length + 1);
            throw new IllegalStateException("too many were taken");
        } catch (IllegalArgumentException error) {
            System.out.println("refused");
        }
    }
}
"""


def test_java_over_kotlin(make, heard, options, tmp_path):
    for tool in ("kotlinc", "java", "javac"):
        need(shutil.which(tool), tool)
    project = make("android")
    answers, events = heard
    (tmp_path / "samples.raw").write_bytes(SAMPLES.tobytes())
    kotlin = sorted((project / "src" / "main" / "kotlin").rglob("*.kt"))
    run("kotlinc", *kotlin, "-include-runtime", "-d", tmp_path / "net.jar", cwd=tmp_path)
    (tmp_path / "Main.java").write_text(_JAVA)
    run("javac", "-cp", "net.jar", "Main.java", cwd=tmp_path)
    *lines, facts, refused = run(
        *("java", "-Xcheck:jni", "-cp", "net.jar:."),
        f"-Djava.library.path={project / 'src' / 'main' / 'jniLibs' / 'x86_64'}",
        "Main",
        cwd=tmp_path,
    ).splitlines()
    assert refused == "refused"
    assert [[n, float(s), int(at)] for n, s, at in map(str.split, lines)] == named(events)
    step = options.frontend.stream.step
    assert facts == f"{len(answers)} {step} {answers[-1].ravel().tolist()}12"


def test_swift_by_its_grammar_and_its_c_by_clang(make, tmp_path):
    need(shutil.which("clang"), "clang")
    project = make("swift")
    sources = project / "Sources" / "CEarsModel"
    (tmp_path / "main.m").write_text(
        "@import CEarsModel;\n"
        "int probe(ears_state *state, const short *samples) {\n"
        "    ears_event event;\n"
        "    ears_setup(state);\n"
        "    ears_decision(state, &event);\n"
        "    return ears_push(state, samples, 10) + event.label;\n}\n"
    )
    run(
        *("clang", "--target=arm64-apple-macos12", "-ffreestanding", "-fmodules", "-Werror"),
        *(f"-fmodules-cache-path={tmp_path}", f"-fmodule-map-file={sources}/module.modulemap"),
        *(f"-I{sources}", f"-I{BARE_HEADERS}", "-fsyntax-only", "main.m"),
        cwd=tmp_path,
    )
    try:
        import tree_sitter
        import tree_sitter_swift
    except ImportError:
        need(False, "tree-sitter and tree-sitter-swift")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    for file in sorted(project.rglob("*.swift")):
        assert not parser.parse(file.read_bytes()).root_node.has_error, file.name
    text = (project / "Sources" / "EarsModel" / "Ears.swift").read_text()
    assert "public func push(_ samples: [Int16]) -> Int" in text
    assert "public func decision() -> Event?" in text
    assert "func run(" not in text


@pytest.mark.parametrize(
    ("described", "samples"),
    [
        ({"kind": "image", "width": 8, "height": 8, "out_width": 4, "out_height": 4}, "Uint8Array"),
        ({"kind": "motion", "axes": 3, "unit": 0.001, "frame_length": 16, "frame_step": 16,
          "statistics": ["mean", "std"]}, "Int16Array"),
    ],
    ids=["camera", "motion"],
)  # fmt: skip
def test_the_web_example_of_other_sensors_asks_for_no_sound(described, samples, tmp_path):
    """Pages of cameras and accelerometers asked for a sound file, and could not decode it."""
    need(shutil.which("chromium"), "chromium")
    project = tmp_path / "ears"
    front = CompileOptions(frontend=front_end(described))
    net = passing(tmp_path, 1, 48 if samples == "Uint8Array" else 6)
    create_project([net], project, target="portable", template="web", name="ears", options=front)
    page = (project / "example" / "index.html").read_text()
    assert "audio" not in page
    assert f"new {samples}(model.firstAnswer)" in page
    if described["kind"] == "motion":
        return  # the same page, but for that name
    build_project(project)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(project))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with browser(tmp_path / "browser") as opened:
            opened.open(f"http://127.0.0.1:{server.server_port}/example/index.html")
            opened.wait("document.getElementById('result').textContent.includes('1 answers')")
    finally:
        server.shutdown()
