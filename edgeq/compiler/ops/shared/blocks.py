"""Blocks of weights that are all zero: which they are, and whether leaving them out pays.

A block is four taps of four output channels that follow each other. Those of a group of four
channels that hold a weight are stored; a table of bytes says how many are left out between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 4
_BLOCK_BYTES = SIDE * SIDE


@dataclass(frozen=True)
class BlockCost:
    """What leaving blocks out costs on a core, per pass over a layer's weights.

    Source: measured in the emulator, docs/decisions/blocks-of-zeros.md.

    Attributes:
        dense_step: Instructions per block where all blocks are stored in order.
        step: Instructions per block that is stored with its place.
        group: More instructions per group of four channels.
        code_bytes: Flash that the kernel takes beside the dense one.
    """

    dense_step: float
    step: float
    group: float
    code_bytes: int


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of one layer.

    Attributes:
        stored: bool (groups, blocks per group), at least one of each group.
    """

    stored: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many are stored."""
        return int(self.stored.sum())

    @property
    def note(self) -> str:
        """What the C says of them."""
        return f"{self.count:,} of {self.stored.size:,} blocks of {SIDE}x{SIDE}, the others zero"

    def table(self, unit: int = 1) -> NDArray[np.uint8]:
        """Per group its number of blocks in two bytes, then `unit` times what each one skips."""
        parts: list[NDArray[Any]] = []
        for row in self.stored:
            places = np.flatnonzero(row)
            gaps = np.diff(places, prepend=-1) - 1
            parts.append(np.concatenate([[len(places) & 255, len(places) >> 8], gaps * unit]))
        table: NDArray[np.uint8] = np.concatenate(parts).astype(np.uint8)
        return table

    def worth(self, cost: BlockCost, optimize: str) -> bool:
        """Whether flash and instructions fall; `size` and `speed` ask for one of them only."""
        groups, steps = self.stored.shape
        table_bytes = 2 * groups + self.count
        saved = _BLOCK_BYTES * (self.stored.size - self.count)
        smaller = saved > table_bytes + cost.code_bytes
        dense = cost.dense_step * groups * steps
        faster = cost.step * self.count + cost.group * groups < dense
        wanted = {"size": smaller, "speed": faster}.get(optimize, smaller and faster)
        return bool(wanted)


def find_blocks(weights: NDArray[np.int64], most_skipped: int = 255) -> Blocks | None:
    """The blocks of a layer's weights; None where there are too many for their count.

    Args:
        weights: (channels, taps); both are filled up to multiples of four.
        most_skipped: More zero blocks in a row than this are broken up by one that is stored.
    """
    channels, taps = weights.shape
    padded = np.pad(weights != 0, ((0, -channels % SIDE), (0, -taps % SIDE)))
    groups, steps = padded.shape[0] // SIDE, padded.shape[1] // SIDE
    split = padded.reshape(groups, SIDE, steps, SIDE)
    stored: NDArray[np.bool_] = np.any(split, axis=(1, 3))
    stored[~stored.any(axis=1), 0] = True
    for row in stored:
        last = -1
        for place in np.flatnonzero(row):
            row[last + most_skipped + 1 : place : most_skipped + 1] = True
            last = place
    return Blocks(stored) if steps < 1 << 16 else None
