"""FRONTEND_WINDOW: samples weighted, of int16 in the order in which the FFT takes them."""

from __future__ import annotations

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

TYPES = ("int16",)
# The numerators of pre-emphasis in the kernel of int16.
_Q14 = 1 << 14


def _lower(node: Node) -> Call:
    """The call for one window.

    Options: `weights` (float64, 0 to 1), `order` (of the FFT's first stage, for int32 output),
    `pre_emphasis` (0 for none; then one more sample stands before the window).
    """
    weights, pre_emphasis = node.option("weights"), float(node.option("pre_emphasis"))
    if node.output().dtype == "float32":
        return Call(
            "frontend_window",
            "eq_frontend_window_f32",
            "eq_frontend_window_f32_params",
            {
                "length": len(weights),
                "lead": int(pre_emphasis != 0),
                "pre_emphasis": pre_emphasis,
            },
            (INPUT, *constant_args(1), OUTPUT),
            (Constant("window", "float", weights / 32768, "window over 32768"),),
        )
    order = node.option("order")
    fixed = (weights * (1 << 31)).round().clip(0, (1 << 31) - 1).astype("int64")
    return Call(
        "frontend_window",
        "eq_frontend_window_s16",
        "eq_frontend_window_params",
        {
            "length": len(weights),
            "points": len(order),
            "pre_emphasis": round(pre_emphasis * _Q14),
        },
        (INPUT, *constant_args(2), OUTPUT, Arg("output", 1)),
        (Constant("window", "int32_t", fixed, "window, Q31"), Constant("order", "uint16_t", order)),
    )


FRONTEND_WINDOW = OpKind("FRONTEND_WINDOW", _lower, TYPES)
