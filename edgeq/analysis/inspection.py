"""What is in a model: graph, shapes, MACs, parameters, quantization, and where memory peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.macs import model_macs
from edgeq.analysis.models import as_tflite, is_integer
from edgeq.compiler.ops.shared.base import Isa
from edgeq.compiler.plan.arena import plan_arena
from edgeq.compiler.plan.program import lower_graph
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op, Subgraph, Tensor
from edgeq.model.model_file import read_graph


@dataclass(frozen=True)
class TensorInfo:
    """One tensor in plain values.

    Attributes:
        kind: "input", "output", "activation", "constant" or "variable".
        scale, zero_point: One value, or one per slice along `quantized_dimension`; empty without
            quantization.
    """

    index: int
    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    quantized_dimension: int | None = None


@dataclass(frozen=True)
class OpInfo:
    """One op in plain values.

    Attributes:
        parameters: Elements of its constant inputs.
        live_bytes: Activations needed while it runs, its own inputs and outputs among them.
    """

    index: int
    op: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    macs: int
    parameters: int
    live_bytes: int


@dataclass(frozen=True)
class Inspection:
    """A model in plain values.

    Attributes:
        integer: Whether no tensor is a float.
        peak_op: Index of the op that holds the memory peak; None for a model without ops.
        peak_live_bytes: Activations needed while that op runs, if none shared memory.
        arena_bytes: The arena of the generated C, where buffers do share; None if it has none.
        problems: Why there is no generated C for this model.
    """

    path: str
    sha256: str
    file_bytes: int
    integer: bool
    macs: int
    parameters: int
    constant_bytes: int
    peak_op: int | None
    peak_live_bytes: int
    arena_bytes: int | None
    problems: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    ops: tuple[OpInfo, ...]
    tensors: tuple[TensorInfo, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq inspect`."""
        found = asdict(self)
        model = {name: found.pop(name) for name in ("path", "sha256", "file_bytes")}
        return {"edgeq": __version__, "model": model, **found}


def inspect(model: str | Path, *, trust: bool = False) -> Inspection:
    """What is in a model.

    Args:
        model: A .tflite file, float or integer, or a Keras file or SavedModel (seen as float).
        trust: Whether code inside a Keras file (Lambda layers) may run.

    Raises:
        EdgeqError: No such file, or no valid model.
    """
    with as_tflite(model, trust=trust) as path:
        graph = replace(read_graph(path), path=str(model))
    main = graph.main
    macs = model_macs(main)
    live = _live_bytes(main)
    ops = tuple(_op_info(op, main, macs[op.index], live[op.index]) for op in main.ops)
    constants = [tensor for tensor in main.tensors if tensor.is_constant]
    tensors = tuple(_tensor_info(tensor, main) for tensor in main.tensors)
    peak = max(live, key=lambda index: live[index], default=None)
    arena, peak_step, problems = _planned(graph)
    return Inspection(
        path=str(model),
        sha256=graph.sha256,
        file_bytes=graph.file_bytes,
        integer=is_integer(graph),
        macs=sum(macs.values()),
        parameters=sum(op.parameters for op in ops),
        constant_bytes=sum(tensor.bytes for tensor in constants),
        peak_op=peak if peak_step is None else peak_step,
        peak_live_bytes=max(live.values(), default=0),
        arena_bytes=arena,
        problems=problems,
        inputs=tuple(tensors[index] for index in main.inputs),
        outputs=tuple(tensors[index] for index in main.outputs),
        ops=ops,
        tensors=tensors,
    )


def _tensor_info(tensor: Tensor, model: Subgraph) -> TensorInfo:
    quantization = tensor.quantization
    return TensorInfo(
        index=tensor.index,
        name=tensor.name,
        kind=_kind(tensor, model),
        dtype=tensor.dtype,
        shape=tensor.shape,
        bytes=tensor.bytes,
        scale=() if quantization is None else tuple(quantization.scale.tolist()),
        zero_point=() if quantization is None else tuple(quantization.zero_point.tolist()),
        quantized_dimension=quantization.quantized_dimension
        if quantization is not None and quantization.per_channel
        else None,
    )


def _kind(tensor: Tensor, model: Subgraph) -> str:
    if tensor.is_variable:
        return "variable"
    if tensor.is_constant:
        return "constant"
    if tensor.index in model.inputs:
        return "input"
    return "output" if tensor.index in model.outputs else "activation"


def _op_info(op: Op, model: Subgraph, macs: int, live: int) -> OpInfo:
    inputs = [model.tensors[index] for index in op.inputs if index >= 0]
    outputs = [model.tensors[index] for index in op.outputs]
    return OpInfo(
        index=op.index,
        op=op.custom_name or op.name,
        name=outputs[0].name if outputs else "",
        inputs=op.inputs,
        outputs=op.outputs,
        input_shapes=tuple(t.shape for t in inputs if not t.is_constant),
        output_shapes=tuple(t.shape for t in outputs),
        macs=macs,
        parameters=sum(t.elements for t in inputs if _is_parameter(t)),
        live_bytes=live,
    )


def _is_parameter(tensor: Tensor) -> bool:
    """Whether a tensor holds weights or biases; a RESHAPE's shape is none."""
    return tensor.is_constant and (tensor.quantization is not None or "float" in tensor.dtype)


def _live_bytes(model: Subgraph) -> dict[int, int]:
    """Bytes of the activations needed during each op, without any sharing of memory."""
    first: dict[int, int] = dict.fromkeys(model.inputs, 0)
    last: dict[int, int] = dict.fromkeys(model.outputs, len(model.ops))
    for op in model.ops:
        for index in (*op.inputs, *op.outputs):
            if index >= 0 and not model.tensors[index].is_constant:
                first.setdefault(index, op.index)
                last[index] = max(last.get(index, 0), op.index)
    return {
        op.index: sum(
            model.tensors[index].bytes
            for index, start in first.items()
            if start <= op.index <= last.get(index, 0)
        )
        for op in model.ops
    }


def _planned(graph: Graph) -> tuple[int | None, int | None, tuple[str, ...]]:
    """Arena bytes and the op at the peak of the generated C; else what stands in the way."""
    try:
        program = lower_graph(graph, Isa())
    except EdgeqError as error:
        return None, None, tuple(_lines(error))
    plan = plan_arena(program)
    if not program.steps:
        return plan.arena_bytes, None, ()
    step = program.steps[min(plan.peak_step, len(program.steps) - 1)]
    # Ops of other subgraphs (IF, WHILE) are numbered behind those of the main one.
    index = step.op.index if step.op.index < len(graph.main.ops) else None
    return plan.arena_bytes, index, ()


def _lines(error: EdgeqError) -> Sequence[str]:
    return [line for line in str(error).splitlines() if line.strip()]
