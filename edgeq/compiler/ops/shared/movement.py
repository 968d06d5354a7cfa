"""Data movement: boxes of bytes copied from one strided layout to another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Overlap,
    ParamValue,
    overlap_distance,
    require,
)
from edgeq.model.graph import Tensor, element_bits

LOOPS = 6
ANY_TYPE = ("int8", "uint8", "int16", "int32", "int64", "bool", "float32")


def pairs(values: Sequence[int]) -> list[tuple[int, int]]:
    """What stands flat in a paddings or crops tensor: before and after, per axis."""
    require(len(values) % 2 == 0, f"{len(values)} paddings or crops are not pairs")
    return list(zip(values[::2], values[1::2], strict=True))


def element_bytes(tensor: Tensor) -> int:
    """Bytes of one element; Unsupported for types that are packed below a byte."""
    bits = element_bits(tensor.dtype)
    require(bits % 8 == 0, f"{tensor.dtype} elements share bytes")
    return bits // 8


def require_same_type(*tensors: Tensor) -> None:
    """Raise Unsupported unless all tensors have one element type."""
    types = [tensor.dtype for tensor in tensors]
    require(len(set(types)) == 1, f"types {', '.join(types)} should be one")


def contiguous_steps(shape: Sequence[int], size: int) -> list[int]:
    """Bytes from one index to the next along every axis of an array without gaps."""
    return [size * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


@dataclass(frozen=True)
class Box:
    """What a copy moves.

    Attributes:
        sizes: Turns of each loop, outermost first.
        input_steps, output_steps: Bytes from turn to turn.
        input_start: Offset of the first byte to read.
        run: Bytes that lie together on both sides.
    """

    sizes: tuple[int, ...]
    input_steps: tuple[int, ...]
    output_steps: tuple[int, ...]
    input_start: int
    run: int

    @property
    def contiguous(self) -> bool:
        """Whether it is one run from the start, so that a copy changes nothing."""
        return not self.sizes and self.input_start == 0


def box(
    sizes: Sequence[int],
    input_steps: Sequence[int],
    size: int,
    *,
    output_steps: Sequence[int] | None = None,
    input_start: int = 0,
) -> Box:
    """The box with as few loops and as long a run as possible.

    Args:
        sizes: Elements along each axis of the output.
        input_steps: Bytes per axis.
        size: Bytes of one element.
        output_steps: Bytes per axis; those of an output without gaps if not given.
        input_start: Offset of the first byte to read.
    """
    outs = contiguous_steps(sizes, size) if output_steps is None else output_steps
    loops: list[list[int]] = []
    for loop in zip(sizes, input_steps, outs, strict=True):
        if loop[0] == 1:
            continue
        outer = loops[-1] if loops else None
        if outer is not None and all(outer[k] == loop[k] * loop[0] for k in (1, 2)):
            outer[:] = [outer[0] * loop[0], loop[1], loop[2]]
        else:
            loops.append(list(loop))
    run = size
    if loops and loops[-1][1] == loops[-1][2] == size:
        run *= loops.pop()[0]
    turns = [tuple(loop[k] for loop in loops) for k in range(3)]
    return Box(turns[0], turns[1], turns[2], input_start, run)


def offsets(sizes: Sequence[int], steps: Sequence[int]) -> NDArray[np.int64]:
    """The byte offset of every run, in the order of the loops."""
    total = np.zeros((1,), np.int64)
    for size, step in zip(sizes, steps, strict=True):
        total = (total[:, None] + np.arange(size, dtype=np.int64) * step).reshape(-1)
    return total


def loop_params(moved: Box) -> dict[str, ParamValue]:
    """The fields of eq_strided_copy_params."""
    missing = LOOPS - len(moved.sizes)
    require(missing >= 0, f"{len(moved.sizes)} nested loops; the kernel has {LOOPS}")
    return {
        "size": [1] * missing + list(moved.sizes),
        "input_step": [0] * missing + list(moved.input_steps),
        "output_step": [0] * missing + list(moved.output_steps),
        "input_start": moved.input_start,
        "run": moved.run,
    }


def copy_call(moved: Box) -> Call | None:
    """The kernel call for a copy of input 0 to the output; None where it changes nothing."""
    if moved.contiguous:
        return None
    reads = moved.input_start + offsets(moved.sizes, moved.input_steps)
    writes = offsets(moved.sizes, moved.output_steps) + moved.run
    distance = overlap_distance(reads, writes, buffered=True) if len(reads) else 0
    return Call(
        "strided_copy",
        "eq_strided_copy",
        "eq_strided_copy_params",
        loop_params(moved),
        (INPUT, OUTPUT),
        overlaps=(Overlap(0, distance),),
    )
