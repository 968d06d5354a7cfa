"""Representative and labelled data in every format edgeq reads, streamed one sample at a time.

    data = open_dataset("calibration.npz:specs,labels", [InputSpec("input", (30, 1, 40))],
                        labelled=True)
    for sample in data:            # as often as wanted; never the whole set in memory
        sample.inputs, sample.label
    print(data.understood)            # what was understood: samples, classes, ranges, steps

One path for every container: a reader gives raw values (`arrays`, `table`, `images`, `audio`,
`tfrecord`, `generator`), `preprocess` makes of them what the model takes, `labels` decodes what
they are called, `understood` says what happened. Nothing here needs TensorFlow.
"""

from edgeq.data.base import (
    DatasetOptions,
    Expected,
    InputSpec,
    Normalization,
    Sample,
)
from edgeq.data.dataset import Dataset
from edgeq.data.open import check_source, open_dataset
from edgeq.data.understood import Understood, data_warnings, warnings_between

__all__ = [
    "Dataset",
    "DatasetOptions",
    "Expected",
    "InputSpec",
    "Normalization",
    "Sample",
    "Understood",
    "check_source",
    "data_warnings",
    "open_dataset",
    "warnings_between",
]
