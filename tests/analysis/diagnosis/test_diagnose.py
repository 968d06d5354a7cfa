"""Diagnosis: the layer that was spoiled on purpose comes first, with the right reason."""

import re

import numpy as np
import pytest

import edgeq
from edgeq.analysis.diagnosis.diagnose import diagnose
from edgeq.analysis.models import as_tflite
from edgeq.conversion.calibration.calibrate import calibrate
from edgeq.conversion.flatbuffer import indices, op_kinds, pack, unpack
from edgeq.conversion.float_model import float_model
from edgeq.conversion.quantization.quantize import Recipe, quantize
from edgeq.conversion.quantization.schemes import SCHEMES
from edgeq.data import open_dataset
from edgeq.errors import EdgeqError
from edgeq.report.html import combine, render

LAYERS = ("first", "depthwise", "pointwise", "last", "dense")


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small float .tflite with its float model, calibration and data."""
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    x = keras.Input((12, 12, 2))
    y = layers.Conv2D(8, 3, activation="relu", name="first")(x)
    y = layers.DepthwiseConv2D(3, name="depthwise")(y)
    y = layers.Conv2D(12, 1, activation="relu", name="pointwise")(y)
    z = layers.Conv2D(12, 3, padding="same", name="last")(y)
    y = layers.GlobalAveragePooling2D()(layers.Add()([y, z]))
    model = keras.Model(x, layers.Dense(6, activation="softmax", name="dense")(y))
    # Logits as large as those of a trained network, so that the softmax is not the worst layer.
    model.get_layer("dense").kernel.assign(model.get_layer("dense").kernel * 4)
    source = float_model(model)
    path = tmp_path_factory.mktemp("diagnosis") / "float.tflite"
    path.write_bytes(source.data)
    data = np.random.default_rng(2).normal(0, 1, (40, 12, 12, 2)).astype(np.float32)
    found = calibrate(source, open_dataset(data, source.inputs))
    return path, source, found.ranges, data


def tensor_of(source, layer):
    names = [t.name for t in source.graph.main.tensors if not t.is_constant]
    return next(n for n in names if layer in n.replace("/", ";").split(";") and "softmax" not in n)


def spoil_range(factor):
    def spoil(source, ranges, layer):
        name = tensor_of(source, layer)
        low, high = ranges[name]
        changed = {**ranges, name: (low * factor, high * factor)}
        return quantize(source, Recipe(SCHEMES["int8"], "int8"), changed).pack()

    return spoil


def spoil_precision(source, ranges, layer):
    """Every weight of the layer rounded to four bits, which keeps its int8 type."""
    return _with_weights(
        quantize(source, Recipe(SCHEMES["int8"], "int8"), ranges).pack(),
        layer,
        lambda w: np.clip(np.round(w / 16.0), -7, 7) * 16,
    )


def spoil_weights(source, ranges, layer):
    """A tenth of the weights negated."""

    def negate(weights):
        changed = weights.astype(np.int32)
        changed[::10] *= -1
        return np.clip(changed, -127, 127)

    return _with_weights(
        quantize(source, Recipe(SCHEMES["int8"], "int8"), ranges).pack(), layer, negate
    )


def _with_weights(data, layer, change):
    model = unpack(data)
    graph = model.subgraphs[0]
    kinds = op_kinds(model)
    for op in graph.operators:
        name = graph.tensors[indices(op.outputs)[0]].name.decode()
        weighted = kinds[op.opcodeIndex] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        if weighted and layer in name.replace("/", ";").split(";"):
            buffer = model.buffers[graph.tensors[indices(op.inputs)[1]].buffer]
            weights = np.frombuffer(bytes(buffer.data), np.int8)
            buffer.data = np.frombuffer(change(weights).astype(np.int8).tobytes(), np.uint8)
    return pack(model)


SPOILERS = {
    "too narrow": (spoil_range(0.35), "clipping"),
    "too wide": (spoil_range(40), "resolution"),
    "four bits": (spoil_precision, "weights"),
    "wrong weights": (spoil_weights, "weights"),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("how", SPOILERS)
def test_the_spoiled_layer_comes_first(net, tmp_path, layer, how):
    path, source, ranges, data = net
    spoil, cause = SPOILERS[how]
    spoiled = tmp_path / "spoiled.tflite"
    spoiled.write_bytes(spoil(source, ranges, layer))
    found = diagnose(spoiled, path, data=data, limit=8)
    worst = found.layers[0]
    assert layer in worst.name.replace("/", ";").split(";"), [
        (x.name, round(x.blame, 3)) for x in found.layers
    ]
    assert worst.cause == cause
    assert worst.blame > 0.3
    assert worst.advice in " ".join(found.summary)


def test_a_sound_model_is_called_close_to_float(net, tmp_path, cli):
    path, _, _, data = net
    np.savez(tmp_path / "data.npz", x=data)
    edgeq.convert(path, data=data, output=tmp_path / "sound.tflite")
    args = ("diagnose", tmp_path / "sound.tflite", "--float", path, "--data", tmp_path / "data.npz")
    result = cli(*args)
    assert result.code == 0
    assert "close to float" in result.out
    found = cli(*args, "--json").json
    assert sum(layer["blame"] for layer in found["layers"]) == pytest.approx(1)
    assert all(layer["clipped"] < 0.01 for layer in found["layers"])


def test_models_of_other_converters_are_matched_in_order(models, tmp_path):
    pytest.importorskip("tensorflow")
    with np.load(models / "str_ww_calibration_samples.npz") as file:
        samples = file["specs"]
    with as_tflite(models / "str_ww_ref_model.h5") as real:
        found = diagnose(models / "sww_int8.tflite", real, data=samples)
    assert len(found.layers) >= 10
    assert 35 < found.sqnr_db < 42  # as the two models' own logits have it
    summed = [(x.sqnr_db, x.own_sqnr_db) for x in found.layers if x.index and x.op != "SOFTMAX"]
    assert all(whole < alone - 3 for whole, alone in summed)
    assert all(x.cosine is not None for x in found.layers if x.index is not None)


@pytest.mark.parametrize("keep", [True, False], ids=["the output's name agrees", "no names"])
def test_few_names_or_none_hide_no_layer(net, tmp_path, keep):
    """Files of one converter call their outputs alike; tools that save flash take all names."""
    path, _, _, data = net
    edgeq.convert(path, data=data, output=tmp_path / "own.tflite")

    def renamed(file, letter):
        model = unpack(file.read_bytes())
        (graph,) = model.subgraphs
        for index, tensor in enumerate(graph.tensors):
            kept = keep and index in graph.outputs
            tensor.name = b"output" if kept else letter * keep + tensor.name * keep
        made = tmp_path / file.with_suffix(f".{letter.decode()}.tflite").name
        made.write_bytes(pack(model))
        return made

    own = tmp_path / "own.tflite"
    found = diagnose(renamed(own, b"i"), renamed(path, b"f"), data=data)
    right = diagnose(own, path, data=data)
    assert [layer.op for layer in found.layers] == [layer.op for layer in right.layers]
    assert found.sqnr_db == pytest.approx(right.sqnr_db)


def test_another_network_is_refused(net, tmp_path):
    path, _, _, data = net
    import keras

    other = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    edgeq.convert(other, data=np.ones((4, 5), np.float32), output=tmp_path / "other.tflite")
    with pytest.raises(EdgeqError, match="not the same network"):
        diagnose(tmp_path / "other.tflite", path, data=data)
    with pytest.raises(EdgeqError, match="this one is quantized"):
        diagnose(tmp_path / "other.tflite", tmp_path / "other.tflite", data=data)


def test_ranges_that_are_all_too_wide_are_not_blamed_on_a_layer(net, tmp_path):
    path, source, ranges, data = net
    wide = {name: (30 * low, 30 * high) for name, (low, high) in ranges.items()}
    (tmp_path / "m.tflite").write_bytes(
        quantize(source, Recipe(SCHEMES["int8"], "int8"), wide).pack()
    )
    found = diagnose(tmp_path / "m.tflite", path, data=data)
    assert any("--calibration percentile" in sentence for sentence in found.summary)
    assert not any("int16x8" in sentence for sentence in found.summary)


def test_a_float_scheme_has_no_integers_to_judge(net, tmp_path):
    path, _, _, data = net
    edgeq.convert(path, output=tmp_path / "f16.tflite", scheme="float16")
    with pytest.raises(EdgeqError, match="computes in float"):
        diagnose(tmp_path / "f16.tflite", path, data=data)


def test_a_mask_as_large_as_floats_can_be_is_no_overflow(tmp_path):
    from tests.conversion.nets import NETS, samples_for

    model, _ = NETS["causal_attention"]()
    data = samples_for(model, 10)
    model.save(tmp_path / "m.keras")
    edgeq.convert(model, data=data, output=tmp_path / "m.tflite")
    assert diagnose(tmp_path / "m.tflite", tmp_path / "m.keras", data=data).layers


def test_values_that_overflow_are_refused(net, tmp_path, recwarn):
    path, _, _, data = net
    edgeq.convert(path, data=data, output=tmp_path / "m.tflite")
    with pytest.raises(EdgeqError, match="overflow"):
        diagnose(tmp_path / "m.tflite", path, data=np.full_like(data, 3e38))
    assert not [warning for warning in recwarn if warning.category is RuntimeWarning]


def test_one_sample_calls_no_channel_dead(net, tmp_path):
    path, _, _, data = net
    edgeq.convert(path, data=data, output=tmp_path / "m.tflite")
    assert any("never change" in s for s in _silent(tmp_path, path, data).summary)
    assert not any("never change" in s for s in _silent(tmp_path, path, data[:1]).summary)


def _silent(folder, path, data):
    return diagnose(folder / "m.tflite", path, data=np.zeros_like(data))


def test_the_report_shows_where_values_lie(net, tmp_path):
    path, source, ranges, data = net
    spoiled = tmp_path / "spoiled.tflite"
    spoiled.write_bytes(spoil_range(0.25)(source, ranges, "last"))
    found = diagnose(spoiled, path, data=data, limit=8)
    worst = found.layers[0]
    counts = worst.histogram
    assert sum(counts) == 8 * 8 * 8 * 12
    assert (counts[0] + counts[-1]) / sum(counts) == pytest.approx(worst.clipped)
    assert counts[0] > 0 < counts[-1]
    assert len(worst.channel_ranges) == 12
    result = found.to_json()
    result["layers"][0]["name"] = "<b>last</b>"
    page = render(combine([("diagnosis.json", result)]))
    assert "<b>last" not in page
    (picture,) = re.findall(r"<svg[^>]*Float values of &lt;b&gt;last.*?</svg>", page)
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class', picture)]
    wanted = np.sqrt(np.array(counts) / max(counts))
    assert np.allclose(np.array(heights) / max(heights), wanted, atol=0.01)
    assert picture.count('class="miss"') == 2
    (ranges_picture,) = re.findall(r"<svg[^>]*Range of each channel of &lt;b.*?</svg>", page)
    assert ranges_picture.count("<rect") == 12


def test_masks_of_attention_and_ops_without_reference_kernels(tmp_path):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 8))
    y = layers.Dense(8, activation="elu")(x)
    y = layers.MultiHeadAttention(2, 4, name="attention")(y, y, use_causal_mask=True)
    model = keras.Model(x, layers.Dense(3)(y))
    model.save(tmp_path / "float.keras")
    data = np.random.default_rng(0).normal(0, 1, (16, 6, 8)).astype(np.float32)
    edgeq.convert(model, data=data, output=tmp_path / "out.tflite")
    found = diagnose(tmp_path / "out.tflite", tmp_path / "float.keras", data=data)
    masked = next(layer for layer in found.layers if "select" in layer.name)
    assert masked.sqnr_db > 20
    assert found.sqnr_db > 15


def test_a_range_that_a_kernel_fixes_is_not_the_calibrations_fault():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    random = np.random.default_rng(0)
    source = keras.Input((512, 4))
    places = random.uniform(-1, 1, (512, 2)).astype(np.float32)
    shares = keras.layers.Softmax(axis=1)(source)
    model = keras.Model(source, keras.ops.einsum("bnc,nd->bcd", shares, places))
    data = random.normal(0, 0.5, (20, 512, 4)).astype(np.float32)
    made = edgeq.convert(model, data=data, accept_loss=True)
    said = " ".join(made.warnings)
    assert "which SOFTMAX fixes whatever the data are. Try --scheme int16x8." in said
    assert "percentile" not in said
    wide = edgeq.convert(model, data=data, scheme="int16x8").quality.outputs[0]
    assert wide.signal_to_noise_db > 30 > made.quality.outputs[0].signal_to_noise_db + 15


def test_each_call_begins_in_the_initial_state(tmp_path):
    """What one call left in a variable was taken for the next op's doing."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.LSTM(8, stateful=True), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input(batch_shape=(1, 12, 4)), *layers])
    model.save(tmp_path / "net.keras")
    data = np.random.default_rng(0).normal(size=(60, 12, 4)).astype(np.float32)
    made = tmp_path / "net.tflite"
    edgeq.convert(tmp_path / "net.keras", data=data, output=made, accept_loss=True)
    found = diagnose(made, tmp_path / "net.keras", data=data)
    (moved,) = (layer for layer in found.layers if layer.op == "STRIDED_SLICE")
    assert (moved.own_sqnr_db, moved.blame) == (None, 0)  # it only moves bytes
    assert "of its initial state" in found.summary[0]


def test_variables_are_read_before_a_call_writes_them(tmp_path):
    """A model of steps beside its float one: what the next call reads was given to this one."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv1D(8, 3, activation="relu"), keras.layers.GlobalAveragePooling1D()]
    keras.Sequential([keras.Input((16, 4)), *layers, keras.layers.Dense(3)]).save(
        tmp_path / "net.keras"
    )
    windows = np.random.default_rng(0).normal(size=(60, 16, 4)).astype(np.float32)
    files = {scheme: tmp_path / f"{scheme}.tflite" for scheme in ("int8", "float16")}
    for scheme, file in files.items():
        edgeq.convert(
            tmp_path / "net.keras", data=windows, output=file, scheme=scheme, stream=1,
            accept_loss=True,
        )  # fmt: skip
    found = diagnose(files["int8"], files["float16"], data=windows[:16, :1])
    assert all(layer.blame < 1e-9 for layer in found.layers if layer.op == "CONCATENATION")
    (dense,) = (layer for layer in found.layers if layer.op == "FULLY_CONNECTED")
    assert dense.own_sqnr_db == pytest.approx(dense.sqnr_db, abs=3)


def test_an_input_that_is_rounded_to_a_pole(tmp_path):
    """1 / x of an x that is rounded to 0: the logarithm of an infinite error was asked for."""
    import keras

    source = keras.Input((8,))
    model = keras.Model(source, 1.0 / source)
    data = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    path = tmp_path / "m.tflite"
    edgeq.convert(model, data=data, accept_loss=True, output=path)
    float_path = tmp_path / "float.tflite"
    float_path.write_bytes(float_model(model).data)
    found = diagnose(path, float_path, data=data)
    assert found.layers[0].op == "input"
    assert np.isfinite(found.layers[0].effect_db)
    assert found.layers[0].blame == pytest.approx(1, abs=0.01)
