"""Recordings at another sample rate: a windowed sinc, polyphase.

Source: the design of scipy.signal.resample_poly (Kaiser window, beta 5, ten zero crossings a side).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from edgeq.support.array import Array

_CROSSINGS, _BETA = 10, 5.0


def resample(signal: Array, rate_hz: int, wanted_hz: int) -> Array:
    """The same recording at another rate.

    Args:
        signal: float32, shape (frames, channels).
        rate_hz: What it was recorded at.
        wanted_hz: What it shall be at.

    Returns:
        float32, shape (ceil(frames * wanted / rate), channels).
    """
    common = math.gcd(rate_hz, wanted_hz)
    up, down = wanted_hz // common, rate_hz // common
    if up == down or not len(signal):
        return signal
    taps = _filter(up, down)
    half = (len(taps) - 1) // 2
    count = -(-len(signal) * up // down)
    # Output n is at n * down on the fine grid; the filter reaches `half` to each side of it.
    places = np.arange(count) * down
    phases = (places + half) % up
    first = (places + half) // up
    reach = -(-len(taps) // up)
    padded = np.zeros((len(signal) + 2 * reach, signal.shape[1]), np.float64)
    padded[reach : reach + len(signal)] = signal
    bank = np.zeros((up, reach), np.float64)
    for phase in range(up):
        mine = taps[phase::up]
        bank[phase, : len(mine)] = mine
    result = np.zeros((count, signal.shape[1]), np.float64)
    for tap in range(reach):
        rows = np.clip(first - tap + reach, 0, len(padded) - 1)
        result += bank[phases, tap][:, None] * padded[rows]
    return result.astype(np.float32)


@functools.lru_cache(maxsize=8)
def _filter(up: int, down: int) -> Array:
    """Low pass at the lower of both rates, gain `up`, on the fine grid."""
    widest = max(up, down)
    half = _CROSSINGS * widest
    steps = np.arange(-half, half + 1)
    taps = np.sinc(steps / widest) / widest * np.kaiser(2 * half + 1, _BETA)
    return np.asarray(taps / taps.sum() * up)
