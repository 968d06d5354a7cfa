"""What is in a model: graph, shapes, MACs, parameters, quantization, and where memory peaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.budget import within_budgets
from edgeq.analysis.macs import model_macs, unknown_loops
from edgeq.analysis.models import as_tflite, is_integer
from edgeq.analysis.remarks import remarks_of
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.compiler.compilation import isa_of, planned
from edgeq.compiler.ops.shared.base import Isa
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op, Subgraph, Tensor
from edgeq.model.model_file import read_graph
from edgeq.support.foreign import shaped_as
from edgeq.support.result import Result


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
        live_bytes: Memory needed while it runs, its own inputs and outputs among them: what the
            generated C cannot do without, scratch included and buffers shared where its kernels
            can; for a model without generated C, the sum of the activations.
        form: What the op's kernel is made for: "dsp", "mve", "host", or "portable" for the common
            ones; None for ops that are part of another's call, or that run none.
        why_portable: Why the op takes no form of the target's core, where that has any.
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
    form: str | None = None
    why_portable: str = ""


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """A model in plain values.

    Attributes:
        integer: Whether no tensor is a float.
        macs: Multiply-accumulates of one inference, all turns of loops among them.
        unknown_loops: How many loops count as one turn, as only the running model knows more.
        peak_op: Index of the op that needs most memory; None for a model without ops.
        peak_live_bytes: What that op needs. The arena cannot be smaller.
        arena_bytes: Activations, scratch, inputs, outputs and state of the generated C; None if
            there is none for this model.
        target: What the C is for that arena and live bytes are of; "portable" for every core.
        optimize: What it is made for.
        problems: Why there is no generated C for this model.
        warnings: What the figures do not tell, in sentences.
    """

    path: str
    sha256: str
    file_bytes: int
    integer: bool
    macs: int
    unknown_loops: int
    parameters: int
    constant_bytes: int
    peak_op: int | None
    peak_live_bytes: int
    arena_bytes: int | None
    target: str
    optimize: str
    problems: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    ops: tuple[OpInfo, ...]
    tensors: tuple[TensorInfo, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq inspect`."""
        found = asdict(self)
        model = {name: found.pop(name) for name in ("path", "sha256", "file_bytes")}
        return {"edgeq": __version__, "model": model, **found}


def inspect(
    model: str | Path,
    *,
    trust: bool = False,
    target: str | Path | Target = PORTABLE,
    options: CompileOptions | None = None,
) -> Inspection:
    """What is in a model.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (as float).
        trust: Whether code inside a Keras file (Lambda layers) may run.
        target: What the C would be generated for; every core by default, as `compile` does.
        options: What it would be made for, and budgets.

    Raises:
        EdgeqError: No such file, or no valid model.
        LimitError: No form of the program keeps to the budgets.
        UsageError: No such target.
    """
    options, loaded = options or CompileOptions(), load_target(target)
    with as_tflite(model, trust=trust) as path:
        graph = replace(read_graph(path), path=str(model))
        options = within_budgets(path, loaded, options, graph=graph)
    with shaped_as("sound model", str(model)):
        return _inspected(graph, loaded, options)


def _inspected(graph: Graph, loaded: Target, options: CompileOptions) -> Inspection:
    main = graph.main
    macs = model_macs(graph)
    program, plan, problems = _planned(graph, isa_of(loaded), options)
    live = _needed_bytes(main, program, plan) if program and plan else _live_bytes(main)
    forms = _forms(program, isa_of(loaded))
    ops = tuple(
        replace(_op_info(op, main, macs[op.index], live[op.index]), **forms.get(op.index, {}))
        for op in main.ops
    )
    constants = [tensor for tensor in main.tensors if tensor.is_constant]
    tensors = tuple(_tensor_info(tensor, main) for tensor in main.tensors)
    peak = max(live, key=lambda index: live[index], default=None)
    return Inspection(
        path=graph.path,
        sha256=graph.sha256,
        file_bytes=graph.file_bytes,
        integer=is_integer(graph),
        macs=sum(macs.values()),
        unknown_loops=unknown_loops(graph),
        parameters=sum(op.parameters for op in ops),
        constant_bytes=sum(tensor.bytes for tensor in constants),
        peak_op=peak,
        peak_live_bytes=max(live.values(), default=0),
        arena_bytes=None if plan is None else plan.arena_bytes + plan.state_bytes,
        target=loaded.name,
        optimize=options.optimize,
        problems=problems,
        inputs=tuple(tensors[index] for index in main.inputs),
        outputs=tuple(tensors[index] for index in main.outputs),
        ops=ops,
        tensors=tensors,
        warnings=remarks_of(graph),
    )


def _forms(program: Program | None, isa: Isa) -> dict[int, dict[str, Any]]:
    """The fields `form` and `why_portable` of each op that has a kernel."""
    found = {}
    for step in program.steps if program is not None else ():
        if step.call is not None:
            form, why = step.call.form(isa)
            found[step.op.index] = {"form": form, "why_portable": why}
    return found


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
    changes: Counter[int] = Counter()
    for index, start in first.items():
        if start <= last.get(index, 0):
            changes[start] += model.tensors[index].bytes
            changes[last.get(index, 0) + 1] -= model.tensors[index].bytes
    totals = list(accumulate(changes[number] for number in range(len(model.ops) + 1)))
    return {op.index: totals[op.index] for op in model.ops}


def _needed_bytes(model: Subgraph, program: Program, plan: Plan) -> dict[int, int]:
    """What the generated C needs during each op; of an op that is part of another's call, there."""
    steps: dict[int, int] = {}
    for number, step in enumerate(program.steps):
        steps[step.op.index] = max(plan.step_bytes[number], steps.get(step.op.index, 0))
    # Ops of other subgraphs (IF, WHILE) are numbered behind those of the main one, and what
    # outlives the last step stands behind them all.
    beyond = [needed for index, needed in steps.items() if index >= len(model.ops)]
    last = model.ops[-1].index if model.ops else 0
    steps[last] = max([steps.get(last, 0), plan.step_bytes[-1], *beyond])
    found, needed = {}, plan.step_bytes[0]
    for op in model.ops:
        needed = steps.get(op.index, needed)
        found[op.index] = needed
    return found


def _planned(
    graph: Graph, isa: Isa, options: CompileOptions
) -> tuple[Program | None, Plan | None, tuple[str, ...]]:
    """The generated C's calls and where its data lies; else what stands in the way."""
    try:
        return (*planned(graph, isa, options.optimize), ())
    except EdgeqError as error:
        return None, None, tuple(_lines(error))


def _lines(error: EdgeqError) -> Sequence[str]:
    return [line for line in str(error).splitlines() if line.strip()]
