"""Layers whose work threads share, for kernels/host/parallel.h."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgeq.compiler.ops.shared.base import Call, Node

_PART_WORK = 1 << 18
"""Multiply-accumulates that a part has at least: several times what it costs to hand it over."""
_PARTS_PER_THREAD = 4
"""So that the others do the work of a thread that has been interrupted."""


@dataclass(frozen=True)
class _Form:
    """A kernel with a form for shares, FUNCTION_share.

    Attributes:
        work: What a call takes, in multiply-accumulates of a convolution.
        stages: 2 for kernels that copy their input first, which do so for one image.
    """

    work: Callable[[Call, Node], int]
    stages: int = 1


def _macs(times: int) -> Callable[[Call, Node], int]:
    return lambda call, node: times * call.macs  # noqa: ARG005


def _read(times: int) -> Callable[[Call, Node], int]:
    return lambda call, node: times * node.input(0).elements  # noqa: ARG005


def _written(times: int) -> Callable[[Call, Node], int]:
    return lambda call, node: times * node.output().elements  # noqa: ARG005


_FORMS = {
    "eq_conv_2d_host_s8": _Form(_macs(1)),
    "eq_conv_2d_copied_host_s8": _Form(_macs(1), 2),
    "eq_fully_connected_host_s8": _Form(_macs(1)),
    "eq_fully_connected_copied_host_s8": _Form(_macs(1), 2),
    "eq_conv_2d_winograd_avx2_s8": _Form(_macs(1), 2),
    "eq_depthwise_conv_2d_host_s8": _Form(_macs(8)),
    "eq_depthwise_conv_2d_copied_host_s8": _Form(_macs(8), 2),
    "eq_conv_2d_host_f32": _Form(_macs(4)),
    "eq_conv_2d_copied_host_f32": _Form(_macs(4), 2),
    "eq_depthwise_conv_2d_host_f32": _Form(_macs(8)),
    "eq_depthwise_conv_2d_copied_host_f32": _Form(_macs(8), 2),
    "eq_add_host_s8": _Form(_written(16)),
    "eq_scaled_sum_host_s8": _Form(_written(16)),
    "eq_scaled_product_host_s8": _Form(_written(16)),
    "eq_lookup_host_s8": _Form(_written(8)),
    "eq_reduce_sum_host_s8": _Form(_read(8)),
}


def shared(call: Call, node: Node) -> Call:
    """The call in parts, where it has a form for that and enough work for several threads.

    Args:
        call: As one thread makes it.
        node: What it is lowered from.
    """
    form = _FORMS.get(call.function)
    if form is None or node.isa.threads == 1:
        return call
    parts = min(_PARTS_PER_THREAD * node.isa.threads, form.work(call, node) // _PART_WORK)
    if parts < 2 or (form.stages == 2 and call.params["batches"] > 1):
        return call
    # Parts are not done in order: only a whole copy lets the output lie anywhere over the input.
    overlaps = call.overlaps
    if form.stages == 1:
        overlaps = tuple(replace(each, distance=0, exact=True) for each in overlaps)
    return replace(call, parts=parts, stages=form.stages, overlaps=overlaps)
