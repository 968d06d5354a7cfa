"""FRONTEND_DETECTION: from the answer of a detector to events with boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
)
from edgeq.model.detection import DETECTION

_TABLES = 6
_CANDIDATE_BYTES, _KEPT_BYTES = 8, 20  # a score and a number; a box and a label


def _detection(node: Node) -> Call:
    """Option `rules`.

    Inputs: scores and boxes as int8 or int16, and the variable that holds what is remembered. The
    output is the number of events that wait.
    """
    rules = node.option("rules")
    layout = rules.layout
    return Call(
        "frontend_detection",
        "eq_frontend_detection",
        "eq_frontend_detection_params",
        {
            "count": rules.count,
            "classes": len(rules.labels),
            "box_step": layout.box_step,
            "box_part": layout.box_part,
            "y": layout.y,
            "x": layout.x,
            "h": layout.h,
            "w": layout.w,
            "score_step": layout.score_step,
            "score_part": layout.score_part,
            "score": layout.score,
            "objectness": layout.objectness,
            "box_wide": int(rules.wide[0]),
            "score_wide": int(rules.wide[1]),
            "boxed": int(rules.boxed),
            "corners": int(rules.corners),
            "anchored": int(rules.anchored),
            "levels": len(rules.levels),
            "step_y": rules.step_y,
            "step_x": rules.step_x,
            "per_class": int(rules.per_class),
            "top_k": rules.top_k,
            "most": rules.most,
            "most_of_class": rules.most_of_class,
            "overlap": rules.overlap,
            "queue": rules.queue,
            "first": rules.first,
            "step": rules.step,
        },
        (INPUT, Arg("input", 1), *constant_args(_TABLES), Arg("state", 2), SCRATCH, OUTPUT),
        (
            _words("limits", np.asarray(rules.thresholds), "thresholds in 1/32768"),
            _words("scores", rules.scores, "scores in 1/32768, by value"),
            _words("centers", rules.centers, "centres in 1/65536, by value"),
            _words("sizes", rules.sizes, "sizes in 1/65536, by value"),
            Constant("anchors", "uint16_t", rules.anchors.reshape(-1), "anchors, in 1/32768"),
            _words("levels", _some(rules.levels), "rows, columns, anchors, first"),
        ),
        scratch_bytes=_CANDIDATE_BYTES * rules.top_k + _KEPT_BYTES * rules.most,
    )


def _words(suffix: str, values: NDArray[np.int32], note: str) -> Constant:
    return Constant(suffix, "int32_t", values.reshape(-1), note)


def _some(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The values; a zero where there are none, since C has no empty tables."""
    return values if values.size else np.zeros(1, np.int32)


FRONTEND_DETECTION = OpKind(DETECTION, _detection, ("int8", "int16"))
