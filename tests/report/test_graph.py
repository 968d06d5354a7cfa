"""The graph of a page: rows and their lanes, what each op says of itself."""

from xml.dom.minidom import parseString

import pytest

from edgeq.analysis.graph_facts import graph_facts
from edgeq.compiler.compilation import generate
from edgeq.model.model_file import read_graph
from edgeq.report.combine import combine, section_of
from edgeq.report.graph import graph_rows
from edgeq.report.html import render
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.report.test_html import PROFILE

NASTY = (
    '"><img src=x onerror=document.title=1>\u202e</script><script>document.title=2</script>{{7*7}}'
)


def skipping(names=("in", "a", "b", "c")):
    """ABS, NEG of it, and the sum of the input, both and nothing else: two ways that pass by."""
    tensors = [TensorSpec((1, 8, 8, 1), "int8", scale=0.5, zero_point=3, name=n) for n in names]
    tensors.append(TensorSpec((1, 8, 8, 1), "int8", scale=1.0, name="out"))
    ops = [
        OpSpec("ABS", [0], [1]),
        OpSpec("RELU", [1], [2]),
        OpSpec("MAXIMUM", [1, 2], [3]),
        OpSpec("ADD", [0, 3], [4]),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [4])])


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "skip.tflite"
    path.write_bytes(skipping())
    return path


def test_each_op_has_the_c_that_runs_it(model):
    graph = read_graph(model)
    sources = generate(graph, name="net", target="cortex-m4")
    facts = graph_facts(graph, sources)
    assert [op["op"] for op in facts["ops"]] == ["ABS", "RELU", "MAXIMUM", "ADD"]
    assert [op["inputs"] for op in facts["ops"]] == [[0], [1], [1, 2], [0, 3]]
    lines = sources.files["net.c"].splitlines()
    for op in facts["ops"]:
        for code in op["code"]:
            shown = code["text"].splitlines()
            assert shown == [line.strip() for line in lines[code["line"] - 1 :][: len(shown)]]
            assert shown[0].startswith(f"/* op {op['index']} {op['op']} ")
        assert op["steps"], "each op of this net has a call of its own"
    assert facts["tensors"][0] == {
        "index": 0, "name": "in", "dtype": "int8", "shape": [1, 8, 8, 1], "bytes": 64,
        "scale": 0.5, "zero_point": 3,
    }  # fmt: skip


def test_stripes_are_calls_of_their_ops(models):
    from edgeq.compiler.options import CompileOptions

    graph = read_graph(models / "vww_int8.tflite")
    sources = generate(graph, target="cortex-m4", options=CompileOptions("ram"))
    facts = graph_facts(graph, sources)
    assert max(len(op["code"]) for op in facts["ops"]) == 12
    calls = sum(len(op["code"]) for op in facts["ops"])
    owned = [entry for entry in sources.manifest["ops"] if entry["index"] >= 0]
    assert calls == len(owned)


def test_ways_that_pass_by_have_lanes_of_their_own(model):
    section = section_of(
        {"model": {"path": "skip.tflite", "sha256": "ab"}, "limits": [], "verify": []}
    )
    section["graph"] = graph_facts(read_graph(model))
    rows = graph_rows(section)
    titles = [row["title"] for row in rows]
    assert titles == ["input in", "ABS", "RELU", "MAXIMUM", "ADD", "output out"]
    ways = [len(parseString(row["lanes"]).getElementsByTagName("path")) for row in rows]
    # The input ends in ABS and passes it to ADD; ABS's value passes RELU to MAXIMUM.
    assert ways == [1, 3, 4, 4, 3, 1]
    below = [len(parseString(row["below"]).getElementsByTagName("path")) for row in rows]
    assert below == [1, 2, 3, 2, 1, 0]
    assert graph_rows({**section, "graph": None}) == []


def test_shares_noise_and_memory_are_those_of_the_op(model):
    graph = read_graph(model)
    sources = generate(graph, name="net", target="cortex-m4")
    manifest = sources.manifest
    rows = [
        {"index": k, "op": op.name, "name": "n", "macs": 0, "instructions": 10, "cycles": 10 * k,
         "share": k / 6, "covers": [k]}
        for k, op in enumerate(graph.main.ops)
    ]  # fmt: skip
    section = {
        "graph": graph_facts(graph, sources),
        "profiles": [{**PROFILE, "ops": rows}],
        "memory": {
            "arena_bytes": manifest["arena_bytes"], "steps": len(manifest["ops"]),
            "blocks": manifest["arena"],
        },
        "layers": [{"index": 2, "sqnr_db": 33.5}],
    }  # fmt: skip
    found = [row for row in graph_rows(section) if "op" in row]
    assert [row["share"] for row in found] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6])
    facts = [dict(row["facts"]) for row in found]
    assert [each["cycles"] for each in facts] == [0, 10, 20, 30]
    assert facts[2]["signal to quantization noise, dB"] == 33.5
    most = max(each["arena in use, bytes"] for each in facts)
    assert 0 < most <= manifest["arena_bytes"]


def test_what_several_ops_took_together_is_nobody_s_own(model):
    """A delegate's row of three ops gave each of them all its time."""
    row = {"index": 0, "op": "GPU", "name": "n", "us": 90.0, "share": 0.9, "covers": [0, 1, 2]}
    alone = {"index": 3, "op": "ADD", "name": "n", "us": 10.0, "share": 0.1, "covers": [3]}
    profile = {**PROFILE, "ops": [row, alone]}
    section = {"graph": graph_facts(read_graph(model)), "profiles": [profile], "memory": None,
               "layers": None}  # fmt: skip
    found = [each for each in graph_rows(section) if "op" in each]
    assert [each["share"] for each in found] == [None, None, None, 0.1]
    assert ("µs, ops 0-2 together", 90.0) in found[1]["facts"]
    assert ("share of the time, ops 0-2 together", "90.0%") in found[1]["facts"]
    assert ("µs", 10.0) in found[3]["facts"]


def test_hostile_names_stay_text(tmp_path):
    path = tmp_path / "evil.tflite"
    path.write_bytes(skipping((NASTY, NASTY, NASTY, NASTY)))
    graph = read_graph(path)
    sources = generate(graph, name="net", target="cortex-m4")
    profile = {**PROFILE, "graph": graph_facts(graph, sources)}
    combined = combine([("p.json", profile)])
    combined["sections"][0]["graph"] = profile["graph"]
    page = render(combined)
    assert "<img" not in page
    assert "<script>document" not in page
    assert "\u202e" not in page
    assert "&lt;img src=x" in page
    assert "{{7*7}}" in page


def test_a_thousand_ops_with_many_ways_are_drawn_in_narrow_lanes():
    count = 300
    tensors = [
        {"index": k, "name": str(k), "dtype": "int8", "shape": [1], "bytes": 1, "scale": None,
         "zero_point": None}
        for k in range(count + 2)
    ]  # fmt: skip
    ops = [
        {"index": k, "op": "ABS", "name": str(k + 1), "inputs": [0], "outputs": [k + 1],
         "constant_bytes": 0, "macs": 0, "steps": [], "code": []}
        for k in range(count)
    ]  # fmt: skip
    last = {**ops[0], "index": count, "inputs": list(range(1, count + 1)), "outputs": [count + 1]}
    graph = {"inputs": [0], "outputs": [count + 1], "tensors": tensors, "ops": [*ops, last],
             "source": None}  # fmt: skip
    rows = graph_rows({"graph": graph, "profiles": [], "memory": None, "layers": None})
    widths = {parseString(row["lanes"]).documentElement.getAttribute("width") for row in rows}
    assert widths == {"112"}
    assert len(rows) == count + 3
