"""Calls that would end this process: tried in a copy of it first.

The plain kernels of TensorFlow Lite Micro and LiteRT hold int8 SOFTMAX to limits by assertions. One
is that its input's steps are wider than 2^-26. The other is a matter of values: 512 of them and
more that are nearly equal add up to a sum that is shifted by more bits than there are. An untrained
network with 1000 classes does both. An int8 DIV, in LiteRT's usual kernels too, ends the process
where a divisor is 0.

TensorFlow Lite Micro's kernel of a depthwise convolution reads a bias that is left out.

All kernels trust some inputs that say which part of another is meant: where they are not constant,
a place behind the end is read (tests/devices/test_fatal.py tries each). And scales of 0, or such
that are very unlike, end in assertions on the way to a multiplier.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import warnings
from collections.abc import Callable
from typing import TypeVar

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op, Subgraph

_SUMMED, _FINEST = 512, 2.0**-25
_UNLIKE = 2.0**12  # a ratio of scales that models of converters stay below
_RAISED = 2  # how a copy of the process ends that a call raised in
_EIGHT_BITS, _FEW_BITS = ("int8", "uint8"), ("int8", "uint8", "int16")
_PLAIN = {
    "SOFTMAX": (
        "takes no scale below 1.5e-8, and no 512 values or more that are nearly equal",
        "the values hardly vary, as in an untrained model; local?delegate=none has other kernels",
    ),
    "DIV": (
        "takes no divisor of 0",
        "an input whose divisors are not 0, or a small number added to the divisor in the model",
    ),
}
# Ops by their inputs that say which part, how far or along which axis.
_SETTINGS = {
    "ARG_MAX": (1,),
    "ARG_MIN": (1,),
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_ARGS": (0, 1),
    "MIRROR_PAD": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "REVERSE_SEQUENCE": (1,),
    "SLICE": (1, 2),
    "SPACE_TO_BATCH_ND": (1, 2),
}
_SET = (
    "trusts what its input {} says, which is no constant here",
    "values that lie inside the tensor that they are of, or a constant in the model",
)
_BIASED = ("reads a bias that the op leaves out", "a bias of zeros in the model")
_SCALED = (
    "takes no scales of 0, none for each channel, and none that are very unlike ({})",
    "convert it with data like those that are expected; edgeq inspect shows the scales",
)
# Ops whose kernels assert what they make of scales; others take what comes.
_RESCALING = frozenset(
    {"ADD", "EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL", "QUANTIZE",
     "SQUARED_DIFFERENCE", "SUB"}
)  # fmt: skip
T = TypeVar("T")


def guarded(
    graph: Graph,
    runtime: str,
    call: Callable[[], T],
    *,
    plain: bool = True,
    trial: Callable[[], object] | None = None,
) -> T:
    """What a call gives that runs kernels on a model.

    Args:
        graph: The model.
        runtime: Name for messages.
        call: Loads or runs it. It is made twice where it might end the process, first in a copy.
        plain: Whether the kernels are the plain ones.
        trial: What is made in the copy, if not the call itself: a copy has no other threads.

    Raises:
        EdgeqError: It would end the process.
    """
    risks = (
        (where, op, risk)
        for where in graph.subgraphs
        for op in where.ops
        if (risk := _risk(where, op, plain=plain))
    )
    found = next(risks, None)
    if found is not None and not returns(trial or call):
        where, op, (why, hint) = found
        raise EdgeqError(
            f"{runtime} ends the process on this model: its kernel for {op.name} {why}.",
            f"{graph.path}, {where.describe(op)}",
            hint,
        )
    return call()


def _risk(where: Subgraph, op: Op, *, plain: bool) -> tuple[str, str] | None:
    """Why an op may end the process, and what helps; None where it cannot."""
    tensors = where.tensors
    for position in _SETTINGS.get(op.name, ()):
        if position < len(op.inputs) and not tensors[op.inputs[position]].is_constant:
            return _SET[0].format(position), _SET[1]
    if op.name == "DEPTHWISE_CONV_2D" and -1 in op.inputs:
        return _BIASED
    if said := _odd_scales(where, op):
        return _SCALED[0].format(said), _SCALED[1]
    return _PLAIN.get(op.name) if plain and _is_plain_risk(where, op) else None


def _odd_scales(where: Subgraph, op: Op) -> str:
    """Scales that an op's multiplier may not be made of, in words."""
    if op.name not in _RESCALING:
        return ""
    small = [
        tensor
        for index in (*op.inputs, *op.outputs)
        if (tensor := where.tensors[index]).dtype in _FEW_BITS
    ]
    if any(t.quantization is not None and t.quantization.scale.size > 1 for t in small):
        return "a scale for each channel"
    scales = [t.scale for t in small]
    if not scales or max(scales) < min(scales) * _UNLIKE:
        return ""
    return " and ".join(f"{scale:.3g}" for scale in sorted({min(scales), max(scales)}))


def _is_plain_risk(where: Subgraph, op: Op) -> bool:
    if op.name not in _PLAIN:
        return False
    tensor = where.tensors[op.inputs[0]]
    if tensor.dtype not in _EIGHT_BITS or tensor.quantization is None:
        return False
    if op.name == "DIV":
        return True
    return tensor.shape[-1:] >= (_SUMMED,) or tensor.scale < _FINEST


def returns(call: Callable[[], object]) -> bool:
    """Whether a call returns or raises in a copy of this process; True where none can be made."""
    return not hasattr(os, "fork") or not os.WIFSIGNALED(_in_a_copy(call))


def holds(call: Callable[[], bool]) -> bool:
    """Whether a call gives True, in a copy of this process where one can be made.

    What ends the copy, or raises in it, has not given it.
    """
    return _in_a_copy(call) == 0 if hasattr(os, "fork") else call()


def _in_a_copy(call: Callable[[], object]) -> int:
    """How a copy of this process ended that made a call: as `os.waitpid` says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads of other libraries have no part in the call
        child = os.fork()
    if child == 0:
        faulthandler.disable()
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 2)
            given = call()
            os._exit(int(given is False))
        finally:
            os._exit(_RAISED)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # Ctrl-C, while the copy is in a loop that may not end
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return status
