"""Numbers with their units: the one place where figures that people read are put into words."""

from __future__ import annotations

from collections.abc import Mapping

# Beyond so many medians, a call that was slow says more of other programs than of the model.
_UNEVEN = 4.0
_FAR = ("p90", "p95", "p99", "max")


def in_bytes(count: int) -> str:
    """An exact size: "1,234 bytes"."""
    return f"{count:,} bytes"


def capacity(count: int | None) -> str:
    """The size of a memory, which makers give in powers of two; "-" where it is not known."""
    if count is None:
        return "-"
    if count >= 1 << 30:
        return f"{count / (1 << 30):g} GB"
    if count >= 10 << 20:
        return f"{count / (1 << 20):g} MB"
    return f"{count / 1024:g} KB"


def megabytes(count: float | None) -> str:
    """A size of which the last digits say nothing; empty where it is not known."""
    return f"{count / 1e6:,.1f} MB" if count else ""


def in_macs(count: int, unknown_loops: int = 0) -> str:
    """Multiply-accumulates, and whether loops are counted once as their turns are not known."""
    once = " (loops whose turns the file does not tell counted once)" if unknown_loops else ""
    return f"{count:,} MACs{once}"


def in_cycles(count: int) -> str:
    """Clock cycles of a core."""
    return f"{count:,} cycles"


def clock(hertz: int | None) -> str:
    """A clock; "-" where it is not known."""
    return f"{hertz / 1e6:g} MHz" if hertz else "-"


def microseconds(value: float) -> str:
    """A time of a single inference on a host."""
    return f"{value:,.1f} µs"


def latency_name(name: str, latency: Mapping[str, float | None], *, valid: bool) -> str:
    """A statistic of latencies by its name, with a word where other programs are in it.

    Args:
        name: A key of `latency`.
        latency: The statistics, as in the JSON of `profile`.
        valid: Whether the run was believed.
    """
    usual, far = latency.get("p50"), latency.get(name)
    uneven = name in _FAR and usual is not None and far is not None and far > _UNEVEN * usual
    return f"latency {name}" + (" (disturbed)" if uneven or not valid else "")


def seconds(value: float) -> str:
    """How long something took."""
    return f"{value:.0f} s"


def moment(value: float, digits: int = 2) -> str:
    """A time in recordings, to hundredths of a second."""
    return f"{value:,.{digits}f} s"
