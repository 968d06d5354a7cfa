"""Whole conversions: reference models, everyday Keras nets, inputs and outputs of several kinds."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.conversion.proof.integer import prove_integer
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import NETS, run, samples_for

SOURCES = {
    "ad01.h5": (640,),
    "pretrainedResnet.h5": (32, 32, 3),
    "vww_96.h5": (96, 96, 3),
    "str_ww_ref_model.h5": (30, 1, 40),
    "kws_ref_model": (49, 10, 1),
}


@pytest.mark.parametrize("name", SOURCES)
def test_reference_models_convert_and_are_proven(models, tmp_path, name):
    data = np.random.default_rng(0).random((20, *SOURCES[name]), np.float32)
    target = tmp_path / "out.tflite"
    result = edgeq.convert(models / name, data=data, output=target)
    assert target.read_bytes() == result.data
    assert set(result.proof.dtypes) == {"int8", "int32"}
    assert result.proof.inputs == result.proof.outputs == ("int8",)
    graph = parse_graph(result.data)
    assert graph.signatures[0].key == "serving_default"
    # Most of the saving of int8 shows in any file but the smallest.
    assert len(result.data) < 0.55 * result.float_bytes
    again = edgeq.convert(models / name, data=data)
    assert again.sha256 == result.sha256


def test_wakeword_keeps_its_accuracy(models):
    source = f"{models}/str_ww_calibration_samples.npz:specs,labels"
    result = edgeq.convert(models / "str_ww_ref_model.h5", data=source, eval_data=source)
    before, after = result.accuracy
    assert round(before.value * 45) == 41
    assert abs(round(after.value * 45) - 41) <= 2


@pytest.mark.parametrize("name", NETS)
def test_everyday_nets_become_integer_and_stay_close(name):
    model, signal_to_noise = NETS[name]()
    data = samples_for(model, 40)
    result = edgeq.convert(model, data=data)
    assert not {"float32", "float16"} & set(result.proof.dtypes)
    before = run(result.float_model.data, data)
    after = run(result.data, data)
    for real, integer in zip(before, after, strict=True):
        noise = ((real - integer) ** 2).sum() + 1e-12
        assert 10 * np.log10((real**2).sum() / noise) > signal_to_noise


def test_several_inputs_and_outputs_keep_their_names_and_order():
    model, _ = NETS["two_inputs"]()
    result = edgeq.convert(model, data=samples_for(model, 20))
    graph = parse_graph(result.data)
    signature = graph.signatures[0]
    assert list(signature.inputs) == ["a", "b"]
    assert list(signature.outputs) == ["p", "q"]
    shapes = [graph.main.tensors[i].shape for i in (*graph.main.inputs, *graph.main.outputs)]
    assert shapes == [(1, 10), (1, 6), (1, 2), (1, 3)]


@pytest.mark.parametrize(
    ("io", "dtypes"), [("int8", "int8"), ("uint8", "uint8"), ("float32", "float32")]
)
def test_types_of_inputs_and_outputs(io, dtypes):
    model, _ = NETS["two_inputs"]()
    data = samples_for(model, 20)
    result = edgeq.convert(model, data=data, io=io)
    assert result.proof.inputs == (dtypes, dtypes)
    assert result.proof.outputs == (dtypes, dtypes)
    for real, other in zip(run(result.float_model.data, data), run(result.data, data), strict=True):
        np.testing.assert_allclose(real, other, atol=0.2)


@pytest.mark.parametrize(
    ("scheme", "dtypes"),
    [
        ("int8", {"int8", "int32"}),
        ("int8-per-tensor", {"int8", "int32"}),
        ("int16x8", {"int8", "int16", "int32", "int64"}),
        ("int4", {"int4", "int8", "int32"}),
        ("dynamic", {"int8", "int32", "float32"}),
        ("weight-only", {"int8", "int32", "float32"}),
        ("weight-only-int4", {"int4", "int32", "float32"}),
        ("float16", {"float16", "int32", "float32"}),
    ],
)
def test_schemes(scheme, dtypes):
    model, _ = NETS["classifier"]()
    data = samples_for(model, 30)
    result = edgeq.convert(model, data=data, scheme=scheme)
    graph = parse_graph(result.data)
    found = {t.dtype for t in graph.main.tensors}
    assert found <= dtypes
    assert ("float32" in dtypes) == ("float32" in found)
    per_channel = [
        t
        for t in graph.main.tensors
        if t.is_constant and t.dtype in ("int8", "int4") and t.quantization.per_channel
    ]
    assert bool(per_channel) == (scheme not in ("int8-per-tensor", "float16"))
    (real,), (other,) = run(result.float_model.data, data), run(result.data, data)
    assert 10 * np.log10((real**2).sum() / ((real - other) ** 2).sum()) > (
        12 if "int4" in scheme else 25
    )


def test_proof_names_the_layer_that_stayed_float():
    model, _ = NETS["classifier"]()
    result = edgeq.convert(model, scheme="weight-only")
    with pytest.raises(EdgeqError, match=r"CONV_2D stayed float32[^$]*layer \"conv"):
        prove_integer(result.data, "int8")


def test_data_that_no_scheme_needs_is_for_the_check_of_the_float_model():
    model, _ = NETS["classifier"]()
    missing = "no/such/file.npz"
    with pytest.raises(EdgeqError, match="There is no 'no/such"):
        edgeq.convert(model, data=missing, scheme="dynamic")
    unchecked = edgeq.convert(model, data=missing, scheme="dynamic", quality_check=False)
    assert unchecked.calibration is None
    with pytest.raises(UsageError, match="needs representative data"):
        edgeq.convert(model, scheme="int8")
    with pytest.raises(UsageError, match="int8") as caught:
        edgeq.convert(model, scheme="in8")
    assert "int8" in caught.value.hint
    with pytest.raises(UsageError, match="--io uint8 does not go with"):
        edgeq.convert(model, scheme="int16x8", io="uint8")


def test_warns_when_the_range_still_moves():
    model, _ = NETS["classifier"]()
    steady = np.tile(samples_for(model, 1)[0], (50, 1, 1, 1))
    warning, one_class = edgeq.convert(model, data=steady).warnings
    assert "copies of one" in warning
    assert "All 50 samples are class" in one_class
    growing = steady * np.linspace(0.1, 5, 50, dtype=np.float32)[:, None, None, None]
    (warning, *_) = edgeq.convert(model, data=growing).warnings
    assert "may not be enough" in warning
    (warning, *_) = edgeq.convert(model, data=steady[:1]).warnings
    assert "single sample" in warning


def test_command_line(cli, tmp_path, monkeypatch):
    model, _ = NETS["classifier"]()
    model.save(tmp_path / "net.keras")
    (x,) = samples_for(model, 30)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(30) % 4)
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    out = tmp_path / "net.tflite"
    arguments = ["convert", tmp_path / "net.keras", "-o", out, "--data", f"{tmp_path}/d.npz:x"]
    done = cli(
        *arguments, "--json", "--eval", f"{tmp_path}/d.npz", "--labels", tmp_path / "labels.txt"
    )
    assert done.code == 0
    assert done.json["output"] == str(out)
    assert done.json["bytes"] == out.stat().st_size
    assert done.json["proof"]["inputs"] == ["int8"]
    assert {"metric", "float", "quantized", "n", "paired"} <= set(done.json["accuracy"])
    again = cli(*arguments)
    assert again.code == 1
    assert "exists already" in again.err and "--force" in again.err
    forced = cli(*arguments, "--force")
    assert forced.code == 0
    assert "integer proof: passed" in forced.out
    json.dumps(done.json)


def test_mixed_precision_by_layer():
    model, _ = NETS["classifier"]()
    data = samples_for(model, 30)
    precision = {"conv*": "int4", "dense": "int16x8"}
    result = edgeq.convert(model, data=data, scheme="mixed", precision=precision)
    graph = parse_graph(result.data).main
    weights = {
        name: graph.tensors[op.inputs[1]].dtype
        for op in graph.ops
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        for name in graph.tensors[op.outputs[0]].name.split(";")[:1]
    }
    assert set(weights.values()) == {"int4", "int8"}
    assert weights["conv"] == "int4"
    assert "int16" in result.proof.dtypes
    assert result.proof.inputs == result.proof.outputs == ("int8",)
    with pytest.raises(UsageError, match="no layer 'nowhere'") as caught:
        edgeq.convert(model, data=data, scheme="mixed", precision={"nowhere": "int4"})
    assert "conv" in caught.value.hint


def test_a_layer_that_cannot_have_four_bits_is_not_said_to_have_them():
    model, _ = NETS["classifier"]()
    data = samples_for(model, 30)
    depthwise = {"*depthwise*": "int4", "conv": "int4"}
    found = edgeq.convert(
        model, data=data, scheme="mixed", precision=depthwise, quality_check=False
    )
    assert found.precision == {"conv": "int4"}
    (warning,) = (w for w in found.warnings if "4 bits" in w)
    assert "*depthwise*" in warning and "does nothing" in warning


@pytest.mark.parametrize(
    ("scheme", "layer"),
    [("bfloat16", "int4"), ("float16", "int8"), ("mixed", "bfloat16"), ("mixed", "dynamic"),
     ("mixed", "mixed"), ("weight-only", "float8-e4m3"), ("mixed", "int3")],
)  # fmt: skip
def test_schemes_of_layers_go_with_that_of_the_model(scheme, layer):
    model, _ = NETS["classifier"]()
    data = samples_for(model, 4)
    with pytest.raises(UsageError, match=f"no scheme 'int3'|{layer} does not go with"):
        edgeq.convert(model, data=data, scheme=scheme, precision={"conv": layer})


def test_symmetric_activations():
    model, _ = NETS["classifier"]()
    result = edgeq.convert(model, data=samples_for(model, 30), symmetric=True)
    graph = parse_graph(result.data).main
    fixed = {i for op in graph.ops if op.name == "SOFTMAX" for i in op.outputs}
    for tensor in graph.tensors:
        if tensor.dtype == "int8" and tensor.index not in fixed:
            assert tensor.zero_point == 0
    with pytest.raises(UsageError, match="float16 keeps float activations"):
        edgeq.convert(model, scheme="float16", symmetric=True)


def test_dead_channel_keeps_its_bias():
    import keras

    layers = keras.layers
    net = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(3, 1), layers.Flatten()])
    kernel, _ = net.layers[0].get_weights()
    kernel[..., 1] = 0
    net.layers[0].set_weights([kernel, np.array([0.5, 1.5, -0.5], np.float32)])
    data = samples_for(net, 20)
    for scheme in ("int8", "int16x8", "int4"):
        result = edgeq.convert(net, data=data, scheme=scheme)
        (integer,) = run(result.data, data)
        dead = integer.reshape(20, 16, 3)[:, :, 1]
        np.testing.assert_allclose(dead, 1.5, atol=0.03)


def test_labels_and_normalization_travel_in_the_model(tmp_path):
    from edgeq.data import DatasetOptions, Normalization
    from edgeq.model.tflite.metadata import ENTRY, read_info

    model, _ = NETS["classifier"]()
    options = DatasetOptions(
        classes=("yes", "no", "up", "dåwn"), normalization=Normalization((1.0, 2.0), (3.0,))
    )
    result = edgeq.convert(model, data=samples_for(model, 20), dataset_options=options)
    info = read_info(parse_graph(result.data).metadata[ENTRY], result.data)
    assert info.outputs[0].labels == ("yes", "no", "up", "dåwn")
    assert (info.inputs[0].mean, info.inputs[0].std) == ((1.0, 2.0), (3.0, 3.0))
    assert info.inputs[0].low < 0 < info.inputs[0].high
    again = edgeq.convert(model, data=samples_for(model, 20), dataset_options=options)
    assert again.data == result.data
    # A float .tflite that has them hands them on.
    float32 = edgeq.convert(model, scheme="float16", dataset_options=options)
    (tmp_path / "net.tflite").write_bytes(float32.data)
    later = edgeq.convert(tmp_path / "net.tflite", data=samples_for(model, 20))
    info = read_info(parse_graph(later.data).metadata[ENTRY], later.data)
    assert info.outputs[0].labels == ("yes", "no", "up", "dåwn")


def test_a_label_may_hold_what_unicode_calls_an_end_of_line(tmp_path):
    from edgeq.conversion.describe import read_labels

    path = tmp_path / "labels.txt"
    path.write_bytes("on\u2028off\r\nleft\x85right\nup\x0bdown\x0c and back\n".encode())
    labels = ("on\u2028off", "left\x85right", "up\x0bdown\x0c and back")
    assert read_labels(path) == labels


def test_a_scheme_that_saves_nothing_says_so():
    import keras

    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    (warning,) = edgeq.convert(small, scheme="float8-e4m3").warnings
    assert "saves nothing here" in warning
    large = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    assert edgeq.convert(large, scheme="float8-e4m3").warnings == ()


def test_mixed_precision_is_chosen_where_none_is_given():
    model, _ = NETS["transformer"]()
    data = samples_for(model, 40)
    result = edgeq.convert(model, data=data, scheme="mixed")
    int8 = edgeq.convert(model, data=data)
    assert result.precision and set(result.precision.values()) == {"int4"}
    assert len(result.data) < len(int8.data)
    (real,), (integer,) = run(result.float_model.data, data), run(result.data, data)
    assert 10 * np.log10((real**2).sum() / ((real - integer) ** 2).sum()) > 18


def test_layer_names_of_every_source(models):
    keras_names = {
        "pretrainedResnet.h5": ("conv2d;batch_normalization;activation", "add;activation_2"),
        "kws_ref_model": ("conv2d;batch_normalization;activation", "dense"),
    }
    for name, wanted in keras_names.items():
        main = edgeq.convert(models / name, scheme="float16").float_model.graph.main
        assert set(wanted) <= {main.tensors[op.outputs[0]].name for op in main.ops}


def test_a_layer_that_is_always_zero_computes_what_the_oracle_does(tmp_path):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    dead = {"kernel_initializer": "ones", "bias_initializer": keras.initializers.Constant(-99.0)}
    x = keras.Input((4, 4, 8))
    gate = layers.Conv2D(4, 1, activation="relu", **dead)(x)
    model = keras.Model(x, layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)]))
    for scheme in ("int8", "int16x8"):
        path = tmp_path / f"{scheme}.tflite"
        edgeq.convert(model, data=samples_for(model, 20), scheme=scheme, output=path)
        assert edgeq.verify(path, on="c", against="tflm", n=5).equal


def test_hard_swish_in_16_bits(tmp_path):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    steps = [layers.Conv2D(8, 3, activation="hard_swish"), layers.Activation("hard_swish")]
    model = keras.Sequential([keras.Input((6, 6, 2)), *steps])
    data = samples_for(model, 20)
    path = tmp_path / "out.tflite"
    result = edgeq.convert(model, data=data, scheme="int16x8", output=path)
    wanted, (found,) = model.predict(data[0], verbose=0), run(result.data, data)
    assert np.abs(found.reshape(wanted.shape) - wanted).max() < 0.01 * np.abs(wanted).max()
    assert edgeq.verify(path, on="c", against="tflm", n=5).equal


def test_inputs_that_are_only_indices_become_integers():
    model, _ = NETS["causal_attention"]()
    (data,) = samples_for(model, 20)
    result = edgeq.convert(model, data=data.astype(np.float32))
    assert result.proof.inputs == ("int32",)
    with pytest.raises(EdgeqError, match="holds fractions"):
        edgeq.convert(model, data=data + 0.5)
