"""Several yes or no per sample."""

from __future__ import annotations

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.metrics.base import Figure, Samples, Score, score_of, share
from edgeq.metrics.curves import mean_of, mean_of_known, weigh_auc, weigh_average_precision
from edgeq.metrics.values import same_shape
from edgeq.support.array import Array


def multi_label(samples: Samples) -> Score:
    """F1 over all labels together (micro); macro F1, exact matches, areas under curves beside it.

    An output above 0.5 is a yes, of logits one above 0.

    Raises:
        EdgeqError: Labels are not 0 and 1, or not as many as outputs.
    """
    outputs, labels = same_shape(samples, "Multi-label")
    if not np.isin(labels, (0, 1)).all():
        raise EdgeqError("Multi-label labels are 0 or 1, one column per label.")
    chosen, truth = outputs > samples.first.threshold, labels == 1
    both, either = (chosen & truth).astype(float), chosen.astype(float) + truth
    width, n = labels.shape[1], len(labels)

    def each(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = 2 * (weights @ both) / (weights @ either)
        return found

    def micro(weights: Array) -> Array:
        total = (weights @ either).sum(axis=1)
        hits = 2 * (weights @ both).sum(axis=1)
        # With nothing to find and nothing found, all is right.
        found: Array = np.where(total > 0, hits / np.maximum(total, 1e-12), 1.0)
        return found

    figures = {
        "f1": Figure(micro, 2 * width),
        "macro_f1": Figure(lambda weights: mean_of_known(each(weights)), 2 * width),
        "exact_match": share((chosen == truth).all(axis=1)),
    }
    mixed = [k for k in range(width) if 0 < truth[:, k].sum() < n]
    if mixed:
        aucs = [weigh_auc(outputs[:, k], truth[:, k]) for k in mixed]
        figures["roc_auc"] = Figure(mean_of(aucs), 4 * len(mixed))
        precisions = [weigh_average_precision(outputs[:, k], truth[:, k]) for k in mixed]
        figures["average_precision"] = Figure(mean_of(precisions), 4 * len(mixed))
    per_label = [float(v) if np.isfinite(v) else None for v in each(np.ones((1, n)))[0]]
    return score_of(figures, n, {"f1_per_label": per_label})
