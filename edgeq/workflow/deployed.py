"""What a deployment found and made, and how deploy.json says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.account import Account
from edgeq.analysis.delegation.take import DelegateTake
from edgeq.analysis.energy.figures import energy_values, split
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.evaluation.layers import LayerError
from edgeq.analysis.evaluation.recordings import EventEvaluation
from edgeq.analysis.graph_facts import graph_facts
from edgeq.analysis.limits import LimitCheck
from edgeq.analysis.profiling import Profile
from edgeq.analysis.verification import Verification
from edgeq.boards.target import Target
from edgeq.compiler.compilation import Sources, has_fpu
from edgeq.metrics.paired import Paired, compare_scores
from edgeq.model.graph import Graph
from edgeq.model.joining import FrontEnd, joined
from edgeq.support.figures import beside
from edgeq.support.result import Result

REPORT, REFERENCE, C_FOLDER = "report.html", "reference.json", "c"


@dataclass(frozen=True, repr=False)
class Deployment(Result):
    """What a deployment found and made.

    Attributes:
        output: The folder: the .tflite, C sources in `c/`, deploy.json, report.html,
            reference.json (for drift) and manifest.json.
        conversion: The JSON of the conversion; None if the model was integer already.
        verifications: Bytes compared with the oracle.
        accuracy: Of the integer model; None without labelled data.
        float_accuracy: Of the float model, where there is one.
        account: What the program takes on the target, each figure with its kind.
        layers: Error of each layer, where there is a float model.
        limits: Every limit with the value found.
        warnings: What may be wrong with model or data, in sentences.
        result: All of it as in deploy.json.
        events: Of whole recordings; None without recordings.
        delegates: What the delegates take that the target can have.
    """

    output: Path
    target: str
    conversion: Mapping[str, Any] | None
    verifications: tuple[Verification, ...]
    accuracy: Evaluation | None
    float_accuracy: Evaluation | None
    profile: Profile
    account: Account
    layers: tuple[LayerError, ...]
    limits: tuple[LimitCheck, ...]
    warnings: tuple[str, ...]
    result: Mapping[str, Any]
    events: EventEvaluation | None = None
    delegates: tuple[DelegateTake, ...] = ()

    @property
    def latency_ms(self) -> float | None:
        """Of one inference; from the cycles and the target's clock where not timed."""
        return self.account.latency_ms.value

    @property
    def compared(self) -> Paired | None:
        """Whether the integer model is worse than the float one, or noise; None if not known."""
        if self.accuracy is None or self.float_accuracy is None:
            return None
        return compare_scores(self.float_accuracy.score, self.accuracy.score)

    @property
    def met(self) -> bool:
        """Whether all limits are met and all bytes are equal."""
        return all(check.met for check in self.limits)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.output / REPORT


def result_of(
    found: Deployment,
    graph: Graph,
    sources: Sources | None,
    front: FrontEnd | None,
    target: Target,
) -> dict[str, Any]:
    """The content of deploy.json.

    Args:
        found: What the chain has found.
        graph: The integer model.
        sources: The C that was generated, with the front end where there is one.
        front: That front end.
        target: What the C is for.
    """
    # The numbers of the generated program's ops are those of both in one.
    shown = joined(front, graph, fpu=has_fpu(target)) if front and sources else graph
    return {
        "edgeq": __version__,
        "model": {
            "path": Path(graph.path).name,
            "sha256": graph.sha256,
            "file_bytes": graph.file_bytes,
        },
        "target": found.target,
        "conversion": found.conversion,
        "verify": [check.to_json() for check in found.verifications],
        "evaluation": {
            "float": found.float_accuracy and found.float_accuracy.to_json(),
            "integer": found.accuracy and found.accuracy.to_json(),
            "paired": found.compared,
        },
        "events": found.events and found.events.to_json(),
        # Sizes and kinds as seen from the target, which is not always what was measured.
        "profile": {
            **found.profile.to_json(),
            "memory_bytes": asdict(found.account.memory),
            **beside(split(found.account.figures)[1]),
        },
        "latency_ms": found.latency_ms,
        **energy_values(found.account.figures),
        "account": found.account.to_json(),
        "memory": None if sources is None else _memory(sources.manifest),
        "graph": graph_facts(shown, sources),
        "delegates": [take.to_json() for take in found.delegates],
        "layers": found.layers,
        "limits": found.limits,
        "warnings": found.warnings,
        "met": found.met,
        **beside(split(found.account.figures)[0]),
    }


def warnings_of(found: Profile) -> tuple[str, ...]:
    """What is to be said of the run that limits are judged by."""
    words = tuple(found.measurement.warnings)
    if found.measurement.valid:
        return words
    where = found.measurement.device["address"]
    said = f"the run on {where} was disturbed: no limit on its times is judged soundly"
    return (*words, said)


def _memory(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The arena over time."""
    return {
        "arena_bytes": manifest["arena_bytes"],
        "state_bytes": manifest["state_bytes"],
        "lower_bound_bytes": manifest["arena_bound_bytes"],
        "steps": len(manifest["ops"]),
        "blocks": manifest["arena"],
    }
