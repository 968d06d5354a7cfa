"""Each op's oracle: TensorFlow Lite Micro, or LiteRT's reference where that has no kernel."""

import numpy as np
import pytest

import edgeq
from edgeq.analysis.op_table import op_table
from edgeq.analysis.runs_on import EDGEQ_C, TFLM, runs_on
from edgeq.devices.oracle import ORACLE, SECOND_ORACLE, open_oracle
from edgeq.model.model_file import parse_graph, read_graph
from edgeq.model.parts import Whole
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op

pytest.importorskip("tflite_micro")
BOTH = f"{ORACLE}+{SECOND_ORACLE}"


def dense(random, tensors, source, units):
    """A FULLY_CONNECTED over a tensor; where TFLM and LiteRT differ by a step now and then."""
    depth = tensors[source].shape[1]
    weights = random.integers(-127, 128, (units, depth)).astype(np.int8)
    scale = float(random.uniform(0.002, 0.004))
    bias = random.integers(-2000, 2000, units).astype(np.int32)
    tensors.append(TensorSpec((units, depth), "int8", scale, data=weights))
    tensors.append(TensorSpec((units,), "int32", scale * tensors[source].scale, data=bias))
    tensors.append(TensorSpec((1, units), "int8", 0.1173, -3))
    count = len(tensors)
    return OpSpec("FULLY_CONNECTED", [source, count - 3, count - 2], [count - 1])


def mixed_model():
    """FULLY_CONNECTED, GELU (which TFLM does not have), FULLY_CONNECTED, twice over."""
    random = np.random.default_rng(11)
    tensors, ops = [TensorSpec((1, 96), "int8", 0.031, 5)], []
    for _ in range(2):
        ops.append(dense(random, tensors, len(tensors) - 1, 64))
        tensors.append(TensorSpec((1, 64), "int8", 0.0614, -110))
        ops.append(OpSpec("GELU", [len(tensors) - 2], [len(tensors) - 1], {"approximate": False}))
    ops.append(dense(random, tensors, len(tensors) - 1, 16))
    return build([SubgraphSpec(tensors, ops, [0], [len(tensors) - 1])])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    path = tmp_path_factory.mktemp("oracle") / "mixed.tflite"
    path.write_bytes(mixed_model())
    return path


def test_every_op_has_the_oracle_that_owns_it(mixed):
    address, session = open_oracle(mixed)
    with session:
        assert address == BOTH
        tflm, litert = ORACLE, SECOND_ORACLE
        assert session.owners == (tflm, litert, tflm, litert, tflm)


def test_no_false_alarm_by_a_layer_that_both_oracles_compute_differently(cli, mixed):
    """Held against LiteRT alone, right C differs by a step; the oracle of each op agrees."""
    against_one = cli("verify", mixed, "--on", "c", "--against", SECOND_ORACLE, "-n", 200, "--json")
    assert against_one.code == 3
    assert against_one.json["first_op"]["op"] == "FULLY_CONNECTED"
    done = cli("verify", mixed, "--on", "c", "-n", 200, "--json")
    assert done.code == 0
    assert done.json["against"] == BOTH


def test_parts_compute_what_the_whole_does(mixed, models):
    """LiteRT in parts gives LiteRT's bytes, and so does every tensor on the way."""
    from edgeq.devices.base import CompileOptions
    from edgeq.devices.oracle import OracleSession
    from edgeq.devices.registry import open_device

    path = models / "kws_int8.tflite"
    graph = read_graph(path)
    x = np.random.default_rng(1).integers(-128, 128, (3, 1, 49, 10, 1)).astype(np.int8)
    halves = ["local?kernels=reference", "local?delegate=none"]
    owners = [halves[op.index // 4 % 2] for op in graph.main.ops]
    whole = open_device("local?kernels=reference").open(path, CompileOptions())
    with whole, OracleSession(graph, path.read_bytes(), owners) as parts:
        (ours,), (wanted,) = parts.run([x]), whole.run([x])
        assert np.abs(ours.astype(int) - wanted).max() <= 8
        traced, exact = parts.trace([x[0]]), whole.trace([x[0]])
        assert traced.keys() == exact.keys()
        first = graph.main.ops[3].outputs[0]
        assert np.array_equal(traced[first], exact[first])
    assert Whole(path.read_bytes()).part(2, 4).inputs == (graph.main.ops[1].outputs[0],)


def single(kind):
    """Models of one op that TFLM has no kernel for in these types, though it knows the op."""
    sixteen = TensorSpec((1, 6, 5, 3), "int16", 0.01)
    if kind == "RESIZE_BILINEAR":
        size = TensorSpec((2,), "int32", data=np.int32([9, 7]))
        return single_op(kind, [sixteen, size], [TensorSpec((1, 9, 7, 3), "int16", 0.01)])
    if kind == "REDUCE_MAX":
        axis = TensorSpec((1,), "int32", data=np.int32([1]))
        out = TensorSpec((1, 1, 5, 3), "int16", 0.01)
        return single_op(kind, [sixteen, axis], [out], {"keep_dims": True})
    if kind in ("EQUAL", "LESS"):
        other = TensorSpec((1, 6, 5, 3), "int16", 0.01)
        return single_op(kind, [sixteen, other], [TensorSpec((1, 6, 5, 3), "bool")])
    if kind == "LOGICAL_AND":
        one, other = TensorSpec((1, 9), "bool"), TensorSpec((1, 9), "bool")
        return single_op(kind, [one, other], [TensorSpec((1, 9), "bool")])
    return single_op(kind, [TensorSpec((1, 9), "int8", 0.05)], [TensorSpec((1, 9), "int8", 0.05)])


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("RESIZE_BILINEAR", SECOND_ORACLE),
        ("REDUCE_MAX", SECOND_ORACLE),
        ("EQUAL", SECOND_ORACLE),
        ("LESS", SECOND_ORACLE),
        ("LOGICAL_AND", ORACLE),
        ("GELU", SECOND_ORACLE),
        ("RELU", ORACLE),
    ],
)
def test_what_tflm_refuses_when_it_is_called_goes_to_litert(kind, address, tmp_path):
    path = tmp_path / "one.tflite"
    path.write_bytes(single(kind))
    found = edgeq.verify(path, on="c", n=20)
    assert found.against == address
    assert found.owned
    assert found.equal


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("RESIZE_BILINEAR", "int16"), ("REDUCE_MAX", "int16"), ("EQUAL", "int16"), ("LESS", "int16"),
     ("LOGICAL_AND", "bool"), ("GELU", "int8"), ("RELU", "int8")],
)  # fmt: skip
def test_the_table_says_what_trying_finds(cli, kind, dtype, tmp_path):
    """convert goes by the table, verify by trying: they must not say different things."""
    path = tmp_path / "one.tflite"
    path.write_bytes(single(kind))
    address, session = open_oracle(path)
    session.close()
    rows = {row.op: row for row in op_table()}
    assert rows[kind].owners[dtype] == address
    found = runs_on(read_graph(path))
    assert (TFLM in found.able) == (address == ORACLE)
    assert EDGEQ_C in found.able
    assert found.warnings() == () or kind in found.warnings()[0]


def test_what_no_kernel_takes_is_said():
    data = single_op("EXP", [TensorSpec((1, 9), "int16", 0.01)], [TensorSpec((1, 9), "int16", 0.1)])
    found = runs_on(parse_graph(data))
    assert found.able == ("LiteRT",)
    (first, second) = found.warnings()
    assert first.startswith("edgeq's C cannot run this model")
    assert "EXP" in first
    assert second.startswith("TensorFlow Lite Micro cannot run this model")


@pytest.mark.slow
def test_deploy_names_the_oracles_that_apply_and_meets_nothing_else(cli, mixed, tmp_path):
    done = cli(
        "deploy", mixed, "--target", "cortex-m4", "--verify", 20, "-o", tmp_path / "d", "--json"
    )
    assert done.code == 0, done.err
    (here, emulated) = done.json["verify"]
    assert (here["on"], here["against"], here["equal"]) == ("c", BOTH, True)
    assert (emulated["against"], emulated["equal"]) == (BOTH, True)
    assert done.json["met"]
    names = {check["name"]: check["met"] for check in done.json["limits"]}
    assert all(met for name, met in names.items() if "bytes" in name)
