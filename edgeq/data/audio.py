"""Folders of .wav files, or one alone, as samples in -1..1 at the rate that the model takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeq.data.base import InputSpec, Request, Row, Source
from edgeq.data.folders import labelled_files
from edgeq.data.resampling import resample
from edgeq.data.wav import read_header, read_wav
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.foreign import MOST_FILE_BYTES, read_bytes

AUDIO_SUFFIXES = frozenset({".wav", ".wave"})
_MOST_CHANNELS = 8


def open_audio(path: Path, request: Request) -> Source:
    """Samples from a folder of .wav files, one subfolder per class where labels are wanted; or one.

    A short recording is padded with silence, a long one is cut, at the end both.

    Raises:
        EdgeqError: No .wav files, a model input that is no waveform, or another sample rate than
            the model takes.
    """
    spec = request.single_input(str(path), "a folder of .wav files")
    _layout(spec, str(path))
    files: list[tuple[Path, str | None]] = [(path, None)]
    classes: tuple[str, ...] = ()
    if path.is_dir():
        files, classes = labelled_files(path, AUDIO_SUFFIXES, request)
    _check_rates([file for file, _ in files], spec, request, str(path))

    def some(places: Sequence[int]) -> Iterator[Row]:
        for file, label in (files[place] for place in places):
            content = read_bytes(file, "recording", MOST_FILE_BYTES)
            yield [read_audio(content, spec, request, str(file))], label, str(file)

    def rows() -> Iterator[Row]:
        return some(range(len(files)))

    return Source(str(path), rows, "recordings", len(files), classes, some=some)


def wanted_rate(spec: InputSpec, request: Request, where: str) -> int | None:
    """The rate in Hz that the model takes; None where nobody knows.

    Raises:
        EdgeqError: The options say another one than the model.
    """
    asked = request.options.sample_rate
    if asked is not None and spec.rate_hz is not None and asked != spec.rate_hz:
        raise EdgeqError(
            f"--sample-rate {asked} is given; the model takes {spec.rate_hz:,} Hz.",
            where,
            "leave it out",
        )
    return spec.rate_hz if asked is None else asked


def _check_rates(files: Sequence[Path], spec: InputSpec, request: Request, where: str) -> None:
    """Refuse recordings of several rates, or of another one than the model takes."""
    wanted = wanted_rate(spec, request, where)
    rates: dict[int, Path] = {}
    for file in files:
        rates.setdefault(read_header(file).rate_hz, file)
    if wanted is not None:
        for rate, file in rates.items():
            _check_rate(rate, wanted, spec, request, str(file))
        return
    if len(rates) > 1:
        (one, first), (other, second) = list(rates.items())[:2]
        raise EdgeqError(
            f"The recordings have different sample rates: {one:,} Hz and {other:,} Hz.",
            f"{first}, {second}",
            "--sample-rate HZ --resample makes them one",
        )
    request.remarks.warn(
        f"recordings of {next(iter(rates)):,} Hz; what the model takes is not known "
        "(--sample-rate HZ says it)"
    )


def _check_rate(rate: int, wanted: int, spec: InputSpec, request: Request, where: str) -> None:
    if rate == wanted or request.options.resample:
        return
    told, hint = "the model takes", "--resample"
    if spec.rate_guessed:
        told = "the model does not say what it takes, and the front end by default"
        hint = f"--sample-rate {rate} if the model was trained on such, else --resample"
    raise EdgeqError(f"The recording has {rate:,} Hz; {told} {wanted:,} Hz.", where, hint)


def _layout(spec: InputSpec, where: str) -> tuple[int, int]:
    """Length and channels of the waveform that an input takes."""
    if not spec.sound:
        raise EdgeqError(
            "This front end takes no .wav files.", where, ".npz of (recordings, times, axes)"
        )
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


def read_audio(content: bytes, spec: InputSpec, request: Request, where: str) -> Array:
    """One recording as float32 in -1..1, of the input's shape and rate.

    Raises:
        EdgeqError: No .wav file that is read, another number of channels, or another rate.
    """
    length, channels = _layout(spec, where)
    header, signal = read_wav(content, where)
    if header.channels != channels:
        raise EdgeqError(
            f"The recording has {header.channels} channels; the model takes {channels}.", where
        )
    wanted = wanted_rate(spec, request, where)
    if wanted is not None and header.rate_hz != wanted:
        _check_rate(header.rate_hz, wanted, spec, request, where)
        signal = resample(signal, header.rate_hz, wanted, where)
        request.remarks.on_sample(f"resampled to {wanted:,} Hz", where)
    if len(signal) > length:
        request.remarks.on_sample(
            f"longer than the {length:,} values that the model takes, cut at the end",
            where,
            warning=True,
        )
    elif len(signal) < length:
        request.remarks.on_sample("shorter than the input, padded with silence", where)
    whole = np.zeros((length, channels), np.float32)
    whole[: len(signal)] = signal[:length]
    return whole.reshape(spec.shape)
