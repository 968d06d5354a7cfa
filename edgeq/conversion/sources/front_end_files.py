"""Whether a file may hold a front end, before anything of it is loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

from edgeq.conversion.sources.formats import is_keras_file
from edgeq.errors import EdgeqError
from edgeq.frontend.keras_options import TRANSLATORS
from edgeq.support.foreign import open_file, read_members

_MOST_CONFIG_BYTES = 64 << 20


def may_have_front_end(path: Path) -> bool:
    """Whether a Keras file names a layer that may be a front end; nothing of it is loaded."""
    if not is_keras_file(path) or not path.is_file():
        return False
    names = [name.encode() for name in TRANSLATORS]
    try:
        if zipfile.is_zipfile(path):
            found = read_members(
                path, str(path), lambda name: name == "config.json",
                member=_MOST_CONFIG_BYTES, whole=_MOST_CONFIG_BYTES,
            )  # fmt: skip
            return any(name in data for data in found.values() for name in names)
        before = b""
        with open_file(path, "model") as file:
            while block := file.read(1 << 20):
                if any(name in before + block for name in names):
                    return True
                before = block[-64:]
    except (OSError, zipfile.BadZipFile, EdgeqError):
        pass  # whoever loads the model says what is wrong with the file
    return False
