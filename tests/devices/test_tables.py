"""Inputs that count the rows of a table: what edgeq feeds by itself stays inside."""

import numpy as np
import pytest

from edgeq.analysis.verification import random_inputs
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.model.inputs import xorshift_inputs
from edgeq.model.model_file import parse_graph
from edgeq.model.places import Bounds, input_bounds
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

ROWS = 20


def embedding(dtype, folder=None):
    """A table read by an input, through a CAST where it is int64 and a RESHAPE."""
    table = np.random.default_rng(0).integers(-128, 128, (ROWS, 4)).astype(np.int8)
    tensors = [
        TensorSpec((1, 8), dtype, name="words"),
        TensorSpec((1, 8), "int32", name="cast"),
        TensorSpec((2,), "int32", data=np.array([2, 4], np.int32)),
        TensorSpec((2, 4), "int32", name="rows"),
        TensorSpec((ROWS, 4), "int8", 0.1, data=table),
        TensorSpec((2, 4, 4), "int8", 0.1, name="read"),
    ]
    cast = [OpSpec("CAST", [0], [1])] if dtype == "int64" else []
    ops = [
        *cast,
        OpSpec("RESHAPE", [1 if cast else 0, 2], [3], {"new_shape": [2, 4]}),
        OpSpec("GATHER", [4, 3], [5], {"axis": 0, "batch_dims": 0}),
    ]
    data = build([SubgraphSpec(tensors, ops, [0], [5])])
    if folder is None:
        return data
    (folder / "net.tflite").write_bytes(data)
    return folder / "net.tflite"


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_what_is_fed_lies_inside_the_table(dtype, tmp_path, cli):
    """`profile` and `compile --golden` failed on every such model, or read behind the table."""
    assert input_bounds(parse_graph(embedding(dtype)).main) == {0: Bounds(0, ROWS - 1)}
    model = embedding(dtype, tmp_path)
    found = {}
    for on in ("local", "c", "sim:cortex-m4", *(["tflm"] if dtype == "int32" else [])):
        done = cli("profile", model, "--on", on, "--no-ops", "--seconds", "0.05", "--json")
        assert done.code == 0, done.err
        found[on] = done.json["output_sha256"]
    assert len(set(found.values())) == 1, found
    made = cli("compile", model, "-o", tmp_path / "c", "--golden")
    assert made.code == 0, made.err
    assert cli("verify", model, "--on", "c", "-n", 10).code == 0


def sliced(kind):
    """A window of 2 by 2 in 5 by 6 values, at a place that is an input: whole, or packed."""
    tensors = [
        TensorSpec((5, 6), "int8", 0.1, name="x"),
        TensorSpec((2,) if kind == "whole" else (), "int32", name="place"),
        TensorSpec((2,), "int32", name="begin"),
        TensorSpec((2,), "int32", data=np.array([2, 2], np.int32)),
        TensorSpec((2, 2), "int8", 0.1, name="y"),
        TensorSpec((), "int32", data=np.array(1, np.int32)),
    ]
    packed = [OpSpec("PACK", [5, 1], [2], {"values_count": 2, "axis": 0})]
    begin = 1 if kind == "whole" else 2
    ops = [*(packed if begin == 2 else []), OpSpec("SLICE", [0, begin, 3], [4])]
    return build([SubgraphSpec(tensors, ops, [0, 1], [4])])


@pytest.mark.parametrize("kind", ["whole", "packed"])
def test_slices_that_are_fed_begin_inside_their_tensor(kind, tmp_path, cli):
    """TensorFlow Lite Micro read behind the tensor, which ended edgeq without a word."""
    main = parse_graph(sliced(kind)).main
    assert input_bounds(main) == {1: Bounds(0, (3, 4) if kind == "whole" else 4)}
    bounds = [Bounds(0, (3, 4))]
    fed = np.array([xorshift_inputs([(2,)], ["int32"], k, bounds)[0] for k in range(100)])
    assert fed.min(axis=0).tolist() == [0, 0]
    assert fed.max(axis=0).tolist() == [3, 4]
    model = tmp_path / "net.tflite"
    model.write_bytes(sliced(kind))
    found = set()
    for on in ("local", "c", "sim:cortex-m4", "tflm"):
        done = cli("profile", model, "--on", on, "--no-ops", "--seconds", "0.05", "--json")
        assert done.code == 0, done.err
        found.add(done.json["output_sha256"])
    assert len(found) == 1
    assert cli("compile", model, "-o", tmp_path / "c", "--golden").code == 0
    assert cli("verify", model, "--on", "c", "-n", 10).code == 0


def test_each_column_of_gather_nd_counts_its_axis():
    tensors = [
        TensorSpec((5, 3, 2), "float32", data=np.ones((5, 3, 2), np.float32)),
        TensorSpec((1, 2, 2), "int32"),
        TensorSpec((1, 2, 2), "float32"),
    ]
    data = build([SubgraphSpec(tensors, [OpSpec("GATHER_ND", [0, 1], [2])], [1], [2])])
    main = parse_graph(data).main
    assert input_bounds(main) == {1: Bounds(0, (4, 2, 4, 2))}
    (fed,) = random_inputs(main, 50)
    assert fed.reshape(-1, 2).min(axis=0).tolist() == [0, 0]
    assert fed.reshape(-1, 2).max(axis=0).tolist() == [4, 2]


BEHIND = {
    # What is done to four values before they count five rows, and what they may be then.
    "offsets": ([("ADD", [0, -1, -2, 1])], "int32", Bounds((0, 1, 2, -1), (4, 5, 6, 3))),
    "sub": ([("SUB", 7)], "int32", Bounds(7, 11)),
    "minimum": ([("MINIMUM", 4)], "int32", Bounds(0, 2**31 - 1)),
    "low minimum": ([("MINIMUM", 9)], "int32", Bounds(0, 4)),
    "maximum": ([("MAXIMUM", 1)], "int64", Bounds(-(2**53), 4)),
    "clipped": ([("MAXIMUM", 0), ("MINIMUM", 4)], "int32", None),
    "halves": ([("FLOOR_DIV", 2)], "int32", Bounds(0, 9)),
    "rest": ([("FLOOR_MOD", 5)], "int32", None),
    "thirds": ([("MUL", 3)], "int32", Bounds(0, 1)),
    "floats": ([("CAST", None)], "float32", Bounds(0, 4)),
    "shifted floats": ([("ADD", 1.0), ("CAST", None)], "float32", Bounds(-1, 3)),
    "bytes": ([("CAST", None), ("SUB", 1)], "uint8", Bounds(1, 5)),
}


def computed(steps, dtype):
    """A table of 5 rows behind some arithmetic."""
    tensors = [TensorSpec((1, 4), dtype)]
    ops = []
    for name, constant in steps:
        last = len(tensors) - 1
        if name == "CAST":
            tensors.append(TensorSpec((1, 4), "int32"))
            ops.append(OpSpec("CAST", [last], [last + 1]))
            continue
        now = tensors[-1].dtype
        tensors.append(TensorSpec(np.shape(constant), now, data=np.asarray(constant, now)))
        tensors.append(TensorSpec((1, 4), now))
        ops.append(OpSpec(name, [last, last + 1], [last + 2]))
    table = np.arange(15, dtype=np.float32).reshape(5, 3)
    places = len(tensors) - 1
    tensors += [TensorSpec((5, 3), "float32", data=table), TensorSpec((1, 4, 3), "float32")]
    ops.append(OpSpec("GATHER", [places + 1, places], [places + 2], {"axis": 0}))
    return build([SubgraphSpec(tensors, ops, [0], [places + 2])])


@pytest.mark.parametrize("kind", BEHIND)
def test_places_that_are_computed_are_bounded_where_they_come_in(kind, tmp_path):
    """`ids + offsets` of recommenders: what was drawn lay beside the table."""
    steps, dtype, bounds = BEHIND[kind]
    data = computed(steps, dtype)
    graph = parse_graph(data)
    assert input_bounds(graph.main) == ({0: bounds} if bounds else {})
    (fed,) = random_inputs(graph.main, 20)
    if bounds is not None:
        low, high = bounds.arrays((1, 4))
        assert (fed[0] == low).all()
        assert (fed[1] == high).all()
        own = [xorshift_inputs([(1, 4)], [dtype], k, [bounds])[0] for k in range(20)]
        fed = np.concatenate([fed, own])
    (tmp_path / "net.tflite").write_bytes(data)
    with open_device("local").open(tmp_path / "net.tflite", CompileOptions()) as session:
        (found,) = session.run([fed])
    assert (found % 3 == np.arange(3)).all()  # rows of the table, LiteRT says


@pytest.mark.parametrize("kind", ["STRIDED_SLICE", "SPLIT", "UNPACK", "TRANSPOSE"])
def test_each_column_counts_the_rows_of_its_own_table(kind):
    """Fields of a recommender: the shortest table bounded them all."""
    tensors = [TensorSpec((2, 3), "int32")]
    ops = []

    def add(spec):
        tensors.append(spec)
        return len(tensors) - 1

    def constant(*values):
        return add(TensorSpec((len(values),), "int32", data=np.array(values, np.int32)))

    columns = []
    if kind == "SPLIT":
        axis = add(TensorSpec((), "int32", data=np.array(1, np.int32)))
        columns = [add(TensorSpec((2, 1), "int32")) for _ in range(3)]
        ops.append(OpSpec("SPLIT", [axis, 0], columns, {"num_splits": 3}))
    elif kind == "UNPACK":
        columns = [add(TensorSpec((2,), "int32")) for _ in range(3)]
        ops.append(OpSpec("UNPACK", [0], columns, {"axis": 1, "num": 3}))
    else:
        source = 0
        if kind == "TRANSPOSE":
            source = add(TensorSpec((3, 2), "int32"))
            ops.append(OpSpec("TRANSPOSE", [0, constant(1, 0)], [source]))
        for k in range(3):
            begin, end, mask = [0, k], [0, k + 1], 1
            if kind == "TRANSPOSE":
                begin, end, mask = [k, 0], [k + 1, 0], 2
            options = {"begin_mask": mask, "end_mask": mask, "shrink_axis_mask": 3 - mask}
            given = [source, constant(*begin), constant(*end), constant(1, 1)]
            columns.append(add(TensorSpec((2,), "int32")))
            ops.append(OpSpec("STRIDED_SLICE", given, [columns[-1]], options))
    read = []
    for column, rows in zip(columns, (5, 100, 2), strict=True):
        table = add(TensorSpec((rows, 2), "float32", data=np.ones((rows, 2), np.float32)))
        read.append(add(TensorSpec((*tensors[column].shape, 2), "float32")))
        ops.append(OpSpec("GATHER", [table, column], [read[-1]], {"axis": 0}))
    main = parse_graph(build([SubgraphSpec(tensors, ops, [0], read)])).main
    assert input_bounds(main) == {0: Bounds(0, (4, 99, 1, 4, 99, 1))}


def test_real_numbers_beside_places_stay_real():
    tensors = [
        TensorSpec((1, 3), "float32"),
        *(TensorSpec((2,), "int32", data=np.array(v, np.int32)) for v in ([0, 1], [0, 2], [1, 1])),
        TensorSpec((1,), "float32"),
        TensorSpec((1,), "int32"),
        TensorSpec((7, 2), "float32", data=np.ones((7, 2), np.float32)),
        TensorSpec((1, 2), "float32"),
    ]
    ops = [
        OpSpec("STRIDED_SLICE", [0, 1, 2, 3], [4], {"begin_mask": 1, "end_mask": 1,
                                                   "shrink_axis_mask": 2}),
        OpSpec("CAST", [4], [5]),
        OpSpec("GATHER", [6, 5], [7], {"axis": 0}),
    ]  # fmt: skip
    main = parse_graph(build([SubgraphSpec(tensors, ops, [0], [7])])).main
    assert input_bounds(main) == {0: Bounds((-1, 0, -1), (1, 6, 1))}


def test_numbers_that_a_loop_counts_by_are_small(tmp_path, cli):
    """One input of four was a loop of some 2^30 turns."""
    counter, limit, step = (TensorSpec((1,), "int32") for _ in range(3))
    value = TensorSpec((1, 4), "int32")
    carried = [counter, limit, step, value]
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    loop = OpSpec("WHILE", [0, 1, 2, 3], [4, 5, 6, 7], options)
    body = [OpSpec("ADD", [0, 2], [4]), OpSpec("ADD", [3, 3], [5])]
    data = build(
        [
            SubgraphSpec([*carried, *carried], [loop], [0, 1, 2, 3], [7]),
            SubgraphSpec(
                [*carried, TensorSpec((1,), "bool")],
                [OpSpec("LESS", [0, 1], [4])],
                [0, 1, 2, 3],
                [4],
            ),
            SubgraphSpec([*carried, counter, value], body, [0, 1, 2, 3], [4, 1, 2, 5]),
        ]
    )
    graph = parse_graph(data)
    small = Bounds(1, 8)
    assert input_bounds(graph.main, graph.subgraphs) == {0: small, 1: small, 2: small}
    model = tmp_path / "net.tflite"
    model.write_bytes(data)
    done = cli("verify", model, "--on", "c", "-n", 20)
    assert done.code == 0, done.err
    assert cli("profile", model, "--on", "c", "--no-ops", "--seconds", "0.05").code == 0
    assert cli("compile", model, "-o", tmp_path / "c", "--golden").code == 0


def test_places_that_random_numbers_miss_are_said_to_be_random(tmp_path, cli):
    """The words were a runtime's, of a file in a temporary folder."""
    tensors = [
        TensorSpec((1, 4), "int32"),
        TensorSpec((1, 4), "int32"),
        TensorSpec((5, 3), "float32", data=np.ones((5, 3), np.float32)),
        TensorSpec((1, 4, 3), "float32"),
    ]
    ops = [OpSpec("MUL", [0, 0], [1]), OpSpec("GATHER", [2, 1], [3], {"axis": 0})]
    model = tmp_path / "net.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, ops, [0], [3])]))
    done = cli("verify", model, "--on", "c", "-n", 3)
    assert done.code == 1
    assert "the inputs are random numbers" in done.err
    assert f"where: {model}\n  try:   -i FILE with inputs that the model expects" in done.err
    done = cli("compile", model, "-o", tmp_path / "c", "--golden")
    assert done.code == 1
    assert "the inputs of a self-test are random numbers" in done.err
    assert f"where: {model}\n  try:   leave out --golden" in done.err
    assert not (tmp_path / "c").exists()


def test_inputs_that_count_nothing_are_as_they_were():
    plain = [TensorSpec((1, 8), "int8", 0.1), TensorSpec((1, 8), "int8", 0.1)]
    data = build([SubgraphSpec(plain, [OpSpec("RELU", [0], [1])], [0], [1])])
    assert input_bounds(parse_graph(data).main) == {}


@pytest.mark.parametrize("inputs", [[1], [1, -1], []])
@pytest.mark.parametrize("name", ["GATHER", "GATHER_ND", "SLICE", "EMBEDDING_LOOKUP", "SPLIT"])
def test_damaged_ops_bound_nothing(name, inputs):
    """Whoever compiles or runs them says what is wrong."""
    tensors = [
        TensorSpec((1, 1 << 12, 1 << 12), "int32"),
        TensorSpec((4, 2), "float32", data=np.ones((4, 2), np.float32)),
        TensorSpec((1, 4), "float32"),
    ]
    data = build([SubgraphSpec(tensors, [OpSpec(name, inputs, [2])], [0], [2])])
    assert input_bounds(parse_graph(data).main) == {}
