"""ONNX files against the ONNX package's own reference evaluator, op by op and as whole models."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError
from edgeq.model.file_axes import ENTRY
from tests.conversion.nets import run
from tests.conversion.onnx_cases import ints, model, one_op, op, several_ops, weights
from tests.tools import need

try:
    import onnx
    from onnx.reference import ReferenceEvaluator
except ImportError:
    onnx = None


@pytest.fixture(autouse=True)
def _onnx():
    need(onnx is not None, "the package onnx: pip install 'edgeq[onnx]'")


def samples(proto, seed=0):
    random = np.random.default_rng(seed)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in proto.graph.input
    }
    return {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def imported(proto):
    from edgeq.conversion.sources.onnx.contents import parse_onnx
    from edgeq.conversion.sources.onnx.model import keras_model

    return keras_model(parse_onnx(proto.SerializeToString(), "net.onnx"))


def compare(proto, tolerance=1e-5):
    """Largest difference of the Keras model's outputs to the reference's, on one sample."""
    made = imported(proto)
    inputs = samples(proto)
    wanted = ReferenceEvaluator(proto).run(None, inputs)
    turned = [np.transpose(inputs[name], order) for name, order in made.inputs.items()]
    given = made.model(turned)
    assert list(given) == [value.name for value in proto.graph.output]
    for (name, order), expected in zip(made.outputs.items(), wanted, strict=True):
        value = np.transpose(np.asarray(expected, np.float32), order)
        found = np.asarray(given[name], np.float32)
        assert found.shape == value.shape, name
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=tolerance)
    return made


def layers(made):
    return [type(layer).__name__ for layer in made.model.layers]


def test_every_op_computes_what_onnx_says():
    wrong = {}
    count = 0
    for name, proto in one_op():
        count += 1
        try:
            compare(proto)
        except Exception as error:  # noqa: BLE001  (all of them are reported at once)
            wrong[name] = str(error)[:300]
    assert wrong == {}
    assert count > 80


def test_turned_axes_and_ops_in_pieces():
    for name, proto in several_ops():
        try:
            compare(proto)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_axes_are_turned_in_words_only():
    nets = dict(several_ops())
    for name in ("flatten to dense", "patches", "squeeze and excite", "channels last file"):
        assert not {"Permute", "Transpose"} & set(layers(imported(nets[name]))), name
    assert "GELU" in [o.name for o in converted(nets["exact gelu"]).graph.main.ops]


def converted(proto):
    return float_model(imported(proto).model)


def conv_net(channels=3):
    from onnx import helper

    same = {"pads": [1] * 4}
    lines = [
        ("Conv", ["picture", "w1"], "a", "/stem/Conv", same),
        ("Relu", ["a"], "b", "/stem/act/Relu", {}),
        ("MaxPool", ["b"], "c", "/MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", ["c", "w2"], "d", "/body/body.0/Conv", {"group": 8, **same}),
        ("Flatten", ["d"], "e", "/Flatten", {}),
        ("Gemm", ["e", "w3"], "scores", "/head/Gemm", {"transB": 1}),
    ]
    nodes = [
        helper.make_node(kind, taken, [given], name=name, **more)
        for kind, taken, given, name, more in lines
    ]
    constants = {
        "w1": weights(8, channels, 3, 3), "w2": weights(8, 1, 3, 3), "w3": weights(5, 160) / 5
    }  # fmt: skip
    return model(nodes, {"picture": (1, channels, 8, 10)}, constants, ("scores",))


def test_a_file_converts_with_its_names_and_data_in_its_order(tmp_path, cli):
    proto = conv_net()
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    x = np.random.default_rng(3).normal(0, 1, (60, 3, 8, 10)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    done = cli("convert", path, "-o", tmp_path / "q.tflite", "--data", tmp_path / "x.npz", "--json")
    assert done.code == 0, done.err
    assert done.json["quality"]["outputs"][0]["name"] == "scores"
    assert "(3, 8, 10), and are turned to (8, 10, 3)" in str(done.json["data"]["calibration"])
    assert done.json["quality"]["outputs"][0]["signal_to_noise_db"] > 25
    made = float_model(path)
    assert [spec.name for spec in made.inputs] == ["picture"]
    assert made.inputs[0].shape == (8, 10, 3)
    assert made.inputs[0].file_shape == (3, 8, 10)
    names = [made.graph.main.tensors[o.outputs[0]].name for o in made.graph.main.ops]
    assert names[0] == "stem;stem.act"
    assert {"body.0", "MaxPool", "scores"} <= set(names)
    assert [o.name for o in made.graph.main.ops] == [
        "CONV_2D", "MAX_POOL_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip
    # The same samples, channels last, calibrate the same model to the byte.
    last = edgeq.convert(path, data=np.moveaxis(x, 1, -1))
    assert last.data == (tmp_path / "q.tflite").read_bytes()
    # What was converted takes both orders too.
    first = edgeq.run(tmp_path / "q.tflite", inputs=x[:4])[0]
    np.testing.assert_array_equal(
        first, edgeq.run(tmp_path / "q.tflite", inputs=np.moveaxis(x[:4], 1, -1))[0]
    )
    same = edgeq.verify(tmp_path / "q.tflite", on="c", against="local", inputs=x[:4])
    assert same.n == 4
    wanted = ReferenceEvaluator(proto).run(None, {"picture": x[:1]})[0]
    found = run(made.data, [np.moveaxis(x[:1], 1, -1)])[0]
    np.testing.assert_allclose(found[0], wanted, atol=1e-4)
    assert ENTRY in made.graph.metadata


def test_every_command_takes_the_file(tmp_path, cli):
    path = tmp_path / "net.onnx"
    onnx.save(conv_net(), path)
    shown = cli("inspect", path, "--json")
    assert shown.code == 0, shown.err
    assert shown.json["macs"] > 1000
    random = np.random.default_rng(4)
    np.savez(
        tmp_path / "xy.npz",
        x=random.normal(0, 1, (20, 3, 8, 10)).astype(np.float32), y=random.integers(0, 5, 20),
    )  # fmt: skip
    judged = cli("evaluate", path, "--data", tmp_path / "xy.npz", "--json")
    assert judged.code == 0, judged.err
    assert judged.json["n"] == 20


def refusal(proto, folder=None):
    from edgeq.conversion.sources.onnx.contents import parse_onnx
    from edgeq.conversion.sources.onnx.model import keras_model

    with pytest.raises(EdgeqError) as caught:
        keras_model(parse_onnx(proto.SerializeToString(), "net.onnx", folder))
    return str(caught.value)


def test_refusals_name_the_op_and_what_to_do():
    from onnx import helper

    assert "NonZero" in refusal(op("NonZero"))
    assert "batch of 1" in refusal(op("Conv", x=(8, 4, 6, 5), more=[weights(6, 4, 3, 3)]))
    assert "transposed convolutions in groups" in refusal(
        op("ConvTranspose", more=[weights(4, 3, 3, 3)], group=2)
    )
    proto = op("Relu")
    proto.graph.node[0].domain = "com.microsoft"
    assert "com.microsoft.Relu" in refusal(proto)
    proto = op("Relu")
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert "(1, 4, height, 5)" in refusal(proto)
    loose = helper.make_node("Relu", ["nowhere"], ["y"], name="lost")
    assert "which nothing makes" in refusal(model([loose], {"x": (1, 3)}, {}))


def test_an_open_batch_is_one_sample():
    proto = op("Relu")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    assert imported(proto).model.inputs[0].shape == (1, 4, 6, 5)


def test_the_batch_is_the_axis_that_says_so():
    """Recurrent layers take the steps first: these are not one because their number is open."""
    proto = op("Relu", x=(1, 1, 3))
    for axis, name in enumerate(("steps", "batch_size")):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    assert "open axes: (steps, 1, 3)" in refusal(proto)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5
    assert imported(proto).model.inputs[0].shape == (1, 5, 3)


def external(tmp_path, location, **more):
    """A model whose weights are said to lie in a file."""
    proto = op("Conv", more=[weights(6, 4, 3, 3)])
    tensor = proto.graph.initializer[0]
    content = bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in/net.onnx").write_bytes(proto.SerializeToString())
    return content


def test_weights_in_another_file(tmp_path):
    content = external(tmp_path, "net.data", offset=8, length=864)
    (tmp_path / "in/net.data").write_bytes(b"x" * 8 + content)
    float_model(tmp_path / "in/net.onnx")
    for key, odd in (("offset", "abc"), ("offset", 10**19), ("length", -4)):
        external(tmp_path, "net.data", **{key: odd})
        with pytest.raises(EdgeqError, match=f"{key} of '{odd}'"):
            float_model(tmp_path / "in/net.onnx")
    external(tmp_path, "net.data", offset=8, length=864)
    (tmp_path / "in/net.data").write_bytes(content[:100])
    with pytest.raises(EdgeqError, match="has 100 bytes"):
        float_model(tmp_path / "in/net.onnx")


def test_weights_never_come_from_elsewhere(tmp_path):
    secret = tmp_path / "secret"
    content = external(tmp_path, "x")
    secret.write_bytes(content)
    (tmp_path / "in/link").symlink_to(secret)
    (tmp_path / "in/up").symlink_to(tmp_path)
    for place in ("../secret", str(secret), "link", "up/secret", "a/../../secret", "..\\secret"):
        external(tmp_path, place)
        with pytest.raises(EdgeqError, match="outside of the model's folder"):
            float_model(tmp_path / "in/net.onnx")


def test_a_few_bytes_cannot_ask_for_much_memory():
    huge = model(
        [onnx.helper.make_node("ConstantOfShape", ["s"], ["y"], name="n")],
        {"x": (1, 3)}, {"s": ints(1 << 40)},
    )  # fmt: skip
    assert "cannot be computed" in refusal(huge)
    wide = op("Expand", x=(1, 1), more=[ints(1 << 20, 1 << 20)])
    assert "a result of shape" in refusal(wide)
    proto = op("Conv", more=[weights(6, 4, 3, 3)])
    proto.graph.initializer[0].dims[0] = 1 << 40
    assert "has the shape" in refusal(proto)


def test_reshapes_move_as_little_as_they_can():
    from edgeq.conversion.sources.onnx.layout import reshaped

    random = np.random.default_rng(1)
    for _ in range(300):
        shape = tuple(int(n) for n in random.choice([1, 2, 3, 4], random.integers(1, 5)))
        order = tuple(int(n) for n in random.permutation(len(shape)))
        new, left = [], math.prod(shape)
        while left > 1 and random.random() < 0.8:
            part = int(random.choice([n for n in range(1, left + 1) if left % n == 0]))
            new.append(part)
            left //= part
        new.append(left)
        needed, after = reshaped(shape, order, new)
        x = random.normal(size=shape)
        assert sorted(needed) == list(range(len(shape)))
        stored = np.transpose(x, needed).reshape([new[axis] for axis in after])
        np.testing.assert_array_equal(np.transpose(stored, np.argsort(after)), x.reshape(new))


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch, cli):
    import sys

    (tmp_path / "net.onnx").write_bytes(op("Relu").SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = cli("convert", tmp_path / "net.onnx", "-o", tmp_path / "q.tflite", "--data", "x.npz")
    assert done.code == 1
    assert "pip install 'edgeq[onnx]'" in done.err


def test_pickles_of_pytorch_are_refused_with_the_way(tmp_path, cli):
    Path(tmp_path / "net.pt").write_bytes(b"PK\x03\x04" + b"0" * 40)
    done = cli("convert", tmp_path / "net.pt", "-o", tmp_path / "q.tflite", "--data", "x.npz")
    assert done.code == 1
    assert "torch.export.save" in done.err


def test_the_axes_entry_of_strangers_is_checked():
    from edgeq.model.file_axes import read_axes

    for bad in (
        b"{",
        b"[1]",
        b'{"x": [0, 5]}',
        b'{"x": ["0"]}',
        json.dumps({"x": [True]}).encode(),
    ):
        assert read_axes({ENTRY: bad}, "m") == {}
    assert read_axes({ENTRY: b'{"x": [1, 0]}'}, "m") == {"x": (1, 0)}


def test_numbers_of_words_pick_rows_of_a_table():
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Gather", ["table", "words"], ["rows"], name="embed"),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], name="mean", keepdims=0),
        helper.make_node("Gemm", ["mean", "w"], ["y"], name="head"),
    ]
    constants = {"table": weights(50, 8), "axes": ints(1), "w": weights(8, 3)}
    proto = model(nodes, {"words": ((1, 6), TensorProto.INT64)}, constants)
    words = np.random.default_rng(1).integers(0, 50, (40, 6))
    wanted = ReferenceEvaluator(proto).run(None, {"words": words[:1]})[0]
    found = run(converted(proto).data, [words[:1, None].astype(np.int32)])[0]
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)
    assert edgeq.convert(imported(proto).model, data=words).quality.outputs[0].verdict == "good"
