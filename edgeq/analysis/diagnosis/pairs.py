"""Which tensor of the integer model stands for which tensor of the float model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher

from edgeq.model.graph import Graph, Op, Subgraph, Tensor

CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True)
class Pair:
    """A value that both models compute.

    Attributes:
        op: What makes it in the integer model; None for a model input.
        integer: The tensor of the integer model.
        real: The tensor of the float model.
    """

    op: Op | None
    integer: Tensor
    real: Tensor


def match(real: Graph, integer: Graph) -> list[Pair]:
    """Pairs in the order of execution: inputs by position, results by name or by position.

    Names agree where edgeq converted the model. Other converters call things differently; there
    ops of the same kind and shape are matched in order.
    """
    pairs = [
        Pair(None, integer.main.tensors[a], real.main.tensors[b])
        for a, b in zip(integer.main.inputs, real.main.inputs, strict=False)
    ]
    by_input = {pair.integer.index: pair.real for pair in pairs}
    results = _by_name(real.main, integer.main)
    if 2 * len(results) < sum(_quantized(tensor) for _, tensor in _results(integer.main)):
        # Converters call the output the same in every model, whatever they call the rest.
        results = max(results, _by_order(real.main, integer.main), key=len)
    for op in integer.main.ops:
        if op.name == "QUANTIZE" and op.inputs[0] in by_input:
            # Where the interface is float, the input becomes integer here.
            results.append(Pair(op, integer.main.tensors[op.outputs[0]], by_input[op.inputs[0]]))
    inputs = [pair for pair in pairs if _quantized(pair.integer)]
    taken: dict[int, Pair] = {pair.integer.index: pair for pair in results}
    return inputs + sorted(taken.values(), key=lambda pair: pair.op.index if pair.op else -1)


def _quantized(tensor: Tensor) -> bool:
    return tensor.quantization is not None and "int" in tensor.dtype


def _results(main: Subgraph) -> list[tuple[Op, Tensor]]:
    """Every op's results; conversions between types are none of the network's."""
    ops = [op for op in main.ops if op.name not in CONVERSIONS]
    return [(op, main.tensors[index]) for op in ops for index in op.outputs]


def _by_name(real: Subgraph, integer: Subgraph) -> list[Pair]:
    ours, theirs = _results(integer), _results(real)
    known = {tensor.name: tensor for _, tensor in theirs}
    times = Counter(tensor.name for _, tensor in ours) | Counter(
        tensor.name for _, tensor in theirs
    )
    return [
        Pair(op, tensor, known[tensor.name])
        for op, tensor in ours
        if _quantized(tensor)
        and tensor.name in known
        and times[tensor.name] == 1
        and known[tensor.name].shape == tensor.shape
    ]


def _by_order(real: Subgraph, integer: Subgraph) -> list[Pair]:
    ours, theirs = _results(integer), _results(real)
    kinds, others = (
        [(op.name, tensor.shape) for op, tensor in results] for results in (ours, theirs)
    )
    blocks = SequenceMatcher(None, kinds, others, autojunk=False).get_matching_blocks()
    return [
        Pair(ours[block.a + step][0], ours[block.a + step][1], theirs[block.b + step][1])
        for block in blocks
        for step in range(block.size)
        if _quantized(ours[block.a + step][1])
    ]
