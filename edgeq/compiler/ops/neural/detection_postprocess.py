"""TFLite_Detection_PostProcess: boxes and classes out of what an object detector computes."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, SCRATCH, Arg, Call, Node, OpKind, require
from edgeq.compiler.ops.shared.custom import (
    custom_options,
    int_option,
    require_elements,
    require_types,
)

_PER_CLASS = 100


def _number(node: Node, name: str) -> float:
    value = custom_options(node).get(name)
    require(isinstance(value, int | float), f'its option "{name}" is missing or no number')
    assert value is not None
    require(math.isfinite(value) and abs(value) < 1e30, f'its option "{name}" is {value}')
    return float(np.float32(value))


def _lower(node: Node) -> Call:
    """The kernel call for one TFLite_Detection_PostProcess.

    Source: TFLM detection_postprocess.cc.
    """
    require_types(node, ("float32",) * 3, ("float32",) * 4)
    encodings, scores, anchors = (node.input(i) for i in range(3))
    require(len(encodings.shape) == 3 and len(scores.shape) == 3, "shapes of three axes needed")
    boxes, encoding = encodings.shape[1:]
    require(encodings.shape[0] == 1 and encoding >= 4, f"encodings of shape {encodings.shape}")
    require(anchors.shape == (boxes, 4), f"anchors of shape {anchors.shape} for {boxes} boxes")
    classes = int_option(node, "num_classes", 1, 1 << 20)
    require(
        scores.shape in ((1, boxes, classes), (1, boxes, classes + 1)),
        f"scores of shape {scores.shape} for {boxes} boxes of {classes} classes",
    )
    detections = int_option(node, "max_detections", 1, 1 << 20)
    for position, elements in enumerate((4 * detections, detections, detections, 1)):
        require_elements(node.output(position), elements)
    options = custom_options(node)
    regular = bool(options.get("use_regular_nms"))
    if not regular:
        # With more of them the reference writes past its outputs.
        kinds = min(int_option(node, "max_classes_per_detection", 1), classes)
        require(kinds == 1, f"{kinds} classes per detection; 1 is supported")
    per_class = _PER_CLASS
    if options.get("detections_per_class") is not None:
        per_class = int_option(node, "detections_per_class", 1)
    overlap = _number(node, "nms_iou_threshold")
    require(0 < overlap <= 1, f'its option "nms_iou_threshold" is {overlap}')
    scales = {name: _number(node, name) for name in ("y_scale", "x_scale", "h_scale", "w_scale")}
    require(all(scales.values()), "a scale of its boxes is 0")
    return Call(
        "detection_postprocess",
        "eq_detection_regular" if regular else "eq_detection_fast",
        "eq_detection_params",
        {
            "boxes": boxes,
            "encoding": encoding,
            "classes": classes,
            "background": scores.shape[2] - classes,
            "detections": detections,
            "detections_per_class": per_class,
            "score_threshold": _number(node, "nms_score_threshold"),
            "iou_threshold": overlap,
            **scales,
        },
        (
            INPUT,
            Arg("input", 1),
            Arg("input", 2),
            SCRATCH,
            OUTPUT,
            *(Arg("output", position) for position in range(1, 4)),
        ),
        scratch_bytes=boxes * ((4 if regular else 5) * 4 + 1),
    )


DETECTION_POSTPROCESS = OpKind("TFLite_Detection_PostProcess", _lower, ("float32",), custom=True)
