"""The table of eq_curves_dsp.h: both halves of the sigmoid."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import Constant
from edgeq.compiler.ops.shared.sigmoid_s16 import SIGMOID_TABLE

# What lies right of 0, less one half; the reference takes the last value for all that follows.
_RIGHT = np.append(SIGMOID_TABLE.values.astype(np.int64), SIGMOID_TABLE.values[-1:]) - (1 << 15)
CURVE_TABLE = Constant(
    "curve", "int16_t", np.concatenate([-_RIGHT[:0:-1], _RIGHT]), "sigmoid - 1/2, Q16, by 1/24"
)
