"""FRONTEND_DECISION: from the scores of an answer to events."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
)
from edgeq.model.decision import DECISION


def _decision(node: Node) -> Call:
    """Option `rules`.

    Inputs: scores as int16 of scale 1/32768, the variable that holds what is remembered, and that
    of the last scores. The output is the number of events that wait.
    """
    rules = node.option("rules")
    limits = np.asarray([rules.thresholds, rules.releases], np.int64) * rules.average
    return Call(
        "frontend_decision",
        "eq_frontend_decision",
        "eq_frontend_decision_params",
        {
            "classes": len(rules.labels),
            "average": rules.average,
            "min_count": rules.min_count,
            "refractory": rules.refractory,
            "suppression": rules.suppression,
            "top_k": rules.top_k,
            "queue": rules.queue,
            "first": rules.first,
            "step": rules.step,
            "settling": rules.settling,
        },
        (INPUT, *constant_args(1), Arg("state", 1), Arg("state", 2), OUTPUT),
        (Constant("limits", "int32_t", limits, "thresholds, releases; times the average"),),
    )


FRONTEND_DECISION = OpKind(DECISION, _decision, ("int16",))
