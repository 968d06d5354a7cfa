"""What each pass made of a graph: kept where somebody wants to see or to check it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeq.conversion.network import Function, Network, Pass, Range


@dataclass(frozen=True)
class State:
    """A graph between two passes.

    Attributes:
        data: The .tflite.
        tables: Functions that its stand-ins are for, by the name of their output.
        ranges: Of its activations.
    """

    data: bytes
    tables: dict[str, Function]
    ranges: dict[str, Range]


@dataclass(frozen=True)
class Rewrite:
    """A pass that changed something.

    Attributes:
        name: Of the pass.
        purpose: What it gives, in a sentence.
        real: Whether the graph is the float model's; False once the quantizer has been there.
        before, after: The graph.
        whole: Whether that is all of the model; False for the step of a loop, and for what is left
            of a model while its loops are cut out.
    """

    name: str
    purpose: str
    real: bool
    before: State
    after: State
    whole: bool = True


@dataclass
class PassLog:
    """The passes that changed something, in order."""

    rewrites: list[Rewrite] = field(default_factory=list)


def rewritten(
    network: Network,
    passes: Iterable[Pass],
    log: PassLog | None = None,
    *,
    real: bool = True,
    whole: bool = True,
) -> Network:
    """The network after some passes.

    Args:
        network: Changed in place.
        passes: In order.
        log: Where to note what changed; None to note nothing, which costs nothing.
        real: Whether the graph is the float model's.
        whole: Whether it is all of the model.
    """
    before = None if log is None else _state(network)
    for rewrite in passes:
        network = rewrite(network)
        if log is None or before is None:
            continue
        after = _state(network)
        if after != before:
            purpose = (inspect.getdoc(rewrite) or "").splitlines()[0]
            made = Rewrite(rewrite.__name__, purpose, real, before, after, whole)
            log.rewrites.append(made)
        before = after
    return network


def _state(network: Network) -> State:
    return State(network.pack(), dict(network.tables), dict(network.ranges))
