""".wav files: PCM of 8 to 32 bits and float, plain or extensible.

Source: Microsoft, "Multiple Channel Audio Data and WAVE Files" (2001).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.foreign import open_file

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {2: "ADPCM", 6: "A-law", 7: "µ-law", 17: "IMA ADPCM", 85: "MP3", 255: "AAC"}
# Writers that do not know the length when they begin leave one of these.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
# What may stand behind the samples.
_AFTER = re.compile(rb"LIST|[iI][dD]3 |bext|cue |smpl|inst|iXML|_PMX|afsp|fact|PEAK|JUNK|PAD ")
_MOST_PLACES, _MOST_CHUNKS = 1000, 100  # where such names are found, and what follows there


@dataclass(frozen=True)
class WavFormat:
    """What a .wav file's header says.

    Attributes:
        rate_hz: Frames a second.
        channels: Values a frame.
        width: Bytes a value.
        is_float: Whether the values are floats.
        frames: Frames in the file.
        start: Where they begin.
    """

    rate_hz: int
    channels: int
    width: int
    is_float: bool
    frames: int
    start: int


def wav_format(content: bytes, where: str, size: int | None = None) -> WavFormat:
    """The header of a .wav file.

    Args:
        content: The file, or its beginning.
        where: What to blame.
        size: Bytes of the whole file, where `content` is its beginning.

    Raises:
        EdgeqError: No .wav file, compressed, or cut off.
    """
    size = len(content) if size is None else size
    if content[:4] not in (b"RIFF", b"RF64") or content[8:12] != b"WAVE":
        raise EdgeqError("This is no .wav file.", where)
    chunks = dict(_chunks(content))
    found = chunks.get(b"fmt ")
    if found is None or found[1] < 16 or b"data" not in chunks:
        raise EdgeqError("The .wav file has no header, or it is damaged.", where)
    try:
        kind, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", content, found[0])
        if kind == _EXTENSIBLE:
            (kind,) = struct.unpack_from("<H", content, found[0] + 24)
    except struct.error:
        raise EdgeqError("The header of the .wav file is cut off.", where) from None
    width = _width(kind, channels, frame, bits, where)
    if not rate:
        raise EdgeqError("The header of the .wav file says 0 Hz.", where)
    start, length = chunks[b"data"]
    left = size - start
    if length in _UNKNOWN_SIZES and left > 0:
        length = _until_chunks(content, start) if size == len(content) else left
    if length > left:
        raise EdgeqError(
            f"The recording is cut off: {length:,} bytes are promised, {left:,} follow.",
            where,
            "copy it again",
        )
    return WavFormat(rate, channels, width, kind == _FLOAT, length // frame, start)


def _width(kind: int, channels: int, frame: int, bits: int, where: str) -> int:
    """Bytes a value, where the header makes sense."""
    if kind not in (_PCM, _FLOAT):
        raise EdgeqError(
            f"The recording is coded as {_CODECS.get(kind, f'number {kind}')}; "
            "PCM and float are read.",
            where,
            "sox IN.wav -e signed -b 16 OUT.wav",
        )
    width = frame // channels if channels else 0
    allowed = (4, 8) if kind == _FLOAT else (1, 2, 3, 4)
    if width not in allowed or width * channels != frame or bits > 8 * width:
        raise EdgeqError(
            f"The header of the .wav file makes no sense: {channels} channels, {frame} bytes a "
            f"frame, {bits} bits a value.",
            where,
        )
    return width


def _chunks(content: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Name, and (start, length), of each chunk; nothing after the data is looked at."""
    position = 12
    while position + 8 <= len(content):
        name = content[position : position + 4]
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        yield name, (position + 8, length)
        if name == b"data":
            return
        position += 8 + length + (length & 1)


def _until_chunks(content: bytes, start: int) -> int:
    """Bytes of samples, a number that nobody wrote down: up to chunks that end with the file."""
    for found in islice(_AFTER.finditer(content, start), _MOST_PLACES):
        end = found.start()
        for _ in range(_MOST_CHUNKS):
            name = _AFTER.match(content, end)
            if name is None or name.end() + 4 > len(content):
                break
            length = int.from_bytes(content[name.end() : name.end() + 4], "little")
            end = name.end() + 4 + length + (length & 1)
        if len(content) <= end <= len(content) + 1:  # the last one's padding is often left out
            return found.start() - start
    return len(content) - start


def read_wav(content: bytes, where: str) -> tuple[WavFormat, Array]:
    """A whole recording: its format, and float32 of shape (frames, channels), PCM in -1..1.

    Raises:
        EdgeqError: No .wav file, compressed, cut off, or with NaN.
    """
    header = wav_format(content, where)
    size = header.frames * header.channels * header.width
    values = _values(content[header.start : header.start + size], header)
    if not np.isfinite(values).all():
        raise EdgeqError("The recording holds NaN or infinity.", where)
    return header, values.reshape(-1, header.channels)


def read_header(file: Path) -> WavFormat:
    """The header of a file, without its samples.

    Raises:
        EdgeqError: As `wav_format`.
    """
    try:
        with open_file(file, "recording") as stream:
            start = stream.read(1 << 16)
            size = file.stat().st_size
            if _needs_more(start):
                start += stream.read()
    except OSError as error:
        raise EdgeqError(f"The recording cannot be read: {error.strerror}.", str(file)) from None
    return wav_format(start, str(file), size)


def _needs_more(content: bytes) -> bool:
    """Whether a beginning does not tell where the samples are, or how many."""
    if content[8:12] != b"WAVE":
        return False
    found = dict(_chunks(content)).get(b"data")
    return found is None or found[1] in _UNKNOWN_SIZES


def _values(raw: bytes, header: WavFormat) -> Array:
    """The values of a recording as float32."""
    if header.is_float:
        return np.frombuffer(raw, f"<f{header.width}").astype(np.float32)
    width = header.width
    values: Array
    if width == 1:
        values = np.frombuffer(raw, np.uint8).astype(np.float32) - np.float32(128)
    elif width == 3:
        # Three bytes become the upper three of an int32.
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values, width = padded.view("<i4").ravel().astype(np.float32), 4
    else:
        pcm: Any = np.frombuffer(raw, f"<i{width}")
        values = pcm.astype(np.float32)
    values /= np.float32(1 << (8 * width - 1))
    return values
