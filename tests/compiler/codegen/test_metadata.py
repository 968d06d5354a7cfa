"""Labels and normalisation that were given to convert stand in the C header."""

import subprocess
import sys

import numpy as np

import edgeq
from edgeq.compiler.compilation import generate
from edgeq.model.tflite.metadata import ENTRY, Described, ModelInfo, read_info, write_info


def header_of(model, **options):
    return generate(model, name="net", **options).files["net.h"]


def test_labels_and_normalisation_of_a_converted_model(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax", name="scores")]
    )
    net.save(tmp_path / "net.keras")
    (tmp_path / "labels.txt").write_text('cat\ndog "x"\nno?n\\e\n')
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(64, 4)).astype("f4"))
    options = ["--labels", "labels.txt", "--mean", "127.5", "--std", "64"]
    files = ["net.keras", "-o", "net.tflite", "--data", "x.npy"]
    subprocess.run(
        [sys.executable, "-m", "edgeq", "convert", *files, *options],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    header = header_of(tmp_path / "net.tflite")
    assert "#define NET_OUTPUT_LABEL_COUNT 3" in header
    assert '{"cat", "dog \\042x\\042", "no\\077n\\134e"}' in header
    assert "#define NET_INPUT_MEAN {127.5f}" in header
    assert "#define NET_INPUT_STD {64.0f}" in header


def test_a_model_without_metadata_has_neither(models):
    header = header_of(models / "kws_int8.tflite")
    assert "LABELS" not in header
    assert "MEAN" not in header


def test_metadata_survives_a_round_trip():
    info = ModelInfo("m", (Described("in", (1, 4), (1.0,), (2.0,)),), (Described("out", (1, 3)),))
    read = read_info(write_info(info), b"")
    assert read is not None
    assert read.inputs[0].mean == (1.0,)
    assert ENTRY == "TFLITE_METADATA"
    assert edgeq.__version__
