"""What the loss in a Keras file says of the model's outputs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.formats import is_keras_file
from edgeq.conversion.sources.structures import leaves
from edgeq.conversion.tensorflow import import_tensorflow
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


def outputs_by_loss(model: str | Path | Any) -> Outputs | None:
    """What the first output's numbers are by the loss that a model was compiled with.

    Nothing of the model is loaded and no code of it runs.

    Args:
        model: A `.keras` or `.h5` file, or a model in memory; other files say nothing.
    """
    return _by_name(*_first_loss(model))


def _first_loss(model: str | Path | Any) -> tuple[str, bool]:
    """The name of the first output's loss, "" for none, and whether it takes logits."""
    if isinstance(model, str | Path):
        return _named(*_stored_loss(Path(model)))
    configuration = getattr(model, "get_compile_config", None)
    try:
        found = configuration() if configuration is not None else None
    except Exception:  # noqa: BLE001  (losses of the user's own may have no configuration)
        return "", False
    given = [key or _maker_of(tensor) for key, tensor in leaves(_outputs_of(model))]
    return _named((found or {}).get("loss"), given[0] if given else "")


def keep_loss(made: Any, source: str | Path | Any) -> None:
    """Compile a model that was made of another with its first output's loss, where it is known.

    What reads the made model, or a file of it, then takes its outputs for what they are. The
    optimizer is one without a state: nobody trains with it, and no file grows by it.

    Args:
        made: A keras.Model.
        source: The file or the model that it came from.
    """
    name, from_logits = _first_loss(source)
    if _by_name(name, from_logits) is None:
        return
    keras = import_tensorflow()[1]
    loss: Any = _snake(name)
    if from_logits:
        kind = "".join(word.capitalize() for word in loss.split("_"))
        loss = keras.losses.get({"class_name": kind, "config": {"from_logits": True}})
    # A name of its own: those that Keras gives count on, and would make each file another.
    optimizer = keras.optimizers.SGD(name="sgd")
    made.compile(optimizer=optimizer, loss=[loss, *[None] * (len(made.outputs) - 1)])


def _outputs_of(model: Any) -> Any:
    given = getattr(model, "_outputs_struct", None)
    return getattr(model, "outputs", None) or [] if given is None else given


def _maker_of(tensor: Any) -> str:
    """Name of the layer that makes a KerasTensor; "" where it is not known."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name) if history else ""


def _stored_loss(path: Path) -> tuple[Any, str]:
    """The entry for the loss in a file, None where there is none; the first output's name."""
    if path.is_dir() or not is_keras_file(path):
        return None, ""
    try:
        check_file(path, "model")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                whole = json.loads(archive.read("config.json"))
                stored = whole.get("compile_config")
        else:
            import h5py  # type: ignore[import-untyped]

            with h5py.File(path) as file:
                stored = json.loads(file.attrs["training_config"])
                whole = json.loads(file.attrs["model_config"])
        loss = stored.get("loss") if isinstance(stored, dict) else None
        return loss, _first_output(whole["config"])
    except (
        OSError,
        KeyError,
        ValueError,
        zipfile.BadZipFile,
        ImportError,
        AttributeError,
        EdgeqError,
    ):
        return None, ""  # whoever loads the model says what is wrong with the file


def _first_output(config: Any) -> str:
    """What the first output is called in a functional model's configuration; "" in others.

    That is its key, or else the layer that makes it: `["layer", 0, 0]`.
    """
    given = config.get("output_layers") if isinstance(config, dict) else None
    if isinstance(given, dict):
        return next(iter(given), "")
    while isinstance(given, list) and given:
        given = given[0]
    return given if isinstance(given, str) else ""


def _named(entry: Any, output: str) -> tuple[str, bool]:
    """The name of a loss, "" for none, and whether it takes logits; of several, the output's.

    Args:
        entry: As Keras stores it: a name, or a class with its settings, or several of such.
        output: What the first output is called; "" if nobody knows.
    """
    if isinstance(entry, list):
        return _named(entry[0], output) if entry else ("", False)
    if isinstance(entry, dict) and "class_name" not in entry:
        only = next(iter(entry.values())) if len(entry) == 1 and not output else None
        return _named(entry.get(output, only), output)
    settings: Any = {}
    if isinstance(entry, dict):
        name, settings = entry["class_name"], entry.get("config")
        if name == "function":
            name, settings = settings, {}
    else:
        name = entry
    if not isinstance(name, str):
        return "", False
    return name, isinstance(settings, dict) and bool(settings.get("from_logits"))


def _by_name(name: str, from_logits: bool) -> Outputs | None:
    """What a loss says."""
    plain = _snake(name)
    reason = f"the loss in the Keras file is {name}"
    if plain in _CROSSENTROPIES:
        if from_logits:
            return Outputs(LOGITS, f"{reason} from logits")
        return Outputs(PROBABILITIES, reason)
    if plain in _HINGES:
        return Outputs(LOGITS, reason)
    return Outputs(PROBABILITIES, reason) if plain in _DISTANCES else None


def _snake(name: str) -> str:
    """BinaryCrossentropy as binary_crossentropy."""
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))
