"""Calls that would end this process: tried in a copy of it first.

The plain kernels of TensorFlow Lite Micro and LiteRT hold int8 SOFTMAX to limits by assertions. One
is that its input's steps are wider than 2^-26. The other is a matter of values: 512 of them and
more that are nearly equal add up to a sum that is shifted by more bits than there are. An untrained
network with 1000 classes does both. An int8 DIV, in LiteRT's usual kernels too, ends the process
where a divisor is 0.
"""

from __future__ import annotations

import faulthandler
import os
import warnings
from collections.abc import Callable
from typing import TypeVar

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op

_SUMMED, _FINEST = 512, 2.0**-25
_EIGHT_BITS = ("int8", "uint8")
_WHY = {
    "SOFTMAX": "its kernel for SOFTMAX takes no scale below 1.5e-8, and no 512 values or more that "
    "are nearly equal",
    "DIV": "its kernel for DIV takes no divisor of 0",
}
_HINTS = {
    "SOFTMAX": "the values hardly vary, as in a model that is not trained; "
    "local?delegate=none has other kernels",
    "DIV": "an input whose divisors are not 0, or a small number added to the divisor in the model",
}
T = TypeVar("T")


def guarded(graph: Graph, runtime: str, call: Callable[[], T]) -> T:
    """What a call gives that runs plain kernels on a model.

    Args:
        graph: The model.
        runtime: Name for messages.
        call: Loads or runs it. It is made twice where it might end the process, first in a copy.

    Raises:
        EdgeqError: It would end the process.
    """
    if not survives(graph, call):
        op = next(op for op in graph.main.ops if _is_risk(graph, op))
        raise EdgeqError(
            f"{runtime} ends the process on this model: {_WHY[op.name]}.",
            f"{graph.path}, {graph.main.describe(op)}",
            _HINTS[op.name],
        )
    return call()


def survives(graph: Graph, call: Callable[[], object]) -> bool:
    """Whether this process outlives a call that runs a model; tried where an op may end it."""
    return not any(_is_risk(graph, op) for op in graph.main.ops) or returns(call)


def _is_risk(graph: Graph, op: Op) -> bool:
    if op.name not in _WHY:
        return False
    tensor = graph.main.tensors[op.inputs[0]]
    if tensor.dtype not in _EIGHT_BITS or tensor.quantization is None:
        return False
    if op.name == "DIV":
        return True
    return tensor.shape[-1:] >= (_SUMMED,) or tensor.scale < _FINEST


def returns(call: Callable[[], object]) -> bool:
    """Whether a call returns or raises in a copy of this process; True where none can be made."""
    if not hasattr(os, "fork"):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads of other libraries have no part in the call
        child = os.fork()
    if child == 0:
        faulthandler.disable()
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 2)
            call()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return not os.WIFSIGNALED(status)
