"""The ops of a model turned into kernel calls, in the order in which they will run."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeq.errors import EdgeqError, raise_problems
from edgeq.graph import Graph, Op, Subgraph, Tensor
from edgeq.ops import OPS
from edgeq.ops.base import Call, Isa, Node, Unsupported


@dataclass(frozen=True, eq=False)
class Step:
    """One op at its place in the program.

    Attributes:
        call: The kernel call; None if the output is the input's memory.
    """

    op: Op
    call: Call | None


@dataclass(frozen=True, eq=False)
class Program:
    """A model as calls of kernels.

    Attributes:
        graph: The model.
        steps: In order of execution.
        root: For every activation tensor index, the tensor whose memory it is.
    """

    graph: Graph
    steps: tuple[Step, ...]
    root: dict[int, int] = field(default_factory=dict)

    @property
    def subgraph(self) -> Subgraph:
        """The subgraph that the steps come from."""
        return self.graph.main

    def tensor(self, index: int) -> Tensor:
        """A tensor of that subgraph."""
        return self.subgraph.tensors[index]


def lower_graph(graph: Graph, isa: Isa, optimize: str = "balanced") -> Program:
    """The program of a model for one kind of processor.

    Raises:
        EdgeqError: Ops without a kernel, dynamic shapes, float tensors: all of them at once.
    """
    subgraph = graph.main
    raise_problems(_check(graph))
    steps, problems = [], []
    root: dict[int, int] = {}
    for op in subgraph.ops:
        kind = OPS.get(op.name)
        try:
            if kind is None:
                raise Unsupported(f"{op.custom_name or op.name} has no kernel")
            call = kind.lower(Node(op, subgraph, isa, optimize))
        except Unsupported as error:
            where = f"{graph.path}, {subgraph.describe(op)}"
            problems.append(EdgeqError(f"{op.custom_name or op.name}: {error}.", where))
            continue
        if call is None:
            root[op.outputs[0]] = root.get(op.inputs[0], op.inputs[0])
        steps.append(Step(op, call))
    raise_problems(problems)
    return Program(graph, tuple(steps), root)


def _check(graph: Graph) -> list[EdgeqError]:
    subgraph = graph.main
    # A model exported with an open batch is fine: its stored shape says 1.
    problems = [
        EdgeqError(
            f"dynamic shape: axes {list(tensor.dynamic_axes)} of {tensor.shape} are open.",
            f'{graph.path}, tensor {tensor.index} "{tensor.name}"',
            "edgeq convert makes all shapes static",
        )
        for tensor in subgraph.tensors
        if any(axis != 0 or tensor.shape[0] != 1 for axis in tensor.dynamic_axes)
    ]
    floats = [op for op in subgraph.ops if _is_float(subgraph, op)]
    if floats and len(floats) == len(subgraph.ops):
        problems.append(
            EdgeqError(
                "this is a float model; compile takes fully-integer ones.",
                graph.path,
                "edgeq convert MODEL -o OUT.tflite --data CALIBRATION",
            )
        )
    return problems


def _is_float(subgraph: Subgraph, op: Op) -> bool:
    return bool(op.outputs) and all(subgraph.tensors[i].dtype == "float32" for i in op.outputs)
