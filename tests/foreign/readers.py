"""Every reader of foreign bytes, with good input to start from.

A reader ends in a value or an EdgeqError, whatever the bytes.
"""

import io
import json
import os
import struct
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edgeq.support.resources import resource_dir
from tests.foreign.pt2 import archive
from tests.oracle.build import TensorSpec, single_op


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        seeds: Makes good inputs.
        read: Reads one input; the folder is its own, for what must lie in a file.
        share: Of the inputs that others get; a reader that starts a process for each gets fewer.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], object]
    share: float = 1.0


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@cache
def small_model() -> bytes:
    weights = np.arange(12, dtype=np.int8).reshape(3, 4)
    return single_op(
        "FULLY_CONNECTED",
        [TensorSpec((1, 4), scale=0.5, name="in", signature=(-1, 4)),
         TensorSpec((3, 4), scale=0.25, data=weights, name="weights"),
         TensorSpec((3,), "int32", scale=0.125, data=np.zeros(3, np.int32), name="bias")],
        [TensorSpec((1, 3), scale=1.0, name="out")],
    )  # fmt: skip


def read_model(data: bytes, folder: Path) -> None:
    from edgeq.analysis.inspection import inspect

    inspect(_file(folder, "m.tflite", data)).to_json()


def float_models() -> list[bytes]:
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    return [
        single_op(
            "FULLY_CONNECTED",
            [TensorSpec((1, 4), "float32", name="in"),
             TensorSpec((3, 4), "float32", data=weights, name="weights")],
            [TensorSpec((1, 3), "float32", name="out")],
        )
    ]  # fmt: skip


def read_float_model(data: bytes, folder: Path) -> None:
    from edgeq.conversion.float_model import float_model

    float_model(_file(folder, "m.tflite", data))


@cache
def labelled() -> list[bytes]:
    from edgeq.model.tflite.metadata import Described, ModelInfo, label_archive, write_info

    output = Described("out", (3,), labels=("a", "b", "c"), low=0.0, high=1.0)
    info = ModelInfo("net", (Described("in", (4,), mean=(1.0,), std=(2.0,)),), (output,))
    entry = write_info(info)
    return [struct.pack("<I", len(entry)) + entry + label_archive(["a", "b", "c"])]


def read_metadata(data: bytes, folder: Path) -> None:
    from edgeq.model.tflite.metadata import read_info

    size = min(struct.unpack("<I", data[:4].ljust(4, b"\0"))[0], len(data))
    read_info(data[4 : 4 + size], data)


@cache
def hdf5_files() -> list[bytes]:
    import h5py

    found = []
    for packed in (None, "gzip"):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.attrs["model_config"] = json.dumps(CONFIG)
            group = file.create_group("model_weights/dense")
            group.create_dataset("kernel", data=np.ones((40, 30), np.float32), compression=packed)
            group["again"] = file["model_weights"]
        found.append(buffer.getvalue())
    return found


CONFIG = {
    "module": "keras.src.models.functional", "class_name": "Functional",
    "config": {"layers": [{"class_name": "Dense", "config": {"name": "d", "units": 3}}]},
}  # fmt: skip


@cache
def keras_files() -> list[bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(CONFIG))
        archive.writestr("assets/vocabulary.txt", "a\nb\n" * 50)
    return [buffer.getvalue()]


def read_keras(name: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> None:
        from edgeq.conversion.sources import hdf5_contents
        from edgeq.conversion.sources.keras_contents import check_contents

        hdf5_contents._SECONDS = 5
        check_contents(_file(folder, name, data), trust=False)

    return read


@cache
def saved_models() -> list[bytes]:
    import tempfile

    import tensorflow as tf

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.v = tf.Variable(np.ones((4, 3), np.float32))

        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
        def serve(self, x):
            return {"y": tf.matmul(x, self.v)}

    with tempfile.TemporaryDirectory() as folder:
        net = Net()
        tf.saved_model.save(net, folder, signatures={"serving_default": net.serve})
        return [(Path(folder) / "saved_model.pb").read_bytes()]


@cache
def onnx_files() -> list[bytes]:
    from tests.conversion.onnx_cases import one_op, several_ops

    models = [*dict(several_ops()).values(), *list(dict(one_op()).values())[::6]]
    return [model.SerializeToString() for model in models]


def onnx_layers() -> list[bytes]:
    from edgeq.conversion.tensorflow import import_tensorflow

    import_tensorflow()  # takes longer than one input may
    return onnx_files()


def read_onnx_file(data: bytes, folder: Path) -> None:
    """All of a file but the layers that are made of it."""
    from edgeq.conversion.sources.onnx.contents import read_onnx
    from edgeq.conversion.sources.onnx.rewriting import simplified
    from edgeq.conversion.sources.onnx.wishes import input_orders

    input_orders(simplified(read_onnx(_file(folder, "m.onnx", data))))


def read_onnx_layers(data: bytes, folder: Path) -> None:
    from edgeq.conversion.sources.onnx.contents import read_onnx
    from edgeq.conversion.sources.onnx.model import keras_model

    keras_model(read_onnx(_file(folder, "m.onnx", data)))


def read_pt2(data: bytes, folder: Path) -> None:
    from edgeq.conversion.sources.torch.contents import clean_program

    clean_program(_file(folder, "m.pt2", data))


def read_saved_model(data: bytes, folder: Path) -> None:
    from edgeq.conversion.sources.saved_model_cut import cut, signatures
    from edgeq.conversion.sources.saved_models import _choose, _read

    saved = _read(data, folder)
    cut(saved, _choose(signatures(saved), None, "x"), "x")


@cache
def arrays() -> list[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, x=np.ones((6, 4), np.float32), y=np.arange(6))
        found.append(buffer.getvalue())
    for array in (np.ones((6, 4), np.float32), np.asfortranarray(np.ones((6, 4), np.int8))):
        buffer = io.BytesIO()
        np.save(buffer, array)
        found.append(buffer.getvalue())
    return found


def read_all_arrays(data: bytes, folder: Path) -> None:
    from edgeq.errors import EdgeqError
    from edgeq.model.arrays import read_arrays

    path = _file(folder, "x.npz", data)
    try:
        read_data("x.npz")(data, folder)
    except EdgeqError:
        read_arrays(path)


def read_data(name: str, shape: tuple[int, ...] = (4,)) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> None:
        from edgeq.data import DatasetOptions, InputSpec, open_dataset

        path = _file(folder, name, data)
        label = "label" if name.endswith(".csv") else None
        spec = InputSpec("in", shape, "float32")
        options = DatasetOptions(label=label)
        source = path if "/" not in name else folder / name.split("/")[0]
        labelled = name.endswith((".csv", ".tfrecord", ".npz"))
        for _ in open_dataset(source, [spec], labelled=labelled, options=options):
            pass

    return read


def wav_files() -> list[bytes]:
    found = []
    for width in (1, 2, 3, 4):
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(width)
            file.setframerate(16000)
            file.writeframes(bytes(width * 40))
        found.append(buffer.getvalue())
    return found


def images() -> list[bytes]:
    from PIL import Image

    found = []
    picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        found.append(buffer.getvalue())
    return found


def in_folder(
    folder_name: str, name: str, shape: tuple[int, ...]
) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> None:
        (folder / folder_name).mkdir(exist_ok=True)
        read_data(f"{folder_name}/{name}", shape)(data, folder)

    return read


def _framed(record: bytes) -> bytes:
    from edgeq.data.crc32c import masked_crc32c

    head = struct.pack("<Q", len(record))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (head, record))
    return head + next(sums) + record + next(sums)


def records() -> list[bytes]:
    def field(number: int, body: bytes) -> bytes:
        return bytes([number << 3 | 2, len(body)]) + body

    floats = field(2, field(1, np.ones(4, "<f4").tobytes()))
    label = field(3, field(1, bytes([1])))
    entries = [field(1, b"x") + field(2, floats), field(1, b"y") + field(2, label)]
    record = field(1, b"".join(field(1, entry) for entry in entries))
    return [_framed(record) * 2]


def read_example(data: bytes, folder: Path) -> None:
    """A record with a right checksum, whose content is damaged."""
    read_data("x.tfrecord")(_framed(data), folder)


def targets() -> list[bytes]:
    names = ("nucleo-f446re", "esp32-s3-devkitc-1", "raspberry-pi-5", "qemu-mps2-an386")
    files = [resource_dir("targets") / f"{name}.toml" for name in names]
    return [file.read_bytes() for file in files if file.is_file()]


def read_target(data: bytes, folder: Path) -> None:
    from edgeq.boards.target import load_target

    load_target(_file(folder, "t.toml", data))


DEPLOY = b"""[deploy]
model = "m.keras"
data = "c.npz:x"
verify = 20
[reading]
classes = ["yes", "no"]
mean = [1, 2]
[limits]
accuracy_drop = 0.01
flash = "128K"
cycles = 5_000_000
"""


def read_configuration(data: bytes, folder: Path) -> None:
    from edgeq.workflow.config import read_config

    read_config(_file(folder, "edgeq.toml", data))


def read_inventory(data: bytes, folder: Path) -> None:
    from edgeq.devices import inventory
    from edgeq.errors import EdgeqError

    os.environ["XDG_CONFIG_HOME"] = str(folder)
    (folder / "edgeq").mkdir(exist_ok=True)
    _file(folder / "edgeq", "devices.toml", data)
    found = inventory.read_inventory()
    for name in found.groups:
        try:
            inventory.members(name)
        except EdgeqError:
            continue


PROFILE = {
    "edgeq": "0.1.0", "model": {"path": "m.tflite", "sha256": "0" * 64, "macs": 10},
    "device": {"address": "c", "cpu": "x", "runtime": "c", "threads": 1}, "valid": True,
    "latency_us": {"n": 3, "p50": 1.0, "min": 1.0, "max": 2.0, "mean": 1.5, "stdev": 0.1},
    "samples_us": [1.0, 2.0, 1.5, 1.2, 1.1, 1.9, 1.8, 1.3], "instructions": 5, "cycles": 7,
    "memory_bytes": {"arena": 10, "flash_total": 20}, "ops": [], "warnings": [],
    "output_sha256": "0" * 64,
}  # fmt: skip


def result_files() -> list[bytes]:
    verify = {"edgeq": "0.1.0", "on": "c", "against": "tflm", "compared": 3, "differing": 0,
              "equal": True, "model": {"path": "m", "sha256": "0" * 64}}  # fmt: skip
    accuracy = {"edgeq": "0.1.0", "metric": "accuracy", "accuracy": 0.9, "samples": 10,
                "model": {"path": "m", "sha256": "0" * 64}, "on": "c"}  # fmt: skip
    limit = {"name": "flash", "limit": 10, "value": 9, "met": True, "source": "asked for"}
    whole = {**PROFILE, "limits": [limit], "verify": [verify], "profile": PROFILE, "met": True,
             "target": "x", "evaluation": {"float": accuracy, "integer": accuracy},
             "memory": {"arena_bytes": 10, "lower_bound_bytes": 5, "steps": 3, "blocks": [
                 {"name": "a", "offset": 0, "bytes": 5, "first": 0, "last": 1}]}}  # fmt: skip
    return [json.dumps(each).encode() for each in (PROFILE, verify, accuracy, whole)]


def read_results(data: bytes, folder: Path) -> None:
    from edgeq.report.write import write_report

    write_report([_file(folder, "r.json", data)], folder / "r.html", force=True)


def read_profiles(data: bytes, folder: Path) -> None:
    from edgeq.analysis.comparison.profiles import compare

    good = _file(folder, "a.json", json.dumps(PROFILE).encode())
    compare(good, _file(folder, "b.json", data))


def read_groups(data: bytes, folder: Path) -> None:
    from edgeq.analysis.comparison.groups import compare_groups, is_group, read_result

    found = read_result(_file(folder, "b.json", data))
    if is_group(found):
        compare_groups(found, PROFILE)
        compare_groups({"results": [{"name": "a", "profile": PROFILE}]}, found)


def projects() -> list[bytes]:
    record = {"name": "net", "template": "bare-metal", "runtime": "c", "target": "nucleo-f446re",
              "models": {"net": "0" * 64}, "notes": ["a note"]}  # fmt: skip
    return [json.dumps(record).encode()]


def read_project_file(data: bytes, folder: Path) -> None:
    from edgeq.firmware.create import read_project

    _file(folder, "edgeq-project.json", data)
    read_project(folder)


MANIFEST = {
    "manifest": {
        "edgeq": "0.1.0", "model": {"path": "m.tflite", "sha256": "0" * 64}, "target": "x",
        "files": {"m.tflite": "0" * 64, "deploy.json": "0" * 64},
        "sources": {"model": {"name": "m.keras", "sha256": None}}, "configuration": {"io": None},
        "tools": {"python": "3"}, "figures": {"arena": 10}, "met": True,
        "limits": [{"name": "flash", "limit": 1, "value": 1, "met": True, "source": "always"}],
        "created": "2026-01-01T00:00:00Z", "sequence": 1,
    },
    "signature": {"algorithm": "ed25519", "public_key": "ssh-ed25519 AAAA", "value": "AAAA"},
}  # fmt: skip


def read_manifest_file(data: bytes, folder: Path) -> None:
    from edgeq.errors import EdgeqError
    from edgeq.workflow.manifest_check import check_manifest
    from edgeq.workflow.manifest_form import read_manifest
    from edgeq.workflow.model_card import model_card

    path = _file(folder, "manifest.json", data)
    try:
        check_manifest(path, newer_than="2025-01-01")
    except EdgeqError:
        model_card(read_manifest(path)["manifest"])


def public_keys() -> list[bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return [public.public_bytes(*form) + b" comment"]


def read_public_key(data: bytes, folder: Path) -> None:
    from edgeq.errors import EdgeqError
    from edgeq.support.signature import sign_bytes, verify_bytes

    path = _file(folder, "key.pub", data)
    good = {"algorithm": "ed25519", "public_key": public_keys()[0].decode()[:-8], "value": ""}
    try:
        verify_bytes(b"x", {**good, "public_key": data.decode("latin-1")}, path, "x")
    except EdgeqError:
        sign_bytes(b"x", path)


def answer_lines() -> list[bytes]:
    loaded = {"event": "loaded", "load_us": 5.0, "delegate": "none", "affinity": [0, 1],
              "input_dtypes": ["int8"], "input_shapes": [[1, 4]],
              "output_dtypes": ["int8"], "output_shapes": [[1, 3]]}  # fmt: skip
    measured = {"event": "measured", "first_us": 1.0, "warmup": 3, "elapsed_s": 1.0, "cpu_s": 1.0,
                "peak_rss_bytes": 1000, "data": "AAAA"}  # fmt: skip
    ops = {"event": "profiled", "index": [0], "op": ["ADD"], "us": [1.0], "delegated": [False]}
    beat = {"event": "beat", "monotonic_s": 1.0, "wall_s": 2.0, "texts": [
        "0.5 0.4 0.3 1/100 5", "cpu  1 2 3 4 5 6 7 8 9 10\\n", "1800000", "1800000", "ondemand",
        "48000", "throttled=0x50000"]}  # fmt: skip
    error = {"event": "error", "kind": "died", "signal": 11, "text": "gone", "id": 1}
    samples = {"event": "samples", "us": [1.0, 2.0]}
    messages = (loaded, measured, ops, beat, error, samples)
    return [json.dumps(each).encode() for each in messages]


def read_answer(data: bytes, folder: Path) -> None:
    """A line from an agent, through the parser and through every reader of answers."""
    from edgeq.devices.remote import answers, record
    from edgeq.devices.remote.failures import explain
    from edgeq.devices.tensors import TensorSpec as DeviceSpec
    from edgeq.errors import EdgeqError
    from edgeq.support.foreign import parse_json
    from tests.devices.remote.test_record import FACTS

    message = parse_json(data.decode("utf-8", "replace"), "x")
    if not isinstance(message, dict):
        return
    model = _file(folder, "m.tflite", small_model())
    specs = [DeviceSpec("out", (1, 3), "int8")]
    readers = (
        lambda: answers.read_loaded(message),
        lambda: answers.read_measured(message),
        lambda: answers.read_op_times(message),
        lambda: answers.read_samples(message),
        lambda: answers.split_outputs(answers.read_bytes(message), specs, 1),
        lambda: record.judge([record.read_snapshot(message, FACTS)] * 2, [1.0] * 30, 1.0, FACTS, 1),
        lambda: explain(message, "x", FACTS, model, "load"),
    )
    for read in readers:
        try:
            read()
        except EdgeqError:
            continue


def probe_texts() -> list[bytes]:
    sections = {
        "uname": "Linux 6.1.0 aarch64", "env": "home=/root\nprefix=/usr",
        "online /sys/devices/system/cpu/online": "0-3", "libc": "glibc 2.36",
        "cpuinfo /proc/cpuinfo": "CPU implementer : 0x41\nCPU part : 0xd08\nFeatures : fp asimd\n",
        "meminfo /proc/meminfo": "MemTotal:  4000000 kB\nMemAvailable: 2000000 kB\n",
        "python": "version 3.11.2\nbits 64\npath /usr/bin/python3\nmodule numpy\n",
        "folders": "exec /tmp\nnoexec /var", "root": "/tmp/edgeq", "android": "14\nPixel",
        "free": "Filesystem 1024-blocks Used Available\n/dev/root 100 50 50 50% /",
        "cached": f"-rw-r--r-- 1 root root 100 {'0' * 64}.tflite",
        "thermal /sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "temperature /sys/class/thermal/thermal_zone0/temp": "48000",
    }  # fmt: skip
    return [json.dumps(sections).encode()]


def read_probe(data: bytes, folder: Path) -> None:
    """What a probe prints: any text under any heading."""
    from edgeq.devices.remote.facts import read_facts

    try:
        sections = json.loads(data)
    except (ValueError, RecursionError):
        sections = {
            "uname": data.decode("latin-1"),
            "meminfo /proc/meminfo": data.decode("latin-1"),
        }
    if isinstance(sections, dict):
        texts = {str(name): str(text) for name, text in sections.items()}
        json.dumps(read_facts(texts).to_json(), allow_nan=False)


def benchmark_texts() -> list[bytes]:
    from tests.devices.remote import test_benchmark_output as known

    return [text.encode() for text in (known.RECORDED, known.XNNPACK, known.GPU, known.NNAPI)]


def read_benchmark(data: bytes, folder: Path) -> None:
    from edgeq.devices.remote.benchmark_output import read_output

    found = read_output(data.decode("utf-8", "replace"))
    int(found.timed.get("count", 0))
    json.dumps([dict(found.timed), dict(found.warmup), found.init_us, [r.us for r in found.ops]],
               allow_nan=False)  # fmt: skip


def frames() -> list[bytes]:
    from edgeq.devices.serial.protocol import Frame, encode

    return [b"".join(encode(Frame(7, n, 1, bytes([0, 2, 1, 0]) + b"x" * n)) for n in range(1, 30))]


def read_frames(data: bytes, folder: Path) -> None:
    from edgeq.devices.serial.protocol import Splitter, decode

    splitter = Splitter()
    for start in range(0, len(data), 37):
        for block in splitter.feed(data[start : start + 37]):
            decode(block)


READERS = {
    "model": Reader(lambda: [small_model()], read_model),
    "float model": Reader(float_models, read_float_model),
    "metadata": Reader(labelled, read_metadata),
    "keras": Reader(keras_files, read_keras("m.keras")),
    "hdf5": Reader(hdf5_files, read_keras("m.h5"), 0.05),
    "saved model": Reader(saved_models, read_saved_model),
    "onnx": Reader(onnx_files, read_onnx_file),
    "onnx layers": Reader(onnx_layers, read_onnx_layers, 0.1),
    "exported program": Reader(lambda: [archive()], read_pt2),
    "arrays": Reader(arrays, read_all_arrays),
    "csv": Reader(lambda: [b"a,b,c,d,label\n1,2,3,4,yes\n5,6,7,8,no\n"], read_data("x.csv")),
    "tfrecord": Reader(records, read_data("x.tfrecord")),
    "example": Reader(lambda: [records()[0][12:-4]], read_example),
    "wav": Reader(wav_files, in_folder("sounds", "a.wav", (40,))),
    "image": Reader(images, in_folder("pictures", "a.png", (8, 8, 3))),
    "target": Reader(targets, read_target),
    "configuration": Reader(lambda: [DEPLOY], read_configuration),
    "inventory": Reader(
        lambda: [b'[devices.a]\naddress = "ssh://pi@h"\n[groups]\ng = ["a", "c"]\n'], read_inventory
    ),
    "results": Reader(result_files, read_results),
    "profiles": Reader(lambda: [json.dumps(PROFILE).encode()], read_profiles),
    "groups": Reader(
        lambda: [json.dumps({"results": [{"name": "a", "profile": PROFILE}]}).encode()], read_groups
    ),
    "project": Reader(projects, read_project_file),
    "manifest": Reader(lambda: [json.dumps(MANIFEST).encode()], read_manifest_file),
    "public key": Reader(public_keys, read_public_key),
    "answer": Reader(answer_lines, read_answer),
    "probe": Reader(probe_texts, read_probe),
    "benchmark output": Reader(benchmark_texts, read_benchmark),
    "serial frames": Reader(frames, read_frames),
}
