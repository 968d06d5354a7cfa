"""What stands at the end of a model: scores that a softmax or an argmax makes an answer of."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.model.graph import Graph, Op

_PASSING = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_FIXED_SCALE = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION"})
_KINDS = {"SOFTMAX": "softmax", "LOG_SOFTMAX": "softmax", "ARG_MAX": "label"}


@dataclass(frozen=True)
class Head:
    """The end of a model at one of its outputs.

    Attributes:
        kind: "softmax", also for its logarithm; "label" for the number of the largest score;
            empty for anything else.
        scores: The tensor that the head reads; None where there is no such head.
    """

    kind: str = ""
    scores: int | None = None


def head_of(graph: Graph, output: int) -> Head:
    """The head that makes an output, whatever conversions and reshapes stand behind it."""
    makers = {index: op for op in graph.main.ops for index in op.outputs}
    maker = _behind(makers, output)
    if maker is None or maker.name not in _KINDS:
        return Head()
    scores = maker.inputs[0]
    while (cast := makers.get(scores)) is not None and cast.name == "CAST":
        scores = cast.inputs[0]  # 16 bits have no ARG_MAX of their own
    return Head(_KINDS[maker.name], scores)


def has_fixed_scale(graph: Graph, output: int) -> bool:
    """Whether an output's scale is the same whatever the data, as softmax and sigmoid have it."""
    makers = {index: op for op in graph.main.ops for index in op.outputs}
    maker = _behind(makers, output)
    return maker is not None and maker.name in _FIXED_SCALE


def joined_by(graph: Graph, output: int) -> Op | None:
    """The concatenation that makes an output; None where another op does."""
    makers = {index: op for op in graph.main.ops for index in op.outputs}
    maker = _behind(makers, output)
    return maker if maker is not None and maker.name == "CONCATENATION" else None


def _behind(makers: dict[int, Op], index: int) -> Op | None:
    """The op that computes a tensor, past those that only hand values on."""
    maker = makers.get(index)
    while maker is not None and maker.name in _PASSING:
        maker = makers.get(maker.inputs[0])
    return maker
