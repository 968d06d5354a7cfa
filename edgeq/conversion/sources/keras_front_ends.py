"""A front end that is a layer of a Keras model, and the model behind it.

The model is followed from its input: reshapes of the samples, the layer itself, and a logarithm of
keras.ops behind it belong to the front end; what comes then is the model of features.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.sources.formats import is_keras_file
from edgeq.conversion.sources.front_end_split import Spectrum, Split, refused, samples_in
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.frontend.keras_options import TRANSLATORS, Translated
from edgeq.support.foreign import open_file, read_members

_MOST_CONFIG_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class SplitModel:
    """A Keras model in two.

    Attributes:
        layer: The layer that was the front end.
        whole: The keras.Model as it was.
        rest: The keras.Model behind the front end; its input is frames of features.
        front: What the layer is in edgeq's words.
        full_scale: The value of the model's input that is the loudest sample.
        where: Name of the model for messages.
    """

    layer: Any
    whole: Any
    rest: Any
    front: Translated
    full_scale: float
    where: str

    @property
    def name(self) -> str:
        """Name and class of the layer, as 'mel (MelSpectrogram)'."""
        return f"{self.layer.name} ({kind_of(self.layer)})"


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


def split_front_end(model: Any, where: str) -> tuple[SplitModel | None, str]:
    """The front end in a keras.Model and the model behind it; None where there is no such layer.

    An STFTSpectrogram is made of convolutions: where it cannot be split off it stays a layer, and
    the second result says why.

    Args:
        model: A model of Keras 3.
        where: Name of the model for messages.

    Raises:
        EdgeqError: There is a front end that cannot be split off, with the layer's name and why.
    """
    named = [layer for layer in _layers(model) if kind_of(layer) in TRANSLATORS]
    if not named:
        return None, ""
    try:
        return _split(model, named[0], where), ""
    except EdgeqError as error:
        if any(kind_of(layer) == "MelSpectrogram" for layer in named):
            raise
        return None, f"{error.what} It stays in the model, as convolutions."


def _split(model: Any, first: Any, where: str) -> SplitModel:
    _, keras = import_tensorflow()
    followed = getattr(model, "_functional", None) or model
    if not hasattr(followed, "_nodes_by_depth"):
        why = "the model is subclassed; build it with keras.Sequential or keras.Model"
        raise refused(first, why, where)
    if len(followed.inputs) != 1:
        raise refused(first, f"the model has {len(followed.inputs)} inputs", where)
    shape = followed.inputs[0].shape[1:]
    count = samples_in(shape)
    if count is None:
        raise refused(first, f"the model's input, {shape}, is no row of samples", where)
    split = Split(keras, where)
    rest = split.rebuilt(model, count)
    used = split.used
    if rest is None or used is None:
        raise refused(first, "there is no model behind it", where)
    return SplitModel(used.layer, model, rest, used.translated, used.full_scale, where)


def with_floor(found: SplitModel, floor: float) -> Any:
    """The keras.Model as it answers to recordings of which the loudest sets the floor of all.

    Args:
        found: A model that begins with a MelSpectrogram in decibels.
        floor: The least power or magnitude under a triangle.
    """
    _, keras = import_tensorflow()
    shape = tuple(found.whole.inputs[0].shape[1:])
    config = {**found.layer.get_config(), "power_to_db": False}

    def begin(spectrum: Spectrum) -> tuple[Any, Any]:
        given = keras.Input(shape, name=found.whole.inputs[0].name)
        name, layers = found.layer.name, keras.layers
        x = layers.Reshape((max(shape),), name=split.free_name(f"{name}_row"))(given)
        x = layers.Rescaling(1 / spectrum.full_scale, name=split.free_name(f"{name}_scale"))(x)
        x = type(found.layer).from_config({**config, "name": split.free_name(f"{name}_own")})(x)
        x = layers.Permute((2, 1), name=split.free_name(f"{name}_frames"))(x)
        # Operations of keras.ops would take names that the model's own have.
        return given, layers.Lambda(decibels, name=split.free_name(f"{name}_floor"))(x)

    def decibels(x: Any) -> Any:
        log = keras.ops.log10(keras.ops.maximum(x, floor))
        return log * (10.0 if found.front.values["log"] == "db" else 1.0)

    split = Split(keras, found.where, begin)
    return split.rebuilt(found.whole, max(shape))


def _layers(model: Any) -> list[Any]:
    flatten = getattr(model, "_flatten_layers", None)
    return [] if flatten is None else list(flatten(include_self=False))
