"""Layers of Keras that cut and resize pictures, as a front end for cameras, and the model behind.

The model is followed from its input while layers do what a front end of kind `image` does: cut out
the middle, resize once, scale pixels. Layers that do something in training only are passed by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.sources.following import Follower, names_of, rebuilt
from edgeq.conversion.sources.keras_front_ends import SplitModel
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.frontend.keras_options import Translated

_FORMATS = {1: "gray8", 3: "rgb888"}
_RESIZES = ("nearest", "bilinear")
_IN_TRAINING = (
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization",
    "Identity", "AugMix", "CutMix", "MixUp", "RandAugment",
)  # fmt: skip
_ROUNDED = "Pixels are whole numbers from 0 to 255 after they were resized, too."
_WORDS = "Resizing (bilinear, nearest) or CenterCrop"


@dataclass(frozen=True)
class Picture:
    """A frame on its way to the model.

    Attributes:
        layer: The last layer that cut or resized it; None for none.
        crop: Left, top, width and height of the part of the frame.
        size: Width and height once it is resized; None before.
        resize: How.
        mean, std: Values are (pixel - mean) / std, once `scaled`.
    """

    channels: int
    crop: tuple[int, int, int, int]
    layer: Any = None
    size: tuple[int, int] | None = None
    resize: str = "nearest"
    mean: int = 0
    std: float = 1.0
    scaled: bool = False

    @property
    def width(self) -> int:
        """Of the picture as it is now."""
        return self.crop[2] if self.size is None else self.size[0]

    @property
    def height(self) -> int:
        """Of the picture as it is now."""
        return self.crop[3] if self.size is None else self.size[1]


def split_image_front_end(model: Any, where: str) -> SplitModel:
    """The layers that cut and resize pictures before a keras.Model, and the model behind them.

    Args:
        model: A model of Keras 3.
        where: Name of the model for messages.

    Raises:
        EdgeqError: It does not begin with such layers.
    """
    _, keras = import_tensorflow()
    followed = getattr(model, "_functional", None) or model
    if not hasattr(followed, "_nodes_by_depth") or len(followed.inputs) != 1:
        raise _nothing("it is subclassed or has several inputs", where)
    shape = tuple(followed.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape or shape[-1] not in _FORMATS:
        raise _nothing(f"its input, {shape}, is no picture (height, width, 1 or 3)", where)
    height, width, channels = shape
    split = _Split(keras, where, names_of(followed))
    outputs = split.follow(followed, Picture(channels, (0, 0, width, height)))
    used = split.used
    if used is None or used.layer is None or any(isinstance(each, Picture) for each in outputs):
        raise _nothing(f"it does not begin with {_WORDS}", where)
    rest = rebuilt(keras, model, split.input, outputs)
    values = _values(used, width, height)
    read_description(values)
    approximate = (_ROUNDED,) if used.resize == "bilinear" else ()
    found = Translated(values, 1, approximate=approximate)
    return SplitModel(used.layer, model, rest, found, 1.0, where)


def _nothing(why: str, where: str) -> EdgeqError:
    return EdgeqError(
        f"The model has no front end for pictures: {why}.", where, "leave out --image-front-end"
    )


class _Split:
    """The model behind the front end while it is built."""

    def __init__(self, keras: Any, where: str, taken: set[str]) -> None:
        self._keras, self._where, self._taken = keras, where, taken
        self.input: Any = None
        self.used: Picture | None = None

    def follow(self, model: Any, picture: Picture) -> list[Any]:
        """The outputs of the model behind the front end."""
        follower = Follower(self._keras, (Picture,), _after, self._tensor, self._twice)
        return follower.follow(model, [picture])

    def _tensor(self, picture: Picture, operation: Any) -> Any:
        if self.used is None:
            name = "pictures"
            while name in self._taken:
                name += "_"
            self.used = picture
            self.input = self._keras.Input(
                (picture.height, picture.width, picture.channels), name=name
            )
        if self.used != picture:
            raise EdgeqError(
                f"'{operation.name}' takes the picture otherwise than the layers beside it.",
                self._where,
                "leave out --image-front-end",
            )
        return self.input

    def _twice(self, operation: Any) -> None:
        raise EdgeqError(
            f"Two layers are named '{operation.name}', one in a model inside the other.",
            self._where,
            "give each a name of its own, or leave out --image-front-end",
        )


def _after(node: Any, picture: Picture) -> Picture | None:
    """The picture behind a layer; None where the layer belongs to the model."""
    layer = node.operation
    kind = kind_of(layer)
    passing = kind in _IN_TRAINING or (kind.startswith("Random") and kind != "RandomCrop")
    if passing:
        return picture
    config = layer.get_config() if kind in _STEPS else {}
    if config.get("data_format", "channels_last") != "channels_last":
        return None
    return _STEPS[kind](layer, config, picture) if kind in _STEPS else None


def _cropped(layer: Any, config: Mapping[str, Any], picture: Picture) -> Picture | None:
    height, width = config.get("height"), config.get("width")
    if picture.size is not None or not isinstance(height, int) or not isinstance(width, int):
        return None
    inside = 0 < height <= picture.height and 0 < width <= picture.width
    return _middle(picture, layer, width, height) if inside else None


def _middle(picture: Picture, layer: Any, width: int, height: int) -> Picture:
    left = picture.crop[0] + (picture.width - width) // 2
    top = picture.crop[1] + (picture.height - height) // 2
    return replace(picture, layer=layer, crop=(left, top, width, height))


def _resized(layer: Any, config: Mapping[str, Any], picture: Picture) -> Picture | None:
    height, width = config.get("height"), config.get("width")
    plain = not config.get("antialias") and not config.get("pad_to_aspect_ratio")
    if picture.size is not None or not plain or config.get("interpolation") not in _RESIZES:
        return None
    if not isinstance(height, int) or not isinstance(width, int) or min(height, width) < 1:
        return None
    if config.get("crop_to_aspect_ratio"):
        # Source: keras/src/backend/tensorflow/image.py, resize().
        across = min(picture.width, int(picture.height * width / height))
        down = min(picture.height, int(picture.width * height / width))
        picture = _middle(picture, layer, max(across, 1), max(down, 1))
    return replace(picture, layer=layer, size=(width, height), resize=config["interpolation"])


def _rescaled(layer: Any, config: Mapping[str, Any], picture: Picture) -> Picture | None:
    """(pixel - mean) / std, if the mean is a whole number; another scale folds into the model."""
    del layer
    scale, offset = (np.asarray(config.get(key)) for key in ("scale", "offset"))
    if picture.scaled or scale.dtype.kind not in "if" or offset.dtype.kind not in "if":
        return None
    if scale.size != 1 or offset.size != 1 or not float(scale.item()) > 0:
        return None
    mean = -float(offset.item()) / float(scale.item())
    if abs(mean - round(mean)) > 1e-3 or not 0 <= round(mean) <= 255:  # float32's 1 / 127
        return None
    return replace(picture, mean=round(mean), std=1 / float(scale.item()), scaled=True)


_STEPS = {"CenterCrop": _cropped, "Resizing": _resized, "Rescaling": _rescaled}


def _values(picture: Picture, width: int, height: int) -> dict[str, Any]:
    """The front end, as `read_description` takes it."""
    values: dict[str, Any] = {
        "kind": "image",
        "format": _FORMATS[picture.channels],
        "width": width,
        "height": height,
    }
    if picture.crop != (0, 0, width, height):
        values["crop"] = list(picture.crop)
    return values | {
        "out_width": picture.width,
        "out_height": picture.height,
        "out_channels": picture.channels,
        "resize": picture.resize,
        "mean": picture.mean,
        "std": picture.std,
    }
