"""Ops of two inputs, element by element, of which one or both may be spread along some axes."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.compiler.ops.shared.base import Node, Overlap, ParamValue, require
from edgeq.compiler.ops.shared.movement import element_bytes
from edgeq.model.graph import Tensor

LOOPS = 6


def merged(
    shapes: Sequence[tuple[int, ...]], output: tuple[int, ...]
) -> tuple[list[int], list[list[int]]]:
    """Sizes of the loops over the output, and per input the elements per turn of each loop.

    Args:
        shapes: Of the inputs; an axis of 1, or one that is missing in front, is spread.
        output: Shape of the output.

    Raises:
        Unsupported: The shapes do not fit, or need more loops than the kernels have.
    """
    rank = len(output)
    steps = []
    for shape in shapes:
        full = (1,) * (rank - len(shape)) + shape
        fits = len(full) == rank and all(n in (1, m) for n, m in zip(full, output, strict=True))
        require(fits, f"{shape} does not spread to {output}")
        step, each = 1, []
        for length, size in zip(reversed(full), reversed(output), strict=True):
            each.append(step if length == size else 0)
            step *= length
        steps.append(each[::-1])
    loops: list[list[int]] = []
    for axis in range(rank):
        loop = [output[axis], *(each[axis] for each in steps)]
        if loop[0] == 1:
            continue
        if loops and all(outer == step * loop[0] for outer, step in zip(loops[-1][1:], loop[1:])):  # noqa: B905
            loops[-1] = [loops[-1][0] * loop[0], *loop[1:]]
        else:
            loops.append(loop)
    require(len(loops) <= LOOPS, f"{len(loops)} nested loops; the kernels have {LOOPS}")
    loops = [[1] + [0] * len(shapes)] * (LOOPS - len(loops)) + loops
    sizes = [loop[0] for loop in loops]
    return sizes, [[loop[1 + k] for loop in loops] for k in range(len(shapes))]


def pair_shape(node: Node) -> dict[str, ParamValue]:
    """The field `shape`, an eq_broadcast, for inputs 0 and 1."""
    sizes, steps = merged([node.input(0).shape, node.input(1).shape], node.output().shape)
    return {"shape.size": sizes, "shape.step1": steps[0], "shape.step2": steps[1]}


def in_place(node: Node, *positions: int) -> tuple[Overlap, ...]:
    """The output may be written over every one of these inputs that is read once and in order."""
    output = node.output()
    return tuple(Overlap(position) for position in positions if _may(node.input(position), output))


def _may(source: Tensor, output: Tensor) -> bool:
    same = source.elements == output.elements
    return same and element_bytes(output) <= element_bytes(source)
