"""Layers, activations and losses of the user's own: `--import`, and the error without it."""

import subprocess
import sys

import numpy as np
import pytest

from edgeq.conversion.sources.keras_models import load_keras
from edgeq.errors import EdgeqError

MODULE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2

@keras.saving.register_keras_serializable(package="mine")
class Thrice(keras.layers.Layer):
    def call(self, x):
        return x * 3

def bend(x):
    return keras.ops.minimum(x, 0.5)

def my_loss(wanted, found):
    return keras.ops.mean(keras.ops.abs(wanted - found))
"""


@pytest.fixture(scope="module", params=["keras", "h5"])
def folder(request, tmp_path_factory):
    """Three models of own objects, their module, and data; made in another process."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_layers.py").write_text(MODULE)
    program = f"""
import keras, own_layers as own
x = keras.Input((4,))
dense = keras.layers.Dense(3)
for name, y in (("class", dense(own.Twice()(x))), ("registered", dense(own.Thrice()(x))),
                ("function", keras.layers.Dense(3, own.bend)(x))):
    model = keras.Model(x, y)
    model.compile(loss=own.my_loss)
    model.save(name + ".{request.param}")
"""
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)
    data = np.random.default_rng(0).normal(0, 1, (30, 4)).astype(np.float32)
    np.save(folder / "data.npy", data)
    return folder, request.param


@pytest.mark.parametrize(
    ("name", "words"),
    [("class", "Twice"), ("registered", "Thrice"), ("function", "bend")],
)
def test_without_import_the_error_names_it_and_the_option(folder, name, words):
    where, ending = folder
    with pytest.raises(EdgeqError, match=r"none of Keras's|not Keras's own") as caught:
        load_keras(where / f"{name}.{ending}")
    assert words in caught.value.what
    assert caught.value.hint.startswith("--import ")


@pytest.mark.slow
def test_with_import_they_convert(folder):
    where, ending = folder
    for name in ("class", "registered", "function"):
        command = [
            sys.executable, "-m", "edgeq", "convert", f"{name}.{ending}", "-o", f"{name}.tflite",
            "--data", "data.npy", "--import", "own_layers",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "quality: good" in done.stdout


def test_a_module_that_cannot_be_imported(cli, tmp_path):
    done = cli("inspect", tmp_path / "m.keras", "--import", "no_such_module_here")
    assert done.code == 1
    assert "'no_such_module_here' cannot be imported" in done.err
