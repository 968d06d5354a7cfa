"""FRONTEND_BIQUAD, _STATISTICS, _AXES and _BAND_POWERS: what front ends for motion are made of."""

from __future__ import annotations

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
)

_HEADER = "frontend_motion"
# In the order of the kernel's enum.
STATISTICS = (
    "mean",
    "std",
    "rms",
    "min",
    "max",
    "mean_abs",
    "skewness",
    "kurtosis",
    "zero_crossings",
    "peaks",
)


def _biquad(node: Node) -> Call:
    """Options: `sections` (rows of b0, b1, b2, a1, a2, a0 being 1), `axes`, `unit`.

    Inputs: samples, and the variable that holds two numbers for each section of each axis.
    """
    sections = np.asarray(node.option("sections"), np.float64)
    axes = int(node.option("axes"))
    return Call(
        _HEADER,
        "eq_frontend_biquad_f32",
        "eq_frontend_biquad_params",
        {
            "rows": node.input(0).elements // axes,
            "axes": axes,
            "sections": len(sections),
            "unit": float(node.option("unit")),
        },
        (INPUT, *constant_args(1), Arg("state", 1), OUTPUT),
        (Constant("sections", "float", sections, "b0, b1, b2, a1, a2"),),
    )


def _statistics(node: Node) -> Call:
    """Options: `statistics` (names), `axes`."""
    which, axes = node.option("statistics"), int(node.option("axes"))
    numbers = np.asarray([STATISTICS.index(name) for name in which])
    return Call(
        _HEADER,
        "eq_frontend_statistics_f32",
        "eq_frontend_statistics_params",
        {"rows": node.input(0).elements // axes, "axes": axes, "statistics": len(which)},
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("statistics", "uint16_t", numbers, ", ".join(which)),),
    )


def _axes(node: Node) -> Call:
    """Options: `weights` of the window, `axes`."""
    weights, axes = node.option("weights"), int(node.option("axes"))
    return Call(
        _HEADER,
        "eq_frontend_axes_f32",
        "eq_frontend_axes_params",
        {"rows": len(weights), "axes": axes},
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("window", "float", weights),),
    )


def _band_powers(node: Node) -> Call:
    """Options: `weights` of all bins, `edges` (bins), `axes`."""
    weights, edges = np.asarray(node.option("weights")), np.asarray(node.option("edges"))
    return Call(
        _HEADER,
        "eq_frontend_band_powers_f32",
        "eq_frontend_band_powers_params",
        {"axes": int(node.option("axes")), "bins": len(weights), "bands": len(edges) - 1},
        (INPUT, *constant_args(2), OUTPUT),
        (Constant("weights", "float", weights), Constant("edges", "uint16_t", edges)),
    )


FRONTEND_BIQUAD = OpKind("FRONTEND_BIQUAD", _biquad, ("int16",))
FRONTEND_STATISTICS = OpKind("FRONTEND_STATISTICS", _statistics, ("float32",))
FRONTEND_AXES = OpKind("FRONTEND_AXES", _axes, ("float32",))
FRONTEND_BAND_POWERS = OpKind("FRONTEND_BAND_POWERS", _band_powers, ("float32",))
