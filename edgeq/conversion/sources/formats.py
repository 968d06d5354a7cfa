"""What kind of model a name means, by its ending; nothing is opened."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

_KERAS = (".keras", ".h5", ".hdf5")
_FUNCTION = re.compile(r"(?:[\w.]+|.*\.py):[A-Za-z_]\w*")


def is_keras_file(path: str | PurePath) -> bool:
    """Whether a file's name says that Keras wrote it."""
    return PurePath(path).suffix.lower() in _KERAS


def is_onnx_file(path: str | PurePath) -> bool:
    """Whether a file's name says that it is an ONNX model."""
    return PurePath(path).suffix.lower() == ".onnx"


def is_exported_program(path: str | PurePath) -> bool:
    """Whether a file's name says that torch.export wrote it."""
    return PurePath(path).suffix.lower() == ".pt2"


def is_float_file(path: str | PurePath) -> bool:
    """Whether a name says that there is a float model: one that another framework saved."""
    return is_keras_file(path) or is_onnx_file(path) or is_exported_program(path)


def model_name(model: str | PurePath) -> str:
    """What files made of a model are called: the file without its ending, or the function."""
    return str(model).rpartition(":")[2] if is_function(model) else PurePath(model).stem


def is_function(model: str | PurePath) -> bool:
    """Whether this is `module:function` or `file.py:function`, and no file."""
    return _FUNCTION.fullmatch(str(model)) is not None and not Path(model).exists()


def is_float_source(model: str | PurePath) -> bool:
    """Whether this becomes a float .tflite first: anything that edgeq reads but a .tflite."""
    return is_float_file(model) or is_function(model) or Path(model).is_dir()
