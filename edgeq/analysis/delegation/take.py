"""Which ops of a model each delegate or NPU takes, in how many parts, and how to make it one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.analysis.delegation.advice import Advice, advice
from edgeq.analysis.models import as_tflite
from edgeq.boards.delegates.conditions import refusals, remarks
from edgeq.boards.delegates.facts import Delegate, all_delegates, delegate
from edgeq.boards.target import Target, load_target
from edgeq.devices.remote.delegated import parts_of
from edgeq.model.graph import Graph, Subgraph
from edgeq.model.model_file import read_graph
from edgeq.support.listing import several
from edgeq.support.result import Result

_LEFT_OUT = "it takes this op, but not this part of the model"
_STATE = "ops of this model write variables: no delegate is known to keep them from call to call"


@dataclass(frozen=True)
class Refused:
    """An op that the runtime's own kernels run.

    Attributes:
        index: Position of the op in the model.
        op: Its kind.
        reason: Why the delegate leaves it.
    """

    index: int
    op: str
    reason: str


@dataclass(frozen=True, repr=False)
class DelegateTake(Result):
    """What a delegate takes of a model.

    Attributes:
        delegate, title, place: The delegate, and where its parts run.
        release: The version that the facts are of.
        evidence: "measured" where they are held against the thing itself, else "documented".
        ops: Ops of the model.
        taken: Positions of those that run there.
        refused: The others, with the reason.
        partitions: Parts that the taken ops fall into; each costs a copy of its ends.
        breaks: Positions of ops that stand between parts.
        levels: Ops taken by level of the delegate's interface, where it has some.
        level_name: What the levels are.
        advice: What to change for fewer parts, most helpful first.
        remarks: What to know besides.
        unseen: Conditions that a model does not tell, by op.
        sources: Where the facts are from.
    """

    delegate: str
    title: str
    place: str
    release: str
    evidence: str
    ops: int
    taken: tuple[int, ...]
    refused: tuple[Refused, ...]
    partitions: int
    breaks: tuple[int, ...]
    levels: tuple[tuple[int, int], ...] = ()
    level_name: str = ""
    advice: tuple[Advice, ...] = ()
    remarks: tuple[str, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()


def delegates(
    model: str | Path,
    target: str | Target | None = None,
    *,
    names: Sequence[str] = (),
    trust: bool = False,
) -> tuple[DelegateTake, ...]:
    """What delegates take of a model: those that a target can have, and those of the names.

    Args:
        model: A .tflite, or what `convert` takes, as the float model that it is.
        target: Name of a target, or a target file.
        names: Delegates by name; "all" for all of them.
        trust: Whether code inside a Keras file may run.

    Raises:
        EdgeqError: The model cannot be read, or a name is of nothing known.
    """
    place = load_target(target) if isinstance(target, (str, Path)) else target
    chosen = [each for each in all_delegates() if place is not None and each.can_be_on(place)]
    named = several(names)
    asked = all_delegates() if "all" in named else tuple(delegate(name) for name in named)
    by_name = {each.name: each for each in [*chosen, *asked]}
    if not by_name:
        return ()
    with as_tflite(model, trust=trust) as path:
        graph = read_graph(path)
    return tuple(take(graph, each) for each in by_name.values())


def takes_on(graph: Graph, target: Target) -> tuple[DelegateTake, ...]:
    """What each delegate takes that a target can have; empty for a board without an NPU."""
    return tuple(take(graph, each) for each in all_delegates() if each.can_be_on(target))


def take(graph: Graph, found: Delegate) -> DelegateTake:
    """What one delegate takes of a model's main subgraph.

    Args:
        graph: The model.
        found: The delegate.
    """
    main = graph.main
    reasons = _reasons(found, main)
    parts = _given(main, found, set(reasons))
    taken = sorted(index for part in parts for index in part)
    refused = [
        Refused(index, op.custom_name or op.name, "; ".join(reasons.get(index, (_LEFT_OUT,))))
        for index, op in enumerate(main.ops)
        if index not in taken
    ]
    kinds = dict.fromkeys((main.ops[index].name, line) for index in taken
                          for line in remarks(found, main.ops[index]))  # fmt: skip
    return DelegateTake(
        delegate=found.name,
        title=found.title,
        place=found.place,
        release=found.release,
        evidence=found.evidence,
        ops=len(main.ops),
        taken=tuple(taken),
        refused=tuple(refused),
        partitions=len(parts),
        breaks=tuple(_between(main, set(reasons))),
        levels=tuple(_by_level(main, found)),
        level_name=found.level_name,
        advice=advice(graph, found, reasons, lambda own: _given(main, found, own)),
        remarks=found.remarks,
        unseen=tuple(kinds),
        sources=found.sources,
    )


def _reasons(
    found: Delegate, graph: Subgraph, level: int | None = None
) -> dict[int, tuple[str, ...]]:
    """Why ops are left to the runtime, by position; those that the delegate takes are not there."""
    if graph.writes_state:
        return dict.fromkeys(range(len(graph.ops)), (_STATE,))
    every = ((index, refusals(found, graph, op, level)) for index, op in enumerate(graph.ops))
    return {index: why for index, why in every if why}


def _given(graph: Subgraph, found: Delegate, own: set[int]) -> list[tuple[int, ...]]:
    """The parts that a delegate is given, as positions of ops, if the runtime keeps `own`."""
    parts = [part.ops for part in parts_of(graph, own) if part.delegated]
    if found.first_part_only:
        first = min(set(range(len(graph.ops))) - set(_float_ends(graph)), default=0)
        return parts[:1] if first not in own else []
    large = [part for part in parts if len(part) >= found.fewest_ops]
    if found.most_parts:
        large = sorted(large, key=len, reverse=True)[: found.most_parts]
    return large


def _float_ends(graph: Subgraph) -> Iterator[int]:
    """The ops that make integers of the model's float inputs."""
    floats = {index for index in graph.inputs if graph.tensors[index].dtype == "float32"}
    yield from (op.index for op in graph.ops if op.name == "QUANTIZE" and op.inputs[0] in floats)


def _between(graph: Subgraph, own: set[int]) -> Iterator[int]:
    """Ops of the runtime that a taken op's values come to, and whose own go to one."""
    behind: set[int] = set()  # tensors that a taken op has its part in
    before: set[int] = set()  # tensors that come to a taken op
    after: dict[int, bool] = {}
    for index, op in enumerate(graph.ops):
        after[index] = bool(behind & set(op.inputs))
        if index not in own or after[index]:
            behind.update(op.outputs)
    for index in reversed(range(len(graph.ops))):
        op = graph.ops[index]
        leads = bool(before & set(op.outputs))
        if index not in own or leads:
            before.update(op.inputs)
        after[index] = after[index] and leads
    yield from (index for index in sorted(own) if after[index])


def _by_level(graph: Subgraph, found: Delegate) -> Iterator[tuple[int, int]]:
    for level in found.levels:
        own = set(_reasons(found, graph, level))
        yield level, sum(len(part) for part in _given(graph, found, own))
