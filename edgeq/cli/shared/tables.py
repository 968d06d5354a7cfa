"""How results are printed."""

from __future__ import annotations

from edgeq.support.terminal import console as result_console

__all__ = ["result_console", "short_name"]


def short_name(name: str) -> str:
    """A tensor's name without those of the ops that were fused into it."""
    return name.split(";")[0]
