"""Weights of few values, kept in flash as 4-bit codes: int4, and clustered int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import Constant

VALUES = 16
INT4 = np.arange(-8, 8, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Codes:
    """Weights as numbers of values.

    Attributes:
        values: int64 (16,), what the codes stand for; INT4 where that will do.
        codes: uint8 0..15, in the shape of the weights.
    """

    values: NDArray[np.int64]
    codes: NDArray[np.uint8]

    @property
    def int4(self) -> bool:
        """Whether the codes stand for -8 to 7."""
        return bool(np.array_equal(self.values, INT4))

    @property
    def kind(self) -> str:
        """As kernels are named after it."""
        return "int4" if self.int4 else "clustered"


def codes_of(weights: NDArray[Any]) -> Codes | None:
    """The codes of integer weights; None if they have more than 16 values."""
    if weights.size and INT4[0] <= weights.min() and weights.max() <= INT4[-1]:
        return Codes(INT4, (weights - INT4[0]).astype(np.uint8))
    found = np.unique(weights).astype(np.int64)
    if not 0 < len(found) <= VALUES:
        return None
    codes = np.searchsorted(found, weights).astype(np.uint8)
    return Codes(np.pad(found, (0, VALUES - len(found)), mode="edge"), codes)


def filler(weights: NDArray[Any]) -> int:
    """The weight nearest to zero, for channels whose weights do not matter."""
    flat = weights.reshape(-1).astype(np.int64)
    return int(flat[np.argmin(np.abs(flat))])


def packed_rows(codes: NDArray[np.uint8], layout: str) -> Constant:
    """Codes two to a byte, the low half first; every output channel begins with a new byte.

    Args:
        codes: (channels, ...).
        layout: Of the weights, for the comment.
    """
    rows = codes.reshape(len(codes), -1)
    rows = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
    table = rows[:, 0::2] | rows[:, 1::2] << 4
    return Constant("weights", "uint8_t", table, f"{layout}, packed: {_TWO_CODES}")


def value_table(values: NDArray[Any]) -> Constant:
    """What the codes stand for, as the kernels look it up."""
    return Constant("values", "int8_t", values.astype(np.int8), "the weights that the codes mean")


_TWO_CODES = "two 4-bit codes to a byte, the low half first"
