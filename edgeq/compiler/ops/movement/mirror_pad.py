"""MIRROR_PAD: the input reflected at its borders."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import Call, Node, OpKind, require
from edgeq.compiler.ops.shared.movement import ANY_TYPE, pairs
from edgeq.compiler.ops.shared.remap import remap_call

_SYMMETRIC = 1


def lower(node: Node) -> Call:
    """The kernel call for one MIRROR_PAD."""
    source, output = node.input(0), node.output()
    pads = pairs(node.integers(1))
    require(len(pads) == len(source.shape), f"{len(pads)} paddings for shape {source.shape}")
    shape = tuple(n + sum(pair) for n, pair in zip(source.shape, pads, strict=True))
    require(shape == output.shape, f"output {output.shape} should be {shape}")
    symmetric = node.option("mode") == _SYMMETRIC
    axes = []
    for size, (before, after) in zip(source.shape, pads, strict=True):
        most = size if symmetric else size - 1
        require(0 <= before <= most and after >= 0, f"paddings {before}, {after} of {size}")
        index, mirrored = np.arange(size, dtype=np.int64), min(after, most)
        if symmetric:
            axes.append(np.pad(index, (before, mirrored), "symmetric"))
        else:
            axes.append(np.pad(index, (before, mirrored), "reflect"))
        # What TFLM finds behind the mirrored axis is its first element again and again.
        axes[-1] = np.pad(axes[-1], (0, after - mirrored))
    return remap_call(node, axes)


MIRROR_PAD = OpKind("MIRROR_PAD", lower, ANY_TYPE)
