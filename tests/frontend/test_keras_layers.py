"""Front ends that are layers of Keras models: what they become, against the layers themselves."""

import json

import numpy as np
import pytest

from edgeq.conversion.sources.keras_front_ends import split_front_end, with_floor
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description, toml_text
from edgeq.frontend.keras_options import Unlike, mel_spectrogram, stft_spectrogram
from tests.frontend.signals import frames_of, recording

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

COUNT = 12000
MEL = {"fft_length": 512, "sequence_length": 400, "sequence_stride": 160, "num_mel_bins": 32,
       "min_freq": 60.0, "max_freq": 7600.0, "top_db": 1e6}  # fmt: skip
STFT = {"frame_length": 300, "frame_step": 120, "fft_length": 512}


def sound():
    """A recording whose ends are silent, so that mirroring and padding are silence too."""
    samples = recording(1)[:COUNT].copy()
    samples[:1200], samples[-1200:] = 0, 0
    return samples


def behind(layer, shape=(COUNT,), then=lambda x: x, before=lambda x: x):
    given = keras.Input(shape, name="audio")
    end = layers.Activation("linear")(then(layer(before(given))))
    return keras.Model(given, end)


def halves(model, samples, full_scale=1.0):
    """What the Keras model says of a recording, and what the parts it was split into say."""
    found, words = split_front_end(model, "model")
    assert words == ""
    real = samples.astype(np.float32) / np.float32(32768)
    whole = np.asarray(model(real.reshape(1, *model.inputs[0].shape[1:]) * full_scale))
    assert found.full_scale == full_scale
    values = dict(found.front.values)
    frames = values.pop("frames")
    needed = np.concatenate([samples, np.zeros(2048, np.int16)])
    features = frames_of(values, "float32", needed)[:frames]
    assert features.shape == found.rest.inputs[0].shape[1:]
    return whole, np.asarray(found.rest(features[None]))


def assert_same(whole, parts):
    assert whole.shape == parts.shape
    np.testing.assert_allclose(parts, whole, atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": "hamming", "min_power": 1e-6, "ref_power": 2.5},
        {"window": None, "mag_exp": 1.0, "sampling_rate": 8000, "max_freq": 3900.0},
        {"power_to_db": False, "fft_length": 1024, "sequence_length": None},
        {"fft_length": 2048, "sequence_length": 2048, "num_mel_bins": 128, "sequence_stride": 512},
    ],
    ids=["decibels", "reference", "magnitudes", "powers", "as Keras has it"],
)
def test_mel_spectrogram_is_the_layer(options):
    model = behind(layers.MelSpectrogram(**{**MEL, **options}))
    assert_same(*halves(model, sound()))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "magnitude", "scaling": "spectrum", "window": "hamming", "periodic": True},
        {"mode": "psd", "scaling": None},
        {"padding": "same", "window": "boxcar"},
        {"expand_dims": True, "fft_length": None, "frame_step": None},
        {"data_format": "channels_first"},
        {"data_format": "channels_first", "expand_dims": True},
    ],
    ids=["log", "magnitude", "psd", "same", "image", "first", "first image"],
)
def test_stft_spectrogram_is_the_layer(options):
    first = options.get("data_format") == "channels_first"
    layer = layers.STFTSpectrogram(**{**STFT, **options})
    model = behind(layer, (1, COUNT) if first else (COUNT, 1))
    whole, parts = halves(model, sound())
    if options.get("mode", "log") == "log":
        # Keras's kernels are off by some float32 steps of their angles, which quiet bins show.
        whole, parts = np.exp(whole), np.exp(parts)
    if options.get("mode") == "magnitude":
        parts = np.maximum(parts, np.sqrt(keras.backend.epsilon()))
    assert_same(whole, parts)


@pytest.mark.parametrize(
    "then",
    [
        lambda x: ops.log(x + 1e-6),
        lambda x: 0.1 * (ops.log10(ops.maximum(x, 1e-5)) + 4),
        lambda x: ops.log1p(ops.add(1e-3, x)),
        lambda x: ops.log2(ops.maximum(x, 1e-4) + 1e-4),
        lambda x: ops.sqrt(ops.maximum(x, 1e-4)),
    ],
    ids=["offset", "floor", "log1p", "both", "no log"],
)
def test_logarithms_of_keras_ops_belong_to_the_front_end(then):
    layer = layers.MelSpectrogram(**MEL, power_to_db=False)
    model = behind(layer, then=then)
    assert_same(*halves(model, sound()))
    found, _ = split_front_end(model, "model")
    kinds = {type(operation).__name__ for operation in found.rest.operations}
    assert not kinds & {"Log", "Log2", "Log10", "Log1p"}
    assert (found.front.values["log"] == "none") == ("Sqrt" in kinds)


def test_samples_may_be_reshaped_and_rescaled_before_it():
    def before(x):
        return layers.Reshape((COUNT,))(layers.Rescaling(1 / 32768)(layers.GaussianNoise(0.1)(x)))

    model = behind(layers.MelSpectrogram(**MEL), (COUNT, 1), before=before)
    assert_same(*halves(model, sound(), full_scale=32768.0))


def test_it_is_found_in_models_inside_of_models():
    front = keras.Sequential(
        [keras.Input((COUNT,)), layers.MelSpectrogram(**MEL), layers.Permute((2, 1))]
    )
    net = keras.Sequential([keras.Input((76, 32)), layers.Conv1D(4, 3), layers.Flatten()])
    model = keras.Sequential([keras.Input((COUNT,)), front, net])
    whole, parts = halves(model, sound())
    assert_same(whole, parts)


def test_two_layers_of_one_name_in_models_inside_of_models_are_refused():
    front = [keras.Input((COUNT,)), layers.MelSpectrogram(**MEL), layers.Rescaling(2, name="a")]
    model = keras.Sequential([*front[:1], keras.Sequential(front), layers.Flatten(name="a")])
    with pytest.raises(EdgeqError, match="two layers are named 'a'"):
        split_front_end(model, "model")


def test_several_outputs_keep_their_names():
    given = keras.Input((COUNT,))
    mel = layers.MelSpectrogram(**MEL)(given)
    model = keras.Model(given, {"b": layers.Flatten()(mel), "a": layers.Conv1D(2, 3)(mel)})
    found, _ = split_front_end(model, "model")
    assert list(found.rest.output) == ["b", "a"]
    assert found.rest.output["a"].shape == model.output["a"].shape


@pytest.mark.parametrize(
    ("layer", "then", "why"),
    [
        (layers.MelSpectrogram(**{**MEL, "mag_exp": 1.5}, name="mel"), None, "mag_exp is 1.5"),
        (layers.MelSpectrogram(**{**MEL, "fft_length": 4096}, name="mel"), None, "fft_length is"),
        (layers.MelSpectrogram(**{**MEL, "fft_length": 600}, name="mel"), None, "no power of two"),
        (
            layers.MelSpectrogram(**MEL, power_to_db=False, name="mel"),
            lambda x: ops.log(x),
            "silence has no logarithm",
        ),
        (
            layers.MelSpectrogram(**MEL, power_to_db=False, name="mel"),
            layers.Lambda(lambda x: x),
            "cannot be read",
        ),
    ],
    ids=["power", "long", "odd", "no floor", "lambda"],
)
def test_what_cannot_be_split_off_is_refused_with_its_name(layer, then, why):
    model = behind(layer, then=then or (lambda x: x))
    with pytest.raises(EdgeqError) as caught:
        split_front_end(model, "net.keras")
    assert "'mel' (MelSpectrogram)" in caught.value.what
    assert why in caught.value.what
    assert caught.value.where == "net.keras"


ODD = [[8000], "2", {"a": 1}, float("nan"), float("inf"), True, b"8", 0, -1, 1, 0.5, 1e300, None]
NUMBERS = ("mag_exp", "sampling_rate", "sequence_length", "sequence_stride", "fft_length",
           "num_mel_bins", "min_freq", "max_freq", "min_power", "ref_power", "top_db",
           "window", "frame_length", "frame_step", "mode", "padding")  # fmt: skip


@pytest.mark.parametrize("option", NUMBERS)
def test_options_of_any_kind_are_refused_or_taken(option):
    """A file's options are whoever's wrote it: no other error may come out."""
    mel, stft = layers.MelSpectrogram(**MEL).get_config(), layers.STFTSpectrogram(**STFT)
    refused = 0
    for config, translate, more in (
        (mel, mel_spectrogram, ()),
        (stft.get_config(), stft_spectrogram, (1e-7, 1.0)),
    ):
        if option not in config:
            continue
        for value in ODD:
            try:
                read_description(translate({**config, option: value}, COUNT, *more).values)
            except (Unlike, EdgeqError) as error:
                refused += option in str(error) or isinstance(value, int | float)
        missing = {key: value for key, value in config.items() if key != option}
        with pytest.raises(Unlike, match=f"no option {option}"):
            translate(missing, COUNT, *more)
    assert refused >= 4


def test_a_list_where_a_number_is_expected_is_named():
    config = layers.MelSpectrogram(**MEL).get_config()
    for option, value in (("sampling_rate", [8000]), ("mag_exp", "2")):
        with pytest.raises(Unlike, match=rf"^{option} is .*, no number$"):
            mel_spectrogram({**config, option: value}, COUNT)


@pytest.mark.parametrize(
    ("options", "count", "why"),
    [
        ({"num_mel_bins": 1}, COUNT, "not several frames of features"),
        ({}, 100, "not several frames of features"),
        ({"min_freq": 7990, "max_freq": 8000}, COUNT, "the bands are empty"),
    ],
)
def test_spectra_without_frames_or_features_are_refused(options, count, why):
    layer = layers.MelSpectrogram(**{**MEL, **options}, name="mel")
    with pytest.raises(EdgeqError, match=why) as caught:
        split_front_end(behind(layer, (count,)), "net.keras")
    assert "'mel' (MelSpectrogram) cannot be split off: " in caught.value.what
    assert "TOML" in caught.value.hint


def test_what_takes_the_samples_beside_it_is_refused():
    given = keras.Input((COUNT,))
    mel = layers.GlobalAveragePooling1D()(layers.MelSpectrogram(**MEL)(given))
    loud = layers.Dense(2, name="loudness")(given)
    with pytest.raises(EdgeqError, match="'loudness' \\(Dense\\) takes the samples"):
        split_front_end(keras.Model(given, layers.Concatenate()([mel, loud])), "m")


def test_two_uses_of_one_spectrum_must_agree():
    given = keras.Input((COUNT,))
    mel = layers.MelSpectrogram(**MEL, power_to_db=False)(given)
    ends = [layers.Flatten()(x) for x in (mel, ops.log(mel + 1e-3))]
    with pytest.raises(EdgeqError, match="otherwise than the layers beside it"):
        split_front_end(keras.Model(given, layers.Concatenate()(ends)), "m")


def test_trained_kernels_stay_convolutions():
    layer = layers.STFTSpectrogram(**STFT)
    model = behind(layer, (COUNT, 1))
    kernel = np.asarray(layer.real_kernel)
    layer.real_kernel.assign(kernel * 3)
    layer.imag_kernel.assign(np.asarray(layer.imag_kernel) * 3)
    # A common factor is known for what it is.
    assert_same(*(np.exp(half) for half in halves(model, sound())))
    layer.real_kernel.assign(kernel[::-1])
    found, words = split_front_end(model, "m")
    assert found is None
    assert "its kernels were trained" in words
    assert "stays in the model" in words


def test_the_file_says_what_the_values_say(tmp_path):
    found, _ = split_front_end(behind(layers.MelSpectrogram(**MEL)), "m")
    file = tmp_path / "m.frontend.toml"
    file.write_text(toml_text(found.front.values))
    assert read_description(file) == read_description({**found.front.values, "name": "m.frontend"})
    assert json.dumps(dict(found.front.values))


@pytest.mark.parametrize(
    "names", [("permute", "reshape", "rescaling"), ("mel_units", "mel_layout", "mel_floor")]
)
def test_the_models_own_names_are_nobody_elses(names):
    """Keras's own names for the user's layers, as a file holds them, and ours."""

    def then(x):
        x = layers.Permute((2, 1), name=names[0])(x)
        x = layers.Reshape(x.shape[1:], name=names[1])(x)
        x = layers.Rescaling(2.0, name=names[2])(x)
        return ops.log10(ops.maximum(x, 1e-3)) + ops.maximum(x, 0)

    keras.utils.clear_session()
    model = behind(layers.MelSpectrogram(**MEL, name="mel"), then=then)
    keras.utils.clear_session()  # as in the process that loads the file
    found, _ = split_front_end(model, "model")
    whole = with_floor(found, 1e-10)
    row = sound()[None].astype(np.float32) / 32768
    np.testing.assert_allclose(whole(row), model(row), atol=1e-3)
