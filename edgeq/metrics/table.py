"""The metrics by name."""

from __future__ import annotations

from edgeq.metrics.base import Metric
from edgeq.metrics.boxes import detection
from edgeq.metrics.classification import classification
from edgeq.metrics.multi_label import multi_label
from edgeq.metrics.pixels import segmentation
from edgeq.metrics.values import anomaly, regression

METRICS: dict[str, Metric] = {
    "classification": classification,
    "regression": regression,
    "anomaly": anomaly,
    "segmentation": segmentation,
    "multi-label": multi_label,
    "detection": detection,
}
