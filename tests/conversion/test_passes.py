"""What graph passes did is said, and each is held against the graph before it."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.conversion import passes
from edgeq.conversion.flatbuffer import indices
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A model with what several passes look for, and its data."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    source = keras.Input((6, 6, 3), name="image")
    value = layers.Conv2D(4, 3, name="conv")(source)
    value = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(value))
    value = layers.Activation("mish", name="mish")(layers.Conv2D(4, 1, name="second")(value))
    logits = layers.Dense(3, name="logits")(layers.Flatten()(value))
    model = keras.Model(source, [logits, keras.ops.argmax(logits)])
    folder = tmp_path_factory.mktemp("passes")
    model.save(folder / "net.keras")
    data = np.random.default_rng(0).normal(0, 1, (20, 6, 6, 3)).astype(np.float32)
    np.save(folder / "data.npy", data)
    return folder, model, data


def test_explain_says_which_pass_changed_which_layer(net, cli):
    folder, _, _ = net
    done = cli(
        "convert", folder / "net.keras", "-o", folder / "net.tflite", "--data", folder / "data.npy",
        "--scheme", "int16x8", "--explain", "--check-passes",
    )  # fmt: skip
    assert done.code == 0, done.err
    lines = [line.strip() for line in done.out.splitlines()]
    assert "conv;relu: conv, relu -> CONV_2D" in lines  # the normalization leaves no name
    assert any(line.startswith("mish: ") and line.endswith("-> table") for line in lines)
    assert any(line.startswith("suit_wide_kernels: ") for line in lines)


def test_inspect_shows_the_float_graph(net, cli):
    folder, _, _ = net
    found = cli("inspect", "--float", folder / "net.keras", "--json").json
    ops = [op["op"] for op in found["ops"]]
    assert ops[0] == "CONV_2D+RELU" and ops[-1] == "ARG_MAX"
    assert found["ops"][0]["layers"][0] == "conv"
    assert found["passes"][0]["changes"]
    assert "mish" in cli("inspect", "--float", folder / "net.keras").out
    json.dumps(found)


def test_a_pass_that_computes_something_else_is_found(net, monkeypatch):
    _, model, data = net

    def forget(network):
        """The network without the bias of its first layer."""
        op = network.ops[0]
        zeros = np.zeros(network.shape(indices(op.inputs)[2]), np.float32)
        op.inputs = [*indices(op.inputs)[:2], network.add_constant("none", zeros + 0.1)]
        return network

    monkeypatch.setattr("edgeq.conversion.float_model.FLOAT_PASSES", (*passes.FLOAT_PASSES, forget))
    with pytest.raises(EdgeqError, match="The pass forget changed what the model computes"):
        edgeq.convert(model, data=data, check_passes=True)
    edgeq.convert(model, data=data, check_passes=False, accept_loss=True)


def test_a_class_in_16_bits_is_computed_in_32(net):
    _, model, data = net
    result = edgeq.convert(model, data=data, scheme="int16x8")
    kinds = [op.name for op in parse_graph(result.data).main.ops]
    assert kinds[-2:] == ["CAST", "ARG_MAX"]
    logits, label = run(result.data, [data])
    assert (label.ravel() == logits.reshape(-1, 3).argmax(-1)).all()


def test_sums_in_ranges_that_are_nearly_powers_of_two_run_in_16_bits():
    keras = pytest.importorskip("keras")
    layers = keras.layers
    source = keras.Input((4, 4, 3))
    value = layers.Rescaling(1 / 127.5, offset=-1)(source)
    model = keras.Model(source, layers.Multiply()([value, value]))
    data = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3)).astype(np.float32)
    data[0, 0, 0] = (0, 255, 128)
    (found,) = run(edgeq.convert(model, data=data, scheme="int16x8").data, [data])
    assert np.abs(found.reshape(data.shape) - (data / 127.5 - 1) ** 2).max() < 1e-3


def test_an_input_that_nothing_reads_is_an_integer_too():
    keras = pytest.importorskip("keras")
    a, b = keras.Input((4,), name="a"), keras.Input((6,), name="b")
    model = keras.Model([a, b], keras.layers.Dense(2)(a))
    data = np.random.default_rng(0).normal(0, 1, (30, 6)).astype(np.float32)
    for scheme, dtype in (("int8", "int8"), ("int16x8", "int16")):
        result = edgeq.convert(model, data=[data[:, :4], data], scheme=scheme)
        assert result.proof.inputs == (dtype, dtype)
        assert 'Input "b" has no part in any output' in " ".join(result.warnings)


def test_an_input_that_is_handed_out_keeps_both_names():
    keras = pytest.importorskip("keras")
    source = keras.Input((4,), name="x")
    plain = keras.layers.Dropout(0.5)(source)
    model = keras.Model(source, {"same": plain, "sum": keras.layers.Dense(2)(source)})
    data = np.random.default_rng(0).normal(0, 1, (30, 4)).astype(np.float32)
    (signature,) = parse_graph(edgeq.convert(model, data=data).data).signatures
    assert (list(signature.inputs), list(signature.outputs)) == (["x"], ["same", "sum"])


def test_passes_behind_the_quantizer_are_seen_in_recurrent_nets_too():
    keras = pytest.importorskip("keras")
    source = keras.Input((5, 3))
    value = keras.layers.Activation("mish", name="mish")(keras.layers.GRU(4, name="gru")(source))
    model = keras.Model(source, keras.layers.Dense(2, name="logits")(value))
    data = np.random.default_rng(0).normal(0, 1, (20, 5, 3)).astype(np.float32)
    made = edgeq.convert(model, data=data, explain=True, check_passes=True)
    fired = {each.name: {change.layer for change in each.changes} for each in made.passes}
    assert any("mish" in layer.split(", ") for layer in fired["integerize"])
    assert len(made.passes) == len(set(made.passes))
