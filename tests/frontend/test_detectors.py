"""Detectors behind front ends: events and boxes on devices, in C, and what is refused."""

import importlib.util
import json
import shutil
import subprocess

import numpy as np
import pytest

import edgeq
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import toml_text
from edgeq.frontend.detection import read_detection
from edgeq.frontend.detector import detect
from edgeq.model.box_rules import box_rules_of, read_tensors
from edgeq.model.joining import box_rules_for
from edgeq.model.model_file import read_graph
from tests.frontend.test_detection import tensor
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

CAMERA = {"kind": "image", "format": "gray8", "width": 7, "height": 6, "out_width": 7,
          "out_height": 6, "out_channels": 1, "resize": "nearest"}  # fmt: skip
SPEC = {
    "int8": {"scale": 1 / 16, "zero_point": 0},
    "uint8": {"scale": 1 / 16, "zero_point": 128},
    "int16": {"scale": 1 / 16, "zero_point": 0},
    "float32": {"scale": None, "zero_point": 0},
}
DECISION = {
    "labels": ["car", "cat"],
    "activation": "sigmoid",
    "objectness": True,
    "anchors": {
        "kind": "ssd",
        "order": "yxhw",
        "levels": [{"rows": 2, "columns": 3, "sizes": [[0.5, 0.4]]}],
        "size_variance": 0.2,
    },
    "nms": {"score_threshold": 0.4, "max_detections": 4},
}


def passing(tmp_path, dtype):
    """A model that gives back its input."""
    x, y = (TensorSpec((1, 6, 7), dtype, **SPEC[dtype]) for _ in range(2))
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    return path


@pytest.mark.parametrize("dtype", SPEC)
def test_events_of_a_model_are_those_of_its_answers(tmp_path, dtype):
    path = passing(tmp_path, dtype)
    front = front_end({**CAMERA, "mean": 128, "std": 16.0, "decision": DECISION})
    graph, frames = read_graph(path), np.random.default_rng(3).integers(0, 256, (30, 42))
    for address in ["c", "sim:cortex-m0plus"] if dtype == "int8" else ["c"]:
        with open_device(address).open(path, CompileOptions(frontend=front)) as session:
            heard = session.hear(frames.astype(np.uint8).reshape(-1), 11)
        stream = front.stream
        rules = box_rules_for(front.decision, graph, stream.first_answer, stream.step)
        wanted = detect(heard.answers, graph, front.decision, rules)
        assert list(heard.events) == [event for answer in wanted for event in answer]
        assert {event.label for event in heard.events} == {0, 1}
        assert len(heard.events) > 30
    kinds = {t.dtype for t in read_tensors(front.decision, [graph.main.tensors[1]], (0, 0))}
    assert kinds == {"int8" if dtype in ("int8", "uint8") else "int16"}


@pytest.mark.slow
@pytest.mark.parametrize("address", ["qemu:cortex-m4", "wasm:"])
def test_boxes_come_back_from_a_replay(tmp_path, address):
    """A board's calls and WebAssembly carry as much of an event as this machine's C."""
    program = "qemu-system-arm" if address.startswith("qemu") else None
    need(shutil.which(program) if program else importlib.util.find_spec("wasmtime"), address)
    path = passing(tmp_path, "int8")
    options = CompileOptions(
        frontend=front_end({**CAMERA, "mean": 128, "std": 16.0, "decision": DECISION})
    )
    frames = np.random.default_rng(3).integers(0, 256, (30, 42)).astype(np.uint8).reshape(-1)
    heard = []
    for each in ("c", address):
        with open_device(each).open(path, options) as session:
            heard.append(session.hear(frames).events)
    assert heard[0] == heard[1] != ()
    assert len({event.box for event in heard[1]}) > 30


@pytest.mark.parametrize("memory", Memory)
def test_an_event_is_taken_with_its_box_or_without(tmp_path, memory):
    path = passing(tmp_path, "int8")
    front = front_end({**CAMERA, "mean": 128, "std": 16.0, "decision": DECISION})
    frame = np.full(42, 200, np.uint8)
    frame[6::7] = 190  # of the second class
    with open_device("c").open(path, CompileOptions(frontend=front)) as session:
        first, second = session.hear(frame).events[:2]
    options = CompileOptions(frontend=front)
    sources = generate(path, name="eye", options=options, memory=memory)
    state = "&state, " if memory is Memory.REENTRANT else ""
    setup = {
        Memory.STATIC: "",
        Memory.EXTERNAL: "static uint8_t arena[EYE_ARENA_BYTES + 16]; "
        "eye_init(arena + 15 - ((uintptr_t)arena + 15) % 16);",
        Memory.REENTRANT: "static eye_state state; eye_reset(&state);",
    }[memory]
    main = f"""
#include <stdio.h>
#include "eye.h"
int main(void)
{{
    static const uint8_t frame[] = {{{", ".join(map(str, frame))}}};
    static const char *const labels[] = EYE_EVENT_LABELS;
    eye_event event;
    eye_box box;
    {setup}
    eye_push({state}frame, sizeof(frame));
    eye_decision({state}&event);
    printf("%s %d %u;", labels[event.label], event.score, (unsigned)event.sample);
    eye_detection({state}&event, &box);
    printf("%s %d %d %d %d %d;", labels[event.label], event.score, box.xmin, box.ymin, box.xmax,
           box.ymax);
    while (eye_detection({state}&event, &box)) {{
    }}
    printf("%d", eye_decision({state}&event));
    return 0;
}}
"""
    program = build(
        host_toolchain(), {**sources.files, "main.c": main}, ["-std=c99", *WARNINGS], [], "eye"
    )
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    names = DECISION["labels"]
    assert said == (
        f"{names[first.label]} {first.score} 42;"
        f"{names[second.label]} {second.score} {' '.join(map(str, second.box))};0"
    )


def test_a_detector_compiles_from_its_file(tmp_path):
    path, place = passing(tmp_path, "int8"), tmp_path / "eye.toml"
    camera = toml_text({**CAMERA, "mean": 128, "std": 16.0})
    nms = '[decision]\nlabels = ["car", "cat", "dog"]\n[decision.nms]\niou_threshold = 0.3\n'
    place.write_text(camera + nms)
    front = front_end(place)
    files = edgeq.compile(path, tmp_path / "c", options=CompileOptions(frontend=front)).files
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    decision = manifest["stream"]["decision"]
    assert decision["labels"] == ["car", "cat", "dog"]
    assert decision["overlap"] == round(0.3 * 32768)
    assert "scores" not in decision
    assert any("detection.h" in str(file) for file in files)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"nms": {"iou": 1}}, "nms.iou is unknown"),
        ({"nms": {"score_threshold": 2}}, "score_threshold is 2, no number from 0 to 1"),
        ({"nms": {"score_threshold": {"a": "x"}}}, "score_threshold of a is 'x'"),
        ({"nms": {"max_detections": 0}}, "max_detections is 0, no integer from 1 to 255"),
        ({"nms": {"max_detections": 20, "top_k": 5}}, "top_k is 5, fewer than max_detections"),
        ({"nms": {}, "queue": 3}, "queue is 3, fewer than max_detections, 10"),
        ({"nms": 3}, "nms is no table"),
        ({"anchors": {"kind": "fpn"}}, "kind is 'fpn', not one of ssd, grid, cells, none"),
        ({"anchors": {"kind": "ssd"}}, "anchors has no boxes or levels, or both"),
        ({"anchors": {"kind": "grid"}}, "anchors.sizes is missing"),
        ({"anchors": {"kind": "grid", "levels": []}}, "anchors.levels has no meaning for grid"),
        ({"anchors": {"kind": "ssd", "boxes": [[1, 2, 3]]}}, "anchors.boxes is no list of 4"),
        ({"anchors": {"kind": "none", "order": "xyhw"}}, "order is 'xyhw', not one of"),
        ({"kind": "detection", "average": 3}, "average is unknown"),
        ({"kind": "boxes"}, "The decision's kind is 'boxes'"),
        ({"nms": {}, "outputs": [-1]}, "outputs is"),
        ({"nms": {}, "activation": "softmax"}, "activation is 'softmax', not one of none, sigmoid"),
    ],
)
def test_a_detection_that_makes_no_sense_is_refused(table, words):
    with pytest.raises(EdgeqError, match=words):
        front_end({**CAMERA, "decision": table})


def test_a_detection_that_does_not_fit_the_model_is_refused(tmp_path):
    graph = read_graph(passing(tmp_path, "int8"))
    for table, words in [
        ({"nms": {}, "labels": ["a"]}, "1 labels stand there and the model has 3"),
        ({"nms": {}, "background": ["x"]}, "x: no label of 0, 1, 2"),
        ({"anchors": {"kind": "cells"}}, "no rows and columns of cells"),
        ({"anchors": {"kind": "ssd", "boxes": [[0.5] * 4] * 5}}, "not 4 and some classes for each"),
        ({"nms": {}, "outputs": [0, 1]}, r"outputs is \[0, 1\], and the model has 1"),
    ]:  # fmt: skip
        with pytest.raises(EdgeqError, match=words):
            box_rules_for(read_detection(table, "x"), graph)
    loud = [tensor(0, (1, 9, 4), "int8", 0.1), tensor(1, (1, 9, 2), "int8", 0.1)]
    with pytest.raises(EdgeqError, match=r"reach from -12.8 to 12.7") as caught:
        box_rules_of(read_detection({"nms": {}}, "x"), loud, 1, 1)
    assert 'activation = "sigmoid"' in caught.value.hint
    with pytest.raises(EdgeqError, match="Which of the model's 2 outputs are boxes and scores"):
        box_rules_of(read_detection({"nms": {}}, "x"), [loud[0], loud[0]], 1, 1)
