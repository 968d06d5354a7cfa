"""What a model gives at its end: scores, what they are made of, or the number of the largest.

A softmax or a sigmoid does not change which score is the largest. A device that wants the answer
alone need not compute it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import TENSOR_CODES, drop_unused, indices
from edgeq.conversion.network import Network, Pass
from edgeq.errors import UsageError
from edgeq.metrics.outputs import LOGITS, PROBABILITIES, Outputs

HEADS = ("scores", "logits", "class")
_SQUASHING = frozenset({"LOG_SOFTMAX", "LOGISTIC", "SOFTMAX"})
_SHAPES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


def with_head(kind: str) -> Pass:
    """The pass that gives a model one of the HEADS.

    Raises:
        UsageError: There is no such head.
    """
    if kind not in HEADS:
        raise UsageError(f"There is no head '{kind}'.", hint=f"one of {', '.join(HEADS)}")
    return {"scores": _scores, "logits": _logits, "class": _class}[kind]


def outputs_of(head: str, trained: Outputs | None) -> Outputs | None:
    """What the first output's numbers are behind a head.

    Args:
        head: One of the HEADS.
        trained: What the loss says of the model with its own head; None if nothing.
    """
    if head == "logits" and trained is not None and trained.kind == PROBABILITIES:
        return Outputs(LOGITS, f"--head {head}")
    return trained


def _scores(network: Network) -> Network:
    return network


def _logits(network: Network) -> Network:
    """The network without softmax and sigmoid at its outputs."""
    found = [index for index in network.outputs if _squashed(network, index) is not None]
    if not found:
        raise UsageError(
            "No output of the model is made by a softmax or a sigmoid: --head logits has nothing "
            "to leave out.",
            network.source,
        )
    for index in found:
        source = _squashed(network, index)
        if source is not None:
            _give(network, index, source)
    drop_unused(network.model)
    return network


def _class(network: Network) -> Network:
    """The network with the number of the largest score in place of the scores."""
    chosen = [i for i in network.outputs if network.is_float(i) and network.shape(i)[-1:] > (1,)]
    if not chosen:
        raise UsageError(
            "No output of the model holds scores of several classes: --head class has nothing to "
            "choose from.",
            network.source,
        )
    for index in chosen:
        source = _squashed(network, index)
        _choose(network, index, index if source is None else source)
    drop_unused(network.model)
    return network


def _squashed(network: Network, index: int) -> int | None:
    """What a softmax or a sigmoid at an output reads; None where there is none."""
    maker = network.maker(index)
    if maker is None or network.kind(maker) not in _SQUASHING:
        return None
    return indices(maker.inputs)[0]


def _give(network: Network, output: int, source: int) -> None:
    """Let the model give another tensor under the name of an output."""
    tensors = network.graph.tensors
    if source in (*network.inputs, *network.outputs):
        raise UsageError(
            f'What the output "{network.name(output)}" is made of is an input or output itself.',
            network.source,
        )
    name = tensors[output].name
    tensors[output].name, tensors[source].name = name + b"/scores", name
    network.replace_output(output, source)


def _choose(network: Network, output: int, source: int) -> None:
    """Give the number of the largest value along the last axis."""
    name = network.name(output)
    axis = np.array(len(network.shape(source)) - 1, np.int32)
    place = network.add_constant(f"{name}/axis", axis)
    made = network.add_tensor(f"{name}/class", list(network.shape(source)[:-1]), "int32")
    codes = {"outputType": TENSOR_CODES["int32"]}
    op: Any = network.new_op("ARG_MAX", [source, place], [made], "ArgMax", **codes)
    network.ops = [*network.ops, op]
    network.graph.tensors[output].name = f"{name}/scores".encode()
    network.graph.tensors[made].name = name.encode()
    network.replace_output(output, made)
