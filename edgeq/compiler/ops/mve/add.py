"""ADD for cores with MVE: four values at a time."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, Overlap
from edgeq.compiler.ops.shared.lookup import Pairwise
from edgeq.compiler.ops.shared.pairs import plain_factors


def lower_factors(node: Node, compute: Pairwise, clamp: dict[str, int]) -> Call | None:
    """The call of the kernel with one factor for each input; None where none give the same bytes.

    Args:
        compute: The reference's results, the zero point added, without limits.
    """
    factors = plain_factors(node, compute)
    if factors is None:
        return None
    zero_point = node.output().zero_point
    factors["shift"] = -factors["shift"]
    return Call(
        "add",
        "eq_add_factors_mve_s8",
        "eq_add_factors_mve_params",
        {
            "size": node.output().elements,
            **factors,
            "scale": {"output_offset": zero_point, "rectified": 0, **clamp},
        },
        (Arg("input", 0), Arg("input", 1), OUTPUT),
        overlaps=(Overlap(0), Overlap(1)),
        kernels="mve",
    )


def lower_mve(node: Node, scaling: dict[str, int], clamp: dict[str, int]) -> Call | None:
    """The MVE kernel's call; None where this layer's numbers do not suit it.

    Args:
        scaling: The offset, multiplier and shift fields of eq_add_params (shifts: left).
    """
    # The input with the larger scale, whose multiplier is one half, comes first.
    first, second = (1, 2) if node.input(0).scale >= node.input(1).scale else (2, 1)
    half = (scaling[f"input{first}_multiplier"], scaling[f"input{first}_shift"]) == (1 << 30, 0)
    if not half or not -31 <= scaling["output_shift"] < 0 or scaling[f"input{second}_shift"] < -31:
        return None
    zero_point = scaling["output_offset"]
    return Call(
        "add",
        "eq_add_mve_s8",
        "eq_add_mve_params",
        {
            "size": node.output().elements,
            "input1_offset": scaling[f"input{first}_offset"],
            "input2_offset": scaling[f"input{second}_offset"],
            "input2_multiplier": scaling[f"input{second}_multiplier"],
            "input2_shift": scaling[f"input{second}_shift"],
            "multiplier": scaling["output_multiplier"],
            "shift": scaling["output_shift"],
            "scale": {
                "output_offset": zero_point,
                "rectified": int(clamp["activation_min"] >= zero_point),
                **clamp,
            },
        },
        (Arg("input", first - 1), Arg("input", second - 1), OUTPUT),
        overlaps=(Overlap(0), Overlap(1)),
        kernels="mve",
    )
