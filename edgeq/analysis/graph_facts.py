"""A model's graph as plain data for people to look at: ops, tensors, the C that runs each op."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeq.analysis.macs import model_macs
from edgeq.model.graph import Graph, Op, Subgraph, Tensor
from edgeq.support.text import lines_of

if TYPE_CHECKING:
    from edgeq.compiler.compilation import Sources

# Generated code says by this hook where each step begins; the last one says that all have run.
_MARK = re.compile(r"^ *EQ_OP\((\d+)\)$", re.MULTILINE)


def graph_facts(graph: Graph, sources: Sources | None = None) -> dict[str, Any]:
    """The main subgraph of a model.

    Args:
        graph: The model.
        sources: C that was generated for it, if there is any.

    Returns:
        "inputs" and "outputs" (indices of tensors), "tensors" (what no file holds: activations,
        inputs, outputs, variables), "ops" (each with the tensors it takes and gives, MACs, bytes of
        weights, the steps of the generated program and their C), "source" (the C file's name; None
        without C).
    """
    main, macs = graph.main, model_macs(graph)
    steps, name = ({}, None) if sources is None else _steps(sources)
    return {
        "inputs": list(main.inputs),
        "outputs": list(main.outputs),
        "tensors": [_tensor(tensor) for tensor in main.tensors if not tensor.is_constant],
        "ops": [_op(op, main, macs[op.index], steps.get(op.index, ())) for op in main.ops],
        "source": name,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    per_tensor = quantization is not None and not quantization.per_channel
    return {
        "index": tensor.index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "bytes": tensor.bytes,
        "scale": tensor.scale if per_tensor else None,
        "zero_point": tensor.zero_point if per_tensor else None,
    }


def _op(op: Op, main: Subgraph, macs: int, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    taken = [main.tensors[index] for index in op.inputs if index >= 0]
    first = main.tensors[op.outputs[0]].name if op.outputs else ""
    return {
        "index": op.index,
        "op": op.custom_name or op.name,
        "name": first,
        "inputs": [tensor.index for tensor in taken if not tensor.is_constant],
        "outputs": list(op.outputs),
        "constant_bytes": sum(tensor.bytes for tensor in taken if tensor.is_constant),
        "macs": macs,
        "steps": [step["step"] for step in steps],
        "code": [{"line": step["line"], "text": step["text"]} for step in steps],
    }


def _steps(sources: Sources) -> tuple[dict[int, list[dict[str, Any]]], str]:
    """What runs each op of the main subgraph, in order, and the file it stands in."""
    manifest = sources.manifest
    file = f"{manifest['name']}.c"
    text = sources.files[file]
    marks = list(_MARK.finditer(text))
    found = defaultdict(list)
    for number, entry in enumerate(manifest["ops"]):
        if entry.get("subgraph", 0) or entry["index"] < 0:
            continue
        start, end = marks[number].end() + 1, marks[number + 1].start()
        lines = lines_of(text[start:end].rstrip())
        indent = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
        found[entry["index"]].append(
            {
                "step": number,
                "line": text.count("\n", 0, start) + 1,
                "text": "\n".join(line[indent:] for line in lines),
            }
        )
    return dict(found), file
