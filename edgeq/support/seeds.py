"""Seeds of random numbers, as every library takes them."""

from __future__ import annotations

from edgeq.errors import UsageError

_MOST = 2**32 - 1


def check_seed(seed: int) -> None:
    """Refuse what is no seed.

    Raises:
        UsageError: It is negative or too large.
    """
    if not 0 <= seed <= _MOST:
        raise UsageError(f"{seed} is no seed.", hint=f"0 to {_MOST}")
