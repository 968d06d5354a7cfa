"""Pipes, devices, sockets and folders in the place of files: refused by every reader, at once."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.data import InputSpec, open_dataset
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.model.arrays import read_arrays
from edgeq.model.model_file import read_graph
from edgeq.support.foreign import read_bytes
from edgeq.support.jsontext import read_json
from edgeq.support.signature import sign_bytes
from edgeq.workflow.manifest import file_digest
from tests.tools import need


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A function that puts something that is no file under a name."""
    folder = tmp_path_factory.mktemp("strange")
    sockets = []

    def put(kind, name):
        path = folder / kind / name
        path.parent.mkdir(exist_ok=True)
        if path.is_symlink() or path.exists():
            return path
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "stream of the system":
            need(Path("/proc/self/status").exists(), "/proc")
            path.symlink_to("/proc/self/status")
        elif kind == "socket":
            sockets.append(socket.socket(socket.AF_UNIX))
            here = Path.cwd()
            os.chdir(path.parent)  # a socket's path is short
            sockets[-1].bind(name)
            os.chdir(here)
        else:
            path.mkdir()
        return path

    yield put
    for each in sockets:
        each.close()


def samples(path):
    return list(open_dataset(str(path), [InputSpec("x", (4,), "float32")]))


READERS = {
    "m.tflite": [float_model, read_graph],
    "m.keras": [float_model],
    "m.h5": [float_model],
    "m.onnx": [float_model],
    "m.pt2": [float_model],
    "x.npy": [samples, read_arrays],
    "x.npz": [samples, read_arrays],
    "x.csv": [samples],
    "x.csv.gz": [samples],
    "x.tfrecord": [samples],
    "r.json": [lambda path: read_json(path, "result")],
    "e.toml": [lambda path: read_bytes(path, "configuration")],
    "f.toml": [read_description],
    "key": [lambda path: sign_bytes(b"", path)],
    "file": [file_digest],
}


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "stream of the system"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused(strange, kind, name):
    path = strange(kind, name)
    for read in READERS[name]:
        with pytest.raises(EdgeqError, match=f"is a {kind}, no file"):
            read(path)
    assert outputs_by_loss(path) is None


def test_commands_say_it(cli, strange, tmp_path):
    for words in (["inspect", "m.tflite"], ["report", "r.json", "-o", tmp_path / "r.html"]):
        done = cli(words[0], strange("pipe", words[1]), *words[2:])
        assert done.code == 1
        assert "is a pipe, no file" in done.err


def test_files_in_folders_of_data_and_models(strange, tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(np.ones((4, 3), np.float32))

        @tf.function(input_signature=[tf.TensorSpec((1, 4))])
        def serve(self, x):
            return {"y": x @ self.weights}

    net = Net()
    tf.saved_model.save(net, str(tmp_path / "net"), signatures=net.serve)
    part = next((tmp_path / "net" / "variables").glob("variables.data*"))
    part.unlink()
    os.mkfifo(part)
    with pytest.raises(EdgeqError, match="is a pipe, no file"):
        float_model(tmp_path / "net")
    (tmp_path / "pictures").mkdir()
    os.mkfifo(tmp_path / "pictures" / "a.png")
    with pytest.raises(EdgeqError, match="no images"):
        samples(tmp_path / "pictures")


def test_a_pipe_that_the_user_gave_is_read():
    read, write = os.pipe()
    with os.fdopen(write, "wb") as end:
        end.write(b'{"a": 1}')
    path = Path(f"/dev/fd/{read}")
    assert read_json(path, "result") == {"a": 1}
    os.close(read)
