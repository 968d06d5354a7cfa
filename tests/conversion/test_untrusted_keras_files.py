"""Keras files made to do harm: seen through before Keras opens them, in little memory."""

import io
import json
import time
import zipfile

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError
from edgeq.model.arrays import read_arrays
from tests.memory import peak_mb

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def net():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(3, name="dense")(inputs))


@pytest.fixture(scope="module")
def good(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    net.save(folder / "net.keras")
    net.save(folder / "net.h5")
    return folder


@pytest.fixture(scope="module")
def lambda_h5(tmp_path_factory):
    inputs = keras.Input((4,))
    mark = tmp_path_factory.mktemp("evil") / "mark"

    import pathlib

    def evil(x, path=str(mark)):
        pathlib.Path(path).touch()
        return x * 2

    layer = keras.layers.Lambda(evil, name="evil", output_shape=(4,))
    keras.Model(inputs, layer(inputs)).save(mark.with_name("evil.h5"))
    mark.unlink(missing_ok=True)
    return mark


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)


def refused(path, message):
    with pytest.raises(EdgeqError, match=message) as caught:
        float_model(path)
    return caught.value


def test_an_hdf5_file_that_is_a_harmless_archive_too(lambda_h5, good, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(
        lambda_h5.with_name("evil.h5").read_bytes() + (good / "net.keras").read_bytes()
    )
    assert zipfile.is_zipfile(path)
    refused(path, "code in the layers evil")
    assert not lambda_h5.exists()


def test_an_archive_that_is_an_hdf5_file_too(lambda_h5, good, tmp_path):
    """Under the other ending, Keras reads the archive, and so does edgeq."""
    path = tmp_path / "net.keras"
    path.write_bytes(
        lambda_h5.with_name("evil.h5").read_bytes() + (good / "net.keras").read_bytes()
    )
    assert len(float_model(path).graph.main.ops) == 1
    assert not lambda_h5.exists()


def test_the_ending_decides(good, tmp_path):
    for name in ("net.zip", "net", "net.H5"):
        (tmp_path / name).write_bytes((good / "net.keras").read_bytes())
        refused(tmp_path / name, "ending")
    (tmp_path / "net.keras").write_bytes((good / "net.h5").read_bytes())
    refused(tmp_path / "net.keras", "no zip archive")


@pytest.mark.parametrize("kind", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer"])
def test_every_layer_that_brings_code(good, tmp_path, kind):
    files = members(good / "net.keras")
    config = json.loads(files["config.json"])
    config["config"]["layers"][1]["class_name"] = kind
    path = tmp_path / "net.keras"
    files["config.json"] = json.dumps(config).encode()
    pack(path, files.items())
    refused(path, "code in the layers dense")


def test_two_architectures_in_one_archive(good, tmp_path):
    files = members(good / "net.keras")
    with pytest.warns(UserWarning, match="Duplicate"):
        pack(tmp_path / "net.keras", [*files.items(), ("config.json", files["config.json"])])
    refused(tmp_path / "net.keras", "twice")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_packing(good, tmp_path, method):
    pack(tmp_path / "net.keras", members(good / "net.keras").items(), method)
    refused(tmp_path / "net.keras", "unusual")


def test_packed_weights_are_read(good, tmp_path):
    pack(tmp_path / "net.keras", members(good / "net.keras").items(), zipfile.ZIP_DEFLATED)
    assert len(float_model(tmp_path / "net.keras").graph.main.ops) == 1


def test_an_encrypted_archive(good, tmp_path):
    data = bytearray((good / "net.keras").read_bytes())
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 8] |= 1
        at += 4
    (tmp_path / "net.keras").write_bytes(data)
    refused(tmp_path / "net.keras", "encrypted")


def test_a_deep_architecture(good, tmp_path):
    files = members(good / "net.keras")
    for depth in (1000, 200_000):
        files["config.json"] = b"[" * depth + b"]" * depth
        pack(tmp_path / "net.keras", files.items())
        refused(tmp_path / "net.keras", "deep")


def test_an_architecture_of_a_gigabyte(tmp_path):
    """A few megabytes of blanks, packed, are refused before they are unpacked."""
    path = tmp_path / "net.keras"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("config.json", "w", force_zip64=True) as file,
    ):
        for _ in range(64):
            file.write(b" " * (16 << 20))
    assert path.stat().st_size < 8 << 20
    assert peak_mb(lambda: refused(path, "holds 1,073,741,824 bytes unpacked")) < 50


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_an_architecture_of_millions_of_values(good, tmp_path, name):
    """64 KB that would become gigabytes in Python."""
    files = {**members(good / "net.keras"), name: b"[" + b"[]," * 3_000_000 + b"0]"}
    pack(tmp_path / "net.keras", files.items(), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "net.keras").stat().st_size < 1 << 20
    words = "over 5,000,000 values" if name == "config.json" else "metadata.json holds"
    assert peak_mb(lambda: refused(tmp_path / "net.keras", words)) < 50


@pytest.mark.parametrize("inside", [False, True])
def test_an_array_that_claims_to_be_large(good, tmp_path, inside):
    path = tmp_path / "net.h5"
    path.write_bytes((good / "net.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file.create_dataset("bomb", (1 << 36,), "f4", chunks=(1 << 20,), compression="gzip")
    if inside:
        files = members(good / "net.keras")
        files["model.weights.h5"] = path.read_bytes()
        path = tmp_path / "net.keras"
        pack(path, files.items())
    assert peak_mb(lambda: refused(path, "bytes unpacked")) < 50


def test_values_in_other_files(good, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    for kind in ("link", "raw", "virtual"):
        path = tmp_path / f"{kind}.h5"
        path.write_bytes((good / "net.h5").read_bytes())
        with h5py.File(path, "a") as file:
            if kind == "link":
                file["evil"] = h5py.ExternalLink(str(good / "net.h5"), "/")
            elif kind == "raw":
                file.create_dataset("evil", (16,), "f4", external=[(str(secret), 0, 64)])
            else:
                layout = h5py.VirtualLayout((16,), "f4")
                layout[:] = h5py.VirtualSource(str(good / "net.h5"), "x", (16,))
                file.create_virtual_dataset("evil", layout)
        refused(path, "another file")


def test_groups_in_a_circle(good, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes((good / "net.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file["model_weights/again"] = file["/"]
    assert len(float_model(path).graph.main.ops) == 1


def test_a_file_over_which_the_library_hangs(tmp_path, monkeypatch):
    """A damaged file, found by the fuzz, of which h5py never finishes reading an attribute."""
    from edgeq.conversion.sources import hdf5_contents
    from tests.foreign.fuzz import input_number
    from tests.foreign.readers import READERS

    monkeypatch.setattr(hdf5_contents, "_SECONDS", 3)
    path = tmp_path / "net.h5"
    path.write_bytes(input_number("hdf5", 0, 507, READERS["hdf5"].seeds()))
    begin = time.monotonic()
    refused(path, r"damaged|no sound")
    assert time.monotonic() - begin < 10


def test_an_architecture_that_is_no_text(tmp_path):
    for value in (3, np.zeros(4), np.bytes_(b"\xff\xfe"), "[]", "3", '{"class_name": 3}'):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.attrs["model_config"] = value
        (tmp_path / "net.h5").write_bytes(buffer.getvalue())
        refused(tmp_path / "net.h5", ".")


def renamed(good, path, activation):
    """The good net with another activation in its configuration."""
    files = members(good / "net.keras")
    config = json.loads(files["config.json"])
    config["config"]["layers"][1]["config"]["activation"] = activation
    files["config.json"] = json.dumps(config).encode()
    pack(path, files.items())
    return path


def named(module, name, kind="function"):
    config = name if kind == "function" else {}
    return {"module": module, "class_name": kind, "config": config, "registered_name": name}


@pytest.mark.parametrize(
    ("activation", "shown"),
    [
        (named("os", "system"), "os.system"),
        (named("builtins", "os.system"), "builtins.os.system"),
        (named("subprocess", "Popen", "Popen"), "subprocess.Popen"),
        (named("keras.utils", "get_file"), "keras.utils.get_file"),
        (named("keras.src.saving", "load_model"), "keras.src.saving.load_model"),
        (named("keras", "utils.get_file"), "keras.utils.get_file"),
        (named("keras_evil", "run", "run"), "keras_evil.run"),
    ],
    ids=str,
)
def test_functions_outside_keras_are_refused_before_keras_sees_them(
    good, tmp_path, monkeypatch, activation, shown
):
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    with pytest.raises(EdgeqError, match=f"names {shown}, which is none of Keras's"):
        float_model(renamed(good, tmp_path / "m.keras", activation))


def test_functions_of_keras_and_of_the_users_own_program_load(good, tmp_path):
    own = {
        "relu": "relu",
        "dictionary": named("builtins", "relu"),
        "module": named("keras.activations", "relu"),
        "layer": {**named("keras.layers", "ReLU", "ReLU"), "registered_name": None},
    }
    for name, activation in own.items():
        assert float_model(renamed(good, tmp_path / f"{name}.keras", activation)).graph.main.ops

    @keras.saving.register_keras_serializable("mine")
    def double(x):
        return x * 2

    activation = named("mine.module", "mine>double")
    try:
        assert float_model(renamed(good, tmp_path / "m.keras", activation)).graph.main.ops
    finally:
        keras.saving.get_custom_objects().clear()


@pytest.mark.parametrize(
    ("layer", "change"),
    [
        (lambda: keras.layers.Dense(2), {"units": 1 << 30}),
        (lambda: keras.layers.Embedding(5, 2), {"input_dim": 1 << 40}),
    ],
)
def test_layers_are_no_larger_than_the_file(layer, change, tmp_path):
    """Keras would fill 16 GB with random numbers before it looks for the weights."""
    path = tmp_path / "net.keras"
    keras.Sequential([keras.Input((4,)), layer()]).save(path)
    files = members(path)
    config = json.loads(files["config.json"])
    for each in config["config"]["layers"][1:]:
        each["config"].update(change)
        del each["build_config"]
    pack(path, [*(files | {"config.json": json.dumps(config)}).items()])

    def load():
        with pytest.raises(EdgeqError, match="the file holds far less"):
            float_model(path)

    assert peak_mb(load) < 300


def test_networks_that_call_each_other_twice_are_counted(tmp_path):
    def nested(depth):
        inputs = keras.Input((4,))
        net = keras.Model(inputs, keras.layers.ReLU()(inputs))
        for _ in range(depth):
            inputs = keras.Input((4,))
            net = keras.Model(inputs, net(net(inputs)))
        net.save(tmp_path / "net.keras")
        return tmp_path / "net.keras"

    assert "RELU" in [op.name for op in float_model(nested(3)).graph.main.ops]
    with pytest.raises(EdgeqError, match="more than 100,000 calls of layers"):
        float_model(nested(24))


@pytest.mark.parametrize("name", ["../../x", "assets/../../x", "/etc/x", "C:\\x", "a\\..\\..\\x"])
def test_members_that_lead_out_of_the_archive(good, tmp_path, name):
    pack(tmp_path / "net.keras", [*members(good / "net.keras").items(), (name, b"x")])
    refused(tmp_path / "net.keras", "names a file outside")
    pack(tmp_path / "x.npz", [(f"{name}.npy", b"x")])
    with pytest.raises(EdgeqError, match="names a file outside"):
        read_arrays(tmp_path / "x.npz")
    pack(tmp_path / "dots.keras", [*members(good / "net.keras").items(), ("a/..b/c..", b"x")])
    float_model(tmp_path / "dots.keras")


def test_weights_in_an_archive_of_arrays_are_not_opened(good, tmp_path):
    """Keras made 90 bytes of each number: gigabytes out of a file of two kilobytes."""
    inner = io.BytesIO()
    np.savez_compressed(inner, **{"layers/dense": np.zeros(1_000_000, np.float32)})
    files = members(good / "net.keras")
    del files["model.weights.h5"]
    path = tmp_path / "npz.keras"
    pack(path, [*files.items(), ("model.weights.npz", inner.getvalue())])
    assert peak_mb(lambda: refused(path, "has no model.weights.h5")) < 50
