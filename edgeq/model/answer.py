"""What the numbers of a model's output are, as far as its file tells."""

from __future__ import annotations

from edgeq.metrics.outputs import CLASSES, LOGITS, PROBABILITIES, Outputs, told
from edgeq.model.graph import Graph, Op, Tensor
from edgeq.model.tflite.metadata import ENTRY, read_info

# What hands numbers on, or averages them: probabilities stay some, and so do logits.
_PASSING = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST", "TRANSPOSE", "SLICE",
     "STRIDED_SLICE", "SPLIT", "UNPACK", "PACK", "CONCATENATION", "GATHER", "RESIZE_BILINEAR",
     "RESIZE_NEAREST_NEIGHBOR", "MEAN", "AVERAGE_POOL_2D", "BROADCAST_TO", "TILE"}
)  # fmt: skip
# What leaves every number as it is.
_KEEPING = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST", "TRANSPOSE"}
)
_BY_OP = {
    "SOFTMAX": PROBABILITIES,
    "LOGISTIC": PROBABILITIES,
    "RELU_0_TO_1": PROBABILITIES,
    "LOG_SOFTMAX": LOGITS,
    "TANH": LOGITS,
    "FULLY_CONNECTED": LOGITS,
    "CONV_2D": LOGITS,
    "DEPTHWISE_CONV_2D": LOGITS,
    "TRANSPOSE_CONV": LOGITS,
    "BATCH_MATMUL": LOGITS,
    "ADD": LOGITS,
    "SUB": LOGITS,
    "SVDF": LOGITS,
    "ARG_MAX": CLASSES,
    "ARG_MIN": CLASSES,
}
_SURE = frozenset({"SOFTMAX", "LOGISTIC", "LOG_SOFTMAX", "ARG_MAX", "ARG_MIN"})


def find_outputs(
    graph: Graph, *, from_logits: bool | None = None, loss: Outputs | None = None
) -> Outputs | None:
    """What the first output's numbers are; None where only the numbers themselves can tell.

    Args:
        graph: The model.
        from_logits: What the user says; None if nothing.
        loss: What the loss says that the model was trained with; None where it is not known.
    """
    said = told(from_logits=from_logits)
    op = _last_op(graph)
    name = "" if op is None or _fused(op) else op.name
    by_op = Outputs(_BY_OP[name], f"the last op is {name}") if name in _BY_OP else None
    if by_op is not None and name in _SURE:
        if by_op.kind == CLASSES:
            return by_op
        return said or by_op
    return said or loss or _by_metadata(graph) or by_op or _by_scale(graph)


def is_distribution(graph: Graph) -> bool:
    """Whether the first output's numbers are those of classes that exclude each other."""
    op = _last_op(graph)
    return op is not None and op.name in ("SOFTMAX", "LOG_SOFTMAX")


def class_count(graph: Graph) -> int | None:
    """How many classes a model tells apart that gives the class itself; None if the file is silent.

    Args:
        graph: A model whose first output is a place (ARG_MAX, ARG_MIN) among scores.
    """
    op = _last_op(graph, _KEEPING)
    if op is None or _BY_OP.get(op.name) != CLASSES or len(op.inputs) != 2 or min(op.inputs) < 0:
        return None
    scores, axis = (graph.main.tensors[index] for index in op.inputs)
    if axis.data is None or not axis.data.size or not scores.shape:
        return None
    place = int(axis.data.reshape(-1)[0])
    open_ended = place % len(scores.shape) in scores.dynamic_axes
    return None if open_ended else scores.shape[place]


def _last_op(graph: Graph, passing: frozenset[str] = _PASSING) -> Op | None:
    """The op that makes the numbers of the first output."""
    makers = {index: op for op in graph.main.ops for index in op.outputs}
    at = graph.main.outputs[0] if graph.main.outputs else -1
    op = makers.get(at)
    while op is not None and op.name in passing:
        computed = [index for index in op.inputs if index in makers]
        if not computed:
            return None
        op = makers.pop(computed[0])  # once: an op of a damaged file may read what it makes
    return op


def _fused(op: Op) -> bool:
    """Whether an activation is part of the op, so that its sum is not what comes out."""
    return str(op.options.get("fused_activation_function", "NONE")).upper() not in ("NONE", "0")


def _by_metadata(graph: Graph) -> Outputs | None:
    """Metadata that gives the output's range as 0 to 1 means probabilities."""
    entry = graph.metadata.get(ENTRY)
    info = None if entry is None else read_info(entry, b"")
    if info is None or not info.outputs:
        return None
    first = info.outputs[0]
    if (first.low, first.high) == (0.0, 1.0):
        return Outputs(PROBABILITIES, "the model's metadata")
    return None


def _by_scale(graph: Graph) -> Outputs | None:
    """Integers from 0 to 1 in equal steps are how runtimes give probabilities."""
    if not graph.main.outputs:
        return None
    tensor = graph.main.tensors[graph.main.outputs[0]]
    fixed = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}
    if tensor.quantization is not None and fixed.get(tensor.dtype) == _affine(tensor):
        return Outputs(PROBABILITIES, f"the output's scale is {tensor.scale:.4g}")
    return None


def _affine(tensor: Tensor) -> tuple[float, int]:
    return tensor.scale, tensor.zero_point
