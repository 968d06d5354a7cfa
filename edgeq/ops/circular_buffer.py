"""CIRCULAR_BUFFER: the last slots of a stream, as streaming convolutions need them."""

from __future__ import annotations

import math

from edgeq.ops.base import INPUT, OUTPUT, Arg, Call, Node, OpKind, State, require
from edgeq.ops.custom import custom_options, int_option, require_types

# Without the option TFLM knows two models by the number of slots.
_EVERY_CALL = (5, 13, 25)


def _state(node: Node) -> State:
    # Source: TFLM `MicroInterpreterGraph::ResetTensorData` for the output, a variable tensor.
    output = node.output()
    return State("int8", max(output.elements, 1), output.zero_point & 255)


def _lower(node: Node) -> Call:
    """The kernel call for one CIRCULAR_BUFFER.

    Source: TFLM circular_buffer.cc, circular_buffer_common.cc.
    """
    require_types(node, ("int8",), ("int8",), state=True)
    source, output = node.input(0), node.output()
    require(len(source.shape) == 4 and len(output.shape) == 4, "shapes of four axes needed")
    require(
        source.shape == (1, 1, *output.shape[2:]) and output.shape[0] == 1,
        f"a slot of {source.shape} for {output.shape}",
    )
    cycles = 0
    if custom_options(node):
        cycles = int_option(node, "cycles_max")
    if cycles <= 0:
        cycles = 1 if output.shape[1] in _EVERY_CALL else 2
    require(cycles == 1, f"it ends {cycles - 1} of {cycles} calls early; only 1 is supported")
    return Call(
        "circular_buffer",
        "eq_circular_buffer",
        "eq_circular_buffer_params",
        {"size": output.elements, "depth": math.prod(output.shape[2:])},
        (INPUT, Arg("state", 1), OUTPUT),
    )


CIRCULAR_BUFFER = OpKind("CIRCULAR_BUFFER", _lower, ("int8",), state=_state, custom=True)
