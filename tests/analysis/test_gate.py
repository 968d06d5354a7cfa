"""The gate of `edgeq compare`: what lets a result through, and what does not."""

import json
import re

import numpy as np
import pytest

from edgeq.analysis.comparison.gate import Gate
from edgeq.analysis.comparison.profiles import compare_profiles
from edgeq.analysis.evaluation.evaluate import evaluate
from edgeq.errors import EdgeqError
from edgeq.report.combine import combine
from edgeq.report.overview import overview
from edgeq.report.pictures import front_picture
from tests.oracle.build import TensorSpec, single_op


def profile(median=100.0, flash=10_000, ram=1_000, cycles=None, samples=True):
    noise = np.random.default_rng(1).lognormal(0, 0.02, 1000)
    return {
        "model": {"sha256": "0", "path": "m"},
        "device": {"cpu": "x"},
        "valid": True,
        "samples_us": list(median * noise) if samples else [],
        "cycles": cycles,
        "memory_bytes": {"flash_total": flash, "ram_total": ram},
    }


def evaluation(value, interval, n=500, metric="accuracy", larger=True):
    return {
        "model": {"sha256": "0", "path": "m"}, "device": {"address": "c"}, "n": n,
        "metric": metric, metric: value, "interval": interval, "larger_is_better": larger,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("new", "gate", "passes"),
    [
        (profile(103), Gate(slower=5), True),
        (profile(110), Gate(slower=5), False),
        (profile(110), Gate(), True),
        (profile(flash=10_090), Gate(larger=1), True),
        (profile(flash=10_110), Gate(larger=1), False),
        (profile(ram=1_011), Gate(larger=1), False),
        (profile(ram=900, flash=9_000), Gate(larger=0), True),
    ],
)
def test_profiles(new, gate, passes):
    assert (gate.failures(compare_profiles(profile(), new)) == []) is passes


def test_cycles_where_no_time_is_kept():
    old, new = profile(cycles=1000, samples=False), profile(cycles=1060, samples=False)
    assert Gate(slower=5).failures(compare_profiles(old, new))
    assert not Gate(slower=7).failures(compare_profiles(old, new))


@pytest.mark.parametrize("bad", [None, 0, -1, True, "900"])
@pytest.mark.parametrize("name", ["cycles", "flash_total", "ram_total", "samples_us", "latency"])
def test_a_figure_that_was_lost_does_not_pass(name, bad):
    old, new = profile(cycles=1000), profile(cycles=1000)
    old["instructions"] = new["instructions"] = 500
    if name == "latency":
        new["samples_us"] = [] if bad is None else [float(bad)] * 1000 if bad in (0, -1) else None
    elif name == "samples_us":
        new["samples_us"] = new["samples_us"][:7]
    elif name == "cycles":
        old["samples_us"] = []
        new["cycles"] = bad
    else:
        new["memory_bytes"][name] = bad
    assert Gate(slower=5, larger=5).failures(compare_profiles(old, old)) == []
    (why,) = Gate(slower=5, larger=5).failures(compare_profiles(old, new))
    assert f"it may be {'larger' if name.endswith('total') else 'slower'}" in why
    assert Gate().failures(compare_profiles(old, new)) == []


def test_a_disturbed_measurement_does_not_pass():
    disturbed = profile() | {"valid": False, "warnings": ["the clock fell"]}
    for pair in ((profile(), disturbed), (disturbed, profile())):
        (why,) = Gate(slower=5, larger=5).failures(compare_profiles(*pair))
        assert "the clock fell" in why


def test_accuracy_and_its_interval():
    # 45 and 40 of 50: Newcombe's method 10 as statsmodels computes it
    before = evaluation(0.9, (0.7863977, 0.9565234), 50)
    found = compare_profiles(before, evaluation(0.8, (0.6696289, 0.8875637), 50))
    assert found.quality.interval == pytest.approx((-0.2421164, 0.0434164), abs=1e-4)
    (why,) = Gate(worse=5).failures(found)
    assert "0.9000 became 0.8000" in why
    assert "n = 50" in why
    assert not Gate(worse=10).failures(found)


def test_other_data_prove_nothing(tmp_path, cli):
    """A better figure on other samples let a worse model through."""

    def judged(source, a=30, b=20, value=0.9):
        classes = [{"name": "a", "samples": a}, {"name": "b", "samples": b}]
        data = {"source": source, "samples": a + b, "classes": classes}
        return {**evaluation(value, (0.7, 0.95), a + b), "data": data}

    old = judged("/home/me/test.npz")
    same = compare_profiles(old, judged("ci/test.npz"))
    assert not same.warnings and not Gate(worse=1).failures(same)
    for other, told in {
        "m.npz": "(test.npz and m.npz)",
        "test.npz": "(other counts of classes)",
    }.items():
        found = compare_profiles(old, judged(other, *((20, 30) if other == "test.npz" else ())))
        assert found.warnings == (f"A and B were judged on different data {told}",)
        assert found.warnings[0] in Gate(worse=1).failures(found)[0]
    more = judged("test.npz", 30, 30, value=1.0)
    more["data"]["classes"][1]["name"] = "c"
    for name, result in (("a", old), ("b", more)):
        (tmp_path / name).write_text(json.dumps(result))
    done = cli("compare", tmp_path / "a", tmp_path / "b", "--fail-if-worse", 1)
    assert done.code == 3 and "50 and 60 samples; other classes" in done.err


def test_errors_are_worse_when_they_grow():
    old = evaluation(2.0, None, metric="mae", larger=False)
    grown = compare_profiles(old, evaluation(2.3, None, metric="mae", larger=False))
    assert Gate(worse=10).failures(grown)
    assert not Gate(worse=20).failures(grown)


def test_the_command(cli, tmp_path):
    for name, result in (
        ("base", profile()), ("slow", profile(120)), ("same", profile()),
        ("good", evaluation(0.9, (0.87, 0.92))), ("bad", evaluation(0.8, (0.76, 0.83))),
    ):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    base, slow, same, good, bad = (
        tmp_path / f"{name}.json" for name in ("base", "slow", "same", "good", "bad")
    )
    assert cli("compare", base, same, "--fail-if-slower", 5, "--fail-if-larger", 1).code == 0
    found = cli("compare", base, same, slow, "--fail-if-slower", 5)
    assert found.code == 3
    assert "slow.json: slower by" in found.err
    found = cli("compare", good, bad, "--fail-if-worse", 1, "--json")
    assert found.code == 3
    assert found.json["quality"]["interval"][1] < 0
    assert cli("compare", good, bad).code == 0
    assert cli("compare", base, good).code == 1


def test_what_is_not_known_does_not_pass():
    bare = {**profile(samples=False), "memory_bytes": {}, "cycles": None, "instructions": 10}
    slower = {**bare, "instructions": 20}
    found = compare_profiles(bare, slower)
    assert Gate(slower=5).failures(found)
    assert Gate(larger=5).failures(found)
    assert Gate(worse=5).failures(found)


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_limit_is_a_number(cli, tmp_path, number):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(profile()))
    assert cli("compare", file, file, "--fail-if-slower", number).code == 2


@pytest.mark.parametrize(
    "change",
    [
        {"valid": "false"},
        {"valid": None},
        {"valid": 1},
        {"latency_us": {"p50": 200.0}},
        {"latency_us": {"p50": "100"}},
    ],
)
def test_latencies_that_say_nothing_do_not_pass(change):
    assert not Gate(slower=5).failures(compare_profiles(profile(), profile()))
    assert Gate(slower=5).failures(compare_profiles(profile(), profile() | change))
    assert not Gate(larger=1).failures(compare_profiles(profile(), profile() | change))


@pytest.mark.parametrize("time", [1e308, 1e16, 1e-300])
def test_times_and_sizes_beyond_measure_are_none(time):
    """And numpy warns of no overflow, which would be an error here."""
    old, new = profile(), profile()
    new["samples_us"] = [time] * 1000
    new["memory_bytes"]["flash_total"] = 1e300
    found = compare_profiles(old, new)
    assert found.latency is None
    assert "flash_total" not in found.counts
    assert len(Gate(slower=5, larger=1).failures(found)) == 2
    assert compare_profiles(new, new).latency is None
    with pytest.raises(EdgeqError, match="beyond all measure"):
        compare_profiles(evaluation(1e300, None), evaluation(0.5, None))


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Evaluations of a model on labels that are near, and far from, its answers, as files."""
    folder = tmp_path_factory.mktemp("errors")
    x, y = (TensorSpec((1, 3), "float32") for _ in range(2))
    (folder / "same.tflite").write_bytes(single_op("MAXIMUM", [x, x], [y]))
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    files = {}
    for name, far in (("near", 0.02), ("far", 1.95)):
        np.savez(folder / f"{name}.npz", x=values, y=values + np.float32(far))
        found = evaluate(
            folder / "same.tflite", data=folder / f"{name}.npz", metric="regression", on="c"
        )
        files[name] = folder / f"{name}.json"
        content = found.to_json()
        del content["data"]  # they are of different labels
        files[name].write_text(json.dumps(content, default=str))
    return files


@pytest.mark.parametrize("told", [True, False])
def test_an_error_is_better_where_it_is_smaller(errors, tmp_path, cli, told):
    """A result that did not say which way is good let the worse model through."""
    files = {}
    for name, file in errors.items():
        content = json.loads(file.read_text())
        assert content["larger_is_better"] is False
        if not told:  # as before it was said
            del content["larger_is_better"]
        files[name] = tmp_path / file.name
        files[name].write_text(json.dumps(content))
    near, far = files["near"], files["far"]
    assert cli("compare", near, far, "--fail-if-worse", "1").code == 3
    assert cli("compare", far, near, "--fail-if-worse", "1").code == 0
    rows = overview([_section(file) for file in (near, far)])["rows"]
    assert [row["best"] for row in rows] == [["mae"], []]


def _section(file):
    content = json.loads(file.read_text())
    return {
        "model": {"path": file.name}, "evaluations": [{**content, "of": "model"}],
        "conversion": None, "profiles": [],
    }  # fmt: skip


def test_two_that_disagree_on_what_is_good_are_not_compared():
    with pytest.raises(EdgeqError, match="less of err is better in one"):
        compare_profiles(
            evaluation(0.1, None, metric="err", larger=False), evaluation(0.2, None, metric="err")
        )


def test_a_report_is_not_written_over_a_model_that_it_shows(errors, tmp_path, cli):
    for file in (errors["near"], errors["near"].parent / "same.tflite"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = tmp_path / "same.tflite"
    before = model.read_bytes()
    done = cli("report", tmp_path / "near.json", "-o", model, "--force")
    assert done.code != 0
    assert model.read_bytes() == before


def scored(value, device, metric="accuracy", larger=True):
    found = evaluation(value, None, metric=metric, larger=larger)
    return {**found, "device": {"address": device}, "of": "integer"}


def timed(device, latency):
    return {**profile(samples=False), "device": {"address": device}, "latency_us": {"p50": latency}}


def section(name, evaluations, profiles):
    return {"model": {"path": name}, "evaluations": evaluations, "conversion": None,
            "profiles": profiles}  # fmt: skip


def test_a_row_has_the_figure_of_its_own_device():
    """All of them had that of the device that came last."""
    both = [scored(0.95, "local"), scored(0.9, "c")]
    profiles = [timed(name, 1.0) for name in ("local", "c", "other")]
    rows = overview([section("m", both, profiles)])["rows"]
    assert [row["score"] for row in rows] == [0.95, 0.9, None]
    rows = overview([section("m", both[:1], profiles)])["rows"]
    assert [row["score"] for row in rows] == [0.95] * 3


def test_the_front_of_errors_is_below():
    """The slower one with the larger error was on it, too."""
    sections = [
        section(name, [scored(error, "c", "mae", larger=False)], [timed("c", latency)])
        for name, error, latency in (("good", 0.1, 1.0), ("bad", 0.2, 2.0))
    ]
    found = overview(sections)
    assert found["larger_is_better"] is False
    picture = front_picture(
        found["front"], "latency", "mae", larger_is_better=found["larger_is_better"]
    )
    assert picture.count('class="hit"') == 1
    assert re.search(r'good on c: 1 latency, 0.1000 mae</title><circle [^>]*class="hit"', picture)
    other = front_picture(found["front"], "latency", "mae", larger_is_better=True)
    assert other.count('class="hit"') == 2


def test_two_deployments_of_one_model_keep_their_limits():
    def deployed(target, met):
        return {
            "edgeq": "1", "model": {"path": "m.tflite", "sha256": "0"}, "target": target,
            "limits": [{"name": "cycles", "limit": 10, "value": 5, "met": met}], "verify": [],
            "evaluation": {}, "profile": None,
        }  # fmt: skip

    results = [("a.json", deployed("a", met=False)), ("b.json", deployed("b", met=True))]
    for order in (results, results[::-1]):
        sections = combine(order)["sections"]
        assert {s["target"]: s["limits"][0]["met"] for s in sections} == {"a": False, "b": True}


def test_recordings_of_another_length_prove_nothing():
    def heard(f1, **of):
        told = {"recordings": 10, "seconds": 3600.0, "tolerance_s": 0.5, **of}
        return {**evaluation(f1, None, n=told.pop("n", 100), metric="event_f1"), **told}

    same = compare_profiles(heard(0.8), heard(0.82))
    assert not same.doubts
    assert not Gate(worse=1).failures(same)
    for of in ({"seconds": 30.0, "recordings": 1}, {"n": 3}, {"tolerance_s": 60.0}):
        other = compare_profiles(heard(0.8), heard(0.82, **of))
        assert "different recordings" in other.doubts["quality"]
        assert Gate(worse=1).failures(other)
