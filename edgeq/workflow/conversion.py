"""What a conversion made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeq import __version__
from edgeq.analysis.app_runtimes import AppRuntime
from edgeq.analysis.runs_on import RunsOn
from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.explain import FiredPass
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.proof.integer import Proof
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.adaptive_rounding import Rounding
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.data import Understood
from edgeq.metrics.base import Score
from edgeq.metrics.outputs import Outputs
from edgeq.metrics.paired import Paired, compare_scores
from edgeq.support.result import Result
from edgeq.workflow.front_ends import SplitFrontEnd
from edgeq.workflow.streams import Streamed


@dataclass(frozen=True, repr=False)
class Conversion(Result):
    """What a conversion made.

    Attributes:
        model: The source, as given.
        scheme: How it was quantized.
        precision: Layers that have a scheme of their own, and which.
        data: The .tflite.
        sha256: Digest of `data`.
        output: Where it was written; None if nowhere.
        float_bytes: Size of the float .tflite it came from.
        proof: What was proven of it; None for schemes that keep float.
        calibration: Ranges, and whether the data was enough; None where none was needed.
        warnings: What the user should know, in sentences.
        accuracy: Scores of the float and of the converted model on the very same samples, where
            they were asked for.
        outputs: What the outputs were taken for then.
        float_model: The float model, to compare against.
        corrected: With bias correction: the largest change of a bias by layer, in the units of
            the layer's output.
        rounded: With adaptive rounding: what it did to each layer, by its output's name.
        understood: What was understood of the data: "calibration", and "eval" where there is one.
        quality: How close its outputs are to the float model's; None where it was not checked.
        runs_on: Which runtimes take an integer model, and what the others lack; None for float.
        app_runtimes: For a phone: what the runtimes that apps use say of the model.
        passes: Which passes changed which layers, where that was asked for.
        stream: How it streams; None for a model that takes what the source takes.
        frontend: The front end that was part of the Keras model; the result takes its features.
    """

    model: str
    scheme: Scheme
    precision: Mapping[str, str]
    data: bytes
    sha256: str
    output: str | None
    float_bytes: int
    proof: Proof | None
    calibration: Calibration | None
    warnings: tuple[str, ...] = ()
    accuracy: tuple[Score, Score] | None = None
    outputs: Outputs | None = None
    float_model: FloatModel | None = field(default=None, repr=False)
    corrected: Mapping[str, float] = field(default_factory=dict)
    rounded: Mapping[str, Rounding] = field(default_factory=dict)
    understood: Mapping[str, Understood] = field(default_factory=dict)
    quality: Quality | None = None
    runs_on: RunsOn | None = None
    app_runtimes: tuple[AppRuntime, ...] = ()
    passes: tuple[FiredPass, ...] = ()
    stream: Streamed | None = None
    frontend: SplitFrontEnd | None = None

    @property
    def compared(self) -> Paired | None:
        """Whether the converted model is worse than the float one, or noise; None if not asked."""
        return None if self.accuracy is None else compare_scores(*self.accuracy)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done that nobody asked for in so many words, in sentences."""
        if self.frontend is None:
            return ()
        return (
            f"The layer {self.frontend.layer} became a front end; the model takes its features.",
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain data, without the model itself."""
        return {
            "edgeq": __version__,
            "model": self.model,
            "scheme": self.scheme.name,
            "precision": dict(self.precision),
            "saves": self.scheme.saves,
            "runs_on": self.scheme.runs_on if self.runs_on is None else str(self.runs_on),
            "app_runtimes": [str(runtime) for runtime in self.app_runtimes],
            "output": self.output,
            "sha256": self.sha256,
            "bytes": len(self.data),
            "float_bytes": self.float_bytes,
            "proof": self.proof,
            "quality": self.quality and self.quality.to_json(),
            "calibration": self.calibration
            and {
                "samples": self.calibration.samples,
                "method": self.calibration.method,
                "enough": self.calibration.enough,
                "moving": self.calibration.moving,
                "outliers": self.calibration.outliers,
                "tensors": self.calibration.tensors,
            },
            "accuracy": self.accuracy
            and {
                "metric": self.accuracy[0].metric,
                "float": self.accuracy[0].value,
                "quantized": self.accuracy[1].value,
                "n": self.accuracy[0].n,
                "float_interval": self.accuracy[0].interval,
                "quantized_interval": self.accuracy[1].interval,
                "paired": self.compared,
                "outputs": self.outputs,
            },
            "corrected": dict(self.corrected),
            "rounded": dict(self.rounded),
            "data": {name: found.to_json() for name, found in self.understood.items()},
            "passes": self.passes,
            "stream": self.stream and self.stream.to_json(),
            "frontend": self.frontend and self.frontend.to_json(),
            "warnings": self.warnings,
        }
