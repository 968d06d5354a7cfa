"""The page is self-contained and made of the JSON alone."""

import json
import re

import pytest
from markupsafe import escape

from edgeq.analysis.comparison.profiles import compare_profiles
from edgeq.analysis.delegation.take import delegates
from edgeq.analysis.kinds import cycles_at
from edgeq.errors import EdgeqError, UsageError
from edgeq.report.delegates import delegate_lines
from edgeq.report.html import combine, render
from edgeq.report.html import page as full_page
from edgeq.report.overview import overview
from edgeq.report.write import write_report
from edgeq.support.figures import MEANINGS, beside

PROFILE = {
    "edgeq": "1.0",
    "model": {"path": "<kws>.tflite", "sha256": "ab", "macs": 1234567},
    "device": {"address": "sim:cortex-m4", "cpu": "cortex-m4", "runtime": "c"},
    "latency_us": None,
    "instructions": 1000,
    "cycles": 2000,
    "cycles_estimated": True,
    "memory_bytes": {"arena": 16000, "peak_rss": None},
    "ops": [
        {"index": 0, "op": "CONV_2D", "name": "a;b", "macs": 5, "instructions": 10, "cycles": 20,
         "share": 0.25},
    ],
    "valid": True,
    "warnings": ["mind the gap"],
}  # fmt: skip
PROFILE["device"]["runtime_version"] = None
EVALUATION = {
    "edgeq": "1.0", "model": {"path": "m", "sha256": "ab"}, "device": {"address": "c"}, "n": 4,
    "metric": "accuracy", "accuracy": 0.75, "confusion": [[2, 0], [1, 1]], "classes": [],
}  # fmt: skip


def test_figures_and_pictures_are_there():
    page = render(combine([("p.json", PROFILE), ("e.json", EVALUATION)]))
    for text in ("1,234,567", "2,000", "cycles (estimated)", "16,000 bytes", "mind the gap"):
        assert text in page
    assert page.count("<svg") == 3
    assert "&lt;kws&gt;" in page
    assert "<kws>" not in page


def test_a_page_of_nothing_is_not_written(tmp_path):
    with pytest.raises(UsageError, match="there is none"):
        write_report([], tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_nothing_is_fetched():
    page = render(combine([("p.json", PROFILE)]))
    assert "<script" not in page
    links = re.findall(r'(?:href|src)\s*=\s*"([^"]*)"|url\(([^)]*)\)', page)
    assert links == [("data:,", "")]  # no icon, which browsers would ask for
    assert set(re.findall(r'https?://[^"\s<]+', page)) <= {"http://www.w3.org/2000/svg"}


def test_the_same_json_gives_the_same_page():
    assert render(PROFILE | {"profile": PROFILE}) == render(PROFILE | {"profile": PROFILE})


CONVERSION = {
    "edgeq": "1.0", "model": "kws.keras", "scheme": "int4", "output": "<kws>.tflite",
    "sha256": "ab", "bytes": 2000, "float_bytes": 9000, "proof": None,
    "calibration": {"samples": 50},
    "rounded": {
        "<conv>;relu": {"before_db": 11.25, "after_db": 19.5, "changed": 0.375, "skipped": ""},
        "wide": {"before_db": None, "after_db": None, "changed": 0.0, "skipped": "too many"},
    },
    "corrected": {"conv": 0.0625}, "warnings": [],
}  # fmt: skip


def test_what_rounding_and_bias_correction_changed():
    page = render(combine([("c.json", CONVERSION)]))
    for text in (
        "&lt;kws&gt;.tflite",
        "&lt;conv&gt;",
        "11.25",
        "19.5",
        "37.5 %",
        "too many",
        "0.0625",
    ):
        assert text in page
    without = {k: v for k, v in CONVERSION.items() if k not in ("rounded", "corrected")}
    page = render(combine([("c.json", without)]))
    assert "Rounding of weights" not in page
    assert "Bias correction" not in page


def test_what_is_no_result_is_named():
    with pytest.raises(EdgeqError) as caught:
        combine([("x.json", {"a": 1})])
    assert caught.value.where == "x.json"


def test_command(cli, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(PROFILE))
    (tmp_path / "bad.json").write_text("{")
    page = tmp_path / "r.html"
    assert cli("report", tmp_path / "p.json", "-o", page).code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert cli("report", tmp_path / "p.json", "-o", page).code == 1
    assert cli("report", tmp_path / "p.json", "-o", page, "--force").code == 0
    for name in ("bad.json", "none.json"):
        done = cli("report", tmp_path / name, "-o", tmp_path / "x.html")
        assert done.code == 1
        assert name in done.err
        assert not (tmp_path / "x.html").exists()


def other(result, path, sha256, **changes):
    return {**result, **changes, "model": {**result["model"], "path": path, "sha256": sha256}}


def test_each_model_has_a_section_of_its_own():
    results = [
        ("a.json", PROFILE),
        ("b.json", other(PROFILE, "vww.tflite", "cd", cycles=77_777)),
        ("c.json", EVALUATION),
    ]
    page = render(combine(results))
    assert page.count("<h2>Profile on") == 2
    first, second = page.split("<hr>")[1:]
    assert "kws" in first
    assert "2,000" in first
    assert "77,777" not in first
    assert "vww" in second and "77,777" in second and "0.75" not in second
    assert page.index("Side by side") < page.index("<hr>")


def test_what_is_of_a_board_stands_with_the_deployment_for_it():
    """A profile of the second board stood under the first board's limits."""
    there = {**PROFILE["device"], "address": "sim:two", "target": "two"}
    profile = {**PROFILE, "device": there, "cycles": 77_777}
    one, two = (
        {**PROFILE, "target": name, "limits": [], "verify": [], "profile": PROFILE}
        for name in ("one", "two")
    )
    del one["device"], two["device"]
    for order in ((one, two, profile), (profile, one, two)):
        page = render(combine([(f"{number}.json", each) for number, each in enumerate(order)]))
        first, second = page.split("<hr>")[1:]
        assert "for one" in first and "77,777" not in first
        assert "for two" in second and "77,777" in second


def test_one_model_on_several_devices_is_one_section():
    on_board = {**PROFILE, "device": {**PROFILE["device"], "address": "serial:/dev/ttyACM0"}}
    page = render(combine([("a.json", PROFILE), ("b.json", on_board)]))
    assert page.count("<h2>Profile on") == 2
    assert "<hr>" not in page


def test_the_float_model_is_shown_with_the_model_made_of_it():
    real = other(EVALUATION, "net.keras", "99", accuracy=0.875)
    integer = other(EVALUATION, "net.tflite", "11")
    page = render(combine([("f.json", real), ("i.json", integer)]))
    assert "<hr>" not in page
    assert "0.8750" in page and "0.7500" in page


def experiments(*models):
    """Evaluations of models: path, digest, accuracy."""
    return [
        (f"{n}.json", other(EVALUATION, path, sha256, accuracy=accuracy))
        for n, (path, sha256, accuracy) in enumerate(models)
    ]


def shown(results):
    """Of each section, its model's path and the accuracies in it."""
    return [
        (section["model"]["path"], [each["accuracy"] for each in section["evaluations"]])
        for section in combine(results)["sections"]
    ]


def test_models_of_one_name_in_several_folders_are_not_mixed():
    """One experiment a folder, with files of the same names in each."""
    one = [("exp1/model.tflite", "11", 0.90), ("exp1/model.keras", "1f", 0.91)]
    two = [("exp2/model.tflite", "22", 0.40), ("exp2/model.keras", "2f", 0.42)]
    right = [("exp1/model.tflite", [0.90, 0.91]), ("exp2/model.tflite", [0.40, 0.42])]
    assert shown(experiments(*one, *two)) == right
    assert shown(experiments(one[1], two[1], one[0], two[0])) == right
    assert shown(experiments(one[1], two[1])) == [
        ("exp1/model.keras", [0.91]),
        ("exp2/model.keras", [0.42]),
    ]
    # Whose float model it is cannot be told: each stands for itself.
    elsewhere = ("out/model.tflite", "11", 0.90)
    assert [path for path, _ in shown(experiments(elsewhere, one[1], two[1]))] == [
        "out/model.tflite",
        "exp1/model.keras",
        "exp2/model.keras",
    ]
    assert shown(experiments(elsewhere, one[1])) == [("out/model.tflite", [0.90, 0.91])]


def test_files_without_a_digest_are_told_apart_by_their_paths():
    found = shown(experiments(("a.tflite", None, 0.5), ("b.tflite", None, 0.6)))
    assert found == [("a.tflite", [0.5]), ("b.tflite", [0.6])]


TRIAL = {
    "name": "int8", "score": 0.9, "flash_bytes": 9000, "ram_bytes": 800, "cycles": 5000,
    "latency_us": None, "error": "", "candidate": {},
}  # fmt: skip
SEARCH = {
    "edgeq": "1.0", "device": {"address": "sim:cortex-m4"}, "metric": "accuracy", "float": 0.95,
    "best": TRIAL, "layers": {}, "met": True, "front": [TRIAL], "seconds": 1.0, "warnings": [],
    "trials": [
        TRIAL,
        {**TRIAL, "name": "<int4>", "score": 0.85, "cycles": 6000},
        {**TRIAL, "name": "none", "error": "no"},
    ],
}  # fmt: skip


def test_a_search_shows_its_front():
    page = render(combine([("tune.json", SEARCH)]))
    assert "Search on sim:cortex-m4" in page
    assert '<th class="n">cycles</th>' in page
    assert "int8" in page and "&lt;int4&gt;" in page and "<int4>" not in page
    assert page.count("<circle") == 2
    page = render(combine([("tune.json", SEARCH | beside({"cycles": cycles_at("sim:cortex-m3")}))]))
    assert 'cycles <span class="kind">(estimated, unchecked)</span></th>' in page
    assert "computed from counts and documents" in page
    assert cycles_at("c").kind == "measured"


def test_kinds_are_marked_and_explained():
    marked = {
        **PROFILE, "kinds": {"cycles": "stand-in", "memory_bytes.arena": "measured"},
        "provenance": {"compiler": "gcc 12", "flags": ["-O2"], "clock_hz": 1_000_000},
    }  # fmt: skip
    page = render(combine([("p.json", marked)]))
    assert "(stand-in)" in page and "another core" in page
    assert "gcc 12 -O2" in page and "2 ms" in page


def test_time_at_a_clock_is_of_the_kind_of_its_cycles():
    marked = {
        **PROFILE, "kinds": {"cycles": "stand-in"},
        "provenance": {"clock_hz": 1_000_000, "core": "<m4>"},
    }  # fmt: skip
    page = render(combine([("p.json", marked)]))
    assert 'at 1 MHz <span class="kind">(stand-in: &lt;m4&gt;)</span>' in page


def test_a_deployment_says_what_an_inference_takes_on_its_target():
    """The page had the latency and the energy on the board where limits were set for them only."""
    result = {
        **PROFILE, "limits": [], "verify": [], "profile": PROFILE, "target": "<board>",
        "latency_ms": 12.5, "energy_uj": 3.25, "battery_life_h": None,
        "kinds": {"latency_ms": "stand-in", "energy_uj": "estimated"},
        "provenance": {
            "core": "m4", "clock_hz": 16_000_000, "note": "m4 stands in for <m33>",
            "figures": {"energy_uj": {"note": "of the chip alone"}},
        },
    }  # fmt: skip
    page = render(combine([("deploy.json", result)]))
    assert "<h2>On &lt;board&gt;</h2>" in page
    assert "12.5 ms (stand-in: m4), at 16 MHz, m4 stands in for &lt;m33&gt;" in page
    assert "3.25 µJ (estimated), at 16 MHz, of the chip alone" in page
    assert "battery" not in page
    assert "of another core or machine" in page


def test_a_deployment_says_what_delegates_take(models):
    """They stood on the terminal and in deploy.json alone."""
    took = delegates(models / "kws_int8.tflite", names=["xnnpack", "nnapi"])
    saved = [each.to_json() for each in took]
    saved[0]["title"] = "<XNN>"
    result = {**PROFILE, "limits": [], "verify": [], "profile": PROFILE, "delegates": saved}
    page = render(combine([("deploy.json", result)]))
    assert "&lt;XNN&gt;, the CPU, by its SIMD units (measured" in page
    for take in took:
        lines = [str(escape(line)) for line in delegate_lines(take)]
        assert "\n".join(lines[1:]) in page
    broken = {**result, "delegates": [{"refused": [3]}]}
    with pytest.raises(EdgeqError, match="this is no result of edgeq"):
        full_page([("deploy.json", broken)])


def test_energy_is_on_pages_of_profiles_and_groups():
    """What a meter had measured was on no page."""
    marked = {
        **PROFILE, "energy_uj": 820.0, "busy_power_w": 2.5, "battery_life_h": 99.0,
        "kinds": {"energy_uj": "measured", "busy_power_w": "measured",
                  "battery_life_h": "estimated"},
        "provenance": {"note": "by the <meter>"},
    }  # fmt: skip
    rows = [{"name": "a", "address": "ssh://pi", "error": None, "profile": marked}]
    group = {"edgeq": "1", "group": "lab", "results": rows}
    page = render(combine([("p.json", marked), ("g.json", group)]))
    assert "820 µJ, by the &lt;meter&gt;<" in page and ">820 µJ<" in page
    assert "2.5 W, by the &lt;meter&gt;<" in page and ">2.5 W<" in page
    assert ">99 h (estimated)<" in page
    assert "power at rest" not in page


def test_what_nobody_checked_is_unchecked_in_every_table():
    """The terminal said so, and which core stands in; pages and comparisons did not."""
    marked = {
        **PROFILE, "kinds": {"cycles": "estimated", "instructions": "stand-in"},
        "provenance": {"core": "m3", "figures": {"cycles": {"note": "unchecked: nobody knows"}}},
    }  # fmt: skip
    rows = [{"name": "a", "address": "sim:cortex-m3", "error": None, "profile": marked}]
    group = {"edgeq": "1", "group": "lab", "results": rows}
    page = render(
        combine([("p.json", marked), ("q.json", other(marked, "n", "cd")), ("g.json", group)])
    )
    assert page.count("2,000 (estimated, unchecked)") == 1
    assert page.count('<span class="kind">(estimated, unchecked)</span>') == 4
    assert page.count("(stand-in: m3)") == 3
    found = compare_profiles(marked, marked)
    assert found.marked("cycles") == (" (estimated, unchecked)",) * 2
    assert found.marked("instructions") == (" (stand-in: m3)",) * 2


def test_a_limit_says_of_which_kind_its_figure_is_and_why_it_is_missed():
    """A stand-in's figure within the limit was missed without a word."""
    limit = {
        "name": "cycles", "limit": 5, "value": 4, "met": False, "source": "asked for",
        "kind": "stand-in", "note": "cortex-m0plus stands in for <m23>",
    }  # fmt: skip
    result = {**PROFILE, "limits": [limit], "verify": [], "profile": PROFILE}
    page = render(combine([("deploy.json", result)]))
    assert re.search(r'4 <span class="kind">\(stand-in\)</span>', page)
    assert "cycles: cortex-m0plus stands in for &lt;m23&gt;" in page


def test_what_makes_a_figure_doubtful_stands_beside_it_once():
    """Warnings of evaluations, and of deployments as a whole, were on the terminal alone."""
    doubtful = {**EVALUATION, "warnings": ["no better than <chance>"]}
    page = render(combine([("e.json", doubtful)]))
    assert "no better than &lt;chance&gt;" in page
    result = {
        **PROFILE, "limits": [], "verify": [], "profile": PROFILE,
        "evaluation": {"float": None, "integer": doubtful, "paired": None},
        "warnings": ["mind the gap", "no better than <chance>", "the figure flatters the model"],
    }  # fmt: skip
    page = render(combine([("deploy.json", result)]))
    for text in ("mind the gap", "no better than &lt;chance&gt;", "the figure flatters the model"):
        assert page.count(text) == 1


def test_a_board_that_tells_the_mean_alone_has_a_latency():
    given = {"n": 7, "p50": None, "p99": None, "mean": 123.4}
    page = render(combine([("p.json", {**PROFILE, "latency_us": given})]))
    assert "latency, mean of 7" in page and "123.4 µs" in page


def test_kinds_are_marked_on_groups_too():
    found = {**PROFILE, "kinds": {"cycles": "estimated", "memory_bytes.arena": "measured"}}
    rows = [{"name": "a", "address": "sim:cortex-m4", "error": None, "profile": found}]
    page = render(combine([("g.json", {"edgeq": "1", "group": "lab", "results": rows})]))
    assert "What the marks mean" in page
    assert MEANINGS["estimated"] in page
    assert "2,000 (estimated)" in page
    assert "16,000<" in page


def test_columns_without_figures_are_left_out():
    op = {**PROFILE["ops"][0], "macs": None, "instructions": None, "cycles": None}
    page = render(combine([("p.json", {**PROFILE, "ops": [op]})]))
    assert ">share</th>" in page and ">MACs</th>" not in page and ">instructions</th>" not in page


def test_latencies_are_drawn_over_time():
    timed = {**PROFILE, "samples_us": [float(10 + i % 7) for i in range(200)]}
    page = render(combine([("p.json", timed)]))
    assert "how often each occurred" in page


def test_of_an_error_the_smaller_one_is_the_best():
    def judged(name, sha256, value):
        found = {"metric": "mae", "mae": value, "larger_is_better": False, "confusion": None}
        return (f"{name}.json", other(EVALUATION, f"{name}.tflite", sha256, **found))

    page = render(combine([judged("near", "1", 0.5), judged("far", "2", 0.75)]))
    assert re.findall(r'class="n best">([\d.]+)', page) == ["0.5000"]


def test_of_a_small_error_the_first_digits_are_shown():
    """Two models of 0.000012 and 0.000038 had 0.0000 both."""
    small = {k: v for k, v in EVALUATION.items() if k not in ("accuracy", "confusion")}
    small |= {"metric": "mae", "larger_is_better": False, "interval": [0.00001, 0.0023]}
    found = [
        (f"{name}.json", {**other(PROFILE, name, name), "cycles": cycles})
        for name, cycles in (("a", 1), ("b", 2))
    ]
    found += [(f"e{name}.json", {**other(small, name, name), "mae": mae})
              for name, mae in (("a", 1.2e-5), ("b", 3.8e-5))]  # fmt: skip
    page = render(combine(found))
    assert page.count("1.2e-05") == 5 and page.count("3.8e-05") == 5
    assert "1e-05 to 0.0023" in page
    assert "0.0000" not in page


def test_a_disturbed_run_says_so_and_is_compared_with_nothing():
    """The quickest of some runs was called the best, though others were held up."""
    rows = [
        (
            f"{i}.json",
            other(
                PROFILE,
                "m.tflite",
                "1",
                latency_us={"n": 9, "p50": us, "p99": us},
                valid=i == 0,
                device={**PROFILE["device"], "address": f"ssh://{i}"},
            ),
        )
        for i, us in enumerate((11.0, 12.0))
    ]
    cells = overview(combine(rows)["sections"])["rows"]
    assert [("latency" in row["best"], row["disturbed"]) for row in cells] == [
        (False, False), (False, True),
    ]  # fmt: skip
    table = render(combine(rows)).partition("</table>")[0]
    assert "11 (disturbed)" not in table and "12 (disturbed)" in table


def test_text_that_steers_or_turns_is_spelled_out():
    evil = "kws\u202egpj\x1b[2J\x07.tflite"
    profile = {**PROFILE, "model": {**PROFILE["model"], "path": evil}, "warnings": [evil]}
    profile["ops"] = [{**PROFILE["ops"][0], "name": evil}]
    page = render(combine([("p.json", profile)]))
    assert not set("\u202e\x1b\x07") & set(page)
    assert page.count("kws\\u202egpj\\x1b[2J\\x07.tflite") >= 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"device": "<b>"}, "device must be an object"),
        ({"device": {"address": {"a": 1}}}, "device.address must be a text"),
        ({"ops": [1, None, []]}, "ops[0] must be an object; ops[2] must be an object"),
        ({"ops": {"a": 1}}, "ops must be a list"),
        ({"ops": [{"index": "0", "op": 3}]}, "ops[0].index must be a number; ops[0].op must be"),
        ({"memory_bytes": {"arena": "12", "stack": True}}, "memory_bytes.arena must be a number;"),
        ({"memory_bytes": None}, "memory_bytes must be an object"),
        ({"warnings": 5}, "warnings must be a list"),
        ({"samples_us": ["1"] * 1000}, "samples_us[0] must be a number."),
        ({"samples_us": [1e308] * 1000}, "samples_us[0] is too large."),
        ({"latency_us": []}, "latency_us must be an object"),
        ({"kinds": {"cycles": {}}}, "kinds.cycles must be a text"),
        ({"interval": 3}, "interval must be a list"),
    ],
)
@pytest.mark.parametrize("command", ["report", "compare", "group"])
def test_fields_of_another_form_are_named(cli, tmp_path, monkeypatch, change, said, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.json").write_text(json.dumps(PROFILE))
    bad = {**PROFILE, **change}
    if command == "group":
        bad = {"results": [{"name": "a", "profile": bad}]}
        said = said.replace("must", "MUST").replace("; ops", "; results[0].profile.ops")
        said = f"results[0].profile.{said.replace('MUST', 'must')}"
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    words = ["good.json", "bad.json"] if command == "compare" else ["bad.json", "-o", "p.html"]
    done = cli("compare" if command == "compare" else "report", *words)
    assert (done.code, said in done.err) == (1, True), done.err


def test_figures_without_measure_do_not_fill_the_page():
    page = render(combine([("p.json", {**PROFILE, "cycles": 1.0e299, "instructions": 10**30})]))
    assert "1e+299" in page
    assert not re.search(r"\d{20}", re.sub("<svg.*?</svg>", "", page, flags=re.DOTALL))
