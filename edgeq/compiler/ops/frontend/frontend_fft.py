"""FRONTEND_FFT: a real FFT of int32, in place."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    constant_args,
)

_Q30, _Q31 = 1 << 30, (1 << 31) - 1


def _pairs(phases: NDArray[np.float64], one: int) -> NDArray[np.int64]:
    """exp(i * phase) as pairs (real, imaginary)."""
    pairs = np.stack([np.cos(phases), np.sin(phases)], -1)
    return np.asarray(np.rint(pairs * one), np.int64)


def _twiddles(points: int) -> NDArray[np.int64]:
    """Of every point of every stage but the first, those of its second to fourth leg.

    Four points have no stage but the first; C has no empty tables, and nothing reads theirs.
    """
    rows = [np.zeros((int(points <= 4), 3, 2), np.int64)]
    span = 2 if int(math.log2(points)) % 2 else 4
    while span < points:
        turns = np.arange(span)[:, None] * np.arange(1, 4) / (4 * span)
        rows.append(_pairs(-2 * math.pi * turns, _Q30))
        span *= 4
    return np.concatenate(rows).reshape(-1)


def _lower(node: Node) -> Call:
    """The call for one FFT; its length is that of the input."""
    points = node.input(0).elements // 2
    halves = np.arange(1, points // 2 + 1)
    return Call(
        "frontend_fft",
        "eq_frontend_fft",
        "eq_frontend_fft_params",
        {"points": points, "odd": int(math.log2(points)) % 2},
        (INPUT, *constant_args(2), OUTPUT),
        (
            Constant("twiddles", "int32_t", _twiddles(points), "real, imaginary, Q30"),
            Constant(
                "super_twiddles",
                "int32_t",
                _pairs(-math.pi * (halves / points + 0.5), _Q31).reshape(-1),
                "real, imaginary, Q31",
            ),
        ),
        overlaps=(Overlap(0, exact=True),),
    )


FRONTEND_FFT = OpKind("FRONTEND_FFT", _lower, ("int32",))
