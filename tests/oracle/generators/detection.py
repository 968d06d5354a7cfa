"""TFLite_Detection_PostProcess, with overlapping boxes and equal scores."""

import numpy as np

from tests.oracle.build import TensorSpec
from tests.oracle.check import Case
from tests.oracle.generators.signal import op
from tests.oracle.generators.values import chance, extent


def detection(regular):
    """A generator; without regular suppression TFLM fills only as many outputs as it finds, so
    then all boxes lie apart and there are enough of them."""

    def make(rng, size):
        boxes, classes, background = extent(rng, 6 * size), extent(rng, size), chance(rng, 0.5)
        detections = extent(rng, 2 * size if regular else boxes)
        corners = rng.uniform(0, 4, (boxes, 2)) if regular else 10 * np.arange(2 * boxes)
        anchors = np.concatenate(
            [corners.reshape(boxes, 2), rng.uniform(0.5, 2, (boxes, 2))], axis=1
        )
        encodings = TensorSpec((1, boxes, 4), "float32")
        scores = TensorSpec((1, boxes, classes + background), "float32")
        outputs = [TensorSpec((1, detections, 4), "float32")]
        outputs += [TensorSpec((1, detections), "float32") for _ in range(2)]
        outputs += [TensorSpec((1,), "float32")]
        options = {
            "detections_per_class": extent(rng, 5),
            "h_scale": 5.0,
            "max_classes_per_detection": 1,
            "max_detections": detections,
            "nms_iou_threshold": float(rng.uniform(0.05, 1)),
            "nms_score_threshold": float(rng.uniform(0, 0.6)) if regular else -1.0,
            "num_classes": classes,
            "use_regular_nms": regular,
            "w_scale": 5.0,
            "x_scale": 10.0,
            "y_scale": 10.0,
        }
        table = TensorSpec(anchors.shape, "float32", data=anchors.astype(np.float32))
        model = op("TFLite_Detection_PostProcess", [encodings, scores, table], outputs, **options)
        calls = []
        for steps in (5, 1000):
            values = rng.integers(0, steps, scores.shape) / steps
            encoded = rng.normal(size=encodings.shape)
            calls.append([encoded.astype(np.float32), values.astype(np.float32)])
        return Case(f"detection {regular}", model, calls)

    return make


GENERATORS = {
    "TFLite_Detection_PostProcess fast": detection(False),
    "TFLite_Detection_PostProcess regular": detection(True),
}
