"""Inputs that count the rows of a table: what edgeq feeds by itself stays inside."""

import numpy as np
import pytest

from edgeq.analysis.verification import random_inputs
from edgeq.model.inputs import counted_places, xorshift_inputs
from edgeq.model.model_file import parse_graph
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
    assert counted_places(parse_graph(embedding(dtype)).main) == {0: ROWS}
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
    assert counted_places(main) == {1: (4, 5) if kind == "whole" else 5}
    fed = np.array([xorshift_inputs([(2,)], ["int32"], k, [(4, 5)])[0] for k in range(100)])
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
    assert counted_places(main) == {1: (5, 3, 5, 3)}
    (fed,) = random_inputs(main, 50)
    assert fed.reshape(-1, 2).min(axis=0).tolist() == [0, 0]
    assert fed.reshape(-1, 2).max(axis=0).tolist() == [4, 2]


def test_places_that_random_numbers_miss_are_said_to_be_random(tmp_path, cli):
    """The words were a runtime's, of a file in a temporary folder."""
    tensors = [
        TensorSpec((1, 4), "int32"),
        TensorSpec((), "int32", data=np.array(4, np.int32)),
        TensorSpec((1, 4), "int32"),
        TensorSpec((5, 3), "float32", data=np.ones((5, 3), np.float32)),
        TensorSpec((1, 4, 3), "float32"),
    ]
    ops = [OpSpec("MINIMUM", [0, 1], [2]), OpSpec("GATHER", [3, 2], [4], {"axis": 0})]
    model = tmp_path / "net.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, ops, [0], [4])]))
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
    assert counted_places(parse_graph(data).main) == {}
