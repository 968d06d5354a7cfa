"""How many numbers may be computed before a model runs: one limit for files of all formats.

A few numbers in a file may ask for constants of any size: a Fill, a Tile, an outer product. They
are counted by the shapes of their results before anything computes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from edgeq.model.model_file import MAX_BYTES

MOST_NUMBERS = 1 << 28
"""How many numbers all ops of a model that depend on no input may make: 1 GiB of float32."""

# What they give is what they are given, in another shape at most.
_FREE = frozenset(
    {"Const", "ExpandDims", "Identity", "IdentityN", "NoOp", "PreventGradient", "RESHAPE",
     "ReadVariableOp", "Reshape", "Snapshot", "Squeeze", "StopGradient"}
)  # fmt: skip
_CALLS = frozenset(
    {"Case", "If", "PartitionedCall", "StatefulPartitionedCall", "StatelessCase", "StatelessIf",
     "StatelessWhile", "While"}
)  # fmt: skip


def check_room(made: Iterable[tuple[str, str, int]]) -> None:
    """Refuse ops of known results that are too large together.

    Args:
        made: Of each op its kind, its name and how many numbers it gives.

    Raises:
        ValueError: They are; with the name of the largest.
    """
    counted = [(numbers, kind, name) for kind, name, numbers in made if kind not in _FREE]
    total = sum(numbers for numbers, _, _ in counted)
    if total > MOST_NUMBERS:
        numbers, kind, name = max(counted)
        raise ValueError(
            f"what does not depend on the inputs comes to {total:,} numbers ({numbers:,} of them "
            f"by {kind} '{name}'); {MOST_NUMBERS:,} are computed at most"
        )


def known_results(graph: Any) -> Iterator[tuple[str, str, int]]:
    """The ops of a tf.Graph that depend on no input, as `check_room` takes them.

    TensorFlow's converter computes them, in the bodies of branches and loops too.
    """
    for part in _parts(graph):
        yield from _known(part)


def check_sizes(graph: Any) -> None:
    """Refuse tensors of a tf.Graph that no model of edgeq's may have.

    TensorFlow ends the process on some of them.

    Raises:
        ValueError: There is one; with the op that gives it.
    """
    for part in _parts(graph):
        for op in part.get_operations():
            for output in op.outputs:
                if _numbers(output.shape) * 8 >= MAX_BYTES:
                    shape = tuple(output.shape.as_list())
                    raise ValueError(
                        f"shape {shape} of {op.type} '{op.name}' is larger than edgeq handles"
                    )


def _parts(graph: Any) -> Iterator[Any]:
    """A tf.Graph and the bodies of its branches and loops."""
    yield graph
    if any(op.type in _CALLS for op in graph.get_operations()):
        from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

        with graph.as_default():  # where bodies find the functions that they call
            for function in graph.as_graph_def().library.function:
                yield function_def_to_graph(function)


def _known(graph: Any) -> Iterator[tuple[str, str, int]]:
    known: set[str] = set()
    for op in graph.get_operations():
        if op.type == "Placeholder" or any(t.op.name not in known for t in op.inputs):
            continue
        known.add(op.name)
        yield op.type, op.name, sum(_numbers(output.shape) for output in op.outputs)


def _numbers(shape: Any) -> int:
    """How many numbers a shape of TensorFlow has; 0 where it is not known before it is computed."""
    return math.prod(shape.as_list()) if shape.is_fully_defined() else 0
