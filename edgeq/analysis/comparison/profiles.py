"""Two profiles of one model: is the difference in latency real?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.analysis.result_shape import check_shape, larger_is_better
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.figures import KINDS, mark_in
from edgeq.support.foreign import shaped_as
from edgeq.support.jsontext import read_json
from edgeq.support.result import Result

SIGNIFICANCE = 0.01
RELEVANCE = 0.02  # smaller changes of the median are called the same, significant or not
_BLOCKS = 50
_FEWEST = 8
_RESAMPLES = 2000
# Beyond these, what stands in a file is no time and no size: a picosecond to 30 years.
_TIMES_US = (1e-6, 1e15)
_LARGEST_COUNT = 1 << 63
_MADE_BY = "edgeq profile MODEL --on ADDRESS --json > FILE"


@dataclass(frozen=True)
class LatencyChange:
    """How the latency of B differs from that of A.

    Attributes:
        a_p50, b_p50: Medians in microseconds.
        ratio: Median of B over median of A; above 1, B is slower.
        interval: 95 % bootstrap confidence interval of the ratio.
        p_value: Of the two-sided Mann-Whitney test.
        verdict: "faster", "slower" or "same".
    """

    a_p50: float
    b_p50: float
    ratio: float
    interval: tuple[float, float]
    p_value: float
    verdict: str


@dataclass(frozen=True)
class QualityChange:
    """How good B is beside A.

    Attributes:
        metric: Name of the figure.
        a, b: Its values.
        n: Samples that B was judged on.
        is_share: Whether it lies between 0 and 1 and the larger is the better, so that a
            difference is one of points; of errors nobody knows whether they are shares.
        loss: By how much B is worse; negative where it is better.
        interval: Of B less A, 95 %, as if the samples were others; None where one is not known.
            Where both saw the same samples it is narrower: `evaluate --against` tests that.
    """

    metric: str
    a: float
    b: float
    n: int
    is_share: bool
    loss: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """What differs between two results.

    Attributes:
        latency: None where a profile has no latencies.
        counts: (A, B) by name, for figures that are exact: cycles, instructions, bytes.
        same_output: Whether the output digests are equal; None where one is missing.
        warnings: Why the comparison is to be taken with care.
        quality: Of two evaluations; None of profiles.
        kinds: (A, B) by name: what kind of figure each of `counts` is (edgeq.support.figures).
        doubts: Why a figure of A proves nothing of B, by name ("latency", "quality", or as in
            `counts`): B has none that is sound, one of the two was disturbed, or they are of
            different data.
        marks: (A, B) by name: what a reader has to know of those kinds, as the figures' own
            profiles say it.
    """

    latency: LatencyChange | None
    counts: Mapping[str, tuple[int, int]]
    same_output: bool | None
    warnings: tuple[str, ...]
    quality: QualityChange | None = None
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def marked(self, name: str) -> tuple[str, str]:
        """What a reader has to know of the kinds of a count in A and in B; empty if measured."""
        return self.marks.get(name, ("", ""))


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Compare two results of `edgeq profile --json`, or of `edgeq evaluate --json`.

    Raises:
        EdgeqError: A file is no such result, or the two are of different models.
    """
    profiles = [_checked(read_json(Path(path), "profile"), str(path)) for path in (a, b)]
    for each, path in zip(profiles, (a, b), strict=True):
        check_shape(each, str(path), _MADE_BY)
    with shaped_as("pair of profiles", f"{a}, {b}", _MADE_BY):
        return _compared(*profiles)


def compare_profiles(a: Mapping[str, Any], b: Mapping[str, Any]) -> Comparison:
    """As `compare`, with the JSON of both profiles, or of both evaluations: `found.to_json()`.

    Raises:
        EdgeqError: One is no such result, or they have no figures in common.
    """
    results = [_checked(each, name) for each, name in ((a, "A"), (b, "B"))]
    with shaped_as("pair of profiles", "A, B", _MADE_BY):
        return _compared(*results)


def _compared(a: Mapping[str, Any], b: Mapping[str, Any]) -> Comparison:
    disturbed = [
        f"{name} was disturbed: {'; '.join(profile.get('warnings') or ['no reason given'])}"
        for name, profile in (("A", a), ("B", b))
        if profile.get("valid") is False
    ]
    unsound = [*disturbed, *_unsound(a, b)]
    warnings = list(unsound)
    if a["model"].get("sha256") != b["model"].get("sha256"):
        warnings.append("A and B are of different models")
    warnings += [
        f"{key} differs: {a['device'].get(key)} and {b['device'].get(key)}"
        for key in ("target", "cpu", "runtime", "runtime_version", "threads", "delegate")
        if a["device"].get(key) != b["device"].get(key)
    ]
    quality = _quality_change(a, b)
    if quality is not None:
        other = _other_data(a, b)
        doubts = {"quality": other} if other else {}
        warnings += doubts.values()
        return Comparison(None, {}, None, tuple(warnings), quality, doubts=doubts)
    samples = _samples(a), _samples(b)
    latency = _latency_change(*samples)
    known = _counts(a), _counts(b)
    counts = {name: (value, known[1][name]) for name, value in known[0].items() if name in known[1]}
    if latency is None and not counts:
        raise EdgeqError("The two results have no figures in common.")
    digests = a.get("output_sha256"), b.get("output_sha256")
    return Comparison(
        latency,
        counts,
        digests[0] == digests[1] if all(digests) else None,
        tuple(warnings),
        kinds={name: (_kind(a, name), _kind(b, name)) for name in counts},
        doubts=_doubts(known, samples, unsound),
        marks={name: (_mark(a, name), _mark(b, name)) for name in counts},
    )


def _unsound(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Why latencies of A and B say nothing of each other, in phrases."""
    for name, profile in (("A", a), ("B", b)):
        samples, valid = _samples(profile), profile.get("valid")
        if not isinstance(valid, bool) and samples and (name == "B" or valid is not None):
            yield f"{name} does not say whether it was disturbed"
        given = profile.get("latency_us")
        median = given.get("p50") if isinstance(given, Mapping) else None
        if median is None or not samples:
            continue
        # A file may hold a part of the samples only, so their own median may be another.
        number = isinstance(median, int | float) and not isinstance(median, bool)
        if not number or not min(samples) <= median <= max(samples):
            yield f"{name}'s median latency is not among its samples"


def _doubts(
    known: tuple[Mapping[str, int], Mapping[str, int]],
    samples: tuple[Sequence[float], Sequence[float]],
    unsound: Sequence[str],
) -> dict[str, str]:
    before, after = known
    # Nothing takes no cycles and no bytes of flash: a figure that was there and is 0 was not taken.
    found = {
        name: f"A has {value:,}, and B has no such figure"
        for name, value in before.items()
        if value and not after.get(name)
    }
    if len(samples[0]) >= _FEWEST:
        if len(samples[1]) < _FEWEST:
            found["latency"] = f"A has {len(samples[0]):,} latencies, and B has not enough"
        elif unsound:
            found["latency"] = "; ".join(unsound)
    return found


def _checked(content: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or not {"model", "device"} <= content.keys():
        raise EdgeqError(f"'{where}' is no result of profile or evaluate.", hint=_MADE_BY)
    if "robustness" in content:
        what = "what evaluate --robustness has found is not compared."
        raise EdgeqError(what, where, "two results of evaluate without it")
    return content


def _quality_change(a: Mapping[str, Any], b: Mapping[str, Any]) -> QualityChange | None:
    """The same metric of two evaluations; None of anything else.

    Source: the interval of a difference is Newcombe's (1998), method 10, from those of both.
    """
    metric = a.get("metric")
    if not isinstance(metric, str) or metric != b.get("metric"):
        return None
    if a.get(metric) is None or b.get(metric) is None:
        raise ValueError(f"{metric} is not known: nothing happened, and nothing was decided")
    first, second = float(a[metric]), float(b[metric])
    if max(abs(first), abs(second)) > _TIMES_US[1]:
        raise ValueError(f"{metric} is beyond all measure")
    ways = {larger_is_better(each) for each in (a, b)}
    if len(ways) > 1:
        raise ValueError(f"less of {metric} is better in one of them and more of it in the other")
    (more,) = ways
    interval = None
    if a.get("interval") and b.get("interval"):
        (low_a, high_a), (low_b, high_b) = a["interval"], b["interval"]
        interval = (
            second - first - math.hypot(second - low_b, high_a - first),
            second - first + math.hypot(high_b - second, first - low_a),
        )
    loss = (first - second) * (1 if more else -1)
    share = more and all(0 <= value <= 1 for value in (first, second))
    return QualityChange(metric, first, second, int(b["n"]), share, loss, interval)


def _other_recordings(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """As `_other_data`, of two evaluations of decisions."""
    kinds = {"recordings": "recordings", "seconds": "seconds", "n": "events",
             "tolerance_s": "seconds of tolerance"}  # fmt: skip
    apart = [
        f"{a.get(key)} and {b.get(key)} {what}"
        for key, what in kinds.items()
        if a.get(key) != b.get(key)
    ]
    return f"A and B were judged on different recordings ({'; '.join(apart)})" if apart else ""


def _other_data(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """By what it shows that two evaluations were not of the same samples; empty if by nothing.

    Where a file lies says nothing: results come from several machines.
    """
    if "recordings" in a and "recordings" in b:
        return _other_recordings(a, b)
    if a.get("data") is None or b.get("data") is None:
        return ""  # older results
    apart = []
    names = [str(Path(each["data"]["source"]).name) for each in (a, b)]
    if names[0] != names[1]:
        apart.append(f"{names[0]} and {names[1]}")
    if a["n"] != b["n"]:
        apart.append(f"{a['n']:,} and {b['n']:,} samples")
    classes = [{c["name"]: c["samples"] for c in each["data"]["classes"]} for each in (a, b)]
    if classes[0].keys() != classes[1].keys():
        apart.append("other classes")
    elif classes[0] != classes[1]:
        apart.append("other counts of classes")
    return f"A and B were judged on different data ({'; '.join(apart)})" if apart else ""


def _counts(profile: Mapping[str, Any]) -> dict[str, int]:
    """Figures that are exact by name; what is no number, or below 0 or beyond 63 bits, is none."""
    named = {name: profile.get(name) for name in ("instructions", "cycles")}
    named |= profile.get("memory_bytes") or {}
    return {
        name: int(value)
        for name, value in named.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < _LARGEST_COUNT
    }


def _samples(profile: Mapping[str, Any]) -> Sequence[float]:
    """Latencies; none at all where one is no time."""
    samples: Sequence[float] = profile.get("samples_us") or ()
    low, high = _TIMES_US
    return samples if all(low <= sample <= high for sample in samples) else ()


def _kind(profile: Mapping[str, Any], name: str) -> str:
    """What kind of figure a count of a profile is; those of older edgeq do not say."""
    kind = (profile.get("kinds") or {}).get(_path(name))
    return kind if kind in KINDS else "unknown"


def _mark(profile: Mapping[str, Any], name: str) -> str:
    return " (unknown)" if _kind(profile, name) == "unknown" else mark_in(profile, _path(name))


def _path(name: str) -> str:
    return name if name in ("instructions", "cycles") else f"memory_bytes.{name}"


def _latency_change(a: Sequence[float], b: Sequence[float]) -> LatencyChange | None:
    """Compares medians of consecutive blocks of samples, not the samples themselves.

    Latencies that follow each other are alike (frequency, caches, other work), so thousands of
    them would make any difference look significant. Block medians are nearly independent.
    """
    if len(a) < _FEWEST or len(b) < _FEWEST:
        return None
    blocks_a, blocks_b = _block_medians(a), _block_medians(b)
    ratio = float(np.median(b) / np.median(a))
    p_value = mann_whitney(blocks_a, blocks_b)
    interval = _ratio_interval(blocks_a, blocks_b)
    real = p_value < SIGNIFICANCE and abs(ratio - 1) > RELEVANCE
    verdict = ("slower" if ratio > 1 else "faster") if real else "same"
    return LatencyChange(
        float(np.median(a)), float(np.median(b)), ratio, interval, p_value, verdict
    )


def _block_medians(samples: Sequence[float]) -> Array:
    values = np.asarray(samples, np.float64)
    blocks = np.array_split(values, min(_BLOCKS, len(values)))
    return np.array([np.median(block) for block in blocks])


def _ratio_interval(a: Array, b: Array) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    medians_a = np.median(generator.choice(a, (_RESAMPLES, len(a))), axis=1)
    medians_b = np.median(generator.choice(b, (_RESAMPLES, len(b))), axis=1)
    low, high = np.percentile(medians_b / medians_a, (2.5, 97.5))
    return float(low), float(high)


def mann_whitney(a: Array, b: Array) -> float:
    """The two-sided p-value that two samples come from the same distribution.

    Source: Mann and Whitney (1947), normal approximation with the correction for ties and for
    continuity.
    """
    joined = np.concatenate([a, b])
    _, inverse, counts = np.unique(joined, return_inverse=True, return_counts=True)
    # The rank of a tied value is the mean of the ranks that the tie takes up.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(a), len(b)
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
