"""The numbers of a front end: windows, triangles, cosines; float64, rounded where they are used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.frontend.description import Description

Reals = NDArray[np.float64]


def window(d: Description) -> Reals:
    """The window's weights, 0 to 1.

    Source: scipy.signal.get_window(name, length, fftbins=periodic); povey as in Kaldi.
    """
    turns = np.arange(d.frame_length) / max(d.frame_length - (not d.periodic), 1)
    if d.window == "rectangular":
        return np.ones(d.frame_length)
    first = 0.54 if d.window == "hamming" else 0.5
    hann = first - (1 - first) * np.cos(2 * math.pi * turns)
    return np.asarray(hann**0.85 if d.window == "povey" else hann)


@dataclass(frozen=True, eq=False)
class Bands:
    """Triangles over the bins of a spectrum.

    Attributes:
        first: The first bin that counts.
        weights: Of each bin from there for the upper of its two triangles; 1 less it for the
            lower.
        widths: Bins between two centres; one more than triangles.
        norms: The factor of each triangle.
    """

    first: int
    weights: Reals
    widths: NDArray[np.int64]
    norms: Reals

    def matrix(self, bins: int) -> Reals:
        """Shape (triangles, bins): what each bin counts in each triangle."""
        matrix = np.zeros((len(self.widths) + 1, bins))
        at, band = self.first, 0
        for band, width in enumerate(self.widths):
            weights = self.weights[at - self.first : at - self.first + width]
            matrix[band + 1, at : at + width] = weights
            matrix[band, at : at + width] = 1 - weights
            at += int(width)
        return np.asarray(matrix[1:-1] * self.norms[:, None])


def to_mel(hertz: Reals | float, scale: str) -> Reals:
    """Hertz in mel: "htk" as in Keras and tf.signal, "slaney" as in librosa by default."""
    hertz = np.asarray(hertz, np.float64)
    if scale == "htk":
        return np.asarray(1127.0 * np.log1p(hertz / 700.0))
    linear = hertz * 3 / 200
    above = 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / math.log(6.4)
    return np.asarray(np.where(hertz < 1000, linear, above))


def from_mel(mel: Reals, scale: str) -> Reals:
    """The inverse of `to_mel`."""
    if scale == "htk":
        return np.asarray(700.0 * np.expm1(mel / 1127.0))
    above = 1000 * np.exp((np.maximum(mel, 15) - 15) * math.log(6.4) / 27)
    return np.asarray(np.where(mel < 15, mel * 200 / 3, above))


def bands(d: Description) -> Bands:
    """The mel triangles; the constant part of a spectrum counts for none with slopes in mel.

    Source: tf.signal.linear_to_mel_weight_matrix, librosa.filters.mel.
    """
    low, high = (float(to_mel(f, d.mel_scale)) for f in (d.lower_edge_hertz, d.upper_edge_hertz))
    centres: Reals = np.asarray(np.linspace(low, high, d.num_mel_bins + 2), np.float64)
    hertz = from_mel(centres, d.mel_scale)
    bins = np.asarray(np.arange(d.fft_length // 2 + 1) * (d.sample_rate / d.fft_length), np.float64)
    places, edges = bins, hertz
    if d.mel_slopes == "mel":
        places, edges = to_mel(bins, d.mel_scale), centres
    # Rounding must not put a bin that lies on an edge to either side of it at random.
    counted = (places > edges[0]) & (places < edges[-1])
    if d.mel_slopes == "mel":
        counted[0] = False
    inside = np.flatnonzero(counted)
    first = int(inside[0]) if len(inside) else 0
    band = np.clip(np.searchsorted(edges, places[inside], "right") - 1, 0, d.num_mel_bins)
    weights = (places[inside] - edges[band]) / (edges[band + 1] - edges[band])
    norms = np.ones(d.num_mel_bins)
    if d.norm == "slaney":
        norms = 2 / (hertz[2:] - hertz[:-2])
    widths = np.bincount(band, minlength=d.num_mel_bins + 1)
    return Bands(first, np.clip(weights, 0, 1), widths, norms)


def cosines(d: Description) -> Reals:
    """The orthonormal DCT-II with its lifter, shape (num_mfccs, num_mel_bins).

    Source: scipy.fft.dct(norm="ortho"); librosa.feature.mfcc for the lifter.
    """
    n, k = d.num_mel_bins, np.arange(d.num_mfccs)
    matrix = np.cos(math.pi * k[:, None] * (2 * np.arange(n) + 1) / (2 * n)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    if d.lifter > 0:
        matrix *= 1 + d.lifter / 2 * np.sin(math.pi * (k[:, None] + 1) / d.lifter)
    return np.asarray(matrix)


def log_factor(d: Description) -> float:
    """Output units in a natural logarithm."""
    db = (10 if d.power == 2 else 20) / math.log(10)
    return {"log2": 1 / math.log(2), "log10": 1 / math.log(10), "db": db}.get(d.log, 1.0)
