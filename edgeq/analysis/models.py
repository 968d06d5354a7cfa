"""Any model as a .tflite: itself, or the float conversion of what another framework saved."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeq.conversion.sources.formats import is_float_source, model_name
from edgeq.model.graph import Graph

_CONVERTING = threading.Lock()  # frameworks keep names and graphs for a whole process


def is_tflite(model: str | Path) -> bool:
    """Whether the file is a .tflite, or nothing that could be converted to one."""
    return not is_float_source(model)


def is_integer(graph: Graph) -> bool:
    """Whether no tensor of the model is a float."""
    return not any("float" in tensor.dtype for tensor in graph.main.tensors)


@contextmanager
def as_tflite(model: str | Path, *, trust: bool = False) -> Iterator[Path]:
    """A .tflite of any model file, for as long as the block lasts.

    Args:
        model: A .tflite file, which is given back as it is, or what becomes a float .tflite:
            `.keras`, `.h5`, a SavedModel folder, `.onnx`, `.pt2`, or `module:function` of PyTorch.
        trust: Whether code inside a Keras file (Lambda layers) may run.

    Raises:
        EdgeqError: The model cannot be read or converted.
    """
    if is_tflite(model):
        yield Path(model)
        return
    from edgeq.conversion.float_model import float_model

    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        path = Path(folder) / f"{model_name(model)}.tflite"
        with _CONVERTING:
            path.write_bytes(float_model(model, trust=trust).data)
        yield path
