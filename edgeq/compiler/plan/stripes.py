"""Neighbouring ops run together, a few rows at a time.

The first layers of an image network make the largest tensors, and every one of them is read by the
next op only, so none of them has to exist as a whole. A group of such ops is replaced by stripes:
for a few rows of the group's last output all its ops run on just the rows they need. Between them
stand windows, small tensors that hold the rows in use. What the next stripe needs again is moved
to the start of its window, so no row is computed twice and the results are the same bytes.

A stripe of an op is that op on a shorter image: same kernel, another input height and padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgeq.compiler.ops import OPS
from edgeq.compiler.ops.shared.base import Isa, Node, Unsupported
from edgeq.compiler.ops.shared.copy import COPY
from edgeq.compiler.ops.shared.windows import padding_before
from edgeq.compiler.plan.program import Program, Step
from edgeq.model.graph import Op, Tensor

_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_ELEMENTWISE = ("ADD",)


@dataclass(frozen=True)
class Rows:
    """How an op's output rows depend on its input rows."""

    stride: int
    pad: int
    kernel: int
    input_h: int

    def needed(self, first: int, end: int) -> tuple[int, int]:
        """The input rows that output rows first..end (exclusive) read, inside the image."""
        low = first * self.stride - self.pad
        high = (end - 1) * self.stride - self.pad + self.kernel
        return max(low, 0), min(high, self.input_h)

    def padding(self, first: int) -> int:
        """Rows above the image that output row `first` reads."""
        return max(self.pad - first * self.stride, 0)


@dataclass(frozen=True)
class Stripe:
    """What one stripe does.

    Attributes:
        made: The rows of each tensor of the group that it makes: first, and one more than the last.
        low: The first row that it needs of each tensor of the group, and of each one it reads from
            outside.
    """

    made: Mapping[int, tuple[int, int]]
    low: Mapping[int, int]


def rows_of(program: Program, step: Step) -> Rows | None:
    """An op's row dependence; None if it cannot run on a part of its rows."""
    op = step.op
    if step.call is None or len(op.outputs) != 1 or "explicit_pad_top" in op.options:
        return None
    source, output = program.tensor(op.inputs[0]), program.tensor(op.outputs[0])
    if any(len(t.shape) != 4 or t.shape[0] != 1 or t.dtype != "int8" for t in (source, output)):
        return None
    if op.name in _ELEMENTWISE:
        other = program.tensor(op.inputs[1])
        same = source.shape == other.shape == output.shape and not other.is_constant
        return Rows(1, 0, 1, source.shape[1]) if same else None
    if op.name not in _WINDOWED or not program.tensor(op.inputs[1]).is_constant:
        return None
    stride, dilation = op.options["stride_h"], op.options["dilation_h_factor"]
    kernel = program.tensor(op.inputs[1]).shape[1]
    node = Node(op, program.subgraph)
    pad = padding_before(node, source.shape[1], output.shape[1], kernel, stride, dilation)
    return Rows(stride, pad, (kernel - 1) * dilation + 1, source.shape[1])


def data_inputs(op: Op) -> tuple[int, ...]:
    """The activations an op of a group reads."""
    return op.inputs[:2] if op.name in _ELEMENTWISE else op.inputs[:1]


def can_group(program: Program, first: int, last: int) -> bool:
    """Whether steps first..last can run in stripes: nothing inside is needed outside."""
    group = program.steps[first : last + 1]
    if program.marks or program.fills or any(rows_of(program, s) is None for s in group):
        return False
    if any(i in program.views for s in group for i in (*data_inputs(s.op), *s.op.outputs)):
        return False
    inside = {step.op.outputs[0] for step in group[:-1]}
    others = (*program.steps[:first], *program.steps[last + 1 :])
    outside = {i for step in others for i in (*step.op.inputs, *step.op.outputs)}
    outside.update(program.subgraph.outputs, program.root.values())
    return inside.isdisjoint(outside)


@dataclass
class _Builder:
    """Collects the tensors and steps of the striped group."""

    program: Program
    isa: Isa
    optimize: str
    tensors: list[Tensor]
    steps: list[Step] = field(default_factory=list)
    root: dict[int, int] = field(default_factory=dict)
    views: dict[int, int] = field(default_factory=dict)

    def tensor(self, like: Tensor, rows: int) -> Tensor:
        """A new tensor like another one, with other rows."""
        shape = (1, rows, *like.shape[2:])
        made = replace(like, index=len(self.tensors), shape=shape, dynamic_axes=())
        self.tensors.append(made)
        return made

    def view(self, owner: int, like: Tensor, row: int, rows: int) -> int:
        """A tensor for some rows of another one's memory."""
        made = self.tensor(like, rows)
        self.root[made.index] = owner
        self.views[made.index] = row * like.shape[2] * like.shape[3]
        return made.index

    def add(self, op: Op, shows: tuple[int, ...]) -> None:
        """One more step; raises Unsupported where the op has no kernel for it."""
        subgraph = replace(self.program.subgraph, tensors=tuple(self.tensors))
        kind = COPY if op.name == "COPY" else OPS[op.name]
        call = kind.lower(Node(op, subgraph, self.isa, self.optimize, self.program.packed))
        self.steps.append(Step(op, call, shows))


def striped(
    program: Program, first: int, last: int, rows: int, isa: Isa, optimize: str
) -> Program | None:
    """The program with steps first..last replaced by stripes of `rows` output rows.

    Returns:
        None if a stripe has no kernel or a window would not be smaller than its tensor.
    """
    group = program.steps[first : last + 1]
    output = group[-1].op.outputs[0]
    schedule = _schedule(program, group, rows)
    inside = [step.op.outputs[0] for step in group[:-1]]
    heights = {index: _window_rows(schedule, index) for index in inside}
    if any(height >= program.tensor(index).shape[1] for index, height in heights.items()):
        return None
    builder = _Builder(program, isa, optimize, list(program.subgraph.tensors))
    places = {
        index: builder.tensor(program.tensor(index), height).index
        for index, height in heights.items()
    }
    places[output] = _output_place(program, group, schedule, last)
    try:
        for number, stripe in enumerate(schedule):
            if number:
                _carry(builder, inside, places, schedule[number - 1], stripe)
            _run(builder, group, inside, places, stripe, number == len(schedule) - 1)
    except Unsupported:
        return None
    root = {**program.root, **builder.root}
    if places[output] != output:
        root = {view: places[output] if at == output else at for view, at in root.items()}
        root[output] = places[output]
    return Program(
        program.graph,
        replace(program.subgraph, tensors=tuple(builder.tensors)),
        (*program.steps[:first], *builder.steps, *program.steps[last + 1 :]),
        root,
        program.marks,
        program.fills,
        {**program.views, **builder.views},
        program.packed,
    )


def estimate(program: Program, first: int, last: int, rows: int) -> int:
    """Bytes that the group's inputs, windows and output take while it runs in stripes.

    Scratch is left out, and so is what lives beside the group: a first sieve for candidates.
    """
    group = program.steps[first : last + 1]
    schedule = _schedule(program, group, rows)
    inside = [step.op.outputs[0] for step in group[:-1]]
    total = 0
    for index in inside:
        tensor = program.tensor(index)
        total += tensor.bytes // tensor.shape[1] * _window_rows(schedule, index)
    sources = {i for step in group for i in data_inputs(step.op)}.difference(inside)
    total += sum(program.tensor(index).bytes for index in sources)
    output = group[-1].op.outputs[0]
    own = _output_place(program, group, schedule, last) == output
    return total + (program.tensor(output).bytes if own else 0)


def _schedule(program: Program, group: Sequence[Step], rows: int) -> list[Stripe]:
    """Which rows of every tensor each stripe makes and needs."""
    output = group[-1].op.outputs[0]
    height = program.tensor(output).shape[1]
    done = {step.op.outputs[0]: 0 for step in group}
    low: dict[int, int] = dict.fromkeys(done, 0)
    schedule = []
    for begin in range(0, height, rows):
        want = {output: (begin, min(begin + rows, height))}
        made: dict[int, tuple[int, int]] = {}
        for step in reversed(group):
            index = step.op.outputs[0]
            start = done[index]
            end = max(want[index][1], start) if index in want else start
            made[index] = (start, end)
            done[index] = end
            dependence = rows_of(program, step)
            if start == end or dependence is None:
                continue
            needed = dependence.needed(start, end)
            for source in data_inputs(step.op):
                known = want.get(source, needed)
                want[source] = (min(known[0], needed[0]), max(known[1], needed[1]))
        for index, (first, _) in want.items():
            # Strides skip rows: what is made may begin before what is needed.
            low[index] = min(first, made[index][0]) if index in made else first
        schedule.append(Stripe(made, dict(low)))
    return schedule


def _window_rows(schedule: Sequence[Stripe], index: int) -> int:
    """The most rows of a tensor that are in memory at once."""
    return max(stripe.made[index][1] - stripe.low[index] for stripe in schedule)


def _output_place(
    program: Program, group: Sequence[Step], schedule: Sequence[Stripe], last: int
) -> int:
    """The tensor whose memory takes the group's output.

    That is an input of the group that dies in it and whose rows are always read before they would
    be overwritten; if there is none, the output itself.
    """
    final = group[-1].op
    output = program.tensor(final.outputs[0])
    inside = {step.op.outputs[0] for step in group}
    behind = {
        program.root.get(i, i)
        for step in program.steps[last + 1 :]
        for i in (*step.reads, *step.op.inputs)
    }
    kept = {*behind, *program.root, *program.root.values(), *program.subgraph.outputs, *inside}
    for index in sorted({i for step in group for i in data_inputs(step.op)} - kept):
        source = program.tensor(index)
        if source.is_constant or source.bytes < output.bytes:
            continue
        if index in data_inputs(final) and final.name not in _ELEMENTWISE:
            continue
        source_row, output_row = (t.bytes // t.shape[1] for t in (source, output))
        written = [stripe.made[output.index][1] * output_row for stripe in schedule[:-1]]
        read = [stripe.low[index] * source_row for stripe in schedule[1:]]
        if all(w <= r for w, r in zip(written, read, strict=True)):
            return index
    return output.index


def _carry(
    builder: _Builder,
    inside: Sequence[int],
    places: Mapping[int, int],
    before: Stripe,
    stripe: Stripe,
) -> None:
    """Move the rows that this stripe needs again to the start of their windows."""
    for index in inside:
        shift = stripe.low[index] - before.low[index]
        count = before.made[index][1] - stripe.low[index]
        if shift == 0 or count <= 0:
            continue
        like = builder.program.tensor(index)
        # No more rows at a time than the shift, so that a copy never overlaps itself.
        for row in range(0, count, shift):
            part = min(shift, count - row)
            source = builder.view(places[index], like, row + shift, part)
            target = builder.view(places[index], like, row, part)
            builder.add(Op(-1, "COPY", (source,), (target,)), ())


def _run(
    builder: _Builder,
    group: Sequence[Step],
    inside: Sequence[int],
    places: Mapping[int, int],
    stripe: Stripe,
    final: bool,
) -> None:
    """The calls of one stripe."""
    program = builder.program

    def view(index: int, begin: int, end: int) -> int:
        place = places.get(index, program.root.get(index, index))
        first = begin - stripe.low[index] if index in inside else begin
        return builder.view(place, program.tensor(index), first, end - begin)

    for step in group:
        op = step.op
        index = op.outputs[0]
        start, end = stripe.made[index]
        dependence = rows_of(program, step)
        if start == end or dependence is None:
            continue
        low, high = dependence.needed(start, end)
        sources = tuple(view(source, low, high) for source in data_inputs(op))
        inputs = (*sources, *op.inputs[len(sources) :])
        options = {**op.options, "explicit_pad_top": dependence.padding(start)}
        shows = group[-1].completes if final and step is group[-1] else ()
        outputs = (view(index, start, end),)
        builder.add(replace(op, inputs=inputs, outputs=outputs, options=options), shows)
