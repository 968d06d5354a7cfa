"""Folders of images, resized to the model's input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from edgeq.data.base import Array, InputSpec, Request, Row, Source
from edgeq.data.folders import labelled_files
from edgeq.errors import EdgeqError, MissingDependency

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
)
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def open_images(path: Path, request: Request) -> Source:
    """Samples from a folder of images; one subfolder per class where labels are wanted.

    Pixels come as integers 0..255; a Normalization scales them.

    Raises:
        EdgeqError: No images, or a model input that is no image.
    """
    spec = request.single_input(str(path), "a folder of images")
    files, classes = labelled_files(path, IMAGE_SUFFIXES, request)
    image_mode(spec, str(path))

    def rows() -> Iterator[Row]:
        for file, label in files:
            yield [read_image(file, spec, request.options.resize, str(file))], label, str(file)

    return Source(str(path), rows, len(files), classes)


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


def read_image(file: Path | IO[bytes], spec: InputSpec, resize: str, where: str) -> Array:
    """One image as uint8, of the input's height, width and channels.

    Raises:
        EdgeqError: The file is no image that PIL reads.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingDependency("Pillow", "reading images", "pip install pillow") from error
    size = (spec.shape[1], spec.shape[0])
    bilinear = Image.Resampling.BILINEAR
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert(image_mode(spec, where))
        if resize == "crop":
            image = ImageOps.fit(image, size, bilinear)
        elif resize == "pad":
            image = ImageOps.pad(image, size, bilinear)
        elif image.size != size:
            image = image.resize(size, bilinear)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EdgeqError(f"The image cannot be read: {error}", where) from error
    return np.asarray(image, np.uint8).reshape(spec.shape)
