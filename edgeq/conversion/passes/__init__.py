"""Rewrites of a graph, one file each, and the order they run in.

Each takes a `Network`, changes it and gives it back.
"""

from __future__ import annotations

from edgeq.conversion.network import Pass
from edgeq.conversion.passes.affine import fold_affine
from edgeq.conversion.passes.barriers import drop_barriers
from edgeq.conversion.passes.biases import fit_biases, own_biases
from edgeq.conversion.passes.comparisons import align_comparisons
from edgeq.conversion.passes.dense_layers import drop_added_axes, turn_left_factors
from edgeq.conversion.passes.edges import quantize_outputs, quantize_unread_inputs
from edgeq.conversion.passes.folding import fold_constants
from edgeq.conversion.passes.index_inputs import take_indices
from edgeq.conversion.passes.integerize import integerize
from edgeq.conversion.passes.learned_ranges import (
    drop_idle_bounds,
    take_learned_ranges,
    use_learned_scales,
)
from edgeq.conversion.passes.number_inputs import take_numbers
from edgeq.conversion.passes.one_hots import look_up_one_hots
from edgeq.conversion.passes.recurrent.keep import keep_recurrent
from edgeq.conversion.passes.shared_memory import keep_shared_values
from edgeq.conversion.passes.shifts import align_shifts, shift_scales
from edgeq.conversion.passes.tables import choose_tables
from edgeq.conversion.passes.tiny_scales import open_clamps, widen_ranges
from edgeq.conversion.passes.twins import merge_twins
from edgeq.conversion.passes.unit_norms import guard_norms, spell_norms
from edgeq.conversion.passes.wide_kernels import suit_wide_kernels
from edgeq.conversion.passes.wide_ops import spell_wide_ops

FLOAT_PASSES: tuple[Pass, ...] = (
    fold_constants,
    drop_barriers,
    keep_recurrent,
    merge_twins,
    take_learned_ranges,
    take_numbers,
    take_indices,
    look_up_one_hots,
    guard_norms,
    turn_left_factors,
    drop_added_axes,
    fold_affine,
    own_biases,
    keep_shared_values,
)
"""From the graph as it was loaded to the float model."""

LOWERING_PASSES: tuple[Pass, ...] = (
    align_shifts,
    spell_norms,
    spell_wide_ops,
    widen_ranges,
    choose_tables,
)
"""From the float model, whose ranges are known, to ops that integers have."""

WEIGHT_PASSES: tuple[Pass, ...] = (use_learned_scales, fit_biases)
"""What is wrong with the constants that the quantizer made."""

INTEGER_PASSES: tuple[Pass, ...] = (
    quantize_unread_inputs,
    quantize_outputs,
    integerize,
    align_comparisons,
    open_clamps,
    drop_idle_bounds,
    suit_wide_kernels,
    shift_scales,
    keep_shared_values,
)
"""From what the quantizer made to integers throughout."""
