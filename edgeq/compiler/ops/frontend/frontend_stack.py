"""FRONTEND_STACK and FRONTEND_AUTO_SCALE: frames that wait for the model; 16-bit block scaling."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Arg, Call, Node, OpKind, Overlap


def _stack(node: Node) -> Call:
    """The call for one stack; option `step`: frames from one answer to the next.

    Inputs: a frame, and the variable that counts; the output is the variable that holds frames.
    """
    frame, frames = node.input(0), node.output()
    return Call(
        "frontend_stack",
        "eq_frontend_stack",
        "eq_frontend_stack_params",
        {
            "bytes": frame.bytes,
            "slots": frames.elements // frame.elements,
            "step": node.option("step"),
        },
        (INPUT, Arg("state", 1), OUTPUT),
    )


def _auto_scale(node: Node) -> Call:
    """Source: microfrontend, window.c and fft.cc."""
    return Call(
        "frontend_stack",
        "eq_frontend_auto_scale",
        "eq_frontend_auto_scale_params",
        {"size": node.input(0).elements},
        (INPUT, OUTPUT, Arg("output", 1)),
        overlaps=(Overlap(0),),
    )


FRONTEND_STACK = OpKind("FRONTEND_STACK", _stack, ("int8", "uint8", "int16", "float32"))
FRONTEND_AUTO_SCALE = OpKind("FRONTEND_AUTO_SCALE", _auto_scale, ("int16",))
