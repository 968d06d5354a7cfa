"""Figures and accounts as lines of text: the one place where they get their units and marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from edgeq.analysis.account import Account
from edgeq.analysis.fit import Fit
from edgeq.analysis.limits import LimitCheck
from edgeq.firmware.account import ImageAccount
from edgeq.firmware.building import Build
from edgeq.report.units import clock
from edgeq.support.figures import Figure, mark

# What people call the figures of an account, in the order in which they are shown.
NAMES = {
    "memory_bytes.flash_total": "flash",
    "memory_bytes.arena": "arena",
    "memory_bytes.static": "statics",
    "memory_bytes.stack": "stack",
    "memory_bytes.ram_total": "RAM, all",
    "memory_bytes.peak_rss": "peak memory",
    "instructions": "instructions",
    "cycles": "cycles",
    "latency_ms": "latency",
    "energy_uj": "energy",
    "busy_power_w": "power at work",
    "idle_power_w": "power at rest",
    "average_power_uw": "average power",
    "battery_life_h": "battery life",
}
# How units are written, and with how few digits where a figure is not a whole number.
_WRITTEN = {"uJ": "µJ", "uW": "µW"}
_FRACTIONS = ("ms", "uJ", "uW", "W", "h")
_MANY = 10_000
_NOTHING = Figure(None, "unknown")
_LABELS = {"flash bytes": "flash", "RAM bytes": "RAM"}


def figure_text(found: Figure) -> str:
    """A figure with its unit and its kind."""
    if found.value is None:
        return "unknown"
    return plain_text(found) + mark(found)


def plain_text(found: Figure) -> str:
    """A figure with its unit, for where its kind stands beside it."""
    if found.value is None:
        return "unknown"
    most = 1000 if found.unit == "ms" else _MANY
    small = found.unit in _FRACTIONS and abs(found.value) < most
    value = f"{found.value:.4g}" if small else f"{found.value:,.0f}"
    unit = _WRITTEN.get(found.unit, found.unit)
    return value if unit in ("instructions", "cycles", "") else f"{value} {unit}"


def account_rows(account: Account) -> list[tuple[str, str]]:
    """Name and value of each figure of a program that is known; latency always."""
    return [
        (name, figure_text(account.figures[path]))
        for path, name in NAMES.items()
        if account.figures.get(path, _NOTHING).value is not None or path == "latency_ms"
    ]


def latency_lines(account: Account) -> Iterator[str]:
    """The latency, and what its clock or a reader's next step is."""
    found, fastest = account.latency_ms, account.fastest
    yield f"latency: {at_clock(found)}"
    if fastest is not None and fastest.value is not None:
        yield f"latency: {at_clock(fastest)}"
    yield f"seen at work: {account.on}"


def at_clock(found: Figure) -> str:
    """A figure with the clock that it is at, if there is one, and what else is to be known."""
    source = found.provenance
    at = f"at {clock(source.clock_hz)}" if source.clock_hz else ""
    return ", ".join(words for words in (figure_text(found), at, source.note) if words)


def energy_lines(figures: Mapping[str, Figure]) -> Iterator[str]:
    """What energy, power and battery life hold for.

    Where the energy is unknown, what was asked for says why; else there is nothing to say.
    """
    energy = figures.get("energy_uj", _NOTHING)
    if energy.value is None:
        if "average_power_uw" in figures:
            yield f"{NAMES['average_power_uw']}: unknown, {energy.provenance.note}"
        return
    for path in ("energy_uj", "average_power_uw", "battery_life_h"):
        found = figures.get(path)
        if found is not None and found.provenance.note:
            yield f"{NAMES[path]}: {figure_text(found)}, {found.provenance.note}"


def provenance_lines(figures: Mapping[str, Figure]) -> Iterator[str]:
    """Which compiler made the code that the figures are of, where there was one."""
    sources = [figures[path].provenance for path in ("memory_bytes.flash_total", "latency_us")]
    for code in (source for source in sources if source.compiler):
        yield f"compiler: {code.compiler}"
        yield f"flags: {' '.join(code.flags)}"
        return


def part_lines(account: Account) -> Iterator[str]:
    """A program's parts, with the kind of each figure."""
    for part in account.parts:
        sizes = [("flash", part.flash), ("RAM", part.ram)]
        words = [f"{figure_text(found)} {memory}" for memory, found in sizes if found is not None]
        yield f"  {part.owner:<16}{', '.join(words)}"


def image_lines(image: ImageAccount) -> Iterator[str]:
    """An image's account by part, and against each memory of the board."""
    yield f"image of the bare-metal project, {'with' if image.golden else 'without'} golden vectors"
    rows = [(part.owner, part.flash_bytes, part.ram_bytes) for part in image.parts]
    rows.append(("stack", 0, image.stack_bytes))
    rows.append(("all", image.flash_bytes, image.ram_bytes))
    for owner, flash, ram in rows:
        kept = ", kept by the linker script" if owner == "stack" else ""
        yield f"  {owner:<12}{flash:>12,} bytes flash{ram:>12,} bytes RAM{kept}"
    for region in image.regions:
        used, left = f"{region.used_bytes:,} of {region.size_bytes:,} bytes", region.left_bytes
        verdict = f"{left:,} left" if left >= 0 else f"{-left:,} TOO MANY"
        yield f"  {region.name:<12}{used}: {verdict}"


def build_lines(built: Build) -> Iterator[str]:
    """What a firmware build has made: by part and in all, by which compiler, and its map."""
    if built.account is not None:
        yield from image_lines(built.account)
    else:
        for share in built.shares:
            yield (
                f"  {share.owner:<12}{share.flash_bytes:>12,} bytes flash"
                f"{share.ram_bytes:>12,} bytes RAM"
            )
    if built.compiler:
        yield f"  compiler: {built.compiler}"
        yield f"  flags: {' '.join(built.flags)}"
    if built.map is not None:
        yield f"  map: {built.map}"


def check_line(check: LimitCheck) -> str:
    """A limit that somebody asked for or that a memory sets, with the verdict."""
    value = "unknown" if check.value is None else f"{check.value:,.6g}"
    if check.value is not None and check.name.partition(" ")[0] in ("flash", "RAM"):
        value = f"{check.value:,.0f}"
    kind = "" if check.kind in ("measured", "unknown") else f" ({check.kind})"
    limit = f"{check.limit:,.0f}" if float(check.limit).is_integer() else f"{check.limit:,.6g}"
    at = f"; at {clock(check.clock_hz)}" if check.clock_hz else ""
    note = at + (f"{', ' if at else '; '}{check.note}" if check.note else "")
    verdict = "met" if check.met else "MISSED"
    return f"{check.name}: {value}{kind}, limit {limit} ({check.source}): {verdict}{note}"


def fit_lines(found: Fit) -> Iterator[str]:
    """Whether a model fits a target, by memory."""
    if found.error:
        yield f"{found.target}: {found.error}"
    for check in found.checks:
        left, said = check.limit - (check.value or 0), (check.kind, check.note)
        verdict = f"fits, {left:,.0f} left" if check.met else f"DOES NOT FIT, {-left:,.0f} too many"
        if not check.met and left >= 0:
            verdict = f"NOT SHOWN to fit, {left:,.0f} left"
        kind = "" if check.kind == "measured" else f" ({': '.join(filter(None, said))})"
        yield f"{check.name}: {check.value:,.0f} of {check.limit:,.0f}{kind}: {verdict}"
    if not found.checks and not found.error:
        yield f"{found.target}: memory is no limit, or its size is unknown"
    yield from found.advice


def margins(checks: Iterable[LimitCheck]) -> str:
    """What is left of each memory, on one line."""
    words = []
    for check in checks:
        left = check.limit - (check.value or 0)
        mark_ = "" if check.kind == "measured" else f" ({check.kind})"
        words.append(f"{_LABELS.get(check.name, check.name)} {left:+,.0f} bytes{mark_}")
    return "  ".join(words)
