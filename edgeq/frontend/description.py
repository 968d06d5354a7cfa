"""The description of a front end: a TOML file or a built-in name, checked before it is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError, UsageError, first_few
from edgeq.frontend.decision import read_decision
from edgeq.frontend.detection import read_detection
from edgeq.frontend.image import Image, read_image
from edgeq.frontend.motion import Motion, read_motion
from edgeq.model.decision import Decision
from edgeq.model.detection import Detection
from edgeq.support.foreign import parse_toml, read_bytes
from edgeq.support.text import line_problem

_MOST_BYTES = 1 << 20
_LEAST_LIFTER = 1e-3

KINDS = ("micro", "log-mel", "mfcc", "spectrogram")
WINDOWS = ("hann", "hamming", "povey", "rectangular")
LOGS = ("natural", "log2", "log10", "db", "none")
PRECISIONS = ("int16", "float32")
# What librosa, Keras and TensorFlow Lite Micro call the same thing.
_OTHER_NAMES = {
    "sr": "sample_rate",
    "sampling_rate": "sample_rate",
    "win_length": "frame_length",
    "sequence_length": "frame_length",
    "hop_length": "frame_step",
    "sequence_stride": "frame_step",
    "n_fft": "fft_length",
    "n_mels": "num_mel_bins",
    "num_channels": "num_mel_bins",
    "fmin": "lower_edge_hertz",
    "min_freq": "lower_edge_hertz",
    "lower_band_limit": "lower_edge_hertz",
    "fmax": "upper_edge_hertz",
    "max_freq": "upper_edge_hertz",
    "upper_band_limit": "upper_edge_hertz",
    "n_mfcc": "num_mfccs",
    "mag_exp": "power",
    "min_power": "log_floor",
    "amin": "log_floor",
}
_TIMES = {"window_size_ms": "frame_length", "window_step_ms": "frame_step"}


@dataclass(frozen=True)
class Description:
    """A front end for sound: one frame of features for every step of samples.

    Attributes:
        kind: "micro" (TensorFlow Lite Micro's audio front end, integer arithmetic), "log-mel",
            "mfcc" or "spectrogram".
        sample_rate: Hz.
        frame_length, frame_step: Samples in a window, and from one window to the next.
        fft_length: The next power of two unless given.
        window: Its shape; `periodic` as scipy's fftbins=True.
        pre_emphasis: c in x[n] - c * x[n - 1], over the whole recording; 0 for none.
        center: Whether the first window is centred on the first sample, silence before it.
        silence: Samples of silence before the first one, besides.
        power: 2 for powers, 1 for magnitudes.
        num_mel_bins, lower_edge_hertz, upper_edge_hertz, mel_scale, mel_slopes, norm: Triangles;
            their slopes are straight over "hertz" (librosa) or "mel" (Keras, tf.signal), of height
            one (norm "none") or of area one ("slaney").
        log, log_floor, log_offset: log(max(x + offset, floor)).
        num_mfccs, lifter: Cepstral coefficients of an orthonormal DCT-II.
        frames, stride: Frames that a model sees at once, and from one answer to the next; by
            default as many as its input holds.
        precision: "int16" or "float32"; by default what suits the core.
        out_scale: Real value of an output step (kind micro).
    """

    name: str
    kind: str
    sample_rate: int = 16000
    frame_length: int = 480
    frame_step: int = 160
    fft_length: int = 0
    window: str = "hann"
    periodic: bool = True
    pre_emphasis: float = 0.0
    center: bool = False
    silence: int = 0
    power: float = 2.0
    num_mel_bins: int = 40
    lower_edge_hertz: float = 125.0
    upper_edge_hertz: float = 7500.0
    mel_scale: str = "htk"
    mel_slopes: str = ""
    norm: str = "none"
    log: str = "natural"
    log_floor: float = 1e-10
    log_offset: float = 0.0
    num_mfccs: int = 13
    lifter: float = 0.0
    frames: int | None = None
    stride: int | None = None
    precision: str | None = None
    even_smoothing: float = 0.025
    odd_smoothing: float = 0.06
    smoothing_bits: int = 10
    min_signal_remaining: float = 0.05
    enable_pcan: bool = True
    pcan_strength: float = 0.95
    pcan_offset: float = 80.0
    gain_bits: int = 21
    scale_shift: int = 6
    out_scale: float = 0.0390625


_MICRO_ONLY = frozenset(
    {
        "even_smoothing",
        "odd_smoothing",
        "smoothing_bits",
        "min_signal_remaining",
        "enable_pcan",
        "pcan_strength",
        "pcan_offset",
        "gain_bits",
        "scale_shift",
        "out_scale",
    }
)
_MEL = frozenset({"num_mel_bins", "lower_edge_hertz", "upper_edge_hertz"})
_COMMON = frozenset(
    {"name", "kind", "sample_rate", "frame_length", "frame_step", "frames", "stride", "precision"}
)
_SPECTRUM = _COMMON | {
    "fft_length",
    "window",
    "periodic",
    "pre_emphasis",
    "center",
    "silence",
    "power",
    "log",
    "log_floor",
    "log_offset",
}
_LOG_MEL = _SPECTRUM | _MEL | {"mel_scale", "mel_slopes", "norm"}
_ALLOWED = {
    "micro": _COMMON | _MEL | _MICRO_ONLY,
    "spectrogram": _SPECTRUM,
    "log-mel": _LOG_MEL,
    "mfcc": _LOG_MEL | {"num_mfccs", "lifter"},
}
Described = Description | Motion | Image
# Where a front end of TensorFlow, librosa or a paper differs from the defaults.
BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "micro": {"kind": "micro"},
    "micro-speech": {"kind": "micro", "frame_step": 320, "precision": "int16"},
    "log-mel": {"kind": "log-mel", "frame_step": 320},
    "mfcc": {"kind": "mfcc", "frame_step": 320, "num_mfccs": 13},
    "spectrogram": {"kind": "spectrogram", "frame_step": 320},
}


def read_description(source: str | Path | Mapping[str, Any]) -> Described:
    """A front end from a built-in name, a TOML file, or a mapping of the same keys.

    Raises:
        UsageError: No such name.
        EdgeqError: The file cannot be read, or says what makes no sense: all of it at once.
    """
    return read_described(source)[0]


def read_described(
    source: str | Path | Mapping[str, Any],
) -> tuple[Described, Decision | Detection | None]:
    """A front end as `read_description` gives it, and what its table [decision] says."""
    if isinstance(source, Mapping):
        return _with_decision(dict(source), str(source.get("name", "front end")), "front end")
    text = str(source)
    if text in BUILT_IN:
        return _with_decision(dict(BUILT_IN[text]), text, text)
    path = Path(source)
    if not path.suffix and not path.exists():
        raise UsageError(
            f"There is no front end '{text}'.", hint=f"{', '.join(BUILT_IN)}, or a TOML file"
        )
    given = parse_toml(read_bytes(path, "front end", _MOST_BYTES), str(path))
    return _with_decision(given, path.stem, str(path))


def toml_text(values: Mapping[str, Any]) -> str:
    """A TOML file of plain values: text, numbers and truth."""
    lines = (f"{key} = {json.dumps(value)}" for key, value in values.items())
    return "\n".join(lines) + "\n"


def _with_decision(
    given: dict[str, Any], name: str, where: str
) -> tuple[Described, Decision | Detection | None]:
    for key, value in given.items():
        if isinstance(value, str) and (problem := line_problem(value)):
            raise EdgeqError(f"The front end's {key} is {value!r:.100}, and not {problem}.", where)
    table = given.pop("decision", None)
    described = _checked(given, name, where)
    return described, None if table is None else _decision(table, where)


def _decision(table: Any, where: str) -> Decision | Detection:
    """What makes events of scores, or of a detector's boxes."""
    if not isinstance(table, Mapping):
        raise EdgeqError("decision is no table.", where, "[decision]")
    boxes = {"anchors", "nms"} & set(table)
    kind = table.get("kind", "detection" if boxes else "events")
    if kind == "detection":
        return read_detection(table, where)
    if kind != "events":
        raise EdgeqError(
            f"The decision's kind is {kind!r:.100}.", where, 'kind = "events" or "detection"'
        )
    return read_decision({key: value for key, value in table.items() if key != "kind"}, where)


def _checked(given: dict[str, Any], name: str, where: str) -> Described:
    if given.get("kind") == "motion":
        return read_motion(given, name, where)
    if given.get("kind") == "image":
        return read_image(given, name, where)
    problems: list[str] = []
    values = _named(given, problems)
    kind = values.get("kind")
    if kind not in KINDS:
        found = "kind is missing" if kind is None else f"kind is {kind!r}"
        raise EdgeqError(
            f"The front end's {found}.", where, f"kind = one of {', '.join(KINDS)}, motion, image"
        )
    problems += [f"{key} has no meaning for {kind}" for key in sorted(set(values) - _ALLOWED[kind])]
    types = {field.name: field.type for field in fields(Description)}
    for key, value in values.items():
        if not _is(value, str(types[key])):
            problems.append(f"{key} is {value!r}, which is no {types[key]}")
    if not problems:
        values.setdefault("name", name)
        _fill(values)
        description = Description(**values)
        problems += _problems(description)
        if not problems:
            return description
    raise EdgeqError(f"The front end makes no sense: {'; '.join(first_few(problems))}.", where)


def _named(given: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The values by edgeq's own names; times in samples."""
    known = {field.name for field in fields(Description)}
    values: dict[str, Any] = {}
    rate = next((given[k] for k in ("sample_rate", "sr", "sampling_rate") if k in given), 16000)
    for key, value in given.items():
        name = _OTHER_NAMES.get(key, _TIMES.get(key, key))
        if name not in known:
            problems.append(f"{key} is unknown")
            continue
        if name in values:
            problems.append(f"{key} says {name} a second time")
        if key in _TIMES:
            if not _is(value, "float") or not _is(rate, "int"):
                problems.append(f"{key} is {value!r}, which is no number")
                continue
            value = int(value * rate / 1000)
        values[name] = value
    return values


def _is(value: Any, annotation: str) -> bool:
    kind = annotation.split(" ")[0]
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    if kind == "float":
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, {"int": int, "str": str}[kind])


def _fill(values: dict[str, Any]) -> None:
    """What follows from the rest."""
    length = values.get("frame_length", Description.frame_length)
    values.setdefault("fft_length", 1 << max(int(length) - 1, 1).bit_length())
    if not values.get("mel_slopes"):
        values["mel_slopes"] = "hertz" if values.get("mel_scale") == "slaney" else "mel"


def _empty_bands(d: Description) -> list[str]:
    """What is wrong where no bin lies between the edges, the constant part of a spectrum apart."""
    apart = d.sample_rate / d.fft_length
    first = (math.floor(d.lower_edge_hertz / apart) + 1) * apart
    if d.kind not in ("log-mel", "mfcc") or first < d.upper_edge_hertz:
        return []
    edges = f"{d.lower_edge_hertz:g} and {d.upper_edge_hertz:g} Hz"
    return [f"no bin, {apart:g} Hz apart, lies between {edges}: the bands are empty"]


def _problems(d: Description) -> list[str]:
    """All that makes no sense together."""
    choices = {
        "window": WINDOWS,
        "log": LOGS,
        "mel_scale": ("htk", "slaney"),
        "mel_slopes": ("mel", "hertz"),
        "norm": ("none", "slaney"),
        "power": (1, 2),
        "precision": (None, *PRECISIONS),
    }
    found = [
        f"{key} is {getattr(d, key)!r}, not one of {', '.join(map(str, allowed))}"
        for key, allowed in choices.items()
        if getattr(d, key) not in allowed
    ]
    ranges: dict[str, tuple[float, float]] = {
        "sample_rate": (1, 768_000),
        "frame_length": (2, d.fft_length),
        "frame_step": (1, 1 << 20),
        "fft_length": (64, 4096) if d.kind == "micro" else (8, 2048),
        "pre_emphasis": (0, 1),
        "silence": (0, d.frame_length // 2),
        "num_mel_bins": (1, 256),
        "lower_edge_hertz": (0, d.upper_edge_hertz),
        "upper_edge_hertz": (d.lower_edge_hertz, d.sample_rate / 2),
        "log_floor": (0, 1e30),
        "log_offset": (0, 1e30),
        "num_mfccs": (1, d.num_mel_bins),
        "lifter": (0, 1e6),
        "frames": (1, 1 << 16),
        "stride": (1, 1 << 16),
        "smoothing_bits": (0, 20),
        "gain_bits": (12, 30),
        "scale_shift": (0, 12),
        "out_scale": (1e-9, 1e9),
        "even_smoothing": (0, 1),
        "odd_smoothing": (0, 1),
        "min_signal_remaining": (0, 1),
        "pcan_offset": (1e-3, 1e9),
        "pcan_strength": (0, 10),
    }
    for key, (low, high) in ranges.items():
        if key not in _ALLOWED[d.kind] and key != "fft_length":
            continue
        value = getattr(d, key)
        if value is not None and not low <= value <= high:
            found.append(f"{key} is {value:g}, not from {low:g} to {high:g}")
    found += _disagreements(d)
    return found or _empty_bands(d)


def _disagreements(d: Description) -> list[str]:
    """Settings that each are possible, and not beside each other."""
    found = []
    if d.kind != "spectrogram" and d.lower_edge_hertz == d.upper_edge_hertz:
        found.append("lower_edge_hertz and upper_edge_hertz are the same")
    if d.fft_length & (d.fft_length - 1):
        found.append(f"fft_length is {d.fft_length}, no power of two")
    if d.log != "none" and d.log_floor == 0 and d.log_offset == 0:
        found.append("log_floor and log_offset are both 0: silence has no logarithm")
    if 0 < d.lifter < _LEAST_LIFTER:
        found.append(f"lifter is {d.lifter:g}, neither 0 (none) nor {_LEAST_LIFTER:g} or more")
    if d.kind == "mfcc" and d.log == "none":
        found.append('log is "none": cepstral coefficients are of logarithms')
    if d.kind == "micro" and d.precision == "float32":
        found.append('precision is "float32": micro is defined in integers')
    # What PCAN multiplies has 12 bits after the point, and log2(fft_length) - 6 more of the FFT's.
    least = 5 + d.fft_length.bit_length()
    if d.kind == "micro" and d.enable_pcan and d.gain_bits < least:
        found.append(
            f"gain_bits is {d.gain_bits}, below the {least} that {d.frame_length} samples need"
        )
    return found
