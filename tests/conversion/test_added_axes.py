"""A dense layer reads rows: axes of length 1 need not be added in front of it."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.network import Network
from edgeq.conversion.passes.dense_layers import drop_added_axes
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

RANDOM = np.random.default_rng(0)


def adding(shape, again=False, keep=False):
    """tanh, a reshape, a dense layer; the reshape's result is an output, too, if `again`."""
    rows = int(np.prod(shape)) // 20
    weights = RANDOM.normal(0, 0.3, (6, 20)).astype(np.float32)
    tensors = [
        TensorSpec((1, 20), "float32", name="x"),
        TensorSpec((1, 20), "float32", name="tanh"),
        TensorSpec((len(shape),), "int32", data=np.array(shape, np.int32), name="shape"),
        TensorSpec(shape, "float32", name="reshaped"),
        TensorSpec((6, 20), "float32", data=weights, name="weights"),
        TensorSpec((*shape[:-1], 6) if keep else (rows, 6), "float32", name="dense"),
    ]
    ops = [
        OpSpec("TANH", [0], [1]),
        OpSpec("RESHAPE", [1, 2], [3], {"new_shape": list(shape)}),
        OpSpec("FULLY_CONNECTED", [3, 4, -1], [5], {"keep_num_dims": keep}),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [5, 3] if again else [5])])


def kinds(data):
    return [op.name for op in parse_graph(data).main.ops]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"shape": (1, 1, 20)}, ["TANH", "FULLY_CONNECTED"]),
        ({"shape": (1, 1, 1, 20)}, ["TANH", "FULLY_CONNECTED"]),
        ({"shape": (1, 1, 20), "again": True}, ["TANH", "RESHAPE", "FULLY_CONNECTED"]),
        # There the output has as many axes as the input.
        ({"shape": (1, 1, 20), "keep": True}, ["TANH", "RESHAPE", "FULLY_CONNECTED"]),
    ],
)
def test_added_axes_go_and_the_values_stay(settings, left):
    before = adding(**settings)
    after = drop_added_axes(Network.unpack(before, "net")).pack()
    assert kinds(after) == left
    x = RANDOM.normal(size=(5, 1, 20)).astype(np.float32)
    for wanted, found in zip(run(before, [x]), run(after, [x]), strict=True):
        assert np.array_equal(wanted, found)


def test_converted_it_is_two_ops(tmp_path):
    path, made = tmp_path / "net.tflite", tmp_path / "int8.tflite"
    path.write_bytes(adding((1, 1, 20)))
    x = RANDOM.normal(size=(50, 20)).astype(np.float32)
    result = edgeq.convert(path, data=x, output=made)
    assert kinds(result.data) == ["TANH", "FULLY_CONNECTED"]
    assert edgeq.verify(made, on="c", n=2).equal
