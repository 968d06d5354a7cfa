"""The kind `image`: a camera's frame cut out, resized and converted for a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.frontend.frontend_image import FORMATS
from edgeq.errors import EdgeqError, first_few
from edgeq.frontend.stages import Stages
from edgeq.model.stream import Stream

RESIZES = ("nearest", "bilinear", "area")
_BITS = {"rgb888": 24, "bgr888": 24, "gray8": 8, "nv12": 12}
_LEAST_STD = 1e-6
_MOST = 4096
_ONE = 4096


@dataclass(frozen=True)
class Image:
    """A front end for cameras.

    Attributes:
        format: One of `FORMATS`; rgb565 has the low byte first, yuv422 is Y U Y V.
        width, height: Of the frame.
        crop: (left, top, width, height) of the part that counts; all of it if empty.
        out_width, out_height, out_channels: Of the model's picture; 1 channel is gray.
        order: "rgb" or "bgr", of the output.
        resize: "nearest", "bilinear" (centres of pixels aligned, no smoothing) or "area".
        yuv_range: "video" (luma 16 to 235) or "full".
        mean, std: The model's real values are (pixel - mean) / std; the mean is an integer.
    """

    name: str
    format: str = "rgb888"
    width: int = 160
    height: int = 120
    crop: tuple[int, ...] = ()
    out_width: int = 96
    out_height: int = 96
    out_channels: int = 3
    order: str = "rgb"
    resize: str = "bilinear"
    yuv_range: str = "video"
    mean: int = 0
    std: float = 1.0


def read_image(given: Mapping[str, Any], name: str, where: str) -> Image:
    """The front end that a file of kind `image` describes.

    Raises:
        EdgeqError: It makes no sense: all of it at once.
    """
    known = {field.name: str(field.type).split("[")[0] for field in fields(Image)}
    kinds: dict[str, Any] = {"int": int, "str": str, "float": int | float, "tuple": list | tuple}
    values = {key: value for key, value in given.items() if key != "kind"}
    problems = [f"{key} has no meaning for image" for key in sorted(set(values) - set(known))]
    problems += [
        f"{key} is {value!r}, no {known[key]}"
        for key, value in values.items()
        if key in known and (isinstance(value, bool) or not isinstance(value, kinds[known[key]]))
    ]
    if not problems:
        values["crop"] = tuple(values.get("crop", ()))
        made = Image(**{"name": name, **values})
        problems += _problems(made)
        if not problems:
            return made
    raise EdgeqError(f"The front end makes no sense: {'; '.join(first_few(problems))}.", where)


def _problems(d: Image) -> list[str]:
    choices: dict[str, tuple[Any, ...]] = {
        "format": FORMATS,
        "order": ("rgb", "bgr"),
        "resize": RESIZES,
        "yuv_range": ("video", "full"),
        "out_channels": (1, 3),
    }
    found = [
        f"{key} is {getattr(d, key)!r}, not one of {', '.join(map(str, allowed))}"
        for key, allowed in choices.items()
        if getattr(d, key) not in allowed
    ]
    found += [
        f"{key} is {getattr(d, key)}, not from 1 to {_MOST}"
        for key in ("width", "height", "out_width", "out_height")
        if not 1 <= getattr(d, key) <= _MOST
    ]
    if not 0 <= d.mean <= 255 or not _LEAST_STD <= d.std <= 1 / _LEAST_STD:
        found.append(
            f"mean is {d.mean}, std {d.std}: 0 to 255, and {_LEAST_STD:g} to {1 / _LEAST_STD:g}"
        )
    if d.format in ("yuv422", "nv12") and (d.width % 2 or d.height % 2):
        found.append(f"{d.format} of {d.width} x {d.height}, which are not even")
    if d.crop and not _is_inside(d):
        found.append(f"crop is {list(d.crop)}, no [left, top, width, height] in the frame")
    return found


def _is_inside(d: Image) -> bool:
    if len(d.crop) != 4 or not all(isinstance(each, int) for each in d.crop):
        return False
    left, top, width, height = d.crop
    across = left >= 0 and width > 0 and left + width <= d.width
    return across and top >= 0 and height > 0 and top + height <= d.height


def frame_bytes(d: Image) -> int:
    """Bytes of a frame."""
    return d.width * d.height * _BITS.get(d.format, 16) // 8


def image_stream(d: Image) -> Stream:
    """A frame is a window of bytes; the next one begins behind it."""
    size = frame_bytes(d)
    shape: tuple[int, ...] = (size,)
    if d.format in ("rgb888", "bgr888", "gray8"):
        shape = (d.height, d.width, 1 if d.format == "gray8" else 3)
    left, top, width, height = d.crop or (0, 0, d.width, d.height)
    seen = (left / d.width, top / d.height, width / d.width, height / d.height)
    return Stream(d.name, 0, size, size, unit=1.0, dtype="uint8", shape=shape, seen=seen)


def image_stages(d: Image, s: Stages) -> None:
    """Add the one stage to `s`."""
    left, top, width, height = d.crop or (0, 0, d.width, d.height)
    shape = (d.out_height * d.out_width * d.out_channels,)
    options = {
        "format": d.format,
        "width": d.width,
        "height": d.height,
        "channels": d.out_channels,
        "reversed": d.order == "bgr",
        "full_range": d.yuv_range == "full",
        "rows": taps(top, height, d.out_height, d.resize),
        "columns": taps(left, width, d.out_width, d.resize),
    }
    s.op("FRONTEND_IMAGE", (0,), ("pixels", shape, "uint8", 1 / d.std, d.mean), options)


def taps(start: int, size: int, count: int, resize: str) -> tuple[NDArray[np.int64], ...]:
    """First pixels, where each output's weights start, and Q12 weights whose sum is one.

    Source: tf.image.resize, whose centres of pixels are aligned (half_pixel_centers).
    """
    first, starts, weights = [], [0], []
    scale = np.float32(size) / np.float32(count)  # as TensorFlow does, whose rounding decides ties
    for i in range(count):
        low, high = i * size / count, (i + 1) * size / count
        if resize == "nearest":
            begin, shares = min(int(np.float32(i + 0.5) * scale), size - 1), np.ones(1)
        elif resize == "bilinear":
            place = min(max((i + 0.5) * size / count - 0.5, 0), size - 1)
            begin = min(int(place), max(size - 2, 0))
            shares = np.asarray([1 - (place - begin), place - begin])[: min(size, 2)]
        else:
            begin = int(low)
            pixels = np.arange(begin, min(int(np.ceil(high - 1e-9)), size))
            shares = np.minimum(pixels + 1, high) - np.maximum(pixels, low)
        fixed = np.rint(shares / shares.sum() * _ONE).astype(np.int64)
        fixed[fixed.argmax()] += _ONE - fixed.sum()
        first.append(start + begin)
        starts.append(starts[-1] + len(fixed))
        weights.append(fixed)
    return np.asarray(first), np.asarray(starts), np.concatenate(weights)
