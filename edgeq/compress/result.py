"""What a compression made."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.compress.training import Quality
from edgeq.conversion.tensorflow import quiet
from edgeq.data import Understood
from edgeq.metrics.outputs import Outputs
from edgeq.metrics.paired import Paired, compare_scores
from edgeq.support.result import Result

# The earliest that a zip archive can hold, as Keras has it for the other files in there.
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_DATE = "1980-01-01@00:00:00"


@dataclass(frozen=True)
class Size:
    """How large a Keras model is.

    Attributes:
        parameters: Weights and biases.
        nonzero: Those that are not zero.
        distinct: Different values in the largest layer's kernel.
    """

    parameters: int
    nonzero: int
    distinct: int


@dataclass(frozen=True, repr=False)
class Compression(Result):
    """A compressed model, and what became of it.

    Attributes:
        method: "qat", "prune", ...
        model: The keras.Model: ordinary layers, ready to be saved or converted.
        before, after: Sizes.
        quality: Quality before and after on held-out data; None where there was none.
        details: What the method did, by layer or in all; JSON types.
        warnings: What the user should know, in sentences.
        failures: Those of them that say the result is of no use.
        outputs: What the model's outputs were taken for.
        understood: What was understood of the data: "train", and "eval" where there is one.
    """

    method: str
    model: Any = field(repr=False)
    before: Size
    after: Size
    quality: tuple[Quality, Quality] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    outputs: Outputs | None = None
    understood: Mapping[str, Understood] = field(default_factory=dict)

    @property
    def compared(self) -> Paired | None:
        """The quality after against that before on the same samples; None without held-out data."""
        if self.quality is None or not (self.quality[0].score and self.quality[1].score):
            return None
        return compare_scores(self.quality[0].score, self.quality[1].score)

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq compress`, without the model itself."""
        return {
            "edgeq": __version__,
            "method": self.method,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "quality": self.quality
            and {
                "metric": self.quality[0].metric,
                "before": self.quality[0].value,
                "after": self.quality[1].value,
                "samples": self.quality[0].samples,
                "before_interval": self.quality[0].score and self.quality[0].score.interval,
                "after_interval": self.quality[1].score and self.quality[1].score.interval,
                "paired": self.compared,
            },
            "outputs": self.outputs,
            "useful": not self.failures,
            "details": dict(self.details),
            "data": {name: data.to_json() for name, data in self.understood.items()},
            "warnings": list(self.warnings),
        }


def size_of(model: Any) -> Size:
    """The size of a Keras model."""
    weights = [np.asarray(weight) for weight in model.get_weights()]
    largest = max((w for w in weights if w.ndim > 1), key=lambda w: w.size, default=np.zeros(1))
    return Size(
        parameters=sum(w.size for w in weights),
        nonzero=sum(int(np.count_nonzero(w)) for w in weights),
        distinct=len(np.unique(largest)),
    )


def keras_bytes(model: Any) -> bytes:
    """A model as the content of a .keras file; the same model gives the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with quiet():
            model.save(path)
        return _undated(path)


def _undated(path: Path) -> bytes:
    """A .keras file without the time it was saved at, which would make each one another."""
    result = io.BytesIO()
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(result, "w") as archive:
        for entry in stored.infolist():
            content = stored.read(entry)
            if entry.filename == "metadata.json":
                content = json.dumps(json.loads(content) | {"date_saved": _DATE}).encode()
            plain = zipfile.ZipInfo(entry.filename, _FIRST_DAY)
            plain.external_attr = 0o644 << 16
            archive.writestr(plain, content)
    return result.getvalue()
