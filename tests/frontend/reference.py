"""Front ends in float64 numpy, from the definition: for tests only."""

import math

import numpy as np

from edgeq.frontend.description import read_description
from edgeq.frontend.tables import bands, cosines, log_factor, window


def reference(description, samples):
    """The frames of a recording (kinds log-mel, mfcc, spectrogram), float64."""
    d = read_description(description)
    x = samples.astype(np.float64) / 32768
    if d.pre_emphasis:
        x = x - d.pre_emphasis * np.concatenate([[0.0], x[:-1]])
    if d.center:
        before = d.fft_length // 2 - (d.fft_length - d.frame_length) // 2
        x = np.concatenate([np.zeros(before), x])
    if len(x) < d.frame_length:
        return np.zeros((0, 0))
    rows = np.lib.stride_tricks.sliding_window_view(x, d.frame_length)[:: d.frame_step]
    values = np.abs(np.fft.rfft(rows * window(d), d.fft_length)) ** d.power
    if d.kind != "spectrogram":
        values = values @ bands(d).matrix(d.fft_length // 2 + 1).T
    if d.log == "none":
        return values
    least = d.log_floor or 1e-300
    values = np.log(np.maximum(values + d.log_offset, least)) * log_factor(d)
    return values @ cosines(d).T if d.kind == "mfcc" else values


def decibels(ratio):
    return 10 * math.log10(ratio)
