"""Why a layer takes the portable kernel on a core with the DSP extension, in words."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.compiler.ops.dsp.layers import pair_problem, scale_problem
from edgeq.compiler.ops.shared.base import Node
from edgeq.compiler.ops.shared.channels import Channels


def why_portable(node: Node, channels: Channels, g: Mapping[str, int], *, paired: bool) -> str:
    """The conditions that a layer misses; empty on other cores.

    Args:
        g: Geometry; empty for dense layers.
        paired: Whether the fast form has two channels in a word.
    """
    if not node.isa.has("dsp"):
        return ""
    if node.input(1).data is None:
        return "its weights are computed"
    found = [scale_problem(channels, node.output()), pair_problem(channels) if paired else ""]
    if max(g.get("dilation_h", 1), g.get("dilation_w", 1)) > 1 and paired:
        found.append("dilated")
    if g.get("filter_c", g.get("input_c")) != g.get("input_c"):
        found.append("grouped")
    if g.get("depth_multiplier", 1) > 1:
        found.append(f"{g['depth_multiplier']} outputs of each channel")
    elif not paired and g["input_c"] % 4:
        found.append(f"{g['input_c']} channels are not a multiple of four")
    return "; ".join(part for part in found if part)
