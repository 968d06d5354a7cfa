"""Decisions: the C, its twin in Python, and a plain account of the rules agree on every event."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.replay import replay_files
from edgeq.devices.tensors import TensorSpec as Output
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.decider import decide
from edgeq.model.decision import NEVER, Decision, Rules, rules_of
from edgeq.model.joining import rules_for
from edgeq.model.model_file import read_graph
from edgeq.model.scores import scores_of
from edgeq.support.resources import resource_dir
from tests.compiler.codegen.test_portability import COMPILERS, complete_command
from tests.compiler.codegen.test_portability import _compile as compiled
from tests.frontend.signals import recording
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

HARNESS = """
#include "eq_frontend_decision.h"
int eq_all(const eq_frontend_decision_params *p, const int16_t *scores, int32_t answers,
           const int32_t *limits, int32_t *state, int16_t *history, int32_t *events);
int eq_all(const eq_frontend_decision_params *p, const int16_t *scores, int32_t answers,
           const int32_t *limits, int32_t *state, int16_t *history, int32_t *events)
{
    int made = 0;
    for (int32_t n = 0; n < answers; n++) {
        int32_t ready = 0;
        eq_frontend_decision(p, scores + n * p->classes, limits, state, history, &ready);
        for (const int32_t *e; (e = eq_frontend_take(state, p->queue)) != NULL; made++) {
            for (int32_t k = 0; k < 3; k++) {
                events[4 * made + k] = e[k];
            }
            events[4 * made + 3] = p->first + n * p->step;
        }
    }
    return made;
}
"""


@pytest.fixture(scope="module")
def kernel():
    """The kernel, with rules that are known at run time only."""
    folder = resource_dir("kernels")
    files = {
        "eq_base.h": (folder / "include/eq_base.h").read_text(),
        "eq_frontend_decision.h": (
            folder / "portable/frontend/frontend_decision.h"
        ).read_text(),
        "all.c": HARNESS,
    }  # fmt: skip
    flags = ["-std=c99", "-O1", "-fPIC", *WARNINGS]
    return ctypes.CDLL(str(build(host_toolchain(), files, flags, ["-shared"], "decision.so")))


def by_kernel(code, scores, rules):
    names = (
        "average", "min_count", "refractory", "suppression", "top_k", "queue", "first", "step",
        "settling",
    )  # fmt: skip
    classes = len(rules.labels)
    params = np.array([classes, *(getattr(rules, name) for name in names)], np.int32)
    limits = np.array([rules.thresholds, rules.releases], np.int32) * rules.average
    state = np.zeros(rules.state_words, np.int32)
    history = np.zeros((rules.average, classes), np.int16)
    events = np.zeros((len(scores) * classes, 4), np.int32)
    arrays = [params, np.ascontiguousarray(scores), limits, state, history, events]
    places = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    made = code.eq_all(*places[:2], len(scores), *places[2:])
    return [tuple(row) for row in events[:made].tolist()]


def plainly(scores, rules):
    """The rules as the documentation tells them, answer by answer, in whole numbers."""
    classes, made = len(rules.labels), []
    scores = np.where(np.arange(len(scores))[:, None] < rules.settling, 0, scores)
    armed, row, free = [True] * classes, [0] * classes, [0] * classes
    best = None
    for n in range(len(scores)):
        window = scores[max(0, n - rules.average + 1) : n + 1].astype(int)
        sums = [int(window[:, c].sum()) for c in range(classes)]
        ranked = sorted(range(classes), key=lambda c: (-sums[c], c))[: rules.top_k]
        now = []
        for c in range(classes):
            mean = sums[c] / rules.average
            if mean < rules.releases[c]:
                armed[c] = True
            row[c] = row[c] + 1 if mean >= rules.thresholds[c] and c in ranked else 0
            if row[c] >= rules.min_count and armed[c] and n >= free[c]:
                armed[c] = False
                now.append((c, sums[c] // rules.average, n))
        out = []
        if rules.suppression == 0:
            out = now
        else:
            for event in now:
                if best is None or event[1] > best[1]:
                    best = event
            if best is not None and n - best[2] >= rules.suppression:
                out, best = [best], None
        for c, _, at in out:
            free[c] = at + rules.refractory
        made += [
            (c, score, rules.first + at * rules.step, rules.first + n * rules.step)
            for c, score, at in out[-rules.queue :]
        ]
    return made


def random_rules(rng):
    classes = int(rng.integers(1, 6))
    thresholds = rng.integers(0, 32768, classes)
    releases = (thresholds * rng.choice([1.0, 0.9, 0.3, 0.0], classes)).astype(int)
    thresholds = np.where(rng.uniform(size=classes) < 0.15, NEVER, thresholds)
    return Rules(
        tuple(map(str, range(classes))),
        tuple(thresholds.tolist()),
        tuple(releases.tolist()),
        average=int(rng.choice([1, 1, 2, 3, 8])),
        min_count=int(rng.choice([1, 1, 2, 5])),
        refractory=int(rng.choice([0, 1, 3, 20])),
        suppression=int(rng.choice([0, 0, 1, 4, 12])),
        top_k=int(rng.integers(1, classes + 1)),
        queue=int(rng.choice([1, 2, 8])),
        first=int(rng.integers(1, 999)),
        step=int(rng.integers(1, 99)),
        settling=int(rng.choice([0, 0, 1, 7, 150])),
    )


def random_scores(rng, classes):
    """Scores that wander, jump and stand still at both ends."""
    count = int(rng.integers(1, 200))
    kind = rng.integers(3)
    if kind == 0:
        walk = 16384 + np.cumsum(rng.normal(0, 3000, (count, classes)), axis=0)
    elif kind == 1:
        walk = rng.choice([-32768, 0, 16384, 16384, 32767], (count, classes))
    else:
        walk = np.repeat(rng.normal(14000, 14000, (count // 5 + 1, classes)), 5, axis=0)[:count]
    return np.clip(walk, -32768, 32767).astype(np.int16)


def test_any_rules_on_any_scores(kernel):
    events, kinds = 0, set()
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        rules = random_rules(rng)
        scores = random_scores(rng, len(rules.labels))
        wanted = plainly(scores, rules)
        assert by_kernel(kernel, scores, rules) == wanted, seed
        twin = [(e.label, e.score, e.sample, e.decided) for e in decide(scores, rules)]
        assert twin == wanted, seed
        events += len(wanted)
        kinds |= {(rules.suppression > 0, len(wanted) > 0)}
    assert events > 5000
    assert len(kinds) == 4


CAMERA = {"kind": "image", "format": "gray8", "width": 4, "height": 1, "out_width": 4,
          "out_height": 1, "out_channels": 1, "resize": "nearest"}  # fmt: skip
SPEC = {
    "int8": {"scale": 1 / 255, "zero_point": -128},
    "uint8": {"scale": 1 / 255, "zero_point": 0},
    "int16": {"scale": 1 / 32767, "zero_point": 0},
    "float32": {"scale": None, "zero_point": 0},
}
RULES = {"labels": ["nothing", "a", "b", "c"], "background": ["nothing"], "average": 3,
         "threshold": {"a": 0.4, "b": 0.5, "c": 0.6}, "release": 0.3, "refractory": 6,
         "min_count": 2, "suppression": 2, "top_k": 2}  # fmt: skip


def passing(tmp_path, shape, dtype, output=None):
    """A model that gives back its input, as it is or with another scale."""
    x = TensorSpec(shape, dtype, **SPEC[dtype])
    y = TensorSpec(shape, dtype, **{**SPEC[dtype], **(output or {})})
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    return path


@pytest.mark.parametrize("dtype", SPEC)
def test_events_of_a_model_are_those_of_its_answers(tmp_path, dtype):
    path = passing(tmp_path, (1, 1, 4, 1), dtype)
    front = front_end({**CAMERA, "std": 255.0, "decision": RULES})
    rng = np.random.default_rng(5)
    frames = np.repeat(rng.integers(0, 256, (60, 4)), 4, axis=0).astype(np.uint8)
    addresses = ["c", "sim:cortex-m4"] if dtype in ("int8", "float32") else ["c"]
    graph = read_graph(path)
    output = graph.main.tensors[graph.main.outputs[0]]
    for address in addresses:
        with open_device(address).open(path, CompileOptions(frontend=front)) as session:
            heard = session.hear(frames.reshape(-1))
        rules = rules_for(front.decision, graph, front.stream)
        scores = scores_of(heard.answers[0], output, 1.0)
        real = heard.answers[0].reshape(240, 4).astype(float)
        real = real if dtype == "float32" else (real - output.zero_point) * output.scale
        assert np.abs(scores / 32768 - np.clip(real, -1, 32767 / 32768)).max() < 2 / 32768
        wanted = plainly(scores, rules)
        found = [(e.label, e.score, e.sample, e.decided) for e in heard.events]
        assert found == wanted
        assert len(wanted) > 5
        assert {label for label, *_ in wanted} == {1, 2, 3}


def test_any_cut_of_a_recording_gives_the_same_events(tmp_path):
    path = passing(tmp_path, (1, 4, 3), "int8")
    labels = [f"class {n}" for n in range(12)]
    decision = {"labels": labels, "threshold": 0.004, "average_ms": 60, "top_k": 12,
                "refractory_ms": 300}  # fmt: skip
    described = {"kind": "log-mel", "num_mel_bins": 3, "frame_step": 320, "stride": 1,
                 "precision": "int16", "log": "none", "power": 1, "decision": decision}  # fmt: skip
    options = CompileOptions(frontend=front_end(described))
    sound = recording(3, seed=2)
    heard = {}
    with open_device("c").open(path, options) as session:
        for chunk in (1, 7, 160, 16000):
            heard[chunk] = session.hear(sound, chunk)
    with open_device("sim:cortex-m0plus").open(path, options) as session:
        heard["m0plus"] = session.hear(sound[:24000])
    for chunk in (7, 160, 16000):
        assert heard[chunk].events == heard[1].events
        np.testing.assert_array_equal(heard[chunk].answers[0], heard[1].answers[0])
    assert len({event.label for event in heard[1].events}) > 2
    early = tuple(event for event in heard[1].events if event.decided <= 24000)
    assert heard["m0plus"].events == early != ()


@pytest.mark.parametrize("memory", Memory)
def test_the_c_compiles_and_events_wait_until_they_are_taken(tmp_path, memory):
    path = passing(tmp_path, (1, 1, 4, 1), "uint8")
    front = front_end({**CAMERA, "std": 255.0, "decision": {"queue": 2, "threshold": 0.5}})
    sources = generate(path, name="eye", options=CompileOptions(frontend=front), memory=memory)
    state = "&state, " if memory is Memory.REENTRANT else ""
    setup = {
        Memory.STATIC: "",
        Memory.EXTERNAL: "static uint8_t arena[EYE_ARENA_BYTES + 16]; "
        "eye_init(arena + 15 - ((uintptr_t)arena + 15) % 16);",
        Memory.REENTRANT: "static eye_state state;",
    }[memory]
    main = f"""
#include <stdio.h>
#include "eye.h"
int main(void)
{{
    {setup}
    static const uint8_t frames[] = {{0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 201, 0, 202, 0, 0, 0}};
    for (int round = 0; round < 2; round++) {{
        eye_event event;
        eye_reset({state[:-2]});
        const int answers = eye_push({state}frames, sizeof(frames));
        printf("%d:", answers);
        while (eye_decision({state}&event)) {{
            printf(" %d %d %u", event.label, event.score, (unsigned)event.sample);
        }}
        printf(";");
    }}
    return 0;
}}
"""
    flags = ["-std=c99", "-O1", *WARNINGS]
    program = build(host_toolchain(), {**sources.files, "main.c": main}, flags, [], "eye")
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert said == 2 * f"4: 2 {round(201 / 255 * 32768)} 12 0 {round(202 / 255 * 32768)} 16;"
    assert sources.stream.decision.labels == ("0", "1", "2", "3")
    assert '#define EYE_EVENT_LABELS {"0", "1", "2", "3"}' in sources.files["eye.h"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"threshhold": 0.5}, "threshhold is unknown"),
        ({"threshold": 2}, "threshold is 2, no number from 0 to 1"),
        ({"threshold": {"a": -1}}, "threshold of a is -1"),
        ({"average": 0}, "average is 0, no integer from 1 to 1024"),
        ({"average": 2, "average_ms": 30}, "average_ms says average a second time"),
        ({"release": 0.9}, "release is 0.9, above the threshold 0.5"),
        ({"threshold": {"a": 0.3}, "release": {"a": 0.4}}, "release of a is 0.4, above"),
        ({"labels": ["a", "a"]}, "labels names a class twice"),
        ({"labels": ["a"], "background": ["a"]}, "all classes are background"),
        ({"full_scale": 0}, "full_scale is 0, no number above 0"),
        ({"refractory_ms": float("nan")}, "refractory_ms is nan"),
        ([1], "decision is no table"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(table, words):
    with pytest.raises(EdgeqError, match=words):
        front_end({**CAMERA, "decision": table})


def test_a_label_that_release_leaves_out_has_its_threshold_there(tmp_path):
    """It had 0.5, which was below a high threshold and refused above a low one."""
    graph = read_graph(passing(tmp_path, (1, 1, 4, 1), "float32"))
    for threshold, limits in [(0.8, [0.8] * 3), ({"a": 0.9, "b": 0.3}, [0.9, 0.3, 0.5])]:
        table = {**RULES, "threshold": threshold, "release": {"a": 0.2}}
        front = front_end({**CAMERA, "decision": table})
        rules = rules_for(front.decision, graph, front.stream)
        assert [round(value / 32768, 3) for value in rules.releases[1:]] == [0.2, *limits[1:]]


def test_a_decision_that_does_not_fit_the_model_is_refused(tmp_path):
    path = passing(tmp_path, (1, 1, 4, 1), "int8")
    for table, words in [
        ({"labels": ["a", "b"]}, "2 labels stand there and the model has 4 classes"),
        ({"background": ["x"]}, "x: no label of 0, 1, 2, 3"),
        ({"refractory_ms": 100}, "no sample rate; give refractory in answers"),
    ]:
        options = CompileOptions(frontend=front_end({**CAMERA, "decision": table}))
        with pytest.raises(EdgeqError, match=words):
            generate(path, options=options)
    path = passing(tmp_path, (1, 1, 4, 1), "int8", {"scale": 0.1})
    options = CompileOptions(frontend=front_end({**CAMERA, "decision": {}}))
    with pytest.raises(EdgeqError, match=r"reach from 0 to 25.5; scores .* at most 1"):
        generate(path, options=options)
    generate(path, options=CompileOptions(
        frontend=front_end({**CAMERA, "decision": {"full_scale": 25.5, "threshold": 12}})
    ))  # fmt: skip


def test_times_become_answers():
    decision = Decision(times_ms={"average": 100, "refractory": 300, "min_count": 0})
    rules = rules_of(decision, 2, 480, 320, 0.02)
    assert (rules.average, rules.refractory, rules.min_count) == (5, 15, 1)


WIDTHS = {
    "image": ({**CAMERA, "std": 255.0, "decision": RULES}, (1, 1, 4, 1)),
    "mfcc": ({"kind": "mfcc", "precision": "int16", "pre_emphasis": 0.9}, (1, 2, 13)),
    "float": ({"kind": "log-mel", "precision": "float32", "decision": {}}, (1, 1, 40)),
    "spectrogram": ({"kind": "spectrogram", "precision": "int16", "power": 1}, (1, 1, 257)),
    "micro": ({"kind": "micro", "decision": {"average": 9}}, (1, 4, 40)),
    "motion": ({"kind": "motion", "axes": 2, "frame_length": 40, "frame_step": 10,
                "statistics": ["rms"], "bands": [1, 5, 9]}, (1, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", ["clang avr", "clang msp430"])
def test_the_c_is_right_where_int_has_16_bits(tmp_path, name):
    command, target = COMPILERS[name]
    need(shutil.which(command[0]), command[0])
    sources = []
    for kind, (described, shape) in WIDTHS.items():
        place = tmp_path / kind
        place.mkdir()
        options = CompileOptions(frontend=front_end(described))
        made = generate(
            passing(tmp_path, shape, "int8"), name="eye", target=target, options=options
        )
        files = {**made.files, **replay_files("eye", made.stream, [Output("y", shape, "int8")])}
        for file, text in files.items():
            (place / file).write_text(text)
        sources += [str(place / file) for file in files if file.endswith(".c")]
    complete = complete_command(name, tmp_path)
    report = compiled([*complete, "-std=c99", "-O1", *WARNINGS, "-fsyntax-only"], sources)
    assert not report, report
