"""Rows of a profiler, and which ops of the model they are of: what LiteRT itself says of models
whose answer is known."""

import random
import time
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from edgeq.analysis.profiling import profile
from edgeq.devices.base import ProfileOptions
from edgeq.devices.remote.answers import OpTime
from edgeq.devices.remote.delegated import Part, covers, parts_of
from edgeq.devices.remote.ops import op_shares, passes
from edgeq.model.graph import Op, Subgraph, Tensor
from edgeq.model.model_file import read_graph
from edgeq.report.ops import delegate_line
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

FAST = ProfileOptions(runs=20, warmup=2)
_RNG = np.random.default_rng(0)


def chain(shapes, ops, constants=()):
    """A float model: tensor 0 is the input, tensor i + 1 what op i makes; then the constants."""
    tensors = [TensorSpec(shape, "float32", name=f"t{i}") for i, shape in enumerate(shapes)]
    tensors += [
        TensorSpec(np.shape(value), str(np.asarray(value).dtype), data=np.asarray(value))
        for value in constants
    ]
    made = [
        OpSpec(name, inputs, [number + 1], options)
        for number, (name, inputs, options) in enumerate(ops)
    ]
    return build([SubgraphSpec(tensors, made, [0], [len(ops)])])


IMAGE = (1, 8, 8, 4)
PADDED = (1, 10, 10, 4)
WEIGHTS = _RNG.normal(size=(4, 3, 3, 4)).astype(np.float32)
BIAS = np.zeros(4, np.float32)
VALID = {"padding": 1, "stride_w": 1, "stride_h": 1}
PADS = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
FOLDED = chain(
    [IMAGE, PADDED, IMAGE, IMAGE, IMAGE],
    [("PAD", [0, 7], {}), ("CONV_2D", [1, 5, 6], VALID), ("RELU6", [2], {}), ("TANH", [3], {})],
    [WEIGHTS, BIAS, PADS],
)
BRANCHES = chain(  # the second op is none of XNNPACK's, and the third does not wait for it
    [IMAGE] * 5,
    [("ABS", [0], {}), ("REVERSE_V2", [0, 5], {}), ("NEG", [1], {}), ("ADD", [2, 3], {})],
    [np.array([1], np.int32)],
)
TWICE = chain(
    [IMAGE] * 4, [("RELU6", [0], {}), ("RELU6", [1], {}), ("TANH", [2], {})]
)  # two clamps become one


def rows_of(tmp_path, content):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    return profile(path, on="local", profile_options=FAST).measurement.ops


@pytest.mark.slow
def test_what_a_delegate_folded_is_named(tmp_path):
    rows = rows_of(tmp_path, FOLDED)
    assert [row.covers for row in rows] == [(0, 1, 2), (3,)]
    assert rows[0].op.startswith("Convolution (NHWC, F32)")
    assert [row.op for row in rows[1:]] == ["TanH (NC)"]


@pytest.mark.slow
def test_parts_run_in_another_order_than_the_file_s(tmp_path):
    rows = rows_of(tmp_path, BRANCHES)
    assert [row.covers for row in rows] == [(0,), (2,), (1,), (3,)]
    assert [row.op for row in rows] == ["Abs (NC)", "Negate (NC)", "REVERSE_V2", "Add (ND)"]
    assert [row.name for row in rows] == ["t1", "t3", "t2", "t4"]


@pytest.mark.slow
def test_what_cannot_be_known_is_said(tmp_path, cli):
    rows = rows_of(tmp_path, TWICE)
    (clamp, tanh) = rows
    assert (clamp.index, clamp.covers, clamp.among, clamp.macs) == (-1, (), (0, 1), None)
    assert tanh.covers == (2,)
    shown = cli("profile", tmp_path / "m.tflite", "--runs", "20").out
    assert "cannot be known: of ops 0-1" in shown


@pytest.mark.slow
def test_published_models_row_by_row(models):
    found = profile(models / "resnet_int8.tflite", on="local", profile_options=FAST).measurement
    assert [row.covers for row in found.ops] == [(op,) for op in range(16)]
    assert found.ops[3].op == "Add (ND) + Clamp (NC)"
    assert found.ops[14].op.startswith("Static Reshape (NC) + Fully Connected")
    assert sum(row.share for row in found.ops) == pytest.approx(1)
    assert all(row.us_p10 <= row.us + 1 and row.us <= row.us_p90 + 1 for row in found.ops)
    assert found.ops[1].macs > 0
    taken = delegate_line([asdict(row) for row in found.ops], "xnnpack")
    assert taken == "xnnpack takes 14 of 16 ops, not AVERAGE_POOL_2D, SOFTMAX"


def op(name, us, index=0, delegated=True):
    return OpTime(index, name, tuple(map(float, us)), delegated)


def test_medians_stand_against_a_clock_that_jumps(tmp_path):
    """XNNPACK's own clock gives absurd values once a second; a mean over calls shows them."""
    path = tmp_path / "m.tflite"
    path.write_bytes(BRANCHES)
    jump = 1.8e16
    times = [
        op("Abs (NC)", [3] * 19 + [jump]), op("Negate (NC)", [1] * 20),
        op("REVERSE_V2", [4, 5] * 10, 1, delegated=False), op("Add (ND)", [2] * 20),
    ]  # fmt: skip
    rows = op_shares(times, read_graph(path))
    assert [round(row.us, 1) for row in rows] == [3.5, 1.5, 4.5, 2.5]
    assert (rows[0].us_p10, rows[0].us_p90) == (3.0, 3.0)


def test_rows_of_another_runtime_are_matched_with_nothing(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(BRANCHES)
    graph = read_graph(path)
    whole = [op("TfLiteGpuDelegate", [9] * 5)]
    (row,) = op_shares(whole, graph)
    assert (row.index, row.covers, row.among) == (-1, (), (0, 1, 2, 3))
    out_of_order = [op("ADD", [1], 3, delegated=False), op("Abs (NC)", [1])]
    assert [row.among for row in op_shares(out_of_order, graph)] == [(), (0, 1, 2)]
    assert parts_of(graph.main, {1}) == [
        Part(delegated=True, ops=(0, 2)), Part(delegated=False, ops=(1,)),
        Part(delegated=True, ops=(3,)),
    ]  # fmt: skip
    both = Part(delegated=True, ops=(0, 2))
    assert covers(graph.main, both, ["Negate (NC)", "Abs (NC)"]) == [(0, 2), (0, 2)]


def test_passes_take_about_a_second():
    assert [passes(us) for us in (20.0, 10_000.0, 52_000.0, 2e6)] == [200, 100, 19, 5]


def naive_parts(graph, own):
    """TensorFlow Lite's own way, round after round through all that waits."""
    ready = set(range(len(graph.tensors))) - {t for op in graph.ops for t in op.outputs}
    waiting, parts = list(range(len(graph.ops))), []
    while waiting:
        kind, taken, moved = None, [], True
        while moved:
            moved = False
            for position in list(waiting):
                here = graph.ops[position]
                if all(index < 0 or index in ready for index in here.inputs):
                    kind = position not in own if kind is None else kind
                    if kind == (position not in own):
                        taken.append(position)
                        waiting.remove(position)
                        ready.update(here.outputs)
                        moved = True
        if not taken:
            break
        parts.append(Part(kind, tuple(taken)))
    return parts


def test_parts_of_random_graphs():
    chance = random.Random(3)
    for _ in range(500):
        count = chance.randint(1, 9)
        makes = list(range(1, count + 1))
        if chance.random() < 0.3:
            chance.shuffle(makes)  # not in the order of execution, circles among them
        ops = [
            Op(i, "ADD", (chance.randint(0, out - 1), chance.randint(-1, count)), (out,))
            for i, out in enumerate(makes)
        ]
        graph = SimpleNamespace(ops=ops, tensors=[None] * (count + 1))
        own = {position for position in range(count) if chance.random() < 0.4}
        assert parts_of(graph, own) == naive_parts(graph, own)


MANY = 10_000


@pytest.mark.parametrize(
    ("names", "own", "row", "expected"),
    [
        (["ABS"], None, "Abs (NC)", MANY),
        (["ABS", "REVERSE_V2"], "REVERSE_V2", "Abs (NC)", MANY),
        (["ABS"] + ["RELU"] * 9, None, "Abs (NC)", MANY // 10),  # all folded into what is before
        (["RELU"], None, "Clamp (NC)", 1),  # any of the clamps may be any of the ops
        (["ABS", "NO_SUCH_OP"], None, "Abs (NC)", 1),  # nothing is known of such a part
    ],
    ids=["known", "parts", "folded", "too many answers", "unknown"],
)
def test_ten_thousand_ops(names, own, row, expected):
    """Seconds, and an answer that is no hundred million numbers long."""
    kinds = [names[position % len(names)] for position in range(MANY)]
    ops = [Op(i, kind, (i,), (i + 1,)) for i, kind in enumerate(kinds)]
    main = Subgraph(
        0, "", [Tensor(i, "t", (1,), "float32") for i in range(MANY + 1)], ops, (0,), (MANY,)
    )
    rows = [
        op(kind if kind == own else row, [1, 1], i, delegated=kind != own)
        for i, kind in enumerate(kinds) if kind in (own, "ABS", "NO_SUCH_OP")
        or (row.startswith("Clamp") and i % 2)
    ]  # fmt: skip
    start = time.process_time()
    found = op_shares(rows, SimpleNamespace(main=main))
    assert time.process_time() - start < 30  # of the processor; it was minutes
    assert len(found) == expected
    assert sum(each.share for each in found) == pytest.approx(1)
    listed = {position for each in found for position in (*each.covers, *each.among)}
    assert listed == set(range(MANY))
