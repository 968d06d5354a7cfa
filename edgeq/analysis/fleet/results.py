"""What became of each of several devices or runtimes, and of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq import __version__
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.evaluation.recordings import EventEvaluation
from edgeq.analysis.profiling import Profile
from edgeq.analysis.verification import Verification
from edgeq.support.result import Result


@dataclass(frozen=True, repr=False)
class FleetResult:
    """What became of one device.

    Attributes:
        name: Its name in the inventory, or its address.
        profile: What it measured; None if it failed, or something else was wanted.
        error: Why it failed; None if it did not.
        attempts: How often it was tried.
        seconds: How long it took, waiting for others included.
        evaluation: How good the model is there; likewise.
        verification: Whether its bytes are the oracle's; likewise.
        facts: What the device is; likewise.
        missed: Whether it failed because a limit that was asked for is not met.
    """

    name: str
    address: str
    profile: Profile | None
    error: str | None
    attempts: int
    seconds: float
    evaluation: Evaluation | EventEvaluation | None = None
    verification: Verification | None = None
    facts: Mapping[str, Any] | None = None
    missed: bool = False

    @property
    def found(self) -> Result | None:
        """What it gave: a profile, an evaluation or a verification."""
        return self.profile or self.evaluation or self.verification

    def to_json(self) -> dict[str, Any]:
        """One row of the joint report, of a group."""
        row = {
            "name": self.name,
            "address": self.address,
            "error": self.error,
            "attempts": self.attempts,
            "seconds": self.seconds,
        }
        if self.evaluation is not None:
            return {**row, "evaluation": self.evaluation.to_json()}
        if self.facts is not None:
            return {**row, "facts": dict(self.facts)}
        return {**row, "profile": self.profile.to_json() if self.profile else None}


@dataclass(frozen=True, repr=False)
class FleetReport:
    """The results of a group, in the group's order; or those of several runtimes on one device.

    Attributes:
        group: Its name; the address of a device.
        of_runtimes: Whether each result is that of a runtime, by whose name it goes.
    """

    group: str
    results: tuple[FleetResult, ...]
    of_runtimes: bool = False

    @property
    def failed(self) -> list[FleetResult]:
        """The devices without a result."""
        return [each for each in self.results if each.error is not None]

    @property
    def exit_code(self) -> int:
        """0 if every device has a result, 3 if limits or bytes alone are not met, else 1."""
        if self.failed:
            return 3 if all(each.missed for each in self.failed) else 1
        checked = (each.verification for each in self.results)
        return 3 if any(each is not None and not each.equal for each in checked) else 0

    def to_json(self) -> dict[str, Any]:
        """The JSON of `profile` and `evaluate --on group:...` and of `devices probe group:...`.

        Of several runtimes: what each gave by its name, and why others gave nothing.
        """
        if self.of_runtimes:
            return {
                "edgeq": __version__,
                "address": self.group,
                "runtimes": {
                    each.name: found.to_json() for each in self.results if (found := each.found)
                },
                "failed": {each.name: each.error for each in self.failed},
            }
        return {
            "edgeq": __version__,
            "group": self.group,
            "results": [each.to_json() for each in self.results],
        }
