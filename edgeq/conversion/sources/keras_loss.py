"""What the loss in a Keras file says of the model's outputs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.formats import is_keras_file
from edgeq.errors import EdgeqError
from edgeq.metrics.outputs import LOGITS, PROBABILITIES, Outputs
from edgeq.support.foreign import check_file

_CROSSENTROPIES = frozenset(
    {"binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
     "binary_focal_crossentropy", "categorical_focal_crossentropy"}
)  # fmt: skip
# Outputs come near labels of 0 and 1: the border is in the middle.
_DISTANCES = frozenset(
    {"mean_squared_error", "mean_absolute_error", "mse", "mae", "huber", "log_cosh"}
)
_HINGES = frozenset({"hinge", "squared_hinge", "categorical_hinge"})


def outputs_by_loss(model: str | Path | Any, head: str = "scores") -> Outputs | None:
    """What the first output's numbers are by the loss that a model was compiled with.

    Nothing of the model is loaded and no code of it runs.

    Args:
        model: A `.keras` or `.h5` file, or a model in memory; other files say nothing.
        head: What the outputs give in the end: of "logits" the loss says nothing, since what it
            was computed of has been left out.
    """
    if head == "logits":
        return None
    if isinstance(model, str | Path):
        return _by_entry(_stored_loss(Path(model)))
    configuration = getattr(model, "get_compile_config", None)
    try:
        found = configuration() if configuration is not None else None
    except Exception:  # noqa: BLE001  (losses of the user's own may have no configuration)
        return None
    return _by_entry((found or {}).get("loss"))


def _stored_loss(path: Path) -> Any:
    """The entry for the loss in a file; None where there is none."""
    if path.is_dir() or not is_keras_file(path):
        return None
    try:
        check_file(path, "model")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                stored = json.loads(archive.read("config.json")).get("compile_config")
        else:
            import h5py  # type: ignore[import-untyped]

            with h5py.File(path) as file:
                stored = json.loads(file.attrs["training_config"])
        return stored.get("loss") if isinstance(stored, dict) else None
    except (
        OSError,
        KeyError,
        ValueError,
        zipfile.BadZipFile,
        ImportError,
        AttributeError,
        EdgeqError,
    ):
        return None  # whoever loads the model says what is wrong with the file


def _by_entry(entry: Any) -> Outputs | None:
    """What one loss says: a name, or a class with its settings; of several, the first."""
    if isinstance(entry, list):
        return _by_entry(entry[0]) if entry else None
    if isinstance(entry, dict) and "class_name" not in entry:
        return _by_entry(next(iter(entry.values()), None))
    settings: Any = {}
    if isinstance(entry, dict):
        name, settings = entry["class_name"], entry.get("config")
        if name == "function":
            name, settings = settings, {}
    else:
        name = entry
    if not isinstance(name, str):
        return None
    plain = _snake(name)
    reason = f"the loss in the Keras file is {name}"
    if plain in _CROSSENTROPIES:
        logits = isinstance(settings, dict) and bool(settings.get("from_logits"))
        return (
            Outputs(LOGITS, f"{reason} from logits") if logits else Outputs(PROBABILITIES, reason)
        )
    if plain in _HINGES:
        return Outputs(LOGITS, reason)
    return Outputs(PROBABILITIES, reason) if plain in _DISTANCES else None


def _snake(name: str) -> str:
    """BinaryCrossentropy as binary_crossentropy."""
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))
