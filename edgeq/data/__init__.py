"""Representative and labelled data in every format edgeq reads, streamed one sample at a time.

    data = open_dataset("calibration.npz:specs,labels", [InputSpec("input", (30, 1, 40))],
                        labelled=True)
    for sample in data:            # as often as wanted; never the whole set in memory
        sample.inputs, sample.label

Nothing here needs TensorFlow.
"""

from edgeq.data.base import (
    Dataset,
    DatasetOptions,
    InputSpec,
    Normalization,
    Sample,
)
from edgeq.data.open import open_dataset

__all__ = ["Dataset", "DatasetOptions", "InputSpec", "Normalization", "Sample", "open_dataset"]
