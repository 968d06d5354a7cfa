"""What is in a Keras file, found out before Keras opens it: code, bombs, links to other files.

The format is decided as Keras decides it, by the name's ending, so that both look at the same
bytes: a file can be a zip archive and an HDF5 file at once.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.custom_objects import IMPORTED
from edgeq.conversion.sources.hdf5_contents import read_hdf5
from edgeq.conversion.sources.keras_2 import HARD_SIGMOID
from edgeq.conversion.sources.keras_2_ops import OP_LAYERS, OP_OF_KERAS_2
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.support.foreign import check_file, parse_json, read_members, too_large, unpacked_limit
from edgeq.support.text import visible_line

_CONFIG = "config.json"
_METADATA = "metadata.json"
_WEIGHTS = ".h5"
_MODELS_WEIGHTS = "model.weights.h5"
_MOST_CONFIG_BYTES = 64 << 20
_MOST_METADATA_BYTES = 1 << 20
_MOST_DEPTH = 256  # each network inside another adds six
_MOST_CALLS = 100_000  # of layers, when those of networks that are called again count again
# Classes of Keras that bring code with them, or run a model of another kind from another file.
_BODY = "__lambda__"
_CODE = frozenset({"Lambda", _BODY, "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
# Packages whose layers Keras itself loads; and parts of it that no layer lies in.
_PACKAGES = frozenset({"builtins", "keras", "keras_cv", "keras_hub", "keras_nlp"})
# Where Keras 2 had the class of functional models, which Keras 3 has elsewhere, and those of calls
# of functions, which `keras_2_ops` loads.
_FORMER = frozenset(
    (kind, f"{package}.{module}")
    for package in ("keras", "keras.src", "tf_keras.src")
    for kind, module in (
        ("Functional", "engine.functional"),
        *((kind, "layers.core.tf_op_layer") for kind in OP_LAYERS),
    )
)
_NO_LAYERS = frozenset(
    {"callbacks", "config", "datasets", "distribution", "export", "saving", "tree", "utils"}
)


def check_contents(path: Path, *, trust: bool) -> None:
    """Refuse a file that Keras should not open.

    Args:
        path: A `.keras` or `.h5` file.
        trust: Whether code in it may run.

    Raises:
        EdgeqError: No whole model, damaged, it holds code and is not trusted, its weights lie in
            another file, it is far larger unpacked than it is, or its networks call each other
            without end.
    """
    check_file(path, "model")
    config = _config(path)
    if _calls(config) > _MOST_CALLS:
        raise EdgeqError(
            f"The file's networks inside each other come to more than {_MOST_CALLS:,} calls of "
            "layers.",
            str(path),
        )
    found = set(_code_layers(config))
    code = sorted(found - {_BODY} or found)  # a Lambda's body has no name of its own
    if code and not trust:
        raise EdgeqError(
            f"The file holds code in the layers {', '.join(code[:8])}; it is not run.",
            str(path),
            "--trust runs it, if you know where the file comes from",
        )
    # Modules that the user imported are his own word that they may be called.
    foreign = sorted(name for name in set(_foreign(config)) if not _is_imported(name))
    if foreign and not trust:
        raise EdgeqError(
            f"The file names {', '.join(foreign[:8])}, which is none of Keras's layers and "
            "functions; it is not called.",
            str(path),
            f"--import {foreign[0].rpartition('.')[0] or 'MODULE'}, if it is yours; or export a "
            "SavedModel (model.export) and convert that; --trust lets Keras look for it",
        )


def _is_imported(name: str) -> bool:
    """Whether a dotted name is of a module that `--import` registered."""
    return name.rpartition(".")[0] in IMPORTED


def _config(path: Path) -> Any:
    """The model's architecture as stored in the file, after a look at all its weights."""
    if importlib.util.find_spec("h5py") is None:
        import_tensorflow()  # says what to install: h5py comes with it
    limit = unpacked_limit(path)
    if path.name.endswith(".keras"):
        return _archived(path, limit)
    if path.name.endswith((".h5", ".hdf5")):
        config = read_hdf5(path, str(path), limit)
        if config is None:
            raise EdgeqError(
                "The file holds weights only, no model.",
                str(path),
                "save the whole model: model.save('model.keras')",
            )
        return _parsed(config, path)
    raise EdgeqError(
        "Keras opens a file by its name's ending, .keras or .h5.", str(path), "rename it"
    )


def _archived(path: Path, limit: int) -> Any:
    """The same of a `.keras` file."""
    if not zipfile.is_zipfile(path):
        raise EdgeqError("This is no sound Keras file: no zip archive.", str(path))
    members = read_members(
        path,
        str(path),
        lambda name: name in (_CONFIG, _METADATA) or name.endswith(_WEIGHTS),
        member=limit,
        whole=limit,
    )
    if _CONFIG not in members:
        raise EdgeqError(f"This is no sound Keras file: it has no {_CONFIG}.", str(path))
    # Keras reads it too, however large it becomes; it says a version and a date.
    if len(data := members.get(_METADATA, b"")) > _MOST_METADATA_BYTES:
        raise too_large(_METADATA, len(data), _MOST_METADATA_BYTES, str(path))
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        for name, data in members.items():
            if name.endswith(_WEIGHTS):
                unpacked = Path(folder) / "weights.h5"
                unpacked.write_bytes(data)
                read_hdf5(unpacked, f"{path}, {visible_line(name)}", limit)
    config = _parsed(members[_CONFIG], path)
    if _MODELS_WEIGHTS not in members:
        # Keras would take model.weights.npz: an archive in the archive, of which each number
        # becomes an object of Python.
        raise EdgeqError(
            f"The file has no {_MODELS_WEIGHTS}: weights are read of that alone.",
            str(path),
            "load the model in Keras and save it again, with h5py installed",
        )
    return config


def _parsed(text: str | bytes, path: Path) -> Any:
    if len(text) > _MOST_CONFIG_BYTES:
        raise too_large(_CONFIG, len(text), _MOST_CONFIG_BYTES, str(path))
    return parse_json(text, f"{path}, its architecture", unique=True, depth=_MOST_DEPTH)


def _calls(config: Any) -> int:
    """Layers that run when a model runs once: a network inside another may be called many times."""
    if isinstance(config, list):
        return sum(map(_calls, config))
    if not isinstance(config, dict):
        return 0
    nodes = config.get("inbound_nodes")
    times = max(1, len(nodes)) if isinstance(nodes, list) else 1
    inner = sum(_calls(value) for name, value in config.items() if name != "inbound_nodes")
    return times * (inner + ("class_name" in config))


def _code_layers(config: Any) -> Iterator[str]:
    """Names of the layers anywhere in an architecture that bring code."""
    todo = [config]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo += each
        elif isinstance(each, dict):
            kinds = {str(each.get("class_name")), str(each.get("type"))} & _CODE
            if kinds:
                inner = each.get("config")
                name = inner.get("name") if isinstance(inner, dict) else None
                yield visible_line(str(name or kinds.pop()))
            todo += each.values()


def _foreign(config: Any) -> Iterator[str]:
    """Classes and functions anywhere in an architecture that are not Keras's, by their names."""
    todo = [config]
    while todo:
        each = todo.pop()
        if isinstance(each, list):
            todo += each
        elif isinstance(each, dict):
            todo += each.values()
            name, module = each.get("class_name"), each.get("module")
            if name == "function" and isinstance(each.get("config"), str):
                name = each["config"]
            if not isinstance(name, str) or _registered(name, each.get("registered_name")):
                continue
            if (name, module) in _FORMER:
                continue
            if "." in name or (module is not None and not _is_kerases(str(module))):
                yield visible_line(f"{module}.{name}" if module else name)[:80]


def _is_kerases(module: str) -> bool:
    package, *parts = module.split(".")
    inside = parts[1:] if parts[:1] == ["src"] else parts
    return package in _PACKAGES and not _NO_LAYERS & set(inside[:1])


def _registered(*names: Any) -> bool:
    """Whether edgeq or the user's own program has told Keras of something of this name."""
    if HARD_SIGMOID in names or OP_OF_KERAS_2 in names:
        return True
    saving = getattr(sys.modules.get("keras"), "saving", None)
    known = saving.get_custom_objects() if saving is not None else {}
    return any(isinstance(name, str) and name in known for name in names)
