"""What can be chosen for a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FIXED_SCHEMES = ("int8", "int8-per-tensor", "int16x8", "int4")
OPTIMIZE = ("balanced", "speed", "ram", "size")
CALIBRATIONS = ("minmax", "percentile", "mse")
_MOST_WIDE = 3


@dataclass(frozen=True)
class Candidate:
    """One way to make an integer model.

    Attributes:
        variant: Which float model: "plain", "equalize", or a compression that was trained.
        scheme: A fixed scheme, or "mixed".
        narrow: With "mixed": how many of the least sensitive layers have int4 weights.
        wide: With "mixed": how many of the most sensitive layers compute in 16 bits.
        calibration: How ranges are chosen.
        optimize: What the generated C is made for.
    """

    variant: str = "plain"
    scheme: str = "int8"
    narrow: int = 0
    wide: int = 0
    calibration: str = "minmax"
    optimize: str = "balanced"

    @property
    def key(self) -> str:
        """The candidate in words; equal candidates have equal keys."""
        scheme = self.scheme
        if scheme == "mixed":
            scheme = f"int8, {self.narrow} layers int4, {self.wide} layers int16x8"
        parts = [scheme, self.calibration, self.optimize]
        if self.variant != "plain":
            parts.insert(0, self.variant)
        return "; ".join(parts)


@dataclass(frozen=True)
class Space:
    """All candidates.

    Attributes:
        variants: Float models there are.
        narrowable: Layers that may have int4 weights, the least sensitive first.
        widenable: Layers that may have 16 bits, the most sensitive first.
        optimizes: Whether the device runs generated C, for which `optimize` means something.
    """

    variants: tuple[str, ...]
    narrowable: tuple[str, ...]
    widenable: tuple[str, ...]
    optimizes: bool

    def fixed(self) -> list[Candidate]:
        """What is tried first, so that the front is never behind a scheme used as it is."""
        found = [Candidate(scheme=scheme) for scheme in FIXED_SCHEMES]
        found += [Candidate(variant=variant) for variant in self.variants if variant != "plain"]
        if self.optimizes:
            found += [Candidate(optimize=name) for name in OPTIMIZE if name != "balanced"]
        for part in (3, 2):
            if len(self.narrowable) > part:
                found.append(Candidate(scheme="mixed", narrow=len(self.narrowable) // part))
        return found

    def distributions(self) -> dict[str, Any]:
        """The space as Optuna sees it."""
        from optuna.distributions import CategoricalDistribution as Choice
        from optuna.distributions import IntDistribution as Number

        return {
            "variant": Choice(self.variants),
            "scheme": Choice((*FIXED_SCHEMES, "mixed")),
            "narrow": Number(0, max(len(self.narrowable) - 1, 0)),
            "wide": Number(0, min(_MOST_WIDE, len(self.widenable))),
            "calibration": Choice(CALIBRATIONS),
            "optimize": Choice(OPTIMIZE if self.optimizes else OPTIMIZE[:1]),
        }

    def candidate(self, chosen: dict[str, Any]) -> Candidate:
        """The candidate behind Optuna's parameters; what does not matter is set to its default."""
        found = Candidate(**chosen)
        if found.scheme != "mixed":
            return Candidate(**{**chosen, "narrow": 0, "wide": 0})
        if not found.narrow and not found.wide:
            return Candidate(**{**chosen, "scheme": "int8"})
        return found

    def precision(self, candidate: Candidate) -> dict[str, str] | None:
        """The schemes of single layers, as `convert` takes them."""
        if candidate.scheme != "mixed":
            return None
        narrow = dict.fromkeys(self.narrowable[: candidate.narrow], "int4")
        return narrow | dict.fromkeys(self.widenable[: candidate.wide], "int16x8")


def parameters(candidate: Candidate) -> dict[str, Any]:
    """The candidate as Optuna's parameters."""
    return asdict(candidate)
