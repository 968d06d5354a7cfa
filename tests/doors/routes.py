"""One net through every door: Keras, ONNX by both exporters of PyTorch, and PyTorch itself."""

import logging
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgeq
from edgeq.conversion.float_model import float_model
from edgeq.model.model_file import parse_graph
from tests.conversion.nets import run
from tests.doors.nets import pair

FLOAT_SAMPLES, JUDGED = 8, 300


@dataclass(frozen=True)
class Route:
    """What came out of one door.

    Attributes:
        door: "keras", "onnx", "onnx-dynamo", "pt2" or "function".
        float_error: Largest difference of the float .tflite to PyTorch and, for ONNX files, to
            onnxruntime too.
        float_bytes, int8_bytes: Sizes.
        agreement: Share of samples on which the first class of int8 is that of PyTorch.
        classes: First class of int8 for each sample.
        signal_to_noise_db: As convert says.
        ops: Ops of the int8 model, with their numbers.
        seconds: Of the conversion, calibration and quality check included.
    """

    door: str
    float_error: float
    float_bytes: int
    int8_bytes: int
    agreement: float
    classes: np.ndarray
    signal_to_noise_db: float
    ops: Counter
    seconds: float


MODULE = """
from tests.doors.nets import pair

def net():
    import torch
    twin = pair({name!r})
    return twin.torch, (torch.from_numpy(twin.file_x[:1]),)
"""


def routes(name: str, folder: Path) -> dict[str, Route]:
    """Each door's result for one of `nets.NETS`, by the door's name."""
    twin = pair(name, JUDGED)
    sources = {"keras": folder / "net.keras", **_files(twin, folder)}
    twin.keras.save(sources["keras"])
    (folder / "own.py").write_text(MODULE.format(name=name))
    sources["function"] = f"{folder / 'own.py'}:net"
    return {door: _through(door, source, twin) for door, source in sources.items()}


def _files(twin, folder: Path) -> dict[str, Path]:
    """What PyTorch's exporters write."""
    import torch

    found = {
        "onnx": folder / "old.onnx",
        "onnx-dynamo": folder / "new.onnx",
        "pt2": folder / "n.pt2",
    }
    example = (torch.from_numpy(twin.file_x[:1]),)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(twin.torch, example, found["onnx"], dynamo=False)
        torch.onnx.export(
            twin.torch,
            example,
            found["onnx-dynamo"],
            dynamo=True,
            external_data=True,
            verbose=False,
        )
        torch.export.save(torch.export.export(twin.torch, example), found["pt2"])
    logging.disable(logging.NOTSET)
    return found


def _through(door: str, source, twin) -> Route:
    import torch

    file_x = twin.x if door == "keras" else twin.file_x
    start = time.perf_counter()
    made = edgeq.convert(source, data=file_x[:100])
    seconds = time.perf_counter() - start
    plain = float_model(source)
    with torch.no_grad():
        wanted = twin.torch(torch.from_numpy(twin.file_x)).numpy()
    axes = plain.inputs[0].file_axes or tuple(range(file_x.ndim - 1))
    x = np.transpose(file_x, (0, *(axis + 1 for axis in axes)))
    given = run(plain.data, [x[:FLOAT_SAMPLES, None]])[0].reshape(FLOAT_SAMPLES, -1)
    error = float(np.abs(given - wanted[:FLOAT_SAMPLES]).max())
    if door.startswith("onnx"):
        error = max(error, float(np.abs(given - _by_onnxruntime(source, file_x)).max()))
    classes = run(made.data, [x[:, None]])[0].reshape(len(x), -1).argmax(1)
    return Route(
        door, error, len(plain.data), len(made.data), float((classes == wanted.argmax(1)).mean()),
        classes, made.quality.outputs[0].signal_to_noise_db,
        Counter(op.name for op in parse_graph(made.data, "int8").main.ops), seconds,
    )  # fmt: skip


def _by_onnxruntime(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: x[i : i + 1]})[0] for i in range(FLOAT_SAMPLES)]
    )
