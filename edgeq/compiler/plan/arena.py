"""The memory planner: where every activation lies in one arena.

Each piece of memory is needed from the step that writes it to the last step that reads it. Two
pieces that are needed at the same time must lie apart, with one exception: during the step that
reads an input for the last time, the output may lie over it as far as the kernel's Overlap says,
because there the writes stay behind the reads.

The search places the pieces one after another at the lowest address that is free, for many
orders: largest first, then orders in which the pieces that ended highest come earlier. It stops
at the lower bound, which is the largest amount that any one step needs, or after a fixed number
of tries, so the same model always gets the same plan.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from edgeq.compiler.ops.shared.base import C_TYPES, Overlap
from edgeq.compiler.plan.program import Program, Step

ALIGNMENT = 4
_WIDEST = 8
_BYTES = {"int8_t", "uint8_t"}
_TRIES = 600
# A try compares every block with every other: of more than a thousand there are fewer tries.
_MOST_COMPARED = _TRIES * 1000**2


@dataclass(frozen=True)
class Block:
    """One piece of memory.

    Attributes:
        key: Tensor index, or -1 - step for a step's scratch.
        size: Bytes, rounded up to the alignment.
        alignment: Its address is a multiple of this.
        first, last: Steps between which it is needed, both included.
    """

    key: int
    size: int
    first: int
    last: int
    alignment: int = ALIGNMENT


@dataclass(frozen=True)
class Placed:
    """A block with its offset."""

    block: Block
    offset: int

    @property
    def end(self) -> int:
        """One more than the last byte."""
        return self.offset + self.block.size


@dataclass(frozen=True, eq=False)
class Plan:
    """Where everything lies.

    Attributes:
        offsets: Of each tensor that owns memory, by index.
        scratch: Offset of each step's scratch, by step.
        blocks: All pieces, for tables and pictures.
        arena_bytes: Size of the arena.
        lower_bound_bytes: No placement for this order of ops and these kernels can be smaller.
        step_bytes: What each step needs at the least, and after the last one what remains; the
            largest is the lower bound.
        peak_step: The first step that needs the whole arena.
        state: Offsets of variables in the state, which is no part of the arena.
        state_bytes: Size of the state.
    """

    offsets: Mapping[int, int]
    scratch: Mapping[int, int]
    blocks: tuple[Placed, ...]
    arena_bytes: int
    lower_bound_bytes: int
    step_bytes: tuple[int, ...]
    peak_step: int
    state: Mapping[int, int]
    state_bytes: int


# (output key, input key) -> (distance, exact)
_Overlaps = dict[tuple[int, int], tuple[int, bool]]


def plan_arena(program: Program, tries: int = _TRIES) -> Plan:
    """A placement of all activations and scratch, as small as the search finds.

    Args:
        tries: How many orders to try at the most.
    """
    blocks = _blocks(program)
    overlaps = _overlaps(program, {block.key: block for block in blocks})
    needs = _step_needs(blocks, overlaps, len(program.steps))
    bound = max(needs)
    placed = _search(blocks, overlaps, bound, tries)
    arena = max((p.end for p in placed), default=0)
    peak = next((p.block.first for p in placed if p.end == arena), 0)
    state, state_bytes = _place_state(program)
    return Plan(
        offsets={p.block.key: p.offset for p in placed if p.block.key >= 0},
        scratch={-1 - p.block.key: p.offset for p in placed if p.block.key < 0},
        blocks=tuple(sorted(placed, key=lambda p: (p.block.first, p.block.key))),
        arena_bytes=arena,
        lower_bound_bytes=bound,
        step_bytes=needs,
        peak_step=peak,
        state=state,
        state_bytes=state_bytes,
    )


def _place_state(program: Program) -> tuple[dict[int, int], int]:
    offsets, end = {}, 0
    for index in sorted(program.fills):
        offsets[index] = end
        end += -(-program.tensor(index).bytes // _WIDEST) * _WIDEST
    return offsets, end


def _round_up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _blocks(program: Program) -> list[Block]:
    first, last = _lifetimes(program)
    blocks = []
    for key in first:
        tensor = program.tensor(key)
        alignment = _WIDEST if tensor.dtype in ("int64", "uint64") else ALIGNMENT
        size = _round_up(max(tensor.bytes, 1))
        blocks.append(Block(key, size, first[key], last[key], alignment))
    for number, step in enumerate(program.steps):
        if step.call is not None and step.call.scratch_bytes:
            blocks.append(Block(-1 - number, _round_up(step.call.scratch_bytes), number, number))
    return blocks


def _lifetimes(program: Program) -> tuple[dict[int, int], dict[int, int]]:
    """The first and the last step at which each piece of the arena is needed."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}

    def touch(index: int, step: int) -> None:
        key = program.root.get(index, index)
        if not program.tensor(key).is_constant and key not in program.fills:
            first.setdefault(key, step)
            last[key] = max(last.get(key, step), step)

    for index in (*program.subgraph.inputs, *_answers(program)):
        touch(index, 0)
    for number, step in enumerate(program.steps):
        for index in (*step.reads, *step.op.outputs):
            touch(index, number)
    for number, index in program.conditions:
        touch(index, number)
    for index in program.subgraph.outputs:
        touch(index, len(program.steps))
    # What a loop reads from outside is needed until its last turn ends.
    for begin, stop in _loops(program):
        outside = [key for key in first if first[key] < begin <= last[key] < stop]
        last.update(dict.fromkeys(outside, stop - 1))
    return first, last


def _answers(program: Program) -> tuple[int, ...]:
    """Outputs that outlive the frames that follow, which have no answer of their own."""
    stream = program.graph.stream
    return program.subgraph.outputs if stream is not None and stream.counter is not None else ()


def _loops(program: Program) -> list[tuple[int, int]]:
    """First step and step behind the end of every loop, inner ones first."""
    loops, opened = [], []
    for number in sorted(program.marks):
        for mark in program.marks[number]:
            if mark.kind in ("once", "if", "while"):
                opened.append((mark.kind, number))
            elif mark.kind == "end":
                kind, begin = opened.pop()
                if kind == "while":
                    loops.append((begin, number))
    return loops


def _overlaps(program: Program, blocks: Mapping[int, Block]) -> _Overlaps:
    result: _Overlaps = {}
    for number, step in enumerate(program.steps):
        if step.call is None:
            continue
        for rule in step.call.overlaps:
            source, output = step.op.inputs[rule.input], step.op.outputs[rule.output]
            if source in program.views or output in program.views:
                continue  # the rule's distance is between whole tensors
            source = program.root.get(source, source)
            if source not in blocks or output not in blocks:
                continue
            # The input must die here, and the output be born here.
            dies = blocks[source].last == number == blocks[output].first and source != output
            free = _may_alias(program, step.op.inputs[rule.input], output)
            if dies and free and not _read_without(program, step, rule, source):
                distance = (
                    rule.distance if rule.exact else -(-rule.distance // ALIGNMENT) * ALIGNMENT
                )
                known = result.get((output, source))
                if known is not None:
                    distance = max(distance, known[0])
                result[(output, source)] = (distance, rule.exact)
    return result


def _read_without(program: Program, step: Step, rule: Overlap, source: int) -> bool:
    """Whether another input, which has no such rule, lies in that memory, too."""
    assert step.call is not None
    ruled = {each.input for each in step.call.overlaps if each.output == rule.output}
    others = (
        step.op.inputs[a.index]
        for a in step.call.args
        if a.kind == "input" and a.index not in ruled
    )
    return any(program.root.get(index, index) == source for index in others)


def _may_alias(program: Program, source: int, output: int) -> bool:
    """Whether one function may read the one and write the other in the same memory.

    To a compiler, objects of two types are never the same, unless one is of bytes: it may store an
    element before it loads what lies there (C11 6.5, paragraph 7).
    """
    kinds = (program.tensor(index).dtype for index in (source, output))
    types = {C_TYPES.get(kind, kind) for kind in kinds}
    return len(types) == 1 or bool(types & _BYTES)


def _step_needs(blocks: list[Block], overlaps: _Overlaps, steps: int) -> tuple[int, ...]:
    """The least memory that each step needs, whatever the placement."""
    changes, saved = [0] * (steps + 2), [0] * (steps + 1)
    by_key = {block.key: block for block in blocks}
    for block in blocks:
        changes[block.first] += block.size
        changes[block.last + 1] -= block.size
    for (output, source), (distance, exact) in overlaps.items():
        over, under = by_key[output], by_key[source]
        step = max(over.first, under.first)
        if step <= min(over.last, under.last):
            together = max(over.size, max(0 if exact else distance, 0) + under.size)
            saved[step] = max(saved[step], over.size + under.size - together)
    totals = accumulate(changes[:-1])
    return tuple(total - less for total, less in zip(totals, saved, strict=True))


def _place(order: list[Block], overlaps: _Overlaps, limit: int) -> list[Placed] | None:
    """Every block at its lowest free offset, in this order; None if that exceeds `limit`."""
    placed: list[Placed] = []
    # Looked through at once: of thousands of blocks only a few are needed at the same time.
    first = np.array([block.first for block in order])
    last = np.array([block.last for block in order])
    for number, block in enumerate(order):
        together = (first[:number] <= block.last) & (last[:number] >= block.first)
        rivals = [placed[k] for k in np.flatnonzero(together).tolist()]
        offset = _lowest(block, rivals, overlaps)
        if offset + block.size > limit:
            return None
        placed.append(Placed(block, offset))
    return placed


def _lowest(block: Block, rivals: list[Placed], overlaps: _Overlaps) -> int:
    candidates = {0}
    plain: list[Placed] = []
    ruled: list[Placed] = []
    for rival in rivals:
        candidates.add(rival.end)
        as_source = overlaps.get((block.key, rival.block.key))
        as_output = overlaps.get((rival.block.key, block.key))
        (plain if as_source is None and as_output is None else ruled).append(rival)
        if as_source is not None:
            candidates.add(rival.offset if as_source[1] else rival.offset - max(as_source[0], 0))
            candidates.add(rival.offset)
        if as_output is not None:
            candidates.add(rival.offset if as_output[1] else rival.offset + max(as_output[0], 0))
            candidates.add(rival.offset)
    unit = block.alignment
    plain.sort(key=lambda rival: rival.offset)
    taken, busy = 0, 0  # rivals from `taken` on start behind the offset, the others end at `busy`
    for offset in sorted(-(-candidate // unit) * unit for candidate in candidates):
        end = offset + block.size
        while taken < len(plain) and plain[taken].offset < end:
            busy = max(busy, plain[taken].end)
            taken += 1
        apart = offset >= max(busy, 0)
        if apart and all(_fits(block, offset, rival, overlaps) for rival in ruled):
            return offset
    raise AssertionError("the end of the highest rival is always free")


def _fits(block: Block, offset: int, rival: Placed, overlaps: _Overlaps) -> bool:
    if offset >= rival.end or offset + block.size <= rival.offset:
        return True
    rule = overlaps.get((block.key, rival.block.key))
    if rule is not None:
        return offset == rival.offset if rule[1] else rival.offset >= offset + rule[0]
    rule = overlaps.get((rival.block.key, block.key))
    if rule is not None:
        return offset == rival.offset if rule[1] else offset >= rival.offset + rule[0]
    return False


def _search(blocks: list[Block], overlaps: _Overlaps, bound: int, tries: int) -> list[Placed]:
    order = sorted(blocks, key=lambda b: (-b.size, b.first, b.key))
    best = _place(order, overlaps, sum(block.size for block in blocks) * 2 + 1)
    assert best is not None
    current, end = best, max((p.end for p in best), default=0)
    chance = random.Random(0)  # noqa: S311  (a search, not a secret; the seed makes it repeatable)
    for _ in range(min(tries, _MOST_COMPARED // max(len(blocks), 1) ** 2)):
        if max((p.end for p in best), default=0) <= bound or len(blocks) < 2:
            break
        trial = _moved(order, current, end, chance)
        # Equal is good enough to go on from: many moves change nothing yet.
        placed = _place(trial, overlaps, end)
        if placed is not None:
            order, current, end = trial, placed, max(p.end for p in placed)
            if end < max(p.end for p in best):
                best = placed
    return _backwards(blocks, overlaps, best)


def _backwards(blocks: list[Block], overlaps: _Overlaps, best: list[Placed]) -> list[Placed]:
    """The placement that begins with the last results, if it is smaller than the best one.

    Along a chain of ops whose outputs lie a little below their inputs each op's memory begins above
    that of the next: no order but this one finds that.
    """
    order = sorted(blocks, key=lambda b: (b.key < 0, -b.first, -b.size, b.key))
    end = max((p.end for p in best), default=0)
    return _place(order, overlaps, end - 1) or best


def _moved(
    order: list[Block], placed: list[Placed], end: int, chance: random.Random
) -> list[Block]:
    """The order with one block moved: one that touches the end of the arena, or a rival of it."""
    top = [p.block for p in placed if p.end == end]
    culprit = chance.choice(top)
    rivals = [b for b in order if b.first <= culprit.last and culprit.first <= b.last]
    block = culprit if chance.random() < 0.4 else chance.choice(rivals)
    trial = list(order)
    trial.remove(block)
    trial.insert(chance.randrange(len(order)), block)
    return trial
