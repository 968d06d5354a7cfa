"""The float graph of a model as the passes leave it: what is calibrated and quantized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.conversion.explain import FiredPass, explained
from edgeq.conversion.float_model import float_model
from edgeq.conversion.pass_log import PassLog
from edgeq.errors import UsageError
from edgeq.model.graph import Graph, Op
from edgeq.support.result import Result

_FUSED = "fused_activation_function"
_ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH", 5: "SIGN_BIT"}


@dataclass(frozen=True)
class FloatOp:
    """One op of the float graph.

    Attributes:
        index: Position.
        op: Builtin name; with the activation that is part of it ("CONV_2D+RELU").
        layers: The Keras layers that it is.
        inputs: Names of the tensors it reads; constants by the name of their role.
        shapes: Of its outputs.
    """

    index: int
    op: str
    layers: tuple[str, ...]
    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, repr=False)
class FloatGraph(Result):
    """The float graph of a model.

    Attributes:
        path: The model.
        inputs, outputs: Names by position.
        ops: In order.
        passes: What changed the graph since it was loaded.
    """

    path: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ops: tuple[FloatOp, ...]
    passes: tuple[FiredPass, ...]


def float_graph(model: str | Path, *, trust: bool = False) -> FloatGraph:
    """The float graph that `convert` calibrates and quantizes.

    Args:
        model: `.keras`, `.h5`, SavedModel folder or float `.tflite`.
        trust: Whether code inside the model file may run.

    Raises:
        UsageError: The model is quantized already.
        EdgeqError: It cannot be read or converted.
    """
    log = PassLog()
    graph = float_model(model, trust=trust, log=log).graph
    main = graph.main
    if any(t.quantization is not None and "int" in t.dtype for t in main.tensors):
        raise UsageError(
            f"{model} is quantized; it has no float graph.",
            hint="--float is for the model it was made from",
        )
    return FloatGraph(
        str(model),
        tuple(main.tensors[i].name for i in main.inputs),
        tuple(main.tensors[i].name for i in main.outputs),
        tuple(_op(graph, op) for op in main.ops),
        explained(log, graph),
    )


def _op(graph: Graph, op: Op) -> FloatOp:
    tensors = graph.main.tensors
    fused = _ACTIVATIONS.get(int(op.options.get(_FUSED, 0) or 0), "")
    return FloatOp(
        op.index,
        f"{op.name}+{fused}" if fused else op.name,
        tuple(tensors[op.outputs[0]].name.split(";")),
        tuple(tensors[i].name for i in op.inputs if i >= 0 and not tensors[i].is_constant),
        tuple(tensors[i].shape for i in op.outputs),
    )
