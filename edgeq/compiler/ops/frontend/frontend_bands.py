"""FRONTEND_BANDS: powers or magnitudes of a spectrum, each or summed under triangles."""

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
    require,
)


def _lower(node: Node) -> Call:
    """The call for one set of bands.

    Options: `first` (bin), `magnitude`; `weights` (of each bin for the upper of its two triangles)
    and `widths` (bins of each band between two centres), or None for bins as they are; `norms` (of
    each channel, float32 only); `exponent` of the spectrum's unit (int32 only).
    """
    weights, widths = node.option("weights"), node.option("widths")
    real = node.input(0).dtype == "float32"
    bins = node.output().elements if widths is None else int(np.sum(widths))
    params = {"first": node.option("first"), "bins": bins, "channels": node.output().elements}
    params["magnitude"] = int(node.option("magnitude"))
    if not real:
        params = {"points": node.input(0).elements // 2, **params}
        params["exponent"] = node.option("exponent")
        require(widths is None or bins <= 1024, f"{bins} bins; sums of 1024 fit")
    suffix = "_f32" if real else ""
    constants: tuple[Constant, ...] = ()
    if widths is not None:
        fixed = (
            Constant("weights", "float", weights)
            if real
            else Constant("weights", "uint16_t", np.rint(weights * (1 << 15)), "Q15")
        )
        constants = (fixed, Constant("widths", "uint16_t", np.asarray(widths)))
        if real:
            constants += (Constant("norms", "float", node.option("norms")),)
    exponent = () if real else (Arg("output", 1),)
    scaled = () if real else (Arg("input", 1),)
    return Call(
        f"frontend_bands{suffix}",
        f"eq_frontend_{'spectrum' if widths is None else 'mel'}{suffix}",
        f"eq_frontend_bands{suffix}_params",
        params,
        (INPUT, *scaled, *constant_args(len(constants)), OUTPUT, *exponent),
        constants,
    )


FRONTEND_BANDS = OpKind("FRONTEND_BANDS", _lower, ("int32", "float32"))
