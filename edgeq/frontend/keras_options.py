"""What the front ends of Keras are in edgeq's words: MelSpectrogram and STFTSpectrogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_WINDOWS = {"hann": "hann", "hamming": "hamming", "boxcar": "rectangular"}
_POWERS = {1.0: 1, 2.0: 2}
MIRRORED = (
    "It mirrors the sound at both ends of a recording; a stream has silence before its first "
    "sample, and goes on with what comes next."
)
PADDED = "It pads a recording with silence at its end; a stream goes on with what comes next."


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
    power = _POWERS.get(exponent := _number(config, "mag_exp"))
    if power is None:
        raise Unlike(f"mag_exp is {exponent:g}; powers (2) and magnitudes (1) are known")
    # Without a window Keras takes as many samples as the transform has.
    window, transform = _option(config, "window"), _whole(config, "fft_length")
    given = window is not None and _option(config, "sequence_length")
    step = _whole(config, "sequence_stride", 1)
    values = {
        "kind": "log-mel",
        "sample_rate": _whole(config, "sampling_rate"),
        "frame_length": _whole(config, "sequence_length") if given else transform,
        "frame_step": step,
        "fft_length": transform,
        "window": _window(window),
        "center": True,
        "power": power,
        "num_mel_bins": _whole(config, "num_mel_bins"),
        "lower_edge_hertz": _number(config, "min_freq"),
        "upper_edge_hertz": _number(config, "max_freq"),
    }
    values["frames"] = frames = 1 + samples // step
    approximate = [MIRRORED]
    if not _option(config, "power_to_db"):
        return _checked({**values, "log": "none"}, frames, 1.0, 0.0, True, approximate)
    # Keras's decibels are 10 log10 of magnitudes, too.
    floor = _number(config, "min_power")
    values |= {"log": "db" if power == 2 else "log10", "log_floor": floor}
    if not floor > 0:
        raise Unlike("min_power is 0, and silence has no logarithm")
    reference = -10 * math.log10(max(abs(_number(config, "ref_power")), floor))
    span = _number(config, "top_db")
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
    mode = _option(config, "mode")
    if mode not in ("log", "magnitude", "psd"):
        raise Unlike(f"mode is {mode!r:.100}; log, magnitude and psd are known")
    length = _whole(config, "frame_length", 2)
    step = _whole(config, "frame_step", 1) if _option(config, "frame_step") else length // 2
    transform = _option(config, "fft_length") and _whole(config, "fft_length")
    values = {
        "kind": "spectrogram",
        "frame_length": length,
        "frame_step": step,
        "fft_length": transform or 2 ** math.ceil(math.log2(length)),
        "window": _window(_option(config, "window")),
        "periodic": bool(_option(config, "periodic")),
        "power": 2 if mode == "psd" else 1,
        "log": "natural" if mode == "log" else "none",
    }
    frames, silence, behind = _padded(_option(config, "padding"), samples, length, step)
    values |= {"frames": frames} | ({"silence": silence} if silence else {})
    approximate = []
    if behind:
        approximate.append(PADDED)
    first = _option(config, "data_format") == "channels_first"
    first = first and not _option(config, "expand_dims")
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


def _option(config: Mapping[str, Any], name: str) -> Any:
    if name not in config:
        raise Unlike(f"it has no option {name}: it is a layer of another kind with this name")
    return config[name]


def _number(config: Mapping[str, Any], name: str) -> float:
    value = _option(config, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unlike(f"{name} is {value!r:.100}, no number")
    return float(value)


def _whole(config: Mapping[str, Any], name: str, least: int | None = None) -> int:
    value = _number(config, name)
    if not value.is_integer():
        raise Unlike(f"{name} is {value}, no whole number")
    if least is not None and value < least:
        raise Unlike(f"{name} is {value:g}, less than {least}")
    return int(value)


def _window(value: Any) -> str:
    if value is None:
        return "rectangular"
    if not isinstance(value, str) or value not in _WINDOWS:
        named = f"'{value}'" if isinstance(value, str) else "a table of its own"
        raise Unlike(f"its window is {named}; hann, hamming and none are known")
    return _WINDOWS[value]


def _padded(padding: Any, samples: int, length: int, step: int) -> tuple[int, int, int]:
    """Frames, and samples of silence before and behind a recording."""
    if padding not in ("valid", "same"):
        raise Unlike(f"padding is {padding!r:.100}; valid and same are known")
    if padding == "valid":
        return 1 + (samples - length) // step, 0, 0
    frames = -(-samples // step)
    whole = max((frames - 1) * step + length - samples, 0)
    return frames, whole // 2, whole - whole // 2
