"""ADD for hosts, of int8 tensors of the same shape, in the reference's own arithmetic."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import OUTPUT, Arg, Call, Node, Overlap

_HALF = 1 << 30


def _exact(scales: dict[str, int], number: int) -> bool:
    """Whether an input is multiplied by one half, which shifts it."""
    fields = (scales[f"input{number}_multiplier"], scales[f"input{number}_shift"])
    return fields == (_HALF, 0)


def lower_host(node: Node, scales: dict[str, int], clamp: dict[str, int]) -> Call | None:
    """The host kernel's call; None where a shift is out of its range.

    Args:
        scales: The offset, multiplier and shift fields of eq_add_params.
        clamp: activation_min and activation_max.
    """
    # The larger scale is halved: then that input is shifted, and only the other one multiplied.
    order = (0, 1) if _exact(scales, 1) else (1, 0)
    shifted, scaled = (f"input{position + 1}" for position in order)
    right = -scales[f"{scaled}_shift"]
    output_right = -scales["output_shift"]
    if not _exact(scales, order[0] + 1) or not 0 <= right <= 31 or not 1 <= output_right <= 31:
        return None
    params = {
        "size": node.output().elements,
        "input1_offset": scales[f"{shifted}_offset"],
        "input2_offset": scales[f"{scaled}_offset"],
        "left_shift": scales["left_shift"],
        "input2_multiplier": scales[f"{scaled}_multiplier"],
        "input2_shift": right,
        "output_multiplier": scales["output_multiplier"],
        "output_shift": output_right,
        "limits": {"output_offset": scales["output_offset"], **clamp, "left": 0},
    }
    return Call(
        "add",
        "eq_add_host_s8",
        "eq_add_host_params",
        params,
        (*(Arg("input", position) for position in order), OUTPUT),
        overlaps=(Overlap(0), Overlap(1)),
        kernels="host",
    )
