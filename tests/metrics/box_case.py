"""Random detections near and far from objects, the same wherever they are made."""

import numpy as np


def boxes_case(seed):
    """Outputs (boxes, classes, scores, count) and labels (N, K, 5) of 12 images, 3 classes."""
    rng = np.random.default_rng(seed)
    images, objects, found = 12, 5, 30
    labels = np.full((images, objects, 5), -1.0)
    boxes = np.zeros((images, found, 4))
    classes = rng.integers(0, 3, (images, found)).astype(float)
    scores = rng.integers(1, 100, (images, found)) / 100  # with equal ones
    count = rng.integers(10, found + 1, (images, 1)).astype(float)
    for image in range(images):
        for k in range(int(rng.integers(0, objects + 1))):
            low = rng.uniform(0, 60, 2).round(1)
            labels[image, k] = [rng.integers(3), *low, *(low + rng.uniform(8, 40, 2)).round(1)]
        known = labels[image][labels[image, :, 0] >= 0]
        for d in range(found):
            if len(known) and rng.uniform() < 0.7:
                row = known[rng.integers(len(known))]
                classes[image, d] = row[0] if rng.uniform() < 0.8 else classes[image, d]
                moved = row[1:] + rng.normal(0, rng.choice([0.5, 2, 6]), 4).round(1)
                boxes[image, d] = [*moved[:2], *np.maximum(moved[2:], moved[:2] + 1)]
            else:
                low = rng.uniform(0, 60, 2).round(1)
                boxes[image, d] = [*low, *(low + rng.uniform(8, 40, 2)).round(1)]
    return [boxes, classes, scores, count], labels
