"""LiteRT's reference kernels: sums of integers come out wrong there, and edgeq says so."""

import sys
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.analysis.evaluation.layers import layer_errors
from edgeq.analysis.models import as_tflite
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.oracle.build import TensorSpec, single_op

SHAPE = (2, 3, 4)
PLAIN, USUAL = "local?kernels=reference", "local?delegate=none"
NAMES = {"SUM": np.sum, "MEAN": np.mean, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min}


def reduction(name, dtype, scales=(0.01, 0.01), folder=None):
    """One reduction over the middle axis, and what numpy says that it gives."""
    unit = 1.0 if dtype == "int8" else 1 / 256
    x, y = (TensorSpec(SHAPE, dtype, scale * unit) for scale in scales)
    axis = TensorSpec((1,), "int32", data=np.array([1], np.int32))
    y = TensorSpec((2, 1, 4), dtype, y.scale, name="total")
    data = single_op(name, [x, axis], [y], {"keep_dims": True})
    if folder is not None:
        (folder / f"{name}.tflite").write_bytes(data)
        return folder / f"{name}.tflite"
    limits = np.iinfo(dtype)
    value = np.random.default_rng(0).integers(limits.min // 4, limits.max // 4, (1, *SHAPE))
    exact = NAMES[name](value[0].astype(float), axis=1, keepdims=True) * scales[0] / scales[1]
    return data, value.astype(dtype), np.clip(np.rint(exact), limits.min, limits.max)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("name", NAMES)
def test_sum_alone_is_wrong_in_the_plain_kernels(name, dtype, tmp_path):
    """When this fails for SUM, LiteRT has mended it, and the warning can go."""
    for scales in [(0.01, 0.01), (0.01, 0.04)] if name in ("SUM", "MEAN") else [(0.01, 0.01)]:
        data, value, exact = reduction(name, dtype, scales)
        path = tmp_path / "m.tflite"
        path.write_bytes(data)
        off = {}
        for address in (PLAIN, USUAL):
            with open_device(address).open(path, CompileOptions()) as session:
                off[address] = np.abs(session.run([value])[0][0] - exact).max()
                assert bool(session.warnings) == (address == PLAIN and name == "SUM")
        assert off[USUAL] <= 1
        assert (off[PLAIN] > 5) == (name == "SUM"), off


def test_every_command_says_it(tmp_path, cli):
    model = reduction("SUM", "int8", folder=tmp_path)
    given = tmp_path / "x.npz"
    x = np.random.default_rng(1).uniform(-0.3, 0.3, (20, *SHAPE)).astype(np.float32)
    np.savez(given, x=x, y=x.sum(axis=2, keepdims=True))
    np.save(tmp_path / "x.npy", x)
    words = "compute SUM of int8 and int16 wrongly"
    out = tmp_path / "y.npy"
    run = ["run", model, "--input", tmp_path / "x.npy", "--output", out, "--force"]
    data = ["--data", given, "--metric", "regression"]
    ways = {
        "run": (*run, "--on", PLAIN),
        "verify": ("verify", model, "--on", "local", "--against", PLAIN, "-n", 3),
        "evaluate": ("evaluate", model, "--on", PLAIN, *data),
        "also on": ("evaluate", model, "--on", USUAL, "--also-on", PLAIN, *data),
        "robustness": ("evaluate", model, "--on", PLAIN, *data, "--robustness"),
        "profile": ("profile", model, "--on", PLAIN, "--seconds", "0.05", "--no-ops"),
    }
    for name, arguments in ways.items():
        found = cli(*arguments, "--json")
        assert any(words in warning for warning in found.json["warnings"]), name
        assert 'op 0 SUM "total"' in str(found.json["warnings"])
        assert words in found.err or name == "profile", name
    assert words in cli(*ways["profile"]).out.replace("\n", " ")
    sound = cli(*run, "--on", USUAL, "--json")
    assert sound.json["warnings"] == [] and "Warning" not in sound.err


def test_the_error_of_layers_is_of_sound_kernels(tmp_path):
    """The table of layers said that SUM, and all behind it, was spoilt by its integers."""
    keras = pytest.importorskip("keras")
    source = keras.Input((6, 4))
    model = keras.Model(source, keras.ops.sum(source, axis=1))
    data = np.random.default_rng(2).uniform(-1, 1, (64, 6, 4)).astype(np.float32)
    edgeq.convert(model, data=data, output=tmp_path / "i.tflite")
    model.save(tmp_path / "m.keras")
    with as_tflite(tmp_path / "m.keras") as real:
        found = layer_errors(real, tmp_path / "i.tflite", [[x] for x in data[:8]])
    sums = [layer for layer in found if layer.op == "SUM"]
    assert sums and all(layer.sqnr_db > 30 for layer in sums), found


def test_an_interpreter_on_a_host_says_it_too(tmp_path):
    """LiteRT's own library has plain kernels of its own, which sum right."""
    model = reduction("SUM", "int8", folder=tmp_path)
    path = f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"
    server = openssh.start(tmp_path / "sshd", environment=path)
    try:
        found = {}
        for runtime in ("installed", "litert"):
            address = f"{server.address}&runtime={runtime}&delegate=reference"
            with open_device(address).open(model, CompileOptions()) as session:
                found[runtime] = session.warnings
                assert session.profile(ProfileOptions(runs=3, ops=False)).latency_us is not None
        assert "wrongly" in found["installed"][0] and found["litert"] == ()
    finally:
        server.stop()


def biased(name, dtype, declared):
    """An op of int16 with a bias of a type that its options declare, or do not."""
    weights = np.random.default_rng(1).integers(-127, 127, (3, 2, 2, 2))
    bias = TensorSpec((3,), dtype, [5e-5] * 3, [0] * 3, data=np.array([90000, -70000, 5]))
    x = TensorSpec((1, 4, 4, 2), "int16", 0.001)
    options = {"quantized_bias_type": {"int32": 2, "int64": 4}[dtype]} if declared else {}
    if name == "FULLY_CONNECTED":
        x = TensorSpec((1, 8), "int16", 0.001)
        w = TensorSpec((3, 8), "int8", 0.05, data=weights.reshape(3, 8))
        bias = TensorSpec((3,), dtype, 5e-5, data=bias.data)
        return single_op(name, [x, w, bias], [TensorSpec((1, 3), "int16", 0.01)], options)
    w = TensorSpec((3, 2, 2, 2), "int8", [0.05] * 3, [0] * 3, data=weights)
    options |= {"padding": 1, "stride_h": 1, "stride_w": 1}
    if name == "CONV_2D":
        return single_op(name, [x, w, bias], [TensorSpec((1, 3, 3, 3), "int16", 0.01)], options)
    shape = TensorSpec((4,), "int32", data=np.array([1, 5, 5, 3]))
    return single_op(name, [shape, w, x, bias], [TensorSpec((1, 5, 5, 3), "int16", 0.01)], options)


@pytest.mark.parametrize("address", [PLAIN, USUAL, "local", "tflm"])
@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "TRANSPOSE_CONV"])
def test_biases_that_are_read_as_another_type(name, address, tmp_path):
    """The same numbers as int64 say what is right; where int32 differs, a word is said."""
    found = {}
    x = (1, 8) if name == "FULLY_CONNECTED" else (1, 4, 4, 2)
    fed = np.random.default_rng(2).integers(-32768, 32767, (10, *x)).astype(np.int16)
    for dtype, declared in (("int64", False), ("int32", True), ("int32", False)):
        path = tmp_path / f"{dtype}{declared}.tflite"
        path.write_bytes(biased(name, dtype, declared))
        try:
            with open_device(address).open(path, CompileOptions()) as session:
                found[dtype, declared] = session.run([fed])[0].astype(int)
                said = bool(session.warnings)
        except EdgeqError as error:
            assert "would give wrong results" in error.what and dtype == "int32", error
            assert (name, address) == ("TRANSPOSE_CONV", "tflm")
            continue
        far = np.abs(found[dtype, declared] - found["int64", False]).max()
        assert (far > 1) == said, (dtype, declared, far)
