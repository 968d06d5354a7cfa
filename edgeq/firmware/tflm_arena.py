"""The arena that TensorFlow Lite Micro needs on a 32-bit chip, from what it needs on this machine.

The part that holds activations is planned here with TFLM's own algorithm, scratch buffers of the
chip's kernels included; the part that holds TFLM's structures is measured on this machine with
the `tflite-micro` package and converted to 32-bit pointers. A margin covers what the conversion
cannot know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph, Op
from edgeq.model.model_file import read_graph

KERNELS = ("reference", "cmsis-nn")

# Sizes on a 32-bit machine (tensorflow/lite/c/common.h, micro_allocator.h) of what the package
# counts on this one: a pointer, a pointer and an enum; TfLiteNode with its registration.
_EVAL_TENSOR_BYTES = 12
_NODE_BYTES = 32
# The interpreter's own objects, and the alignment of persistent buffers, found with the figures
# of TFLM 90b983c2 on Cortex-M0+, M3 and M4 (docs/decisions) and rounded up.
_FIXED_BYTES = 320
_PER_BUFFER_BYTES = 4
# CMSIS-NN's fully-connected operator keeps 32 bytes more than the reference one.
_CMSIS_FULLY_CONNECTED_BYTES = 32
_CMSIS_FIXED_BYTES = 64
_ALIGNMENT = 16
_MOST_BYTES = 1 << 31
# While TFLM plans, the arena holds an AllocationInfo for every tensor and the planner's own lists
# instead of activations; of a small model that is more (micro_allocator.cc, 32-bit sizes).
_ALLOCATION_INFO_BYTES = 24
_PLANNED_BUFFER_BYTES = 40
_PLANNING_FIXED_BYTES = 48


@dataclass(frozen=True)
class Arena:
    """What TFLM needs.

    Attributes:
        bytes: Size to reserve.
        activation_bytes: Of it, activations and scratch.
        measured_bytes: What the package needed on this machine, for comparison.
        margin_bytes: Of it, what covers the conversion to 32 bits.
    """

    bytes: int
    activation_bytes: int
    measured_bytes: int
    margin_bytes: int


@dataclass(frozen=True)
class _Buffer:
    """Something in the arena that lives from one op to another."""

    size: int
    first: int
    last: int


def tflm_arena(model: Path, kernels: str) -> Arena:
    """The arena for a model on a Cortex-M4.

    Args:
        model: The .tflite file.
        kernels: "reference" or "cmsis-nn", whose scratch buffers differ.

    Raises:
        EdgeqError: The package is missing, or has no kernel for this model.
    """
    graph = read_graph(model)
    recorded = _recorded(model)
    cmsis = kernels == "cmsis-nn"
    buffers = _buffers(graph, cmsis=cmsis)
    # The package's own part has what its kernels ask for, and what lives in the branches of IF.
    head = max(plan_greedily(buffers), recorded["head"][0])
    structures = (
        recorded["TfLiteEvalTensor data"][1] * _EVAL_TENSOR_BYTES
        + recorded["NodeAndRegistration struct"][1] * _NODE_BYTES
        + recorded["Persistent buffer data"][0]
        + _more_tensors(recorded)
    )
    margin = _FIXED_BYTES + _PER_BUFFER_BYTES * recorded["Persistent buffer data"][1]
    if cmsis:
        dense = sum(op.name == "FULLY_CONNECTED" for op in graph.main.ops)
        structures += _CMSIS_FULLY_CONNECTED_BYTES * dense
        margin += _CMSIS_FIXED_BYTES
    planning = (
        _ALLOCATION_INFO_BYTES * recorded["TfLiteEvalTensor data"][1]
        + _PLANNED_BUFFER_BYTES * len(buffers)
        + _PLANNING_FIXED_BYTES
    )
    total = _aligned(structures + max(head + margin, planning))
    return Arena(total, head, recorded["total"][0], margin)


def _more_tensors(recorded: dict[str, tuple[int, int]]) -> int:
    """Bytes of the structures of inputs and outputs beyond the two that the margin covers."""
    each, count = recorded.get("Persistent TfLiteTensor data", (0, 0))
    more, _ = recorded.get("Persistent TfLiteTensor quantization data", (0, 0))
    return (each + more) * max(count - 2, 0) // max(count, 1)


def smallest_arena(model: Path) -> int:
    """The smallest arena in which the package on this machine can prepare a model, by trial.

    Raises:
        EdgeqError: The package is missing, or has no kernel for this model.
    """
    from edgeq.devices.interpreters import micro_interpreter

    content = model.read_bytes()
    micro_interpreter(content)  # whatever is wrong with the model itself is said here
    low, high = 0, _recorded(model)["total"][0]
    while not _is_enough(content, high):
        low, high = high, 2 * high
        if high > _MOST_BYTES:
            raise EdgeqError(
                f"TensorFlow Lite Micro prepares it in no arena of up to {_MOST_BYTES >> 20} MB.",
                str(model),
            )
    while high - low > _ALIGNMENT:
        middle = (low + high) // 2 // _ALIGNMENT * _ALIGNMENT
        low, high = (low, middle) if _is_enough(content, middle) else (middle, high)
    return high


def _is_enough(content: bytes, arena_bytes: int) -> bool:
    """Whether the package prepares a model in so many bytes; of a few too few, it writes beyond."""
    from edgeq.devices.fatal import holds
    from edgeq.devices.interpreters import micro_interpreter

    def prepared() -> bool:
        try:
            micro_interpreter(content, arena_bytes=arena_bytes)
        except EdgeqError:
            return False
        return True

    return holds(prepared)


def plan_greedily(buffers: Sequence[_Buffer]) -> int:
    """Bytes that TFLM's GreedyMemoryPlanner takes: largest first, each in the first gap.

    Source: tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc.
    """
    placed: list[tuple[int, _Buffer]] = []
    # The planner fills its list from the back: of equal sizes the later one comes first.
    order = sorted(range(len(buffers)), key=lambda number: (-buffers[number].size, -number))
    for buffer in (buffers[number] for number in order):
        offset = 0
        for start, other in sorted(placed, key=lambda entry: entry[0]):
            if other.last < buffer.first or other.first > buffer.last:
                continue
            if offset + buffer.size <= start:
                break
            offset = max(offset, start + other.size)
        placed.append((offset, buffer))
    return max((offset + buffer.size for offset, buffer in placed), default=0)


def _buffers(graph: Graph, *, cmsis: bool) -> list[_Buffer]:
    """Activations and scratch buffers of the main subgraph with their lifetimes."""
    subgraph = graph.main
    first = dict.fromkeys(subgraph.inputs, 0)
    last: dict[int, int] = {}
    scratch = []
    for number, op in enumerate(subgraph.ops):
        for index in op.outputs:
            first.setdefault(index, number)
            last[index] = number
        for index in op.inputs:
            if index >= 0:
                last[index] = number
        if cmsis and (size := _cmsis_scratch(graph, op)):
            scratch.append(_Buffer(_aligned(size), number, number))
    for index in subgraph.outputs:
        last[index] = len(subgraph.ops) - 1
    tensors = [
        _Buffer(_aligned(subgraph.tensors[index].bytes), start, last.get(index, start))
        for index, start in sorted(first.items())
        if not subgraph.tensors[index].is_variable
    ]
    return tensors + scratch


def _cmsis_scratch(graph: Graph, op: Op) -> int:
    """Scratch bytes of CMSIS-NN's int8 kernel for a core with the DSP extension.

    Source: arm_convolve_get_buffer_sizes_s8.c, arm_depthwise_conv_get_buffer_sizes_s8.c,
    arm_avgpool_get_buffer_sizes_s8.c.
    """
    tensors = graph.main.tensors
    if op.name == "AVERAGE_POOL_2D":
        return 4 * tensors[op.inputs[0]].shape[-1]
    if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 0
    _, height, width, channels = tensors[op.inputs[1]].shape
    if op.name == "DEPTHWISE_CONV_2D":
        return 0 if height == width == 3 else 2 * height * width * channels
    if height == width == 1:
        return 0
    columns = height * width * channels
    return 2 * 2 * (columns + -columns % 4)


def _aligned(size: int) -> int:
    return math.ceil(size / _ALIGNMENT) * _ALIGNMENT


def _recorded(model: Path) -> dict[str, tuple[int, int]]:
    """(bytes, count) of each kind of allocation that the package reports."""
    from edgeq.devices.interpreters import micro_interpreter
    from edgeq.devices.native_output import captured_stderr

    interpreter = micro_interpreter(model.read_bytes())
    with captured_stderr() as printed:
        interpreter.print_allocations()
        text = printed.text()
    found = {
        match[1]: (int(match[2]), int(match[3]))
        for match in re.finditer(r"'([^']+)' used (\d+) bytes.* for (\d+) ", text)
    }
    total = re.search(r"allocation total (\d+)", text)
    head = re.search(r"allocation head (\d+)", text)
    wanted = ("TfLiteEvalTensor data", "NodeAndRegistration struct", "Persistent buffer data")
    if total is None or head is None or any(kind not in found for kind in wanted):
        raise EdgeqError(
            "This version of the tflite-micro package does not report its allocations as expected.",
            hint="pip install --upgrade --pre tflite-micro",
        )
    return {**found, "total": (int(total[1]), 1), "head": (int(head[1]), 1)}
