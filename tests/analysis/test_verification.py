"""`edgeq verify`: equality, distance, and the first op that differs."""

import numpy as np
import pytest

import edgeq
from edgeq.analysis.verification import _distance, first_difference, random_inputs
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Subgraph, Tensor
from edgeq.model.model_file import read_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

pytest.importorskip("tflite_micro")


def test_equal_bytes(cli, models):
    done = cli("verify", models / "kws_int8.tflite", "--on", "tflm", "-n", "10", "--json")
    assert done.code == 0
    assert done.json["equal"]
    assert (done.json["n"], done.json["compared"]) == (10, 12)
    assert done.json["differing"] == 0
    assert done.json["first_op"] is None
    assert "tflm was compared with itself" in done.err


def test_ad01_differs_in_its_fully_connected_layers(cli, models):
    # LiteRT's reference kernel requantizes in double there, TFLM with the Q31 multiplier.
    model = models / "ad01_int8.tflite"
    arguments = ("verify", model, "--on", "local?kernels=reference", "--against", "tflm", "-n", "5")
    done = cli(*arguments, "--json")
    assert done.code == 3
    assert not done.json["equal"]
    assert 1 <= done.json["max_difference"] <= 3
    assert done.json["first_op"]["op"] == "FULLY_CONNECTED"
    assert done.json["first_op"]["max_difference"] == 1
    words = cli(*arguments)
    assert words.code == 3
    assert "First op that differs" in words.out


def test_budgets_are_those_of_the_device_that_is_checked(cli, models):
    """The form for this machine wants 20 KB of RAM, and runs as the reference alone."""
    arguments = ("verify", models / "kws_int8.tflite", "-n", "1", "--ram", "12K")
    done = cli(*arguments, "--on", "sim:cortex-m4", "--against", "c")
    assert done.code == 0, done.err
    done = cli(*arguments, "--on", "c", "--against", "sim:cortex-m4")
    assert (done.code, "no form of this program" in done.err) == (3, True)


def test_given_inputs_replace_the_random_ones(cli, models, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 49, 10, 1), np.int8))
    done = cli(
        "verify", models / "kws_int8.tflite", "--on", "tflm", "-i", tmp_path / "x.npy", "--json"
    )
    assert (done.json["n"], done.json["compared"]) == (3, 3)


def test_at_least_one_input(cli, models):
    done = cli("verify", models / "kws_int8.tflite", "--on", "tflm", "-n", "0")
    assert done.code == 2


def test_more_inputs_than_any_memory_holds(cli, models):
    done = cli("verify", models / "kws_int8.tflite", "--on", "tflm", "-n", "2000000000")
    assert done.code == 2
    assert "at most" in done.err


def test_what_is_no_seed(cli, models):
    assert cli("verify", models / "kws_int8.tflite", "--on", "tflm", "--seed", "-1").code == 2
    with pytest.raises(UsageError, match="is no seed"):
        edgeq.verify(models / "kws_int8.tflite", on="tflm", seed=-1)


def test_extremes_come_first_and_seeds_repeat(models):
    graph = read_graph(models / "resnet_int8.tflite")
    (array,) = random_inputs(graph.main, 4, seed=7)
    assert array.shape == (6, 1, 32, 32, 3)
    assert (array[0] == -128).all()
    assert (array[1] == 127).all()
    assert np.array_equal(array, random_inputs(graph.main, 4, seed=7)[0])
    assert not np.array_equal(array[2:], random_inputs(graph.main, 4, seed=8)[0][2:])


def test_random_inputs_of_every_integer_type():
    for dtype in ("int4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        tensor = Tensor(0, "x", (1, 500), dtype)
        (array,) = random_inputs(Subgraph(0, "main", (tensor,), (), (0,), ()), 1)
        assert array[2].min() < array[2].mean() < array[2].max(), dtype
        assert array[1].max() >= array[2].max(), dtype


def test_first_difference_follows_the_order_of_execution(models):
    model = read_graph(models / "kws_int8.tflite").main
    tensors = [op.outputs[0] for op in model.ops]
    ours = {index: np.zeros(4, np.int8) for index in tensors}
    theirs = {index: np.zeros(4, np.int8) for index in tensors}
    assert first_difference(model, ours, theirs) is None
    theirs[tensors[5]] = np.int8([0, 3, 0, -7])
    theirs[tensors[2]] = np.int8([0, 0, 1, 0])
    found = first_difference(model, ours, theirs)
    assert (found.index, found.elements, found.of, found.max_difference) == (2, 1, 4, 1)


def test_negative_zero_is_another_byte(models):
    model = read_graph(models / "kws_int8.tflite").main
    index = model.ops[0].outputs[0]
    found = first_difference(model, {index: np.float32([0.0])}, {index: np.float32([-0.0])})
    assert found.elements == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "far"),
    [
        (np.int64([1 << 60]), np.int64([(1 << 60) + 1]), 1),  # one float64 holds both
        (np.array(2, np.float32), np.array(5, np.float32), 3),
        (np.array(2, np.int8), np.array(5, np.int8), 3),
    ],
)
def test_large_integers_and_single_values(models, ours, theirs, far):
    model = read_graph(models / "kws_int8.tflite").main
    index = model.ops[0].outputs[0]
    found = first_difference(model, {index: ours}, {index: theirs})
    assert (found.elements, found.of, found.max_difference) == (1, 1, far)
    assert first_difference(model, {index: ours}, {index: ours}) is None


def test_inputs_that_do_not_fit(models):
    with pytest.raises(EdgeqError, match="shape"):
        edgeq.verify(models / "kws_int8.tflite", on="tflm", inputs=np.zeros((2, 3)))


def test_large_integers_that_differ_are_not_equal():
    """Neighbours beyond 2^53 are the same float64."""
    ours = np.array([[1 << 60, 7, -(1 << 63)]])
    assert _distance(ours, ours + np.array([1, 0, 3]), "output 0").tolist() == [[1.0, 0.0, 1.0]]


def test_a_model_without_inputs_is_refused(cli, tmp_path):
    known = TensorSpec((1, 4), "int8", 0.1, data=np.ones((1, 4), np.int8))
    tensors = [known, TensorSpec((1, 4), "int8", 0.1)]
    model = tmp_path / "none.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, [OpSpec("RELU", [0], [1])], [], [1])]))
    done = cli("verify", model, "--on", "tflm", "--against", "c")
    assert done.code == 1
    assert "has no input" in done.err
    for template in ("linux", "swift"):
        done = cli("compile", model, "-o", tmp_path / "app", "--project", template)
        assert done.code == 2
        assert "has no input" in done.err
    words = ["--project", "sources", "--target", "cortex-m4"]
    assert cli("compile", model, "-o", tmp_path / "fw", *words).code == 0
    text = (tmp_path / "fw" / "src" / "eq_models.c").read_text()
    assert "return ;" not in text


def test_a_model_without_outputs_is_refused(cli, tmp_path):
    tensors = [TensorSpec((1, 4), "int8", 0.1), TensorSpec((1, 4), "int8", 0.1)]
    model, data = tmp_path / "none.tflite", tmp_path / "d.npz"
    model.write_bytes(build([SubgraphSpec(tensors, [OpSpec("RELU", [0], [1])], [0], [])]))
    np.savez(data, x=np.zeros((2, 4), np.float32), y=[0, 1])
    for words in (
        ["run", model, "--on", "local", "--input", data, "--output", tmp_path / "y.npz"],
        ["evaluate", model, "--on", "local", "--data", data],
        ["profile", model, "--on", "tflm"],
    ):
        done = cli(*words)
        assert done.code == 1
        assert "has no output" in done.err
    assert not (tmp_path / "y.npz").exists()
