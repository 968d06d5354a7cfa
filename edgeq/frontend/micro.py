"""The kind `micro`: TensorFlow Lite's microfrontend, bit for bit, out of TFLM's signal ops.

Source: tensorflow/lite/experimental/microfrontend/lib; its tables are computed in float32 there,
and so they are here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.frontend.description import Description
from edgeq.frontend.stages import Stages

_WINDOW_BITS = _FILTER_BITS = 12
_NOISE_BITS = 14
_SNR_BITS = 12
_BLOCK, _ALIGNED = 4, 2
_F: Any = np.float32  # every step of the arithmetic rounds to it
# The last term of the series first.
_LOG1P = (
    1.4798198640e-01,
    1.5313838422e-01,
    1.8183572590e-01,
    2.2222198546e-01,
    2.8571429849e-01,
    4.0000000596e-01,
    6.6666668653e-01,
)


def micro_stages(d: Description, s: Stages) -> None:
    """Add all stages to `s`."""
    correction = int(math.log2(d.fft_length)) - _FILTER_BITS // 2
    bins, channels = d.fft_length // 2 + 1, d.num_mel_bins
    weights = s.constant("window", _window(d))
    at = s.custom(
        "SignalWindow",
        (0, weights),
        ("windowed", (d.frame_length,), "int16"),
        {"shift": _WINDOW_BITS},
    )
    at = s.op("FRONTEND_AUTO_SCALE", (at,), ("scaled", (d.frame_length,), "int16"))
    bits = s.also(("scale bits", (1,), "int32"))
    at = s.custom(
        "SignalRfft",
        (at,),
        ("spectrum", (2 * bins,), "int16"),
        {"T": 7, "fft_length": d.fft_length},
    )
    tables, start, end = filter_bank(d)
    at = s.custom(
        "SignalEnergy",
        (at,),
        ("energy", (bins + _BLOCK,), "uint32"),
        {"start_index": start, "end_index": end},
    )
    constants = [s.constant(f"filter bank {i}", t) for i, t in enumerate(tables)]
    at = s.custom(
        "SignalFilterBank",
        (at, *constants),
        ("channels", (channels,), "uint64"),
        {"num_channels": channels},
    )
    at = s.custom("SignalFilterBankSquareRoot", (at, bits), ("roots", (channels,), "uint32"), {})
    at = s.custom(
        "SignalFilterBankSpectralSubtraction",
        (at,),
        ("signal", (channels,), "uint32"),
        _noise_options(d),
    )
    noise = s.also(("noise", (channels,), "uint32"))
    if d.enable_pcan:
        gains = s.constant("gains", _gains(d, correction))
        at = s.custom(
            "SignalPCAN",
            (at, noise, gains),
            ("gained", (channels,), "uint32"),
            {"snr_shift": d.gain_bits - correction - _SNR_BITS},
        )
    s.custom(
        "SignalFilterBankLog",
        (at,),
        ("features", (channels,), "int16", d.out_scale),
        {"output_scale": 1 << d.scale_shift, "input_correction_bits": correction},
    )


def _window(d: Description) -> NDArray[np.int16]:
    turn = _F(_F(math.pi) * _F(2) / _F(d.frame_length))
    places = (np.arange(d.frame_length, dtype=_F) + _F(0.5)) * turn
    values = _F(0.5) - _F(0.5) * np.cos(places.astype(np.float64)).astype(_F)
    return np.asarray(np.floor(values * _F(1 << _WINDOW_BITS) + _F(0.5)), np.int16)


def _mel(hertz: Any) -> Any:
    return _F(_F(1127.0) * _log1p(_F(hertz / _F(700.0))))


def _log1p(x: Any) -> Any:
    """log(1 + x), x from 0 to 2^16, with the rounding errors of most C libraries' log1pf.

    A weight of the filter bank depends on them. Source: fdlibm, s_log1p.c, in float32.
    """
    scale, c, f = 0, _F(0), x
    if x >= _F(0.41421354):
        u = _F(_F(1) + x)
        word = int(u.view(np.int32))
        scale = (word >> 23) - 127
        c = _F(_F(_F(1) - _F(u - x) if scale > 0 else _F(x - _F(u - _F(1)))) / u)
        word &= 0x7FFFFF
        high = word >= 0x3504F7
        scale += high
        f = _F(np.int32(word | (0x3F000000 if high else 0x3F800000)).view(_F) - _F(1))
    half = _F(_F(_F(0.5) * f) * f)
    s = _F(f / _F(_F(2) + f))
    z = _F(s * s)
    rest = _F(0)
    for term in _LOG1P:
        rest = _F(z * _F(_F(term) + rest))
    inner = _F(s * _F(half + rest))
    if scale == 0:
        return _F(f - _F(half - inner))
    k = _F(scale)
    low = _F(_F(k * _F(9.0580006145e-06)) + c)
    return _F(_F(k * _F(6.9313812256e-01)) - _F(_F(half - _F(inner + low)) - f))


def filter_bank(d: Description) -> tuple[list[NDArray[np.int16]], int, int]:
    """Weights, unweights, first bins, first weights and widths of the bands; the bins in use.

    Source: filterbank_util.c.
    """
    bands = d.num_mel_bins + 1
    low, high = _mel(_F(d.lower_edge_hertz)), _mel(_F(d.upper_edge_hertz))
    spacing = _F((high - low) / _F(bands))
    centres = [_F(low + _F(spacing * _F(i + 1))) for i in range(bands)]
    hertz = _F(_F(0.5) * _F(d.sample_rate) / _F(d.fft_length // 2))
    start = int(_F(1.5) + _F(d.lower_edge_hertz) / hertz)
    frequencies, starts, widths = [], [], []
    actual: list[tuple[int, int]] = []
    used, first, zeros = 0, start, False
    for centre in centres:
        last = first
        while _mel(_F(_F(last) * hertz)) <= centre:
            last += 1
        actual.append((first, last - first))
        if last == first:
            frequencies.append(0)
            starts.append(0)
            widths.append(_BLOCK)
            if not zeros:
                zeros = True
                # Those before move up; so do later ones that point to the zeros at the start.
                starts[:-1] = [value + _BLOCK for value in starts[:-1]]
                used += _BLOCK
        else:
            aligned = first // _ALIGNED * _ALIGNED
            width = -(-(last - aligned) // _BLOCK) * _BLOCK
            frequencies.append(aligned)
            starts.append(used)
            widths.append(width)
            used += width
        first = last
    weights, unweights = np.zeros((2, used), np.int16)
    end = 0
    for band, (bin_, width) in enumerate(actual):
        below = low if band == 0 else centres[band - 1]
        for j in range(width):
            mel = _mel(_F(_F(bin_ + j) * hertz))
            weight = _F(_F(centres[band] - mel) / _F(centres[band] - below))
            place = starts[band] + bin_ - frequencies[band] + j
            one = _F(1 << _FILTER_BITS)
            weights[place] = math.floor(_F(_F(weight * one) + _F(0.5)))
            unweights[place] = math.floor(_F(_F(_F(_F(1) - weight) * one) + _F(0.5)))
        end = max(end, bin_ + width)
    tables = [np.asarray(t, np.int16) for t in (weights, unweights, frequencies, starts, widths)]
    return tables, start, end


def _noise_options(d: Description) -> dict[str, int]:
    """Source: noise_reduction_util.c."""
    one = 1 << _NOISE_BITS
    even, odd, remaining = (
        int(_F(value) * _F(one))
        for value in (d.even_smoothing, d.odd_smoothing, d.min_signal_remaining)
    )
    return {
        "num_channels": d.num_mel_bins,
        "smoothing": even,
        "one_minus_smoothing": one - even,
        "alternate_smoothing": odd,
        "alternate_one_minus_smoothing": one - odd,
        "min_signal_remaining": remaining,
        "smoothing_bits": d.smoothing_bits,
        "spectral_subtraction_bits": _NOISE_BITS,
        "clamping": 0,
    }


def _gains(d: Description, correction: int) -> NDArray[np.int16]:
    """Source: pcan_gain_control_util.c."""
    input_bits = d.smoothing_bits - correction

    def gain(x: int) -> int:
        base = _F(_F(x) / _F(2.0**input_bits) + _F(d.pcan_offset))
        power = _F(np.float64(base) ** -np.float64(_F(d.pcan_strength)))
        with np.errstate(over="ignore"):  # infinity is above 32767, too
            value = _F(_F(1 << d.gain_bits) * power)
        return 32767 if value > 32767 else int(_F(value + _F(0.5)))

    table = [gain(0), gain(1)]
    for interval in range(2, 33):
        x0 = 1 << (interval - 1)
        x1, x2 = x0 + (x0 >> 1), x0 + (x0 - 1) if interval == 32 else 2 * x0
        y0, y1, y2 = gain(x0), gain(x1), gain(x2)
        a1 = 4 * (y1 - y0) - (y2 - y0)
        table += [y0, a1, y2 - y0 - a1, 0]
    return np.asarray(table[:125], np.int64).astype(np.int16)
