"""FRONTEND_DCT: the cosine transform that makes cepstral coefficients out of log bands."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.frontend.frontend_log import fixed_factor
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
)


def _lower(node: Node) -> Call:
    """The call for one transform.

    Options: `matrix` (float64, one row a coefficient), `factor` (output units a natural logarithm,
    for inputs of log2 in Q16).
    """
    matrix = np.asarray(node.option("matrix"), np.float64)
    coefficients, channels = matrix.shape
    sizes = {"channels": channels, "coefficients": coefficients}
    if node.input(0).dtype == "float32":
        return Call(
            "frontend_dct",
            "eq_frontend_dct_f32",
            "eq_frontend_dct_f32_params",
            sizes,
            (INPUT, *constant_args(1), OUTPUT),
            (Constant("matrix", "float", matrix),),
            macs=channels * coefficients,
        )
    step = float(np.abs(matrix).max()) / 32767
    unit = float(node.option("factor")) * math.log(2) / 65536 * step * 4096
    multiplier, shift = fixed_factor(unit / node.output().scale, bits=27)
    return Call(
        "frontend_dct",
        "eq_frontend_dct_s16",
        "eq_frontend_dct_params",
        {**sizes, "multiplier": multiplier, "shift": shift},
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("matrix", "int16_t", np.rint(matrix / step).astype(np.int64), "Q15, by row"),),
        macs=channels * coefficients,
    )


FRONTEND_DCT = OpKind("FRONTEND_DCT", _lower, ("int32", "float32"))
