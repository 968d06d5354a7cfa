"""What a .pt2 file may hold: a graph of known ops and plain bytes; PyTorch is not needed here."""

import io
import json
import zipfile
from itertools import islice

import pytest

from edgeq.conversion.sources.torch.contents import clean_program
from edgeq.errors import EdgeqError
from tests.foreign.mutate import each_value_another
from tests.foreign.pt2 import PROGRAM, WEIGHTS, archive
from tests.memory import peak_mb


def clean(tmp_path, **changes):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive(**changes))
    return clean_program(path)


def refused(tmp_path, **changes):
    with pytest.raises(EdgeqError) as caught:
        clean(tmp_path, **changes)
    return str(caught.value)


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_a_copy_has_the_graph_and_the_weights_and_no_pickle(tmp_path):
    found = members(clean(tmp_path))
    assert found["model/data/weights/weight_0"] == b"\0" * 48
    assert found["model/data/sample_inputs/model.pt"] == b""
    kept = json.loads(found["model/models/model.json"])
    node = kept["graph_module"]["graph"]["nodes"][0]
    assert node["metadata"] == {"nn_module_stack": "a,b,c"}
    assert kept["guards_code"] == []
    assert not any(b"evil" in content for content in found.values())


def changed(change, base=PROGRAM):
    program = json.loads(json.dumps(base))
    change(program)
    return program


@pytest.mark.parametrize(
    "target",
    ["torch.load", "torch.ops.aten.from_file.default", "torch.hub.load", "_operator.methodcaller",
     "torch.ops.aten.relu.default.__globals__", "#evil:op", "torch.ops.higher_order.cond", None,
     3, {"a": 1}, []],
)  # fmt: skip
def test_ops_that_are_not_known_are_refused(tmp_path, target):
    def change(program):
        program["graph_module"]["graph"]["nodes"][0]["target"] = target

    assert "none that a model" in refused(tmp_path, program=changed(change))


SIZES = (
    "s0",
    "Symbol('s31', positive=True, integer=True)",
    "Add(Integer(-1), Symbol('u0', integer=True))",
)
EVIL = (
    "__import__('os').system('x')", "s0*9**9**9", "", "s0+s1", 5, None, "1" * 399 + "x", "exit()",
    "Symbol('s0').__class__", "Symbol('a')", "Integer(" * 200,
)  # fmt: skip


def sized(text):
    def change(program):
        program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"] = [
            {"as_expr": {"expr_str": text, "hint": None}}
        ]

    return changed(change)


@pytest.mark.parametrize("text", SIZES)
def test_sizes_that_are_sums_of_symbols_pass(tmp_path, text):
    clean(tmp_path, program=sized(text))


@pytest.mark.parametrize("text", EVIL)
def test_sizes_are_never_evaluated(tmp_path, text):
    assert "size is computed" in refused(tmp_path, program=sized(text))


def test_names_of_ranges_are_never_evaluated(tmp_path):
    def change(program):
        program["range_constraints"] = {"__import__('os')": {"min_val": 1, "max_val": 2}}

    assert "size is computed" in refused(tmp_path, program=changed(change))


@pytest.mark.parametrize(
    "spec",
    [
        [1, {"type": "collections.defaultdict", "context": "{}", "children_spec": []}],
        [1, {"type": "builtins.dict", "context": '[{"__enum__": true, "fqn": "os:x"}]',
             "children_spec": []}],
        [1, {"type": "evil.Type", "context": "null", "children_spec": []}],
    ],
)  # fmt: skip
def test_structures_import_nothing(tmp_path, spec):
    def change(program):
        calls = program["graph_module"]["module_call_graph"]
        calls[0]["signature"]["in_spec"] = json.dumps(spec)

    assert "tuples, lists and dictionaries" in refused(tmp_path, program=changed(change))


@pytest.mark.parametrize(
    "change",
    [{"use_pickle": True}, {"path_name": "custom_obj_0"}, {"path_name": "../../x"},
     {"path_name": "opaque_obj_1"}, {"tensor_meta": None}],
)  # fmt: skip
def test_weights_are_plain_bytes(tmp_path, change):
    weights = json.loads(json.dumps(WEIGHTS))
    weights["config"]["w"].update(change)
    words = refused(tmp_path, weights=weights)
    assert "pickle" in words or "damaged" in words


def test_a_weight_whose_name_no_archive_holds(tmp_path):
    made = weights(1, [3])
    made["config"]["w0"]["path_name"] = "weight_" + "0" * 70_000
    assert "list of weights is damaged" in refused(tmp_path, weights=made)


def test_objects_in_arguments_are_refused(tmp_path):
    def change(program):
        node = program["graph_module"]["graph"]["nodes"][0]
        node["inputs"].append({"name": "o", "arg": {"as_custom_obj": {"name": "x"}}, "kind": 1})

    assert "no arrays" in refused(tmp_path, program=changed(change))


def test_no_value_of_another_kind_is_a_traceback(tmp_path):
    refusals = 0
    for data in islice(each_value_another(archive()), 0, None, 5):  # all of them: make fuzz
        path = tmp_path / "model.pt2"
        path.write_bytes(data)
        try:
            clean_program(path)
        except EdgeqError:
            refusals += 1
    assert refusals > 40


def test_what_is_no_program(tmp_path):
    path = tmp_path / "model.pt2"
    for data in (b"", b"PK\x03\x04", b"\x80\x04."):
        path.write_bytes(data)
        with pytest.raises(EdgeqError, match=r"no sound \.pt2 file"):
            clean_program(path)
    assert "2 programs" in refused(tmp_path, more={"models/other.json": b"{}"})
    old = refused(tmp_path, weights=None, more={"data/weights/model.pt": b"\x80\x04evil"})
    assert "older PyTorch" in old


def test_members_that_nothing_names_are_not_read(tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("net/data/weights/weight_9", bytes(60 << 20))
    assert peak_mb(lambda: clean_program(path)) < 30
    assert "model/data/weights/weight_9" not in members(clean_program(path))


def test_weights_that_unpack_to_far_more_than_the_file_are_refused(tmp_path):
    weights = json.loads(json.dumps(WEIGHTS))
    weights["config"]["w"]["path_name"] = "weight_9"
    path = tmp_path / "model.pt2"
    path.write_bytes(archive(weights=weights))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("net/data/weights/weight_9", bytes(80 << 20))

    def refuse():
        with pytest.raises(EdgeqError, match="the archive holds"):
            clean_program(path)

    assert peak_mb(refuse) < 30


def test_a_graph_of_millions_of_values_is_refused(tmp_path):
    program = json.dumps(PROGRAM)[:-1] + ', "x": [' + "[]," * 3_000_000 + "0]}"
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("net/models/model.json", program)
    with pytest.raises(EdgeqError, match="over 5,000,000 values"):
        clean_program(path)


def test_weights_of_the_other_byte_order_are_refused(tmp_path):
    assert "little-endian" in refused(tmp_path, more={"byteorder": b"big"})


def weights(count, sizes, strides=(0,)):
    """So many weights, all of one member of 48 bytes."""
    entry = json.loads(json.dumps(WEIGHTS["config"]["w"]))
    entry["tensor_meta"] |= {
        "sizes": [{"as_int": size} for size in sizes],
        "strides": [{"as_int": stride} for stride in strides],
    }
    return {"config": {f"w{i}": entry for i in range(count)}}


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1 << 31]), (17, [1 << 20]), (1, [1 << 62] * 9), (1, [10**18] * 100_000)],
)
def test_weights_of_more_bytes_than_the_file_has(tmp_path, count, sizes):
    """PyTorch made views of them, and its exporter wrote them out: gigabytes."""
    assert "list of weights holds" in refused(tmp_path, weights=weights(count, sizes))


def test_views_and_shared_weights_are_none(tmp_path):
    clean(tmp_path, weights=weights(12, [1 << 20]))
    clean(tmp_path, weights=weights(1, []))
    clean(tmp_path, weights=weights(1, [0, 5]))


@pytest.mark.parametrize("sizes", [None, 3, [3], [{"as_int": -1}], [{"as_int": True}], [{}]])
def test_sizes_of_weights_that_are_none(tmp_path, sizes):
    made = weights(1, [])
    made["config"]["w0"]["tensor_meta"]["sizes"] = sizes
    assert "list of weights is damaged" in refused(tmp_path, weights=made)


def computing(target, told, sizes, of="c"):
    """A program with one op of constants, whose value has some sizes."""

    def change(program):
        graph = program["graph_module"]["graph"]
        program["graph_module"]["signature"]["input_specs"] = [
            {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}
        ]
        graph["nodes"].append(
            {
                "target": f"torch.ops.aten.{target}",
                "inputs": [
                    {"name": "self", "arg": {"as_tensor": {"name": of}}, "kind": 1},
                    {"name": "size", "arg": told, "kind": 1},
                ],
                "outputs": [{"as_tensor": {"name": "made"}}],
                "metadata": {},
            }
        )
        graph["tensor_values"]["made"] = {"sizes": [{"as_int": size} for size in sizes]}

    return changed(change)


@pytest.mark.parametrize(
    "program",
    [
        computing("expand.default", {"as_ints": [1 << 30]}, [1 << 30]),
        computing("expand.default", {"as_ints": [1 << 15, 1 << 15]}, [5]),
        computing("arange.default", {"as_int": 1 << 29}, [1]),
        computing("add.Tensor", {"as_int": 1}, [1 << 20, 1 << 20]),
        computing("new_zeros.default", {"as_ints": [1 << 30]}, [1 << 30], of="y"),
        computing("zeros.default", {"as_ints": [10**18] * 50_000}, [10**18] * 50_000),
    ],
    ids=[
        "honest",
        "another size said",
        "counted",
        "broadcast",
        "of the input's type",
        "of many axes",
    ],
)
def test_what_is_computed_of_constants_alone_has_a_bound(tmp_path, program):
    """PyTorch's exporter folds it: 8.8 GB of a file of 16 KB."""
    assert "computes of constants alone holds" in refused(tmp_path, program=program)


def test_what_hangs_on_the_input_is_not_computed_beforehand(tmp_path):
    program = computing("expand.default", {"as_ints": [1 << 15, 1 << 15]}, [1 << 30], of="y")
    clean(tmp_path, program=program)
    clean(tmp_path, program=computing("expand.default", {"as_ints": [1024, 1024]}, [1 << 20]))
    clean(tmp_path, program=computing("slice.Tensor", {"as_int": (1 << 63) - 1}, [5]))
