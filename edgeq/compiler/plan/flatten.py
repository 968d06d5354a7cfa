"""One list of ops out of a model with several subgraphs.

IF, WHILE and CALL_ONCE are replaced by the ops of the subgraphs that they call, between marks
that become braces in C. A resource variable becomes a variable tensor, and reading and assigning
it become copies. Tensors of subgraph 0 keep their numbers; those of called subgraphs follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgeq.compiler.ops import FRONTEND_OPS, OPS
from edgeq.compiler.ops.movement.circular_buffer import CIRCULAR_BUFFER, cycles
from edgeq.compiler.ops.shared.base import Node, Unsupported, require
from edgeq.errors import EdgeqError, raise_problems
from edgeq.model.graph import Graph, Op, Subgraph, Tensor, check_outputs
from edgeq.model.loops import loop_turns
from edgeq.model.stream import STACK

MAX_OPS = 20_000
# Ops that are gone from a flat model; what they steer is in it.
CONTROL_FLOW = (
    "ASSIGN_VARIABLE",
    "CALL_ONCE",
    "IF",
    "READ_VARIABLE",
    "VAR_HANDLE",
    "WHILE",
)
# Ops that change one of their inputs.
STATEFUL = ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
# Ops that stand for a model which another compiler has already turned into its machine's code.
_COMPILED = {
    "ethos-u": "the Ethos-U, by Vela",
    "edgetpu-custom-op": "the Edge TPU",
    "NeutronGraph": "the eIQ Neutron NPU",
}
_SAME_MEMORY = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


@dataclass(frozen=True)
class Mark:
    """A place where control flow branches.

    Attributes:
        kind: "once" and "if" open a block (if `tensor` is true), "else" goes on with its other
            half, "while" opens a loop, "until" leaves it unless `tensor` is true, "end" closes.
        tensor: The condition, a bool of one element; for "once" the number of the block.
        turns: How often a loop turns at most; None if only the running model knows.
    """

    kind: Literal["once", "if", "else", "while", "until", "end"]
    tensor: int = -1
    turns: int | None = None


@dataclass(frozen=True, eq=False)
class Flat:
    """A model without calls.

    Attributes:
        subgraph: All tensors, and the inputs and outputs of the model; its ops are in `items`.
        items: Ops and marks in order.
        fills: The byte that a variable's memory is filled with at first, by tensor.
    """

    subgraph: Subgraph
    items: tuple[Op | Mark, ...]
    fills: Mapping[int, int]


def flatten(graph: Graph) -> Flat:
    """The ops of subgraph 0 with all that they call.

    Raises:
        EdgeqError: The calls do not fit the subgraphs called, or never end, or nothing comes out.
    """
    check_outputs(graph)
    for op in graph.main.ops:
        if op.custom_name in _COMPILED:
            raise EdgeqError(
                f"the model has been compiled for {_COMPILED[op.custom_name]}.",
                f"{graph.path}, {graph.main.describe(op)}",
                "give the .tflite file that was the input of that",
            )
    inliner = _Inliner(graph)
    # An input that the file gives a value is still an input: every call writes it. So is one that
    # the file calls a variable, unless an op keeps its state there.
    inputs = set(graph.main.inputs)
    states = {i for op in graph.main.ops if op.name in STATEFUL for i in op.inputs}
    slides = graph.stream is not None  # the window of samples, from call to call
    tensors = (
        replace(t, data=None, is_variable=slides or (t.is_variable and t.index in states))
        if t.index in inputs
        else t
        for t in graph.main.tensors
    )
    main = replace(graph.main, tensors=tuple(tensors))
    inliner.enter(main, {}, ())
    inliner.items += [Mark("end")] * inliner.open
    main = replace(main, tensors=tuple(inliner.tensors), ops=())
    return Flat(main, tuple(inliner.items), inliner.fills)


class _Inliner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[Tensor] = []
        self.items: list[Op | Mark] = []
        self.fills: dict[int, int] = {}
        self._shared: dict[tuple[int, int], int] = {}
        self._variables: list[tuple[str, str, int]] = []
        self._handles: dict[int, tuple[str, str]] = {}
        self._states: dict[tuple[int, int], int] = {}
        self._once = 0
        self._turns = loop_turns(graph)
        self.open = 0

    def enter(
        self, subgraph: Subgraph, bound: Mapping[int, int], path: tuple[int, ...]
    ) -> dict[int, int]:
        """Add the ops of a subgraph whose inputs are `bound`; returns its tensors' numbers."""
        if subgraph.index in path:
            raise EdgeqError(f"subgraph {subgraph.index} calls itself.", self.graph.path)
        numbers = dict(bound)
        for tensor in subgraph.tensors:
            if tensor.index not in numbers:
                numbers[tensor.index] = self._number(subgraph, tensor)
        self._check_order(subgraph)
        for op in subgraph.ops:
            if len(self.items) > MAX_OPS:
                raise EdgeqError(f"there are more than {MAX_OPS} ops.", self.graph.path)
            moved = replace(
                op,
                inputs=tuple(numbers.get(index, -1) for index in op.inputs),
                outputs=tuple(numbers[index] for index in op.outputs),
                intermediates=tuple(numbers[index] for index in op.intermediates),
            )
            try:
                self._op(moved, (*path, subgraph.index))
            except Unsupported as error:
                where = f"{self.graph.path}, subgraph {subgraph.index}, {subgraph.describe(op)}"
                raise EdgeqError(f"{op.name}: {error}.", where) from None
        return numbers

    def _check_order(self, subgraph: Subgraph) -> None:
        """Every tensor is written once, before it is read."""
        problems = []
        ready = set(subgraph.inputs)
        ready |= {t.index for t in subgraph.tensors if t.is_constant or t.is_variable}
        ready -= {
            i
            for op in subgraph.ops
            if op.custom_name in OPS or op.name == STACK
            for i in op.outputs
        }
        # A variable holds a value before anything is written to it.
        states = {t.index for t in subgraph.tensors if t.is_variable} & ready
        for op in subgraph.ops:
            where = f"{self.graph.path}, {subgraph.describe(op)}"
            unknown = [i for i in op.inputs if i >= 0 and i not in ready]
            if unknown:
                problems.append(
                    EdgeqError(f"tensor {unknown[0]} is read but never written.", where)
                )
            twice = [
                i for i in op.outputs if (i in ready and i not in states) or op.outputs.count(i) > 1
            ]
            if twice:
                problems.append(EdgeqError(f"tensor {twice[0]} is written a second time.", where))
            ready.update(op.outputs)
        missing = [i for i in subgraph.outputs if i not in ready]
        if missing:
            what = f"output tensor {missing[0]} is never written."
            problems.append(EdgeqError(what, self.graph.path))
        raise_problems(problems)

    def _number(self, subgraph: Subgraph, tensor: Tensor) -> int:
        """A number for a tensor; constants and variables have one for all calls."""
        key = (subgraph.index, tensor.index)
        if key in self._shared:
            return self._shared[key]
        number = self._add(tensor)
        if tensor.is_constant or tensor.is_variable:
            self._shared[key] = number
        if tensor.is_variable:
            # Source: TFLM `MicroInterpreterGraph::ResetTensorData`.
            self.fills[number] = tensor.zero_point & 255 if tensor.dtype == "int8" else 0
        return number

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(replace(tensor, index=len(self.tensors)))
        return len(self.tensors) - 1

    def _op(self, op: Op, path: tuple[int, ...]) -> None:
        special = {
            "IF": self._if,
            "WHILE": self._while,
            "CALL_ONCE": self._call_once,
        }.get(op.name)
        if special is not None:
            special(op, path)
        elif op.name == "VAR_HANDLE":
            require(len(op.outputs) == 1, "it needs one output")
            key = (op.options["container"], op.options["shared_name"])
            self._handles[op.outputs[0]] = key
        elif op.name == "READ_VARIABLE":
            require(len(op.inputs) == 1 and len(op.outputs) == 1, "it needs one input and output")
            self._copy(op, self._variable(op.inputs[0]), op.outputs[0])
        elif op.name == "ASSIGN_VARIABLE":
            require(len(op.inputs) == 2 and op.inputs[1] >= 0, "it needs two inputs")
            self._copy(op, op.inputs[1], self._variable(op.inputs[0]))
        else:
            self._append(self._with_state(op, path[-1]))
            self._end_early(path)

    def _append(self, op: Op) -> None:
        """The op; what it writes to a variable is copied there, but for a stack of frames.

        What it reads of one is a copy, too.

        A stack keeps there what it does not write.
        """
        op = self._read(op)
        written = [i for i in op.outputs if self.tensors[i].is_variable and op.name != STACK]
        made = {i: self._add(replace(self.tensors[i], is_variable=False)) for i in written}
        self.items.append(replace(op, outputs=tuple(made.get(i, i) for i in op.outputs)))
        for variable, value in made.items():
            self._copy(op, value, variable)

    def _read(self, op: Op) -> Op:
        """The op; what it reads of variables it finds in copies, unless it keeps its state there.

        A copy is made at run time only where the variable changes before it is read.
        """
        if op.custom_name or op.name in (STACK, *STATEFUL) or op.name in FRONTEND_OPS:
            return op
        read = [i for i in dict.fromkeys(op.inputs) if i >= 0 and i in self.fills]
        copies = {i: self._add(replace(self.tensors[i], is_variable=False)) for i in read}
        for variable, copied in copies.items():
            self._copy(op, variable, copied)
        return replace(op, inputs=tuple(copies.get(i, i) for i in op.inputs))

    def _end_early(self, path: tuple[int, ...]) -> None:
        """Where an op ends most calls, all that follows runs in the others only."""
        op = self.items[-1]
        assert isinstance(op, Op)
        if op.name == STACK:
            self.items.append(Mark("if", op.inputs[1]))
            self.open += 1
            return
        if op.custom_name != CIRCULAR_BUFFER.name or not op.outputs:
            return
        if cycles(Node(op, Subgraph(0, "", tuple(self.tensors), (), (), ()))) == 1:
            return
        require(len(path) == 1, "it ends calls early, which it can in the main graph only")
        run = self._add(Tensor(0, "run", (1,), "bool"))
        self.items[-1] = replace(op, outputs=(*op.outputs, run))
        self.items.append(Mark("if", run))
        self.open += 1

    def _with_state(self, op: Op, subgraph: int) -> Op:
        """The op with what it remembers as its last input; a variable output is plain memory."""
        kind = OPS.get(op.custom_name)
        if kind is None or kind.state is None:
            return op
        key = (subgraph, op.index)
        if key not in self._states:
            for index in op.outputs:
                self.tensors[index] = replace(self.tensors[index], is_variable=False)
                self.fills.pop(index, None)
            around = Subgraph(subgraph, "", tuple(self.tensors), (), (), ())
            state = kind.state(Node(op, around))
            name = f"{self.tensors[op.outputs[0]].name} state" if op.outputs else "state"
            self._states[key] = self._add(
                Tensor(0, name, (state.elements,), state.dtype, is_variable=True)
            )
            self.fills[self._states[key]] = state.fill
        return replace(op, inputs=(*op.inputs, self._states[key]))

    def _copy(self, op: Op, source: int, output: int) -> None:
        self.items.append(replace(op, name="COPY", inputs=(source,), outputs=(output,), options={}))

    def _called(self, op: Op, option: str, inputs: int) -> Subgraph:
        number = int(op.options[option])
        require(0 <= number < len(self.graph.subgraphs), f"subgraph {number} does not exist")
        subgraph = self.graph.subgraphs[number]
        require(
            len(subgraph.inputs) == inputs == len(set(subgraph.inputs)),
            f"subgraph {number} does not take {inputs} inputs",
        )
        require(
            not any(subgraph.tensors[index].is_constant for index in subgraph.inputs),
            f"an input of subgraph {number} is a constant",
        )
        return subgraph

    def _bind(self, subgraph: Subgraph, values: Sequence[int]) -> dict[int, int]:
        """The numbers of a subgraph's inputs, given by value: no op ever writes them."""
        for index, value in zip(subgraph.inputs, values, strict=True):
            require(value >= 0, "an input is missing")
            inside, outside = subgraph.tensors[index], self.tensors[value]
            same = (inside.dtype, inside.shape) == (outside.dtype, outside.shape)
            require(same, f"subgraph {subgraph.index} takes {inside.shape}, not {outside.shape}")
        return dict(zip(subgraph.inputs, values, strict=True))

    def _condition(self, tensor: int) -> int:
        found = self.tensors[tensor]
        require(found.dtype == "bool" and found.elements == 1, "the condition must be one bool")
        return tensor

    def _call_once(self, op: Op, path: tuple[int, ...]) -> None:
        subgraph = self._called(op, "init_subgraph_index", 0)
        self.items.append(Mark("once", self._once))
        self._once += 1
        self.enter(subgraph, {}, path)
        self.items.append(Mark("end"))

    def _if(self, op: Op, path: tuple[int, ...]) -> None:
        require(len(op.inputs) > 0 and op.inputs[0] >= 0, "it needs a condition")
        condition = self._condition(op.inputs[0])
        for kind, option in (("if", "then_subgraph_index"), ("else", "else_subgraph_index")):
            subgraph = self._called(op, option, len(op.inputs) - 1)
            require(len(subgraph.outputs) == len(op.outputs), "the branches have other outputs")
            self.items.append(Mark("if", condition) if kind == "if" else Mark("else"))
            numbers = self.enter(subgraph, self._bind(subgraph, op.inputs[1:]), path)
            for index, output in zip(subgraph.outputs, op.outputs, strict=True):
                self._copy(op, numbers[index], output)
        self.items.append(Mark("end"))

    def _while(self, op: Op, path: tuple[int, ...]) -> None:
        condition = self._called(op, "cond_subgraph_index", len(op.inputs))
        body = self._called(op, "body_subgraph_index", len(op.inputs))
        require(len(op.outputs) == len(op.inputs) == len(body.outputs), "it loses a value")
        require(len(condition.outputs) >= 1, "there is no condition")
        # The outputs hold the values that go round.
        for source, output in zip(op.inputs, op.outputs, strict=True):
            require(source >= 0, "an input is missing")
            self._copy(op, source, output)
        self.items.append(Mark("while", turns=self._turns.get((path, op.index))))
        numbers = self.enter(condition, self._bind(condition, op.outputs), path)
        self.items.append(Mark("until", self._condition(numbers[condition.outputs[0]])))
        numbers = self.enter(body, self._bind(body, op.outputs), path)
        # What a turn hands on as it came stays where it is.
        changed = [k for k, i in enumerate(body.outputs) if numbers[i] != op.outputs[k]]
        targets = [op.outputs[k] for k in changed]
        results = [numbers[body.outputs[k]] for k in changed]
        for position, value in enumerate(results):
            # A value that comes from another of the loop's values must survive its assignment.
            if self._origin(value) in op.outputs:
                results[position] = self._add(replace(self.tensors[value], data=None))
                self._copy(op, value, results[position])
        for result, output in zip(results, targets, strict=True):
            self._copy(op, result, output)
        self.items.append(Mark("end"))

    def _origin(self, tensor: int) -> int:
        """The tensor whose bytes these are, behind ops that only change the shape."""
        made_by = {i: op for op in self.items if isinstance(op, Op) for i in op.outputs}
        while tensor in made_by and made_by[tensor].name in _SAME_MEMORY:
            tensor = made_by[tensor].inputs[0]
        return tensor

    def _variable(self, handle: int) -> int:
        """The tensor that holds a resource variable."""
        key = self._handles.get(handle)
        if key is None:
            raise Unsupported("the handle does not come from a VAR_HANDLE op")
        container, name = key
        for known_container, known_name, number in self._variables:
            # Source: TFLM `MicroResourceVariables::FindId`.
            if name == known_name and container in ("", known_container):
                return number
        value = self._assigned(container, name)
        if value is None:
            # TFLM computes with whatever lies in memory then; LiteRT stops.
            raise Unsupported(f'variable "{name}" is read but never assigned: it has no value')
        number = self._add(replace(value, name=name, data=None, is_variable=True))
        self.fills[number] = value.zero_point & 255
        self._variables.append((container, name, number))
        return number

    def _assigned(self, container: str, name: str) -> Tensor | None:
        """What the first ASSIGN_VARIABLE in the file gives to a variable."""
        for subgraph in self.graph.subgraphs:
            handles = {
                op.outputs[0]: op.options
                for op in subgraph.ops
                if op.name == "VAR_HANDLE" and op.outputs
            }
            for op in subgraph.ops:
                if op.name != "ASSIGN_VARIABLE" or len(op.inputs) != 2 or op.inputs[1] < 0:
                    continue
                known = handles.get(op.inputs[0])
                if known and (known["container"], known["shared_name"]) == (container, name):
                    return subgraph.tensors[op.inputs[1]]
        return None
