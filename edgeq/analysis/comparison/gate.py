"""What a new result may not do: be slower, larger or worse than the one before, by more than so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.analysis.comparison.profiles import Comparison
from edgeq.support.figures import score_text

# What a build takes; on hosts, where that is not known, the peak of the process.
_SIZES = ("flash_total", "ram_total")


@dataclass(frozen=True)
class Gate:
    """What is let through; None where anything is.

    Attributes:
        slower: Most percent by which the latency, or the cycles, may grow.
        larger: Most percent by which flash and RAM may grow.
        worse: Most points by which a metric that is a share, and the better the larger, may fall;
            percent of the figure before for other metrics.
    """

    slower: float | None = None
    larger: float | None = None
    worse: float | None = None

    def failures(self, found: Comparison) -> list[str]:
        """What a result that came after another does not keep to, in sentences."""
        return [*self._slower(found), *self._larger(found), *self._worse(found)]

    def _slower(self, found: Comparison) -> Iterator[str]:
        if self.slower is None:
            return
        change = found.latency
        if "latency" in found.doubts:
            yield f"latency: {found.doubts['latency']}; it may be slower"
            return
        if change is not None:
            # What the test calls the same is not slower, whatever the medians say.
            if change.verdict == "slower" and change.ratio > 1 + self.slower / 100:
                low, high = change.interval
                yield (
                    f"slower by {change.ratio - 1:.1%} (95 % interval {low - 1:+.1%} to "
                    f"{high - 1:+.1%}, p = {change.p_value:.2g}); {self.slower:g} % is allowed"
                )
            return
        for name in ("cycles", "instructions"):
            if name in found.doubts:
                yield f"{name}: {found.doubts[name]}; it may be slower"
                return
            if name in found.counts:
                yield from _grown(name, *found.counts[name], self.slower)
                return
        yield "nothing that both results know shows that it is not slower"

    def _larger(self, found: Comparison) -> Iterator[str]:
        if self.larger is None:
            return
        figures = found.counts.keys() | found.doubts.keys()
        judged = [name for name in _SIZES if name in figures] or [
            name for name in ("peak_rss",) if name in figures
        ]
        for name in judged:
            title = name.replace("_", " ")
            if name in found.doubts:
                yield f"{title}: {found.doubts[name]}; it may be larger"
            else:
                yield from _grown(title, *found.counts[name], self.larger)
        if not judged:
            yield "nothing that both results know shows that it is not larger"

    def _worse(self, found: Comparison) -> Iterator[str]:
        change = found.quality
        if self.worse is None:
            return
        if change is None:
            yield "nothing that both results know shows that it is not worse"
            return
        if "quality" in found.doubts:
            yield f"{change.metric}: {found.doubts['quality']}; it may be worse"
            return
        allowed = self.worse / 100 * (1 if change.is_share else abs(change.a))
        if change.loss > allowed + 1e-9:
            between = ""
            if change.interval is not None:
                low, high = (score_text(end, "+") for end in change.interval)
                between = f" (95 % interval {low} to {high}, n = {change.n:,})"
            yield (
                f"{change.metric} {score_text(change.a)} became {score_text(change.b)}{between}; "
                f"a loss of {allowed:g} is allowed"
            )


def _grown(name: str, before: int, after: int, percent: float) -> Iterator[str]:
    if after > before * (1 + percent / 100):
        yield f"{name}: {before:,} became {after:,}; {percent:g} % more is allowed"
