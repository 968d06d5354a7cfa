"""Folders of .wav files, as samples in -1..1."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeq.data.base import Array, InputSpec, Request, Row, Source, file_error
from edgeq.data.folders import labelled_files
from edgeq.errors import EdgeqError

AUDIO_SUFFIXES = frozenset({".wav"})
_MOST_CHANNELS = 8


def open_audio(path: Path, request: Request) -> Source:
    """Samples from a folder of .wav files; one subfolder per class where labels are wanted.

    A short recording is padded with silence, a long one is cut, at the end both.

    Raises:
        EdgeqError: No .wav files, or a model input that is no waveform.
    """
    spec = request.single_input(str(path), "a folder of .wav files")
    _layout(spec, str(path))
    files, classes = labelled_files(path, AUDIO_SUFFIXES, request)

    def rows() -> Iterator[Row]:
        for file, label in files:
            yield [read_audio(file, spec)], label, str(file)

    return Source(str(path), rows, len(files), classes)


def _layout(spec: InputSpec, where: str) -> tuple[int, int]:
    """Length and channels of the waveform that an input takes."""
    axes = [n for n in spec.shape if n != 1] or [1]
    if len(axes) == 1:
        return axes[0], 1
    if len(axes) == 2 and axes[1] <= _MOST_CHANNELS:
        return axes[0], axes[1]
    raise EdgeqError(
        f"Input '{spec.name}' has shape {spec.shape}, which is no waveform (samples, channels).",
        where,
        "compute the model's features in a generator and give it as module:function",
    )


def read_audio(file: Path, spec: InputSpec) -> Array:
    """One PCM recording as float32 in -1..1, of the input's shape.

    Raises:
        EdgeqError: Not PCM, or another number of channels.
    """
    length, channels = _layout(spec, str(file))
    try:
        with wave.open(str(file)) as recording:
            found, width = recording.getnchannels(), recording.getsampwidth()
            raw = recording.readframes(min(recording.getnframes(), length))
    except (wave.Error, EOFError, OSError) as error:
        raise file_error(file, error) from error
    if found != channels:
        raise EdgeqError(
            f"The recording has {found} channels; the model takes {channels}.", str(file)
        )
    pcm = _scaled(raw[: len(raw) // (width * found) * width * found], width).reshape(-1, channels)
    whole = np.zeros((length, channels), np.float32)
    whole[: len(pcm)] = pcm
    return whole.reshape(spec.shape)


def _scaled(raw: bytes, width: int) -> Array:
    """PCM bytes of 1 to 4 bytes a sample as float32 in -1..1."""
    values: Array
    if width == 1:
        values = np.frombuffer(raw, np.uint8).astype(np.float32) - np.float32(128)
    elif width == 3:
        # Three bytes become the upper three of an int32.
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values, width = padded.view("<i4").ravel().astype(np.float32), 4
    else:
        values = np.frombuffer(raw, f"<i{width}").astype(np.float32)
    values /= np.float32(1 << (8 * width - 1))
    return values
