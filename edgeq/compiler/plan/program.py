"""The ops of a model turned into kernel calls, in the order in which they will run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgeq.compiler.ops import FRONTEND_OPS, OPS
from edgeq.compiler.ops.host.shares import shared
from edgeq.compiler.ops.shared.base import C_TYPES, Call, Isa, Node, Unsupported
from edgeq.compiler.ops.shared.copy import COPY
from edgeq.compiler.plan.checks import MAX_TENSOR_BYTES, check_call, check_operands
from edgeq.compiler.plan.flatten import Flat, Mark, flatten
from edgeq.compiler.plan.fold import fold
from edgeq.compiler.plan.packing import packed_weights
from edgeq.compiler.plan.tables import join_tables
from edgeq.compiler.plan.thin import thin
from edgeq.errors import EdgeqError, raise_problems
from edgeq.model.fixedpoint import OutOfRange
from edgeq.model.graph import Graph, Op, Subgraph, Tensor

# Shapes and constants that contradict each other: only damaged files have them. The tests take this
# refusal of a model that is not damaged for the bug of ours that it hides.
CONTRADICTION = "its tensors make no sense together"


@dataclass(frozen=True, eq=False)
class Step:
    """One op at its place in the program.

    Attributes:
        call: The kernel call; None if the output is the input's memory.
        shows: The model's tensors that are complete in memory behind this step; None for all
            outputs of the op.
    """

    op: Op
    call: Call | None
    shows: tuple[int, ...] | None = None

    @property
    def completes(self) -> tuple[int, ...]:
        """The model's tensors that are complete in memory behind this step."""
        return self.op.outputs if self.shows is None else self.shows

    @property
    def reads(self) -> tuple[int, ...]:
        """The tensors that are read at run time; inputs known when compiling may not be."""
        if self.call is None:
            return self.op.inputs[:1]
        kinds = ("input", "state")
        return tuple(self.op.inputs[arg.index] for arg in self.call.args if arg.kind in kinds)

    @property
    def changes(self) -> tuple[int, ...]:
        """The tensors that are written: outputs and state."""
        args = self.call.args if self.call is not None else ()
        state = (self.op.inputs[arg.index] for arg in args if arg.kind == "state")
        return (*self.op.outputs, *state)


@dataclass(frozen=True, eq=False)
class Program:
    """A model as calls of kernels.

    Attributes:
        graph: The model.
        subgraph: Its tensors, with those of the subgraphs it calls, and what has been folded.
        steps: In order of execution.
        root: For every activation tensor index, the tensor whose memory it is.
        marks: Control flow that stands before a step, by the step's number.
        fills: Tensors that live from call to call, with the byte they are filled with at first.
        views: Tensors that are a part of their root's memory, with the offset in bytes.
        packed: Weight tensors that are kept as 4-bit codes, by index.
    """

    graph: Graph
    subgraph: Subgraph
    steps: tuple[Step, ...]
    root: dict[int, int] = field(default_factory=dict)
    marks: Mapping[int, tuple[Mark, ...]] = field(default_factory=dict)
    fills: Mapping[int, int] = field(default_factory=dict)
    views: Mapping[int, int] = field(default_factory=dict)
    packed: frozenset[int] = frozenset()

    @property
    def has_state(self) -> bool:
        """Whether a call depends on the calls before it."""
        return bool(self.fills) or self.once_blocks > 0

    @property
    def once_blocks(self) -> int:
        """How many blocks run in the first call only."""
        return sum(mark.kind == "once" for marks in self.marks.values() for mark in marks)

    @property
    def conditions(self) -> list[tuple[int, int]]:
        """What control flow reads: the number of the step behind it, and the tensor."""
        return [
            (number, mark.tensor)
            for number, marks in self.marks.items()
            for mark in marks
            if mark.kind in ("if", "until")
        ]

    @property
    def unknown_loops(self) -> int:
        """How many loops turn as often as only the running model knows."""
        marks = (mark for each in self.marks.values() for mark in each)
        return sum(mark.kind == "while" and mark.turns is None for mark in marks)

    @property
    def runs(self) -> tuple[int, ...]:
        """How often each step runs in one call at most; once where a loop's turns are unknown."""
        found = []
        around = [(1, 1)]  # now, and behind the condition, which is asked once more than it holds
        for number in range(len(self.steps)):
            for mark in self.marks.get(number, ()):
                often = around[-1][0]
                turns = 1 if mark.turns is None else mark.turns
                if mark.kind == "while":
                    around.append((often * (turns + 1), often * turns))
                elif mark.kind == "until":
                    around[-1] = (around[-1][1], around[-1][1])
                elif mark.kind == "end":
                    around.pop()
                elif mark.kind in ("once", "if"):
                    around.append((often, often))
            found.append(around[-1][0])
        return tuple(found)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one call at most: all turns of loops, one half of an if."""
        open_blocks = [[0]]  # the sums of the halves of each
        often = self.runs
        for number in range(len(self.steps) + 1):
            for mark in self.marks.get(number, ()):
                if mark.kind == "else":
                    open_blocks[-1].append(0)
                elif mark.kind == "end":
                    largest = max(open_blocks.pop())
                    open_blocks[-1][-1] += largest
                elif mark.kind != "until":
                    open_blocks.append([0])
            call = self.steps[number].call if number < len(self.steps) else None
            open_blocks[-1][-1] += call.macs * often[number] if call is not None else 0
        return open_blocks[0][0]

    def tensor(self, index: int) -> Tensor:
        """A tensor of the program."""
        return self.subgraph.tensors[index]


def lower_graph(graph: Graph, isa: Isa, optimize: str = "balanced") -> Program:
    """The program of a model for one kind of processor.

    Raises:
        EdgeqError: Ops without a kernel, dynamic shapes, control flow that does not fit: all of
            them at once.
    """
    whole = join_tables(fold(flatten(graph)))
    flat, thinned = thin(whole, isa)
    ops = [item for item in flat.items if isinstance(item, Op)]
    if len(ops) == len(flat.items):
        # Without control flow an op may ask what made its inputs.
        flat = replace(flat, subgraph=replace(flat.subgraph, ops=tuple(ops)))
    packed = packed_weights(ops, flat.subgraph, isa, optimize)
    items = _lower_needed(graph, flat, isa, optimize, packed)
    items = [_of_the_model(item, whole, thinned) for item in items]
    steps = tuple(item for item in items if isinstance(item, Step))
    root: dict[int, int] = {}
    marks: dict[int, tuple[Mark, ...]] = {}
    position = 0
    for item in items:
        if isinstance(item, Mark):
            marks[position] = (*marks.get(position, ()), item)
            continue
        position += 1
        if item.call is None:
            root[item.op.outputs[0]] = root.get(item.op.inputs[0], item.op.inputs[0])
    used = {root.get(i, i) for step in steps for i in (*step.reads, *step.op.outputs)}
    fills = {index: fill for index, fill in flat.fills.items() if index in used}
    program = Program(graph, flat.subgraph, steps, root, marks, fills, packed=packed)
    return _write_in_place(_read_in_place(program))


def _of_the_model(item: Step | Mark, whole: Flat, thinned: frozenset[int]) -> Step | Mark:
    """A step that says what of the model it does, where channels have been left out.

    Its multiply-accumulates are the model's, and a tensor that lacks channels is none of it.
    """
    if isinstance(item, Mark) or thinned.isdisjoint((*item.op.inputs, *item.op.outputs)):
        return item
    shows = tuple(index for index in item.op.outputs if index not in thinned)
    kind, call = OPS.get(item.op.name), item.call
    if kind is not None and kind.macs is not None and call is not None:
        like = (op for op in whole.items if isinstance(op, Op) and op.outputs == item.op.outputs)
        call = replace(call, macs=kind.macs(Node(next(like), whole.subgraph)))
    return replace(item, call=call, shows=shows)


def _lower_needed(
    graph: Graph, flat: Flat, isa: Isa, optimize: str, packed: frozenset[int]
) -> list[Step | Mark]:
    """Steps and marks in order; ops whose results nobody needs are left out."""
    subgraph = flat.subgraph
    needed = set(subgraph.outputs)
    loops = any(isinstance(item, Mark) and item.kind == "while" for item in flat.items)
    while True:
        before = len(needed)
        items, problems = _lower_backwards(graph, flat, isa, optimize, packed, needed)
        # What the next turn of a loop reads is known only when all of the loop has been seen.
        if not loops or len(needed) == before:
            break
    problems += _shape_problems(graph, subgraph, items)
    problems += [
        EdgeqError(
            f"a tensor of {t.dtype} {t.shape} has no place in C.",
            f'{graph.path}, tensor "{t.name}"',
        )
        for t in (subgraph.tensors[i] for i in (*subgraph.inputs, *subgraph.outputs))
        if t.dtype not in C_TYPES or not t.elements or t.bytes > MAX_TENSOR_BYTES
    ]
    raise_problems(problems[::-1])
    return items[::-1]


def _lower_backwards(
    graph: Graph,
    flat: Flat,
    isa: Isa,
    optimize: str,
    packed: frozenset[int],
    needed: set[int],
) -> tuple[list[Step | Mark], list[EdgeqError]]:
    """Steps and marks from the last to the first, and what is in the way.

    Args:
        needed: Tensors that something reads; those that the steps read are added.
    """
    subgraph, variables = flat.subgraph, set(flat.fills)
    problems: list[EdgeqError] = []
    items: list[Step | Mark] = []
    for item in reversed(flat.items):
        if isinstance(item, Mark):
            if item.kind in ("if", "until"):
                needed.add(item.tensor)
            items.append(item)
            continue
        changed = item.outputs if item.name == "COPY" else (*item.inputs, *item.outputs)
        if variables.isdisjoint(changed) and needed.isdisjoint(item.outputs):
            continue
        try:
            step = Step(item, _lower(Node(item, subgraph, isa, optimize, packed)))
        except Unsupported as error:
            where = f"{graph.path}, {subgraph.describe(item)}"
            name = item.custom_name or item.name
            problems.append(EdgeqError(f"{name}: {error}.", where))
            needed.update(i for i in item.inputs if i >= 0)
            continue
        needed.update(step.reads)
        items.append(step)
    return items, problems


def _lower(node: Node) -> Call | None:
    """The call for one op, after the checks that hold for every op."""
    op = node.op
    kind = COPY if op.name == "COPY" else OPS.get(op.custom_name or op.name)
    kind = kind or FRONTEND_OPS.get(op.name)
    if kind is None or kind.custom != bool(op.custom_name):
        raise Unsupported(f"{op.custom_name or op.name} has no kernel")
    check_operands(node)
    try:
        call = kind.lower(node)
    except OutOfRange as error:
        raise Unsupported(str(error)) from None
    except (ValueError, ArithmeticError, LookupError) as error:
        raise Unsupported(f"{CONTRADICTION} ({error!r})") from error
    if call is None:
        return None
    check_call(node, call)
    return shared(call, node)


def _shape_problems(
    graph: Graph, subgraph: Subgraph, items: Sequence[Step | Mark]
) -> list[EdgeqError]:
    # A model exported with an open batch is fine: its stored shape says 1. Inside, a transposition
    # may have moved the batch to another axis.
    used = {
        index
        for item in items
        if isinstance(item, Step)
        for index in (*item.reads, *item.op.outputs)
    }
    return [
        EdgeqError(
            f"dynamic shape: axes {list(tensor.dynamic_axes)} of {tensor.shape} are open.",
            f'{graph.path}, tensor {tensor.index} "{tensor.name}"',
            "edgeq convert makes all shapes static",
        )
        for tensor in (subgraph.tensors[index] for index in sorted(used, reverse=True))
        if any(
            tensor.shape[axis] != 1 or (axis != 0 and tensor.index in subgraph.inputs)
            for axis in tensor.dynamic_axes
        )
    ]


def _read_in_place(program: Program) -> Program:
    """The program without copies out of variables that keep their value long enough."""
    steps = list(program.steps)
    root = dict(program.root)
    writers = Counter(index for step in steps for index in step.op.outputs)
    for number, step in enumerate(steps):
        variable = step.op.inputs[0] if step.op.inputs else -1
        if step.op.name != "COPY" or variable not in program.fills:
            continue
        copied = step.op.outputs[0]
        if copied in program.fills or writers[copied] > 1:
            continue
        group = {copied, *(index for index, owner in root.items() if owner == copied)}
        readers = [n for n, s in enumerate(steps) if group.intersection(s.reads)]
        # Conditions are read before the step behind them.
        readers += [n - 1 for n, tensor in program.conditions if tensor in group]
        last = max(readers, default=number)
        if group.intersection(program.subgraph.outputs):
            last = len(steps)
        if any(variable in s.changes for s in steps[number : last + 1]):
            continue
        steps[number] = Step(step.op, None)
        root.update(dict.fromkeys(group, variable))
    return replace(program, steps=tuple(steps), root=root)


def _write_in_place(program: Program) -> Program:
    """The program without copies into variables that nobody reads before what is copied is made."""
    steps = list(program.steps)
    root = dict(program.root)
    kept = {*program.subgraph.inputs, *program.subgraph.outputs, *program.fills}
    uses = Counter(index for step in steps for index in {*step.reads, *step.op.outputs})
    uses.update(tensor for _, tensor in program.conditions)
    made = {index: number for number, step in enumerate(steps) for index in step.op.outputs}
    for number, step in enumerate(steps):
        variable = step.op.outputs[0]
        if step.op.name != "COPY" or step.call is None or variable not in program.fills:
            continue
        value = step.op.inputs[0]
        maker = made.get(value, -1)
        # Made by one op, read by this copy, in memory of its own.
        alone = uses[value] == 2 and value not in kept and value not in root.values()
        if maker < 0 or not alone or value in root or steps[maker].call is None:
            continue
        between = range(maker, number)
        touched = {root.get(i, i) for n in between for i in (*steps[n].reads, *steps[n].changes)}
        marked = any(n in program.marks for n in range(maker + 1, number + 1))
        same = program.tensor(value).bytes == program.tensor(variable).bytes
        if variable in touched or marked or not same:
            continue
        steps[number] = Step(step.op, None)
        root[value] = variable
    return replace(program, steps=tuple(steps), root=root)
