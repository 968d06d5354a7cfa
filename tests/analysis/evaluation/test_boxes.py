"""Detectors evaluated: labels in two forms, the same figures on every address."""

import json

import numpy as np
import pytest
from PIL import Image

import edgeq
from edgeq.cli.main import main
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.flatbuffer import pack, unpack
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.features import Extractor
from edgeq.metrics.base import Samples
from edgeq.metrics.boxes import detection
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.generators.signal import op

WIDTH, HEIGHT = 8, 6
FRONT = f"""
kind = "image"
format = "rgb888"
width = 40
height = 24
crop = [8, 0, 32, 24]
out_width = {WIDTH}
out_height = {HEIGHT}
out_channels = 1
resize = "area"
std = 255.0

[decision]
labels = ["lamp"]

[decision.anchors]
kind = "cells"

[decision.nms]
score_threshold = 0.4
max_detections = 8
"""


@pytest.fixture(scope="module")
def lamps(tmp_path_factory):
    """Pictures with lit squares of 4 x 4 pixels, a model that sees them, and who says so."""
    folder = tmp_path_factory.mktemp("lamps")
    x, y = (TensorSpec((1, HEIGHT, WIDTH, 1), "int8", scale=1 / 255, zero_point=-128)
            for _ in range(2))  # fmt: skip
    (folder / "same.tflite").write_bytes(single_op("MAXIMUM", [x, x], [y]))
    (folder / "lamps.toml").write_text(FRONT)
    rng = np.random.default_rng(1)
    lines, frames, boxes = ["file,xmin,ymin,xmax,ymax,label"], [], np.zeros((6, 4, 4))
    (folder / "pictures").mkdir()
    labels = np.full((6, 4), -1)
    for number in range(6):
        frame = np.zeros((24, 40, 3), np.uint8)
        cells = rng.permutation(WIDTH * HEIGHT)[: number % 4]
        for k, cell in enumerate(cells):
            top, left = 4 * (cell // WIDTH), 8 + 4 * (cell % WIDTH)
            frame[top : top + 4, left : left + 4] = 150 + 20 * k
            lines.append(f"{number}.png,{left},{top},{left + 4},{top + 4},lamp")
            boxes[number, k] = np.array([left, top, left + 4, top + 4]) / [40, 24, 40, 24]
            labels[number, k] = 0
        frames.append(frame)
        Image.fromarray(frame).save(folder / "pictures" / f"{number}.png")
    (folder / "pictures/boxes.csv").write_text("\n".join(lines) + "\n")
    np.savez(folder / "lamps.npz", x=np.stack(frames), boxes=boxes, labels=labels)
    return folder


def evaluated(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *map(str, arguments), "--json"])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("data", ["pictures", "lamps.npz"])
@pytest.mark.parametrize("address", ["c", "local", "sim:cortex-m0plus"])
def test_boxes_are_judged_on_every_address(lamps, capsys, data, address):
    common = ("--frontend", lamps / "lamps.toml", "--data", lamps / data, "--on", address)
    found = evaluated(capsys, lamps / "same.tflite", *common)
    assert found["metric"] == "map_50"
    assert (found["n"], found["map_50"], found["map_50_95"]) == (6, 1.0, 1.0)
    assert found["classes"] == ["lamp"]


def test_what_is_missed_and_made_up_counts(lamps, capsys, tmp_path):
    data = np.load(lamps / "lamps.npz")
    labels = np.array(data["labels"])
    total = int((labels >= 0).sum())
    boxes = np.array(data["boxes"])
    boxes[0, 3], labels[0, 3] = (0.4, 0.4, 0.5, 0.5), 0  # nothing is there
    np.savez(tmp_path / "more.npz", x=data["x"], boxes=boxes, labels=labels)
    common = ("--frontend", lamps / "lamps.toml", "--on", "c", "--also-on", "local")
    found = evaluated(capsys, lamps / "same.tflite", *common, "--data", tmp_path / "more.npz")
    reached = np.searchsorted(np.linspace(0, 1, 101), total / (total + 1), side="right")
    assert found["map_50"] == pytest.approx(reached / 101)
    assert found["also_on"]["equal"] == 6
    # Of what lies beyond the crop the model knows nothing: boxes are parts of the whole frame.
    boxes = boxes * [0.5, 1, 0.5, 1]
    np.savez(tmp_path / "moved.npz", x=data["x"], boxes=boxes, labels=labels)
    found = evaluated(capsys, lamps / "same.tflite", *common[:4], "--data", tmp_path / "moved.npz")
    assert found["map_50"] < 0.2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,xmin,ymin,xmax,label\n0.png,1,1,2,lamp\n", "no column ymax"),
        ("file,xmin,ymin,xmax,ymax,label\n0.png,1,1,1,2,lamp\n", "no corners of a box"),
        ("file,xmin,ymin,xmax,ymax,label\n0.png,1,1,50,2,lamp\n", "reaches out of a picture of 40"),
        ("file,xmin,ymin,xmax,ymax,label\n9.png,1,1,2,2,lamp\n", "There is no image '9.png'"),
        ("file,xmin,ymin,xmax,ymax,label\n0.png,1,1,2,2,cat\n", "'cat' is not among the classes"),
        ("file,xmin,ymin,xmax,ymax,label\n0.png,1,1,2,2,1\n", "label 1 is no class: there are 1"),
    ],
)
def test_boxes_that_make_no_sense_are_refused(lamps, text, words):
    whole = (lamps / "pictures/boxes.csv").read_text()
    try:
        (lamps / "pictures/boxes.csv").write_text(text)
        with pytest.raises(EdgeqError, match=words):
            edgeq.evaluate(
                lamps / "same.tflite", data=lamps / "pictures", on="local",
                options=CompileOptions(frontend=front_end(lamps / "lamps.toml")),
            )  # fmt: skip
    finally:
        (lamps / "pictures/boxes.csv").write_text(whole)


def odd_arrays(lamps, path, **changes):
    """The arrays with other labels or boxes; None leaves the file's own."""
    whole = dict(np.load(lamps / "lamps.npz"))
    np.savez(path, **{**whole, **{key: change(whole[key]) for key, change in changes.items()}})
    return path


def changed(value):
    """The first box's label is another."""

    def change(labels):
        found = labels.astype(type(value)) if isinstance(value, float) else labels
        found[tuple(np.argwhere(labels >= 0)[0])] = value
        return found

    return change


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": changed(0.4)}, "label 0.4 is no class: whole numbers from 0 to 0"),
        ({"labels": changed(7)}, "label 7 is no class"),
        ({"labels": changed(-3)}, "label -3 is no class"),
        ({"labels": changed(float("nan"))}, "label nan is no class"),
        ({"labels": lambda y: y >= 0}, "labels of type bool are none"),
        ({"labels": lambda y: y.astype(complex)}, "labels of type complex128 are none"),
        ({"labels": lambda y: np.where(y >= 0, "cat", "")}, "'cat' is not among the classes lamp"),
        ({"boxes": lambda b: b[..., [2, 3, 0, 1]]}, "are no corners of a box"),
        ({"boxes": lambda b: b * 2}, "Boxes are no parts of the picture"),
        ({"boxes": lambda b: b * np.nan}, "Boxes are no parts of the picture"),
        ({"boxes": lambda b: b.astype(str)}, "boxes of type <U"),
    ],
)
def test_arrays_that_are_no_boxes_are_refused(lamps, tmp_path, cli, changes, words):
    data = odd_arrays(lamps, tmp_path / "odd.npz", **changes)
    done = cli(
        "evaluate", lamps / "same.tflite", "--frontend", lamps / "lamps.toml", "--on", "local",
        "--data", data,
    )  # fmt: skip
    assert done.code == 1
    assert words in done.err
    if "type" not in words and "among" not in words:
        assert "sample 1" in done.err  # the first with a box


def test_names_of_classes_in_arrays(lamps, tmp_path, capsys):
    data = odd_arrays(lamps, tmp_path / "names.npz", labels=lambda y: np.where(y >= 0, "lamp", ""))
    common = ("--frontend", lamps / "lamps.toml", "--on", "local", "--data", data)
    assert evaluated(capsys, lamps / "same.tflite", *common)["map_50"] == 1.0


def test_labels_of_a_generator_are_looked_at_too():
    labels = np.array([[[0, 0.1, 0.1, 0.2, 0.2]], [[0.5, 0.1, 0.1, 0.2, 0.2]]])
    outputs = [np.zeros((2, 1, 4)), np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((2, 1))]
    with pytest.raises(EdgeqError, match=r"label 0.5 is no class: whole numbers from 0 on"):
        detection(Samples(outputs, labels, np.zeros((2, 1))))


def test_outputs_stand_in_the_order_of_the_op_that_makes_them(tmp_path):
    """Files of TensorFlow 2's Object Detection API list scores, boxes, count and classes."""
    ends = np.array([[0.5, 0.5, 1, 1], [2, 2, 1, 1]], np.float32)  # centres and sizes
    scores = np.array([[[0.1, 0.9], [0.8, 0.2]]], np.float32)
    inputs = [TensorSpec((1, 2, 4), "float32"), TensorSpec((1, 2, 2), "float32", data=scores)]
    outputs = [TensorSpec(shape, "float32") for shape in ((1, 2, 4), (1, 2), (1, 2), (1,))]
    options = {
        "max_detections": 2, "max_classes_per_detection": 1, "nms_score_threshold": 0.0,
        "nms_iou_threshold": 0.5, "num_classes": 2, "y_scale": 10.0, "x_scale": 10.0,
        "h_scale": 5.0, "w_scale": 5.0,
    }  # fmt: skip
    made = op(
        "TFLite_Detection_PostProcess", [*inputs, TensorSpec(ends.shape, "float32", data=ends)],
        outputs, **options,
    )  # fmt: skip
    model = unpack(made)
    (graph,) = model.subgraphs
    boxes, classes, certain, count = graph.outputs
    graph.outputs = [certain, boxes, count, classes]
    files = [tmp_path / "made.tflite", tmp_path / "listed.tflite"]
    for file, data in zip(files, (made, pack(model)), strict=True):
        file.write_bytes(data)
    truth = np.array([[[1, 0, 0, 1, 1], [0, 1.5, 1.5, 2.5, 2.5]]] * 3)
    data = np.zeros((3, 2, 4), np.float32), truth
    found = [edgeq.evaluate(file, data=data, metric="detection").score.value for file in files]
    assert found == [1.0, 1.0]
    with pytest.raises(EdgeqError, match="they have the shapes"):
        detection(Samples([truth[..., 0], truth[..., 1:]] * 2, truth, np.zeros(3)))


def test_features_of_a_camera_are_in_real_units(lamps):
    """(pixel - mean) / std, with a mean that is no 0."""
    frame = np.load(lamps / "lamps.npz")["x"][3]
    described = {"kind": "image", "format": "rgb888", "width": 40, "height": 24, "out_width": 20,
                 "out_height": 12, "mean": 100, "std": 50.0, "resize": "area"}  # fmt: skip
    with Extractor(described) as extract:
        found = extract(frame).reshape(12, 20, 3)
    wanted = frame.reshape(12, 2, 20, 2, 3).mean((1, 3))
    assert np.abs(found * 50 + 100 - wanted).max() <= 0.51
