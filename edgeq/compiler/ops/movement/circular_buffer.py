"""CIRCULAR_BUFFER: the last slots of a stream, as streaming convolutions need them."""

from __future__ import annotations

import math

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Arg, Call, Node, OpKind, State, require
from edgeq.compiler.ops.shared.custom import custom_options, int_option, require_types

# Without the option TFLM knows two models by the number of slots.
_EVERY_CALL = (5, 13, 25)
_MOST = 255


def cycles(node: Node) -> int:
    """Of how many calls only the last one goes on behind this op.

    Source: TFLM `CircularBufferPrepare`.
    """
    given = int_option(node, "cycles_max") if custom_options(node) else 0
    if given > 0:
        require(given <= _MOST, f"it goes on in one of {given} calls; {_MOST} are possible")
        return given
    shape = node.output().shape
    # Of these TFLM counts how many the process has seen.
    require(shape[2:] != (2, 96), 'its option "cycles_max" is missing')
    return 1 if len(shape) > 1 and shape[1] in _EVERY_CALL else 2


def _state(node: Node) -> State:
    # Source: TFLM `MicroInterpreterGraph::ResetTensorData` for the output, a variable tensor.
    output = node.output()
    counter = cycles(node) > 1
    return State("int8", max(output.elements, 1) + counter, output.zero_point & 255)


def _lower(node: Node) -> Call:
    """The kernel call for one CIRCULAR_BUFFER.

    Source: TFLM circular_buffer.cc, circular_buffer_common.cc.
    """
    several = cycles(node) > 1
    require_types(node, ("int8",), ("int8", "bool") if several else ("int8",), state=True)
    source, output = node.input(0), node.output()
    require(len(source.shape) == 4 and len(output.shape) == 4, "shapes of four axes needed")
    require(
        source.shape == (1, 1, *output.shape[2:]) and output.shape[0] == 1,
        f"a slot of {source.shape} for {output.shape}",
    )
    return Call(
        "circular_buffer",
        "eq_circular_buffer_cycles" if several else "eq_circular_buffer",
        "eq_circular_buffer_params",
        {
            "size": output.elements,
            "depth": math.prod(output.shape[2:]),
            "cycles": cycles(node),
            "fill": output.zero_point & 255,
        },
        (INPUT, Arg("state", 1), OUTPUT, *([Arg("output", 1)] if several else [])),
    )


CIRCULAR_BUFFER = OpKind("CIRCULAR_BUFFER", _lower, ("int8",), state=_state, custom=True)
