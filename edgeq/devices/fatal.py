"""Calls that would end this process: tried in a copy of it first.

The plain kernels of TensorFlow Lite Micro and LiteRT hold int8 SOFTMAX to limits by assertions. One
is that its input's steps are wider than 2^-26. The other is a matter of values: 512 of them and
more that are nearly equal add up to a sum that is shifted by more bits than there are. An untrained
network with 1000 classes does both.
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
    risks = [op for op in graph.main.ops if _is_risk(graph, op)]
    if risks and not _survives(call):
        raise EdgeqError(
            f"{runtime} ends the process on this model: its kernel for SOFTMAX takes no scale "
            f"below 1.5e-8, and no {_SUMMED} values or more that are nearly equal.",
            f"{graph.path}, {graph.main.describe(risks[0])}",
            "the values hardly vary, as in a model that is not trained; "
            "local?delegate=none has other kernels",
        )
    return call()


def _is_risk(graph: Graph, op: Op) -> bool:
    if op.name != "SOFTMAX":
        return False
    tensor = graph.main.tensors[op.inputs[0]]
    if tensor.dtype not in _EIGHT_BITS or tensor.quantization is None:
        return False
    return tensor.shape[-1:] >= (_SUMMED,) or tensor.scale < _FINEST


def _survives(call: Callable[[], object]) -> bool:
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
