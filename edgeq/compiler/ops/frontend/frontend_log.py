"""FRONTEND_LOG: logarithms of sums, or the sums as they are, in steps of the output."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    constant_args,
)

_Q16 = 65536
_LEAST = -(1 << 23)


def fixed_factor(value: float, bits: int = 31) -> tuple[int, int]:
    """A factor as (multiplier below 2^bits, shift to the right)."""
    fraction, exponent = math.frexp(value)
    multiplier = round(fraction * (1 << bits))
    if multiplier == 1 << bits:
        multiplier, exponent = multiplier // 2, exponent + 1
    return multiplier, bits - exponent


def _lower(node: Node) -> Call:
    """The call for one logarithm.

    Options: `factor` (output units a natural logarithm), `floor` and `offset` as in
    log(max(x + offset, floor)), `norms` (a factor of each channel, which float32 has applied
    already), `log` (False: the values as they are).
    """
    floor, offset = float(node.option("floor")), float(node.option("offset"))
    size = node.output().elements
    if node.input(0).dtype == "float32":
        return Call(
            "frontend_log_f32",
            "eq_frontend_log_f32",
            "eq_frontend_log_f32_params",
            # Below the least normal number there is no logarithm here.
            {
                "size": size,
                "floor": max(floor, 2.0**-126),
                "offset": offset,
                "factor": float(node.option("factor")),
            },
            (INPUT, OUTPUT),
            overlaps=(Overlap(0),),
        )
    norms = np.asarray(node.option("norms"), np.float64)
    if not node.option("log"):
        return _linear(node, norms)
    offsets = offset / norms
    exponent = math.frexp(float(offsets.max()))[1] - 31
    params = {
        "size": size,
        "floor": round(math.log2(floor) * _Q16) if floor > 0 else _LEAST,
        "offset_exponent": exponent,
        "has_offset": int(offset > 0),
        "multiplier": 1,
        "shift": 1,
    }
    short = node.output().dtype == "int16"
    if short:
        steps = float(node.option("factor")) * math.log(2) / _Q16 / node.output().scale
        params["multiplier"], params["shift"] = fixed_factor(steps)
    ends = np.arange(129) / 128
    pieces = np.rint(_Q16 * (np.log2(1 + ends) - ends))
    return Call(
        "frontend_log",
        f"eq_frontend_log_{'s16' if short else 's32'}",
        "eq_frontend_log_params",
        params,
        (INPUT, Arg("input", 1), *constant_args(3), OUTPUT),
        (
            Constant("shifts", "int32_t", np.rint(np.log2(norms) * _Q16).astype(np.int64)),
            Constant("offsets", "uint32_t", np.rint(offsets * 2.0**-exponent).astype(np.int64)),
            Constant("log2", "uint16_t", pieces, "65536 * (log2(1 + x) - x), x = i / 128"),
        ),
    )


def _linear(node: Node, norms: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Call:
    """Sums as they are: each channel's factor has 31 bits."""
    steps = norms / node.output().scale
    exponent = math.frexp(float(steps.max()))[1] - 31
    factors = np.rint(steps * 2.0**-exponent).astype(np.int64)
    return Call(
        "frontend_log",
        "eq_frontend_linear_s16",
        "eq_frontend_linear_params",
        {"size": node.output().elements, "exponent": -exponent},
        (INPUT, Arg("input", 1), *constant_args(1), OUTPUT),
        (Constant("factors", "uint32_t", factors),),
    )


FRONTEND_LOG = OpKind("FRONTEND_LOG", _lower, ("uint64", "float32"))
