"""Which files hold a Keras model, by the ending that Keras goes by."""

from __future__ import annotations

from pathlib import PurePath

_KERAS = (".keras", ".h5", ".hdf5")


def is_keras_file(path: str | PurePath) -> bool:
    """Whether a file's name says that Keras wrote it; nothing is opened."""
    return PurePath(path).suffix.lower() in _KERAS
