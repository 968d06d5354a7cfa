"""SUM and MEAN of images over their pixels, for hosts: 16 channels at a time."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Call, Node, ParamValue

_ROOM = 1 << 30


def lower_host(
    node: Node, kept: tuple[int, ...], reduced: tuple[int, ...], fields: Mapping[str, ParamValue]
) -> Call | None:
    """The host kernel's call; None where it sums anything but neighbours before channels.

    Args:
        node: The op.
        kept, reduced: Steps of the loops over what stays and over what is summed, in elements.
        fields: Those of eq_reduce_sum_params behind its shape.
    """
    source = node.input(0)
    channels = source.shape[-1] if source.shape else 0
    outer = node.output().elements // max(channels, 1)
    pixels = source.elements // max(node.output().elements, 1)
    numbers = {name: value for name, value in fields.items() if isinstance(value, int)}
    right = -numbers["output_shift"]
    if (
        source.dtype != "int8"
        or reduced != (channels,)
        or kept not in ((1,), (pixels * channels, 1))
    ):
        return None
    if 256 * pixels >= _ROOM or not 1 <= right <= 31 or outer * channels != node.output().elements:
        return None
    params = {
        "batches": outer,
        "pixels": pixels,
        "channels": channels,
        "total_offset": numbers["total_offset"],
        "multiplier": numbers["output_multiplier"],
        "shift": right,
        "limits": {
            "output_offset": numbers["output_offset"],
            "activation_min": numbers["activation_min"],
            "activation_max": numbers["activation_max"],
            "left": 0,
        },
    }
    return Call(
        "reduce",
        "eq_reduce_sum_host_s8",
        "eq_reduce_sum_host_params",
        params,
        (INPUT, OUTPUT),
        kernels="host",
    )
