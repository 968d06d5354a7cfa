"""Events against what happened: the most that can be matched, and the figures made of it."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from edgeq.metrics.events import Course, Found, Span, match, tallies


def random_course(rng):
    starts = rng.uniform(0, 20, rng.integers(0, 9))
    spans = [
        Span(int(rng.integers(2)), s, s + w)
        for s, w in zip(starts, rng.uniform(0, 4, 9), strict=False)
    ]
    events = [Found(int(rng.integers(2)), t, t + 0.1) for t in rng.uniform(0, 22, rng.integers(12))]
    return events, spans


def test_no_way_matches_more():
    matched = 0
    for seed in range(300):
        events, spans = random_course(np.random.default_rng(seed))
        of = match(events, spans, 0.5).of
        taken = [k for k in of if k is not None]
        assert len(set(taken)) == len(taken)
        if not events or not spans:
            assert not taken
            continue
        fits = [
            [e.label == s.label and s.start_s <= e.at_s <= s.end_s + 0.5 for s in spans]
            for e in events
        ]
        assert all(fits[i][k] for i, k in enumerate(of) if k is not None)
        best = maximum_bipartite_matching(csr_matrix(np.array(fits, int)), perm_type="column")
        assert len(taken) == (best >= 0).sum()
        matched += len(taken)
    assert matched > 200


def test_figures():
    spans = [Span(0, 1, 2), Span(0, 5, 6), Span(1, 3, 4)]
    events = [Found(0, 1.5, 1.7), Found(0, 1.9, 1.9), Found(1, 9, 9), Found(0, 6.4, 6.6)]
    total, by_class = tallies([Course(events, spans, 1800), Course([], [], 1800)], (0, 1, 2), 0.5)
    assert (total.happened, total.found, total.misses, total.false_accepts) == (3, 2, 1, 2)
    assert (total.repeats, total.hours, total.false_accepts_per_hour) == (1, 1.0, 2.0)
    assert total.f1 == pytest.approx(2 / 3.5)
    assert total.latency_s.p50 == pytest.approx((0.7 + 1.6) / 2)
    assert total.latency_s.after_end_max == pytest.approx(0.6)
    assert (by_class[0].found, by_class[0].false_accepts, by_class[0].miss_rate) == (2, 1, 0)
    assert (by_class[1].f1, by_class[1].precision, by_class[1].latency_s) == (0, 0, None)
    assert (by_class[2].f1, by_class[2].miss_rate) == (None, None)
