"""The one reader of images, from folders and from records: decoded, composed, of the input's size.

Pixels come as 0..255 whatever the file's depth; floats as they are.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.data.base import InputSpec, Request, Row, Source
from edgeq.data.folders import labelled_files
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.support.array import Array
from edgeq.support.foreign import MOST_FILE_BYTES, read_bytes
from edgeq.support.quiet import without_warnings
from edgeq.support.reasons import reason_of

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
)
# Pillow goes by the content, and of more formats: for PostScript it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MOST_PIXELS = 100_000_000  # more than any camera's, and 400 MB
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_PNG = b"\x89PNG\r\n\x1a\n"
# EXIF: of these the camera was held upright.
_ORIENTATION, _TURNED = 0x0112, range(5, 9)
# Tags of TIFF: bits of a value; 0 where the lowest value is white, as scans of film have it.
_BITS, _WHITE_IS = 258, 262
# Of these, Pillow makes 32 bits of 16.
_WIDENED = ("PNG", "PPM")


def open_images(path: Path, request: Request) -> Source:
    """Samples from a folder of images; one subfolder per class where labels are wanted.

    Raises:
        EdgeqError: No images, or a model input that is no image.
    """
    spec = request.single_input(str(path), "a folder of images")
    files, classes = labelled_files(path, IMAGE_SUFFIXES, request)
    image_mode(spec, str(path))

    def some(places: Sequence[int]) -> Iterator[Row]:
        for file, label in (files[place] for place in places):
            yield [read_image(_bytes(file), spec, request, str(file))], label, str(file)

    def rows() -> Iterator[Row]:
        return some(range(len(files)))

    return Source(str(path), rows, "images", len(files), classes, some=some)


def _bytes(file: Path) -> bytes:
    return read_bytes(file, "image", MOST_FILE_BYTES)


def image_mode(spec: InputSpec, where: str) -> str:
    """PIL's name for the pixels that an input of shape (H, W) or (H, W, C) takes.

    Raises:
        EdgeqError: The input is no image.
    """
    channels = 1 if len(spec.shape) == 2 else spec.shape[-1] if len(spec.shape) == 3 else 0
    if channels not in _MODES:
        raise EdgeqError(
            f"Input '{spec.name}' has shape {spec.shape}, which is no image "
            "(height, width, 1 or 3 or 4 channels).",
            where,
        )
    return _MODES[channels]


def read_image(content: bytes, spec: InputSpec, request: Request, where: str) -> Array:
    """One image as pixels 0..255, of the input's height, width and channels.

    Args:
        content: The file.
        spec: The input.
        request: How it is resized, what lies behind transparent pixels; and where to say so.
        where: What to blame.

    Returns:
        uint8; float32 for 16 bits a channel (scaled to 0..255) and for float images (as they are).

    Raises:
        EdgeqError: It is no image that PIL reads, is damaged, or has whole numbers of 32 bits.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingDependency("Pillow", "reading images", "pip install pillow", error) from error
    _check_png(content, where)
    try:
        with without_warnings(), Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError(f"it has {opened.width} x {opened.height} pixels")
            if getattr(opened, "n_frames", 1) > 1:
                request.remarks.on_sample("the first picture of several", where, warning=True)
            image = ImageOps.exif_transpose(opened)
            pixels = _deep(image, opened, spec, request, where)
            if pixels is None:
                image = _composed(image, spec, request, where).convert(image_mode(spec, where))
                pixels = [image]
        sized = [_resized(picture, spec, request.options.resize) for picture in pixels]
    except EdgeqError:
        raise
    except Exception as error:  # each of PIL's readers has exceptions of its own
        raise EdgeqError(f"The image cannot be read: {reason_of(error)}", where) from error
    array = np.stack([np.asarray(picture) for picture in sized], axis=-1)
    if len(sized) == 1 and array.ndim == 4:
        array = array[..., 0]
    deep = array.dtype != np.uint8 and image.mode != "F"
    if deep and spec.own == "uint8" and request.options.normalization is None:
        array = np.clip(np.round(array), 0, 255).astype(np.uint8)
    return array.reshape(spec.shape)


def image_size(content: bytes) -> tuple[int, int]:
    """Width and height of an image that `read_image` reads, as it is shown."""
    from PIL import Image, ImageOps

    # Of what PIL can do without, such as odd EXIF data.
    with without_warnings(), Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
        if opened.format == "TIFF":  # these some versions of Pillow turn themselves
            shown = ImageOps.exif_transpose(opened)
            return shown.width, shown.height
        size = opened.width, opened.height
        return size[::-1] if opened.getexif().get(_ORIENTATION) in _TURNED else size


def _check_png(content: bytes, where: str) -> None:
    """Check the sums of a PNG's parts, which PIL passes over where the picture is.

    Raises:
        EdgeqError: A part is damaged or missing.
    """
    if not content.startswith(_PNG):
        return
    position, kind = len(_PNG), b""
    while kind != b"IEND":
        head = content[position : position + 8]
        size = int.from_bytes(head[:4], "big")
        kind, end = head[4:], position + 8 + size
        sum_ = content[end : end + 4]
        if len(sum_) < 4:
            raise EdgeqError("The image is cut off.", where, "copy it again")
        if zlib.crc32(content[position + 4 : end]) != int.from_bytes(sum_, "big"):
            raise EdgeqError("The image is damaged: a checksum does not match.", where)
        position = end + 4


def _deep(
    image: Any, opened: Any, spec: InputSpec, request: Request, where: str
) -> list[Any] | None:
    """An image of more than 8 bits as float pictures, one per channel; None for others.

    Raises:
        EdgeqError: Whole numbers of 32 bits, or a negative in floats, whose range nobody knows.
    """
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return None
    values = np.asarray(image).astype(np.float32)
    tags = getattr(opened, "tag_v2", {})
    negative = tags.get(_WHITE_IS) == 0  # Pillow turns over 8 bits alone
    if image.mode == "F" and negative:
        raise EdgeqError(
            "The lowest value is white, and what black is is not known of float pixels.",
            where,
            "save the picture with black as its lowest value",
        )
    if image.mode == "F":
        request.remarks.on_sample("float pixels, taken as they are", where)
    elif image.mode.startswith("I;16") or (
        opened.format in _WIDENED and values.max(initial=0) < 1 << 16
    ):
        bits = int(tags.get(_BITS, (16,))[0])
        request.remarks.on_sample(f"{bits} bits a pixel, scaled to 0..255", where)
        # Full scale stays full scale.
        values = values / np.float32(((1 << bits) - 1) / 255)
        values = np.float32(255) - values if negative else values
    else:
        raise EdgeqError(
            "The pixels are whole numbers of 32 bits; how bright the brightest is, is not known.",
            where,
            "save them with 8 or 16 bits, or as float",
        )
    grey = Image.fromarray(values)
    channels = spec.shape[-1] if len(spec.shape) == 3 else 1
    if channels == 4:
        raise EdgeqError("The image is grey; the model takes colour with transparency.", where)
    return [grey] * channels


def _composed(image: Any, spec: InputSpec, request: Request, where: str) -> Any:
    """The image on a background, where it has transparent pixels and the model takes none.

    Raises:
        EdgeqError: Nothing can be seen on that background.
    """
    from PIL import Image

    if image_mode(spec, where) == "RGBA":
        return image
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    alpha = image.getchannel("A").getextrema()
    if alpha == (255, 255):
        return image.convert("RGB")
    asked = request.options.background
    colour = asked or (0, 0, 0)
    whole = Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)
    whole = whole.convert("RGB")
    if alpha[0] != alpha[1] and all(low == high for low, high in whole.getextrema()):
        raise EdgeqError(
            f"The drawing is in the transparency, and vanishes on the background {_name(colour)}.",
            where,
            "--background white" if colour == (0, 0, 0) else "another --background",
        )
    text = f"transparent pixels, composed on {_name(colour)}"
    request.remarks.on_sample(
        text if asked else f"{text} (--background settles it)", where, warning=not asked
    )
    return whole


def _name(colour: tuple[int, int, int]) -> str:
    names = {(0, 0, 0): "black", (255, 255, 255): "white"}
    return names.get(colour, f"{colour[0]},{colour[1]},{colour[2]}")


def _resized(image: Any, spec: InputSpec, resize: str) -> Any:
    from PIL import Image, ImageOps

    size = (spec.shape[1], spec.shape[0])
    bilinear = Image.Resampling.BILINEAR
    if resize == "crop":
        return ImageOps.fit(image, size, bilinear)
    if resize == "pad":
        return ImageOps.pad(_kept(image, size), size, bilinear)
    return image if image.size == size else image.resize(size, bilinear)


def _kept(image: Any, size: tuple[int, int]) -> Any:
    """An image that is so long that nothing of its other side would be left, with a row of it."""
    from PIL import Image

    for side, other in ((0, 1), (1, 0)):
        if round(image.size[other] / image.size[side] * size[side]) == 0:
            shape = (size[0], 1) if side == 0 else (1, size[1])
            return image.resize(shape, Image.Resampling.BILINEAR)
    return image
