"""One function per ONNX op, by family; OPS is the one list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgeq.conversion.sources.onnx.ops import (
    activations,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    recurrent,
    reduction,
    resizing,
    shapes,
)

OPS: Mapping[str, Callable[..., Any]] = {
    **activations.OPS,
    **convolution.OPS,
    **elementwise.OPS,
    **indexing.OPS,
    **linear.OPS,
    **normalization.OPS,
    **recurrent.OPS,
    **reduction.OPS,
    **resizing.OPS,
    **shapes.OPS,
}
"""By ONNX's name. Each takes the builder, the node and its inputs, and gives a value or several."""
