"""What edgeq makes of an ONNX file is held against what the package onnx makes of it."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.conversion.proof.own import Comparison, compare_with_source
from edgeq.conversion.sources.onnx import answers
from edgeq.conversion.sources.onnx.ops import activations
from edgeq.errors import EdgeqError, LimitError
from tests.conversion.onnx_cases import ints, model, op, several_ops, weights
from tests.tools import need

try:
    import onnx
except ImportError:
    onnx = None


@pytest.fixture(autouse=True)
def _onnx():
    need(onnx is not None, "the package onnx: pip install 'edgeq[onnx]'")


def compared(tmp_path, proto, dtype=np.float32):
    """How the float model compares with the file, on three samples."""
    onnx.save(proto, tmp_path / "net.onnx")
    made = float_model(tmp_path / "net.onnx")
    random = np.random.default_rng(0)
    samples = [[random.normal(0, 3, s.shape).astype(dtype) for s in made.inputs] for _ in range(3)]
    if dtype is np.int32:  # numbers of words
        samples = [[abs(value) for value in sample] for sample in samples]
    return compare_with_source(made, samples)


def rows():
    """A table whose rows words pick, and their mean."""
    nodes = [
        onnx.helper.make_node("Gather", ["table", "words"], ["rows"]),
        onnx.helper.make_node("ReduceMean", ["rows", "axes"], ["y"], keepdims=0),
    ]
    constants = {"table": weights(50, 8), "axes": ints(1)}
    return model(nodes, {"words": ((1, 6), onnx.TensorProto.INT64)}, constants)


def test_files_are_compared_in_their_own_order_of_axes_and_types(tmp_path):
    nets = dict(several_ops())
    for name in ("flatten to dense", "two inputs", "channels last file", "attention"):
        assert compared(tmp_path, nets[name]) == Comparison(3), name
    assert compared(tmp_path, op("Relu", opset=9)) == Comparison(3)
    assert compared(tmp_path, op("Gelu", opset=20)) == Comparison(3)
    open_batch = op("LeakyRelu")
    open_batch.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    assert compared(tmp_path, open_batch) == Comparison(3)
    assert compared(tmp_path, rows(), np.int32) == Comparison(3)


@pytest.mark.parametrize("opset", [7, 9, 13])
def test_batch_normalizations_of_old_files_do_not_train(tmp_path, opset):
    more = [weights(4), weights(4), weights(4), abs(weights(4)) + 0.1]
    proto = op("BatchNormalization", more=more, opset=opset, epsilon=1e-3, momentum=0.8)
    assert compared(tmp_path, proto) == Comparison(3)


@pytest.mark.parametrize("scheme", ["int8", "float16"])
def test_an_op_that_is_read_wrongly_is_no_file(tmp_path, monkeypatch, cli, scheme):
    from edgeq.conversion.sources.onnx import model as reading

    monkeypatch.setattr(reading, "OPS", {**reading.OPS, "LeakyRelu": activations.relu})
    onnx.save(op("LeakyRelu", alpha=0.5), tmp_path / "net.onnx")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).normal(0, 1, (20, 4, 6, 5)))
    done = cli(
        "convert", tmp_path / "net.onnx", "-o", tmp_path / "q.tflite", "--data",
        tmp_path / "x.npz", "--scheme", scheme,
    )  # fmt: skip
    assert done.code == 3, done.err
    assert 'Output "y" differs by up to' in done.err
    assert not (tmp_path / "q.tflite").exists()


def test_where_the_reference_is_silent_that_is_said(tmp_path, monkeypatch):
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    found = compared(tmp_path, op("MaxPool", **pool))
    assert found.samples == 3 and not found.apart
    assert "ceil_mode" in found.instead
    uneven = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 1, 1]}
    found = compared(tmp_path, op("MaxPool", x=(1, 4, 6, 6), **uneven))
    assert found.samples == 3 and not found.apart
    assert "uneven padding" in found.instead
    half = op("Add", more=[weights(4, 1, 1)])
    half.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(weights(4, 1, 1).astype(np.float16), "c0")
    )
    half.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    assert "half precision" in compared(tmp_path, half).instead
    monkeypatch.setattr(answers, "MOST_SECONDS", -1.0)
    late = compared(tmp_path, op("Relu"))
    assert late.samples == 3 and "takes longer than" in late.instead
    x = np.random.default_rng(1).normal(0, 1, (20, 4, 6, 5)).astype(np.float32)
    made = edgeq.convert(tmp_path / "net.onnx", data=x)
    (said,) = (text for text in made.warnings if "not with the file itself" in text)
    assert "takes longer than" in said


def test_what_no_output_hangs_on_does_not_run(tmp_path):
    proto = op("Relu")
    body = onnx.helper.make_graph([], "body", [], [])
    proto.graph.node.append(onnx.helper.make_node("Loop", ["x", "", "x"], ["z"], body=body))
    assert compared(tmp_path, proto) == Comparison(3)


def test_a_reading_that_is_accepted_is_warned_of(tmp_path, monkeypatch):
    from edgeq.conversion.sources.onnx import model as reading

    monkeypatch.setattr(reading, "OPS", {**reading.OPS, "LeakyRelu": activations.relu})
    onnx.save(op("LeakyRelu", alpha=0.5), tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(0, 1, (20, 4, 6, 5)).astype(np.float32)
    with pytest.raises(LimitError):
        edgeq.convert(tmp_path / "net.onnx", data=x)
    made = edgeq.convert(tmp_path / "net.onnx", data=x, accept_loss=True)
    assert any("does not compute what the model itself does" in text for text in made.warnings)


def ops_of_constants():
    """Ops that edgeq computes by layers, of nothing but constants; and whether it does."""
    picture, square, ones = weights(1, 2, 4, 4), weights(3, 3), np.ones(2, np.float32)
    cell = [weights(3, 1, 2), weights(1, 8, 2), weights(1, 8, 2)]
    sizes = np.float32([1, 1, 2, 2])
    yield "MatMul", [square, square], {}, True
    yield "MatMul", [weights(2, 3), weights(4, 3, 2)], {}, True
    yield "BatchNormalization", [picture, ones, ones, ones, ones], {}, True
    yield "Softmax", [square], {}, True
    yield "LayerNormalization", [square, np.ones(3, np.float32)], {}, True
    yield "Resize", [picture, None, sizes], {}, True
    yield "Pad", [picture, ints(0, 0, 1, 1, 0, 0, 1, 1)], {}, True
    yield "Sum", [square, weights(1, 3)], {}, True
    yield "Sign", [square], {}, True
    yield "Conv", [picture, weights(3, 2, 2, 2)], {}, False
    yield "ConvTranspose", [picture, weights(2, 3, 2, 2)], {}, False
    yield "MaxPool", [picture], {"kernel_shape": [2, 2]}, False
    yield "LSTM", cell, {"hidden_size": 2}, False
    large = np.float32([1, 1, 5000, 5000])  # 400 million numbers
    yield "Resize", [picture, None, large], {}, False
    yield "Pad", [picture, ints(0, 0, 10000, 10000, 0, 0, 10000, 10000)], {}, False
    yield "Sum", [weights(20000, 1), weights(1, 20000)], {}, False
    yield "MatMul", [weights(20000, 1), weights(1, 20000)], {}, False


@pytest.mark.parametrize(("kind", "read", "attributes", "computed"), list(ops_of_constants()))
def test_what_layers_make_of_constants_is_one(tmp_path, kind, read, attributes, computed):
    """A traceback as an output, and hours or gigabytes for a file of 400 bytes."""
    names = [f"c{i}" if value is not None else "" for i, value in enumerate(read)]
    constants = {name: value for name, value in zip(names, read, strict=True) if name}
    node = onnx.helper.make_node(kind, names, ["z"], **attributes)
    factor = onnx.helper.make_node("ReduceSum", ["z"], ["s"], keepdims=0)
    product = onnx.helper.make_node("Mul", ["x", "s"], ["y"])
    inputs = {"x": (1, 4)}
    net = model([node, factor, product], inputs, constants)
    if not computed:
        with pytest.raises(EdgeqError, match=r"nothing of the model's inputs|a result of shape"):
            compared(tmp_path, net)
        return
    assert compared(tmp_path, net) == Comparison(3)
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    onnx.save(model([node, relu], inputs, constants, ("y", "z")), tmp_path / "net.onnx")
    with pytest.raises(EdgeqError, match="Output 'z' is the same whatever goes in"):
        float_model(tmp_path / "net.onnx")
