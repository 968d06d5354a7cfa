"""The statistical test behind `edgeq compare`."""

import json

import numpy as np
import pytest

from edgeq.analysis.comparison.profiles import compare_profiles, mann_whitney
from edgeq.errors import EdgeqError


def profile(samples, **fields):
    return {
        "model": {"sha256": "0" * 64},
        "device": {"cpu": "x", "runtime": "litert"},
        "samples_us": list(samples),
        "memory_bytes": {"peak_rss": 1000},
        "output_sha256": "1" * 64,
        "valid": True,
        **fields,
    }


def noise(median, seed, count=2000):
    return median * np.random.default_rng(seed).lognormal(0, 0.05, count)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "same"), (1.01, "same"), (1.1, "slower"), (0.9, "faster")]
)
def test_verdict(ratio, verdict):
    change = compare_profiles(profile(noise(100, 1)), profile(noise(100 * ratio, 2))).latency
    assert change.verdict == verdict
    assert change.interval[0] <= change.ratio <= change.interval[1]


def test_the_same_distribution_rarely_looks_different():
    wrong = sum(
        mann_whitney(noise(100, 2 * i, 50), noise(100, 2 * i + 1, 50)) < 0.01 for i in range(500)
    )
    assert wrong <= 15


def test_p_values_against_the_published_ones():
    # scipy.stats.mannwhitneyu(method="asymptotic"), its documentation's example and one with ties
    males, females = np.array([19.0, 22, 16, 29, 24]), np.array([20.0, 11, 17, 12])
    assert mann_whitney(males, females) == pytest.approx(0.1113468, abs=1e-6)
    tied = mann_whitney(np.array([1.0, 1, 2, 2, 3]), np.array([2.0, 3, 3, 4, 4]))
    assert tied == pytest.approx(0.0524116, abs=1e-6)


def test_what_must_be_known_is_said():
    disturbed = profile(noise(100, 1), valid=False, warnings=["throttled"])
    other = profile(noise(100, 2), device={"cpu": "y", "runtime": "litert", "target": "pi"})
    found = compare_profiles(disturbed, other)
    assert any("throttled" in warning for warning in found.warnings)
    assert any("cpu differs" in warning for warning in found.warnings)
    assert any("target differs" in warning for warning in found.warnings)
    assert found.counts == {"peak_rss": (1000, 1000)}
    assert found.same_output is True


def test_nothing_in_common():
    with pytest.raises(EdgeqError, match="no figures in common"):
        compare_profiles(profile([], memory_bytes={}), profile([], memory_bytes={}))


def test_the_gate_of_the_command(tmp_path, cli):
    for name, median in (("a", 100), ("b", 108)):
        (tmp_path / f"{name}.json").write_text(json.dumps(profile(noise(median, median))))
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    assert cli("compare", a, b, "--fail-if-slower", "5").code == 3
    assert cli("compare", a, b, "--fail-if-slower", "20").code == 0
    assert cli("compare", b, a, "--fail-if-slower", "5").code == 0
    assert cli("compare", a, b, "--json").json["latency"]["verdict"] == "slower"
    assert cli("compare", a, tmp_path / "c.json").code == 1


def test_the_kinds_of_counts_are_marked(cli, tmp_path):
    counted = {"samples_us": [], "cycles": 2000, "memory_bytes": {"stack": 100, "arena": 7}}
    kinds = {
        "cycles": "estimated",
        "memory_bytes.stack": "emulated",
        "memory_bytes.arena": "measured",
    }
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(profile([], **{**counted, "kinds": kinds})))
    later = {**kinds, "cycles": "measured"}
    second.write_text(json.dumps(profile([], **{**counted, "cycles": 1000, "kinds": later})))
    words = cli("compare", first, second).out
    assert "2,000 (estimated) 1,000 0.500" in " ".join(words.split())
    assert words.count("100 (emulated)") == 2
    assert "7 (" not in words
    several = cli("compare", first, second, second).out
    assert "0.500 (estimated) to (measured)" in several
    assert cli("compare", first, second, "--json").json["kinds"]["cycles"] == [
        "estimated", "measured",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "'B' is no result"),
        (None, "'B' is no result"),
        ("after.json", "'B' is no result"),
        (profile(["1"]), "no pair of profiles"),
        (profile([1.0]) | {"device": None}, "no pair of profiles"),
        (profile([1.0]) | {"robustness": []}, "robustness has found is not compared"),
    ],
)
def test_what_is_no_result_is_refused_from_python_too(given, words):
    with pytest.raises(EdgeqError, match=words):
        compare_profiles(profile([1.0]), given)
