"""Rewrites of a float or quantized graph, one file each, and the order they run in."""

from __future__ import annotations

from edgeq.conversion.network import Pass
from edgeq.conversion.passes.folding import fold_constants
from edgeq.conversion.passes.index_inputs import take_indices

FLOAT_PASSES: tuple[Pass, ...] = (fold_constants, take_indices)
"""From the graph as it was loaded to the float model, in order."""
