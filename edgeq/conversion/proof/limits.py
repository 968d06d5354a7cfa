"""How good a conversion must be: below one line it is warned of, below the next it is refused.

docs/quality.md says how the lines were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityLimits:
    """Lines of one scheme.

    Attributes:
        warn_db: Signal-to-noise ratios below it are warned of.
        fail_db: Ratios below it are refused.
        agreement: Top-1 agreement beyond chance (0 to 1) below it is refused.
    """

    warn_db: float
    fail_db: float
    agreement: float = 0.5


_EIGHT_BITS = QualityLimits(10.0, 3.0)
_FOUR_BITS = QualityLimits(8.0, 2.0)
_LIMITS = {
    "int16x8": QualityLimits(20.0, 13.0),
    "int4": _FOUR_BITS,
    "weight-only-int4": _FOUR_BITS,
    "float16": QualityLimits(45.0, 25.0),
    "bfloat16": QualityLimits(25.0, 13.0),
    "float8-e5m2": QualityLimits(6.0, 2.0),
}
STREAM_LIMITS = QualityLimits(10.0, 3.0, 0.0)
"""Of any scheme, where a stream in float already answers otherwise than windows do."""


def quality_limits(scheme: str) -> QualityLimits:
    """The lines of a scheme, by its name."""
    return _LIMITS.get(scheme, _EIGHT_BITS)
