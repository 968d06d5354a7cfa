"""What the front ends of Keras are in edgeq's words: MelSpectrogram and STFTSpectrogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_WINDOWS = {"hann": "hann", "hamming": "hamming", "boxcar": "rectangular"}
_POWERS = {1.0: 1, 2.0: 2}
_MIRRORED = (
    "It mirrors the sound at both ends of a recording; a stream has silence before its first "
    "sample, and goes on with what comes next."
)


class Unlike(Exception):
    """A layer that no front end of edgeq equals; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class Translated:
    """A layer as a front end and what is left for the model behind it.

    Attributes:
        values: The front end, as `read_description` takes it.
        scale, offset: The layer's output is the front end's times `scale` plus `offset`; a scale is
            one number or one for each feature.
        features_first: Whether the layer's output has features before frames.
        frames: How many frames the layer makes of a recording.
        approximate: What of the layer a stream cannot have, as sentences.
        span_db: Decibels below the loudest value to which the layer lifts others; None for none.
    """

    values: Mapping[str, Any]
    frames: int
    scale: float | tuple[float, ...] = 1.0
    offset: float = 0.0
    features_first: bool = False
    approximate: tuple[str, ...] = ()
    span_db: float | None = None


def mel_spectrogram(config: Mapping[str, Any], samples: int) -> Translated:
    """Of a keras.layers.MelSpectrogram.

    Args:
        config: Its `get_config()`.
        samples: Of a recording.

    Raises:
        Unlike: An option of it has no counterpart.
    """
    power = _POWERS.get(config["mag_exp"])
    if power is None:
        raise Unlike(f"mag_exp is {config['mag_exp']:g}; powers (2) and magnitudes (1) are known")
    # Without a window Keras takes as many samples as the transform has.
    length = None if config["window"] is None else config["sequence_length"]
    values = {
        "kind": "log-mel",
        "sample_rate": _whole(config, "sampling_rate"),
        "frame_length": length or config["fft_length"],
        "frame_step": config["sequence_stride"],
        "fft_length": config["fft_length"],
        "window": _window(config["window"]),
        "center": True,
        "power": power,
        "num_mel_bins": config["num_mel_bins"],
        "lower_edge_hertz": float(config["min_freq"]),
        "upper_edge_hertz": float(config["max_freq"]),
    }
    values["frames"] = frames = 1 + samples // int(config["sequence_stride"])
    approximate = [_MIRRORED]
    if not config["power_to_db"]:
        return _checked({**values, "log": "none"}, frames, 1.0, 0.0, True, approximate)
    # Keras's decibels are 10 log10 of magnitudes, too.
    floor = float(config["min_power"])
    values |= {"log": "db" if power == 2 else "log10", "log_floor": floor}
    if not floor > 0:
        raise Unlike("min_power is 0, and silence has no logarithm")
    reference = -10 * math.log10(max(abs(float(config["ref_power"])), floor))
    span = float(config["top_db"])
    approximate.append(
        f"It lifts what is {span:g} dB below the loudest value of all that it is given at once "
        "(top_db); a stream does not know that value, and takes the loudest of the data."
    )
    found = _checked(values, frames, 1.0 if power == 2 else 10.0, reference, True, approximate)
    return replace(found, span_db=span)


def stft_spectrogram(
    config: Mapping[str, Any], samples: int, epsilon: float, gain: float
) -> Translated:
    """Of a keras.layers.STFTSpectrogram of one channel.

    Args:
        config: Its `get_config()`.
        samples: Of a recording.
        epsilon: Keras's own, below which no power counts.
        gain: Its kernels over those of a plain Fourier transform.

    Raises:
        Unlike: An option of it has no counterpart.
    """
    mode = config["mode"]
    if mode not in ("log", "magnitude", "psd"):
        raise Unlike(f"mode is '{mode}'; log, magnitude and psd are known")
    length = int(config["frame_length"])
    step = int(config["frame_step"] or length // 2)
    values = {
        "kind": "spectrogram",
        "frame_length": length,
        "frame_step": step,
        "fft_length": config["fft_length"] or 2 ** math.ceil(math.log2(length)),
        "window": _window(config["window"]),
        "periodic": bool(config["periodic"]),
        "power": 2 if mode == "psd" else 1,
        "log": "natural" if mode == "log" else "none",
    }
    frames, silence, behind = _padded(config["padding"], samples, length, step)
    values |= {"frames": frames} | ({"silence": silence} if silence else {})
    approximate = []
    if behind:
        approximate.append(
            "It pads a recording with silence at its end; a stream goes on with what comes next."
        )
    first = config["data_format"] == "channels_first" and not config["expand_dims"]
    if mode == "log":
        values["log_floor"] = math.sqrt(epsilon) / gain
        return _checked(values, frames, 1.0, math.log(gain), first, approximate)
    if mode == "magnitude":
        approximate.append(f"It lifts magnitudes to {math.sqrt(epsilon):.2g} at least.")
        return _checked(values, frames, gain, 0.0, first, approximate)
    bins = int(values["fft_length"]) // 2 + 1
    twice = [gain**2 * (1 if edge else 2) for edge in (i in (0, bins - 1) for i in range(bins))]
    return _checked(values, frames, tuple(twice), 0.0, first, approximate)


TRANSLATORS: Mapping[str, Callable[..., Translated]] = {
    "MelSpectrogram": mel_spectrogram,
    "STFTSpectrogram": stft_spectrogram,
}
"""By the name of the layer's class."""


def _checked(
    values: Mapping[str, Any],
    frames: int,
    scale: float | tuple[float, ...],
    offset: float,
    features_first: bool,
    approximate: list[str],
) -> Translated:
    return Translated(values, frames, scale, offset, features_first, tuple(approximate))


def _whole(config: Mapping[str, Any], name: str) -> int:
    value = config[name]
    if int(value) != value:
        raise Unlike(f"{name} is {value}, no whole number")
    return int(value)


def _window(value: Any) -> str:
    if value is None:
        return "rectangular"
    if not isinstance(value, str) or value not in _WINDOWS:
        named = f"'{value}'" if isinstance(value, str) else "a table of its own"
        raise Unlike(f"its window is {named}; hann, hamming and none are known")
    return _WINDOWS[value]


def _padded(padding: str, samples: int, length: int, step: int) -> tuple[int, int, int]:
    """Frames, and samples of silence before and behind a recording."""
    if padding == "valid":
        return 1 + (samples - length) // step, 0, 0
    frames = -(-samples // step)
    whole = max((frames - 1) * step + length - samples, 0)
    return frames, whole // 2, whole - whole // 2
