"""Recordings at another sample rate: a windowed sinc, polyphase.

Source: the design of scipy.signal.resample_poly (Kaiser window, beta 5, ten zero crossings a side).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.support.array import Array

_CROSSINGS, _BETA = 10, 5.0
_RATES_HZ = range(100, 768_001)  # of recordings; a file may say anything
_LARGEST_STEP = 100_000  # of the ratio; the filter has twenty times as many taps
_MOST_VALUES = 1 << 28  # 1 GiB of float32
_BLOCK = 1 << 20  # results that are computed at once


def resample(signal: Array, rate_hz: int, wanted_hz: int, where: str = "") -> Array:
    """The same recording at another rate.

    Args:
        signal: float32, shape (frames, channels).
        rate_hz: What it was recorded at.
        wanted_hz: What it shall be at.
        where: What to blame.

    Returns:
        float32, shape (ceil(frames * wanted / rate), channels).

    Raises:
        EdgeqError: Rates that no recording has, or too many values.
    """
    common = math.gcd(rate_hz, wanted_hz)
    up, down = wanted_hz // common, rate_hz // common
    if up == down or not len(signal):
        return signal
    count = resampled_frames(len(signal), rate_hz, wanted_hz, where, signal.shape[1])
    taps = _filter(up, down)
    half = (len(taps) - 1) // 2
    reach = -(-len(taps) // up)
    padded = np.zeros((len(signal) + 2 * reach, signal.shape[1]), np.float64)
    padded[reach : reach + len(signal)] = signal
    bank = np.zeros((up, reach), np.float64)
    for phase in range(up):
        mine = taps[phase::up]
        bank[phase, : len(mine)] = mine
    result = np.empty((count, signal.shape[1]), np.float32)
    for start in range(0, count, _BLOCK):
        # Output n is at n * down on the fine grid; the filter reaches `half` to each side of it.
        places = np.arange(start, min(start + _BLOCK, count)) * down + half
        phases, first = places % up, places // up
        block = np.zeros((len(places), signal.shape[1]), np.float64)
        for tap in range(reach):
            rows = np.clip(first - tap + reach, 0, len(padded) - 1)
            block += bank[phases, tap][:, None] * padded[rows]
        result[start : start + _BLOCK] = block
    return result


def resampled_frames(
    frames: int, rate_hz: int, wanted_hz: int, where: str = "", channels: int = 1
) -> int:
    """How many frames `resample` makes of so many; of the same rate, as many.

    Raises:
        EdgeqError: Rates that no recording has, or too many values.
    """
    common = math.gcd(rate_hz, wanted_hz)
    up, down = wanted_hz // common, rate_hz // common
    if up == down:
        return frames
    count = -(-frames * up // down)
    odd = rate_hz not in _RATES_HZ or wanted_hz not in _RATES_HZ or max(up, down) > _LARGEST_STEP
    if odd or count * channels > _MOST_VALUES:
        raise EdgeqError(
            f"{frames:,} values at {rate_hz:,} Hz are not resampled to {wanted_hz:,} Hz: "
            f"rates from {_RATES_HZ[0]} to {_RATES_HZ[-1]:,} Hz are, whose ratio is none of "
            f"numbers above {_LARGEST_STEP:,}, to at most {_MOST_VALUES:,} values.",
            where,
        )
    return count


@functools.lru_cache(maxsize=8)
def _filter(up: int, down: int) -> Array:
    """Low pass at the lower of both rates, gain `up`, on the fine grid."""
    widest = max(up, down)
    half = _CROSSINGS * widest
    steps = np.arange(-half, half + 1)
    taps = np.sinc(steps / widest) / widest * np.kaiser(2 * half + 1, _BETA)
    return np.asarray(taps / taps.sum() * up)
