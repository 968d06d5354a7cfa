"""Detectors: the C and its twin in Python agree on every box; TensorFlow and LiteRT say which."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.ops import FRONTEND_OPS
from edgeq.compiler.ops.shared.base import Node
from edgeq.errors import EdgeqError
from edgeq.frontend.detection import read_detection
from edgeq.frontend.detector import detect_one
from edgeq.model.box_rules import box_rules_of
from edgeq.model.detection import DETECTION, Detection
from edgeq.model.graph import Op, Quantization, Subgraph, Tensor
from edgeq.support.resources import resource_dir
from tests.oracle.build import TensorSpec
from tests.oracle.generators.signal import op
from tests.oracle.worker import run_litert

ONE = 32768
HARNESS = """
#include "eq_frontend_detection.h"
int eq_all(const eq_frontend_detection_params *p, const void *scores, const void *boxes,
           const int32_t *limits, const int32_t *table, const int32_t *centers,
           const int32_t *sizes, const uint16_t *anchors, const int32_t *levels, int32_t *state,
           int32_t *list, int32_t *events);
int eq_all(const eq_frontend_detection_params *p, const void *scores, const void *boxes,
           const int32_t *limits, const int32_t *table, const int32_t *centers,
           const int32_t *sizes, const uint16_t *anchors, const int32_t *levels, int32_t *state,
           int32_t *list, int32_t *events)
{
    int32_t ready = 0;
    int made = 0;
    eq_frontend_detection(p, scores, boxes, limits, table, centers, sizes, anchors, levels, state,
                          list, &ready);
    for (const int32_t *e; (e = eq_detection_take(state, p->queue)) != NULL; made++) {
        for (int32_t k = 0; k < EQ_DETECTION_WORDS; k++) {
            events[EQ_DETECTION_WORDS * made + k] = e[k];
        }
    }
    return made == ready ? made : -1;
}
"""


@pytest.fixture(scope="module")
def kernel():
    """The kernel, with rules that are known at run time only; it may not leave its arrays."""
    folder = resource_dir("kernels")
    name = "frontend_detection.h"
    files = {
        "eq_base.h": (folder / "include/eq_base.h").read_text(),
        f"eq_{name}": (folder / "portable/frontend" / name).read_text(),
        "all.c": HARNESS,
    }
    flags = [
        "-std=c99",
        "-O1",
        "-fPIC",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    ]
    return ctypes.CDLL(
        str(build(host_toolchain(), files, [*flags, *WARNINGS], ["-shared"], "detection.so"))
    )


def by_kernel(code, scores, boxes, rules):
    """Rows (label, score, sample, xmin, ymin, xmax, ymax)."""
    tensors = tuple(Tensor(k, "x", (1,), "int8") for k in range(4))
    item = Op(0, DETECTION, (0, 1, 2), (3,), {"rules": rules})
    call = FRONTEND_OPS[DETECTION].lower(Node(item, Subgraph(0, "", tensors, (item,), (), ())))
    struct = (folder := resource_dir("kernels")) / "portable/frontend/frontend_detection.h"
    names = [
        name.strip()
        for line in struct.read_text().split("typedef struct {")[1].split("}")[0].splitlines()
        if "int32_t" in line
        for name in line.split("int32_t")[1].split(";")[0].split(",")
    ]
    assert folder.exists() and set(names) == set(call.params)
    params = np.array([call.params[name] for name in names], np.int32)
    tables = [
        np.ascontiguousarray(c.values.astype(c.ctype.removesuffix("_t"))) for c in call.constants
    ]
    state = np.zeros(rules.state_words, np.int32)
    scratch = np.full(call.scratch_bytes // 4 + 16, 77, np.int32)
    events = np.zeros((rules.queue, 5), np.int32)
    arrays = [params, scores, boxes, *tables, state, scratch, events]
    arrays = [np.ascontiguousarray(array) for array in arrays]
    made = code.eq_all(*(ctypes.c_void_p(array.ctypes.data) for array in arrays))
    assert made >= 0
    assert (arrays[-2][-16:] == 77).all(), "beyond the scratch memory"
    return [
        (*row[:3], row[3] & 0xFFFF, row[3] >> 16, row[4] & 0xFFFF, row[4] >> 16)
        for row in arrays[-1][:made].tolist()
    ]


def tensor(index, shape, dtype, scale, zero_point=0):
    held = Quantization(np.asarray([scale], np.float32), np.asarray([zero_point], np.int64))
    return Tensor(index, f"output {index}", shape, dtype, held)


def random_table(rng, kind, classes):
    """A table [decision] and the outputs of a model that it is for."""
    dtype = str(rng.choice(["int8", "int16"]))
    steps = 255 if dtype == "int8" else 65535
    objectness = bool(rng.integers(2)) if kind != "cells" else False
    nms = {
        "score_threshold": round(float(rng.choice([0, 0.3, 0.6])), 3),
        "iou_threshold": round(float(rng.uniform(0, 1)), 3),
        "max_detections": int(rng.integers(1, 8)),
        "per_class": bool(rng.integers(2)),
        "top_k": int(rng.integers(8, 60)),
        "max_per_class": int(rng.integers(1, 5)),
    }
    labels = [f"c{number}" for number in range(classes)]
    table = {"labels": labels, "nms": nms, "anchors": {"kind": kind}, "activation": "sigmoid"}
    if kind != "cells":
        table["objectness"] = objectness
    if classes > 1 and rng.integers(2):
        table["background"] = labels[:1]
    spread = tensor(0, (), dtype, 12 / steps, int(rng.integers(-20, 20)))
    each = (0 if kind == "cells" else 4) + objectness + classes
    rows, columns = (int(n) for n in rng.integers(1, 6, 2))
    if kind in ("grid", "cells"):
        sizes = rng.uniform(0.05, 0.9, (int(rng.integers(1, 4)) if kind == "grid" else 1, 2))
        table["anchors"]["sizes"] = sizes.round(3).tolist()
        return table, [replace(spread, shape=(1, rows, columns, len(sizes) * each))]
    count = int(rng.integers(1, 30))
    if kind == "none":
        table["anchors"]["order"] = str(rng.choice(["yxyx", "xyxy", "yxhw", "xywh"]))
    else:
        table["anchors"] |= {"center_variance": 0.1, "size_variance": 0.2}
        table["anchors"]["order"] = str(rng.choice(["yxhw", "xywh"]))
        if rng.integers(2):
            table["anchors"]["boxes"] = rng.uniform(0, 1, (count, 4)).round(4).tolist()
        else:
            levels = [
                {"rows": rows, "columns": columns, "sizes": rng.uniform(0, 1, (2, 2)).tolist()},
                {"rows": 1, "columns": 2, "sizes": [[0.9, 0.8]]},
            ]
            table["anchors"]["levels"] = levels
            count = rows * columns * 2 + 2
    table["transposed"] = turned = bool(rng.integers(2))
    if rng.integers(2):
        shape = (1, each, count) if turned else (1, count, each)
        return table, [replace(spread, shape=shape)]
    apart = (
        [(1, 4, count), (1, each - 4, count)] if turned else [(1, count, 4), (1, count, each - 4)]
    )
    table["outputs"] = [0, 1]
    other = tensor(1, apart[1], "int8", 1 / 32, int(rng.integers(-20, 20)))
    return table, [replace(spread, shape=apart[0]), other]


def test_any_rules_on_any_answers(kernel):
    made, most, kinds = 0, 0, set()
    for seed in range(600):
        rng = np.random.default_rng(seed)
        kind = ("ssd", "grid", "cells", "none")[seed % 4]
        table, outputs = random_table(rng, kind, int(rng.integers(1, 5)))
        detection = read_detection(table, "fuzz")
        rules = box_rules_of(detection, outputs, 100, 7)
        # Few values make many equal scores.
        answers = []
        for out in outputs:
            low, high = (-128, 128) if out.dtype == "int8" else (-32768, 32768)
            values = rng.integers(low, high, out.elements)
            if rng.integers(2):
                values = rng.choice(values, 5)[rng.integers(0, 5, out.elements)]
            answers.append(values.astype(out.dtype))
        boxes, scores = (answers[at] for at in rules.source)
        twin = [(e.label, e.score, e.sample, *e.box) for e in detect_one(scores, boxes, rules)]
        assert by_kernel(kernel, scores, boxes, rules) == twin, seed
        assert [row[1] for row in twin] == sorted((row[1] for row in twin), reverse=True)
        made, most = made + len(twin), max(most, len(twin))
        kinds |= {(kind, rules.per_class, rules.wide, len(twin) > 1)}
    assert made > 1500
    assert most == 7
    assert len(kinds) > 30


@pytest.mark.slow  # TensorFlow is loaded
def test_the_boxes_that_stay_are_those_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    kept = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        count, overlap = int(rng.integers(2, 60)), float(rng.choice([0.1, 0.3, 0.5, 0.7]))
        table = {
            "nms": {"score_threshold": 0.25, "iou_threshold": overlap, "max_detections": 20},
        }
        outputs = [
            tensor(0, (1, count, 4), "int16", 1 / ONE),
            tensor(1, (1, count, 1), "int8", 1 / 256, -128),
        ]
        rules = box_rules_of(read_detection(table, "tf"), outputs, 1, 1)
        low = rng.uniform(0, 0.7, (count, 2))
        corners = np.concatenate([low, low + rng.uniform(0.05, 0.3, (count, 2))], axis=1)
        boxes = np.rint(corners * ONE).clip(0, ONE - 1).astype(np.int16)
        scores = rng.integers(-128, 128, count).astype(np.int8)  # with equal ones
        found = [tuple(e.box) for e in detect_one(scores, boxes.reshape(-1), rules)]
        real = (scores.astype(np.float32) + 128) / 256
        chosen = tf.image.non_max_suppression(
            boxes.astype(np.float32) / ONE, real, 20, overlap, 0.25 - 1e-6
        ).numpy()
        wanted = [tuple(boxes[k][[1, 0, 3, 2]].tolist()) for k in chosen]
        # Read by lines between 513 places: a step of 1/32768 at the most.
        assert len(found) == len(wanted), seed
        assert np.abs(np.asarray(found) - np.asarray(wanted)).max(initial=0) <= 1
        kept += len(wanted)
    assert kept > 800


@pytest.mark.parametrize("regular", [False, True])
def test_decoded_boxes_are_those_of_the_detection_postprocess(regular):
    compared = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        count, classes = 24, 3
        anchors = np.rint(rng.uniform(0.1, 0.9, (count, 4)) * ONE) / ONE
        nms = {"score_threshold": 0.3, "iou_threshold": 0.45, "max_detections": 12,
               "per_class": regular}  # fmt: skip
        table = {"nms": nms, "anchors": {"kind": "ssd", "boxes": anchors.tolist(),
                 "center_variance": 0.1, "size_variance": 0.2}}  # fmt: skip
        outputs = [
            Tensor(0, "boxes", (1, count, 4), "float32"),
            Tensor(1, "scores", (1, count, classes), "float32"),
        ]
        detection = read_detection(table, "litert")
        rules = box_rules_of(detection, outputs, 1, 1)
        moved = rng.integers(-2048, 2048, (1, count, 4)).astype(np.int16)
        ranks = rng.permutation(np.arange(count * classes) * 400 + 1000).astype(np.int16)
        options = {
            "detections_per_class": 12, "max_classes_per_detection": 1, "max_detections": 12,
            "nms_iou_threshold": 0.45, "nms_score_threshold": 0.3, "num_classes": classes,
            "use_regular_nms": regular, "h_scale": 5.0, "w_scale": 5.0, "x_scale": 10.0,
            "y_scale": 10.0,
        }  # fmt: skip
        inputs = [TensorSpec((1, count, 4), "float32"), TensorSpec((1, count, classes), "float32")]
        given = TensorSpec(anchors.shape, "float32", data=anchors.astype(np.float32))
        results = [TensorSpec((1, 12, 4), "float32"), TensorSpec((1, 12), "float32"),
                   TensorSpec((1, 12), "float32"), TensorSpec((1,), "float32")]  # fmt: skip
        model = op("TFLite_Detection_PostProcess", [*inputs, given], results, **options)
        real = [moved.astype(np.float32) * 32 / ONE,
                ranks.reshape(1, count, classes).astype(np.float32) / ONE]  # fmt: skip
        theirs = run_litert(model, [real])[0]
        total = int(theirs[3].item())
        events = detect_one(ranks, moved.reshape(-1), rules)
        if _is_close_call(events, theirs, total):
            continue
        assert [e.label for e in events] == theirs[1][0, :total].astype(int).tolist(), seed
        np.testing.assert_allclose([e.score / ONE for e in events], theirs[2][0, :total], atol=4e-5)
        wanted = theirs[0][0, :total][:, [1, 0, 3, 2]].clip(0, 1)
        # Sizes are read by lines between places of their logarithm.
        error = np.abs(np.asarray([e.box for e in events]) / ONE - wanted).max()
        assert error < 3e-4
        compared += total
    assert compared > 200


def _is_close_call(events, theirs, total):
    """Whether two boxes overlap by so nearly the threshold that rounding decides."""
    return len(events) != total and any(
        0.448 < _iou(a, b) < 0.452 for a in theirs[0][0, :total] for b in theirs[0][0, :total]
    )


def _iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = (high - low).clip(0).prod()
    return both / max((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both, 1e-9)


def test_a_grids_boxes_are_those_of_yolos_formulas():
    """Redmon and Farhadi, YOLO9000 (2016): centres in cells, sizes by exponentials."""
    rows, columns, sizes, classes = 3, 4, [[0.3, 0.5], [0.1, 0.2]], 2
    table = {
        "labels": ["a", "b"],
        "anchors": {"kind": "grid", "sizes": sizes},
        "nms": {"score_threshold": 0.02, "iou_threshold": 1, "max_detections": 99},
    }
    output = tensor(0, (1, rows, columns, 2 * (5 + classes)), "int8", 1 / 16, 3)
    rules = box_rules_of(read_detection(table, "yolo"), [output], 1, 1)
    numbers = np.random.default_rng(1).integers(-60, 60, output.elements).astype(np.int8)
    real = (numbers.reshape(rows, columns, 2, 7).astype(float) - 3) / 16
    sigmoid = 1 / (1 + np.exp(-real))
    wanted = {}
    for r, c, b, k in np.ndindex(rows, columns, 2, classes):
        x, y = (c + sigmoid[r, c, b, 0]) / columns, (r + sigmoid[r, c, b, 1]) / rows
        w, h = np.asarray(sizes[b]) * np.exp(real[r, c, b, 2:4])
        score = sigmoid[r, c, b, 4] * sigmoid[r, c, b, 5 + k]
        box = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, 1)
        wanted[len(wanted)] = (k, score, box)
    best = sorted(wanted.values(), key=lambda each: -each[1])
    events = detect_one(numbers, numbers, rules)
    assert len(events) == sum(score >= 0.02 for _, score, _ in best)
    for event, (_, score, _) in zip(events, best, strict=False):
        assert abs(event.score / ONE - score) < 2 / ONE
        near = min(np.abs(np.asarray(event.box) / ONE - box).max() for k, s, box in best
                   if k == event.label and abs(s - score) < 4 / ONE)  # fmt: skip
        assert near < 8 / ONE


@pytest.mark.parametrize("shape", [(12,), (), (1, 0)])
@pytest.mark.parametrize("transposed", [False, True])
def test_an_output_without_boxes_is_refused(shape, transposed):
    with pytest.raises(EdgeqError, match="has no place for boxes"):
        box_rules_of(Detection(transposed=transposed), [Tensor(0, "y", shape, "float32")], 1, 1)
