"""Rewrites of a graph, one file each, and the order they run in.

Each takes a `Network`, changes it and gives it back.
"""

from __future__ import annotations

from edgeq.conversion.network import Pass
from edgeq.conversion.passes.biases import fit_biases
from edgeq.conversion.passes.folding import fold_constants
from edgeq.conversion.passes.index_inputs import take_indices
from edgeq.conversion.passes.integerize import integerize
from edgeq.conversion.passes.tables import choose_tables

FLOAT_PASSES: tuple[Pass, ...] = (fold_constants, take_indices)
"""From the graph as it was loaded to the float model."""

LOWERING_PASSES: tuple[Pass, ...] = (choose_tables,)
"""From the float model, whose ranges are known, to ops that integers have."""

WEIGHT_PASSES: tuple[Pass, ...] = (fit_biases,)
"""What is wrong with the constants that the quantizer made."""

INTEGER_PASSES: tuple[Pass, ...] = (integerize,)
"""From what the quantizer made to integers throughout."""
