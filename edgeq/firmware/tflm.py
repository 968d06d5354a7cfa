"""`--runtime tflm`: a model for TensorFlow Lite Micro, with the same C functions as generated code.

The array, a resolver with exactly the model's ops, the arena, and known results; TFLM itself is
the user's, at TFLM_ROOT.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

from edgeq import __version__
from edgeq.compiler.codegen.literals import check_identifier, identifier
from edgeq.compiler.ops.shared.base import C_TYPES
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.tensors import graph_specs, profile_inputs
from edgeq.devices.tflm import refuse_wrong
from edgeq.errors import EdgeqError
from edgeq.firmware.model import FirmwareModel, ModelTensor, TflmNeeds, accessor
from edgeq.firmware.rendering import render_file
from edgeq.firmware.tflm_arena import KERNELS, Arena, tflm_arena
from edgeq.model.graph import Graph, Op
from edgeq.model.model_file import read_graph

# Methods of MicroMutableOpResolver whose names are not the op's name in camel case.
_METHODS = {"PADV2": "PadV2", "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM"}
_METHODS |= {"CUMSUM": "CumSum", "BATCH_MATMUL": "BatchMatMul"}
_METHODS |= {"TFLite_Detection_PostProcess": "DetectionPostprocess"}

# Ops with a registration of their own for int8, and its header.
_INT8 = {
    "ADD": "add",
    "AVERAGE_POOL_2D": "pooling",
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise_conv",
    "FULLY_CONNECTED": "fully_connected",
    "MAX_POOL_2D": "pooling",
    "SOFTMAX": "softmax",
}

# Sources under tensorflow/lite/micro/kernels/ that are not named after their op.
_STEMS = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise_conv",
    "AVERAGE_POOL_2D": "pooling",
    "MAX_POOL_2D": "pooling",
    "RELU": "activations",
    "RELU6": "activations",
    "ARG_MAX": "arg_min_max",
    "ARG_MIN": "arg_min_max",
    "MAXIMUM": "maximum_minimum",
    "MINIMUM": "maximum_minimum",
    "PADV2": "pad",
    "REVERSE_V2": "reverse",
    "SELECT_V2": "select",
    "L2_NORMALIZATION": "l2norm",
    "TFLite_Detection_PostProcess": "detection_postprocess",
    "LOGICAL_AND": "logical",
    "LOGICAL_OR": "logical",
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"), "reduce"),
    **dict.fromkeys(("ABS", "COS", "LOG", "LOGICAL_NOT", "RSQRT", "SIN"), "elementwise"),
    **dict.fromkeys(("SQRT", "SQUARE"), "elementwise"),
    **dict.fromkeys(
        ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), "comparisons"
    ),
}


def tflm_model(
    path: Path, name: str | None, *, kernels: str, hook: str = "", golden: bool = True
) -> FirmwareModel:
    """A model wrapped for TensorFlow Lite Micro.

    Args:
        path: The .tflite file.
        name: Prefix of its C functions; from the file's name by default.
        kernels: "reference" or "cmsis-nn", which the arena is made for.
        hook: A header that defines EQ_OP(index), called before each op; "" for none.
        golden: Add a known input and what every op makes of it.

    Raises:
        EdgeqError: TFLM cannot run this model, or the `tflite-micro` package is missing.
    """
    if kernels not in KERNELS:
        raise EdgeqError(f"TFLM has no kernels '{kernels}'.", hint=", ".join(KERNELS))
    graph = read_graph(path)
    refuse_wrong(graph)
    _check_wrapped(graph)
    prefix = check_identifier(name) if name else identifier(path.stem)
    arena = tflm_arena(path, kernels)
    raw = path.read_bytes()
    inputs, outputs = (_tensors(graph, prefix, kind) for kind in ("input", "output"))
    known_inputs, known_ops = _known(path, graph) if golden else ([], [])
    context = {
        "edgeq_version": __version__,
        "name": prefix,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "arena": arena,
        "kernels": kernels,
        "ops": [_registration(graph, name) for name in _kinds(graph)],
        "headers": sorted({_INT8[op.name] for op in _ops(graph) if _is_int8(graph, op)}),
        "op_count": len(graph.main.ops),
        "has_state": graph.keeps_state,
        "inputs": inputs,
        "outputs": outputs,
        "known_inputs": [_rows(value) for value in known_inputs],
        "known_ops": known_ops,
        "hook": hook,
        "golden": golden,
        "model_bytes": len(raw),
        "model_rows": _rows(raw),
    }
    files = {
        f"{prefix}.h": render_file("tflm/model.h", context),
        f"{prefix}.cc": render_file("tflm/model.cc", context),
        f"{prefix}_weights.cc": render_file("tflm/weights.cc", context),
    }
    stems = sorted({_STEMS.get(name, name.lower()) for name in _kinds(graph)})
    if "unidirectional_sequence_lstm" in stems:
        stems += ["lstm_eval", "micro_tensor_utils"]
    return FirmwareModel(
        name=prefix,
        sha256=str(context["sha256"]),
        files=files,
        inputs=inputs,
        outputs=outputs,
        arena_bytes=arena.bytes,
        ops=tuple(op.index for op in graph.main.ops),
        flash_bytes=len(raw),
        has_state=bool(context["has_state"]),
        has_selftest=golden,
        tflm=TflmNeeds(kernels, tuple(stems)),
        notes=(_arena_note(prefix, arena, kernels),),
    )


def _arena_note(prefix: str, arena: Arena, kernels: str) -> str:
    return (
        f"{prefix}: TFLM arena {arena.bytes:,} bytes for a Cortex-M4 with {kernels} kernels, "
        f"of which {arena.margin_bytes:,} are margin ({arena.measured_bytes:,} used here)"
    )


def _ops(graph: Graph) -> list[Op]:
    """The ops of all subgraphs, each of which TFLM prepares, whether it runs or not."""
    return [op for subgraph in graph.subgraphs for op in subgraph.ops]


def _kinds(graph: Graph) -> list[str]:
    """The names of all ops, custom ones too."""
    return sorted({op.custom_name or op.name for op in _ops(graph)})


def _check_wrapped(graph: Graph) -> None:
    """Refuse what TFLM has, and the wrapper has not.

    Signal ops have sources and libraries of their own in TFLM's tree, variables need memory beside
    the arena, and CIRCULAR_BUFFER ends a call early, which is no error.

    Raises:
        EdgeqError: There are such ops.
    """
    for subgraph in graph.subgraphs:
        for op in subgraph.ops:
            if (op.custom_name and op.custom_name not in _METHODS) or op.name == "VAR_HANDLE":
                raise EdgeqError(
                    f"--runtime tflm wraps no {op.custom_name or 'variables (VAR_HANDLE)'}.",
                    f"{graph.path}, {subgraph.describe(op)}",
                    "--runtime c: edgeq's own C has it",
                )


def _method(name: str) -> str:
    parts = name.split("_")
    camel = "".join(part if part[:1].isdigit() else part.capitalize() for part in parts)
    return _METHODS.get(name, camel)


def _registration(graph: Graph, name: str) -> str:
    """The call that adds the ops of a name to the resolver."""
    same = [op for op in _ops(graph) if op.name == name]
    small = bool(same) and all(_is_int8(graph, op) for op in same)
    variant = f"tflite::Register_{name}_INT8()" if small else ""
    return f"Add{_method(name)}({variant})"


def _is_int8(graph: Graph, op: Op) -> bool:
    """Whether the int8 registration of an op, which is smaller, can run it."""
    if op.name not in _INT8:
        return False
    indices = [*op.inputs[:2], *op.outputs]
    tensors = graph.subgraphs[op.subgraph].tensors
    return all(tensors[index].dtype == "int8" for index in indices if index >= 0)


def _tensors(graph: Graph, prefix: str, kind: str) -> tuple[ModelTensor, ...]:
    indices = graph.main.inputs if kind == "input" else graph.main.outputs
    found = []
    for position, index in enumerate(indices):
        tensor = graph.main.tensors[index]
        quantized = tensor.quantization is not None
        found.append(
            ModelTensor(
                function=accessor(prefix, kind, position),
                bytes=tensor.bytes,
                shape=tensor.shape,
                dtype=tensor.dtype,
                ctype=C_TYPES[tensor.dtype],
                scale=tensor.scale if quantized else 0.0,
                zero_point=tensor.zero_point if quantized else 0,
            )
        )
    return tuple(found)


def _known(path: Path, graph: Graph) -> tuple[list[bytes], list[dict[str, int]]]:
    """A known input, as raw bytes, and what every op makes of it in TFLM on this machine."""
    specs = graph_specs(graph, graph.main.inputs)
    inputs = profile_inputs(specs, 0)
    with open_device("tflm").open(path, CompileOptions()) as session:
        values = session.trace(inputs)
    entries = []
    for number, op in enumerate(graph.main.ops):
        for index in op.outputs:
            raw = values[index].tobytes() if index in values else b""
            if raw:
                known = {"op": number + 1, "tensor": index, "bytes": len(raw)}
                entries.append({**known, "crc": zlib.crc32(raw)})
    return [value.tobytes() for value in inputs], entries


def _rows(raw: bytes) -> list[str]:
    return [
        ", ".join(f"0x{byte:02X}" for byte in raw[start : start + 14])
        for start in range(0, len(raw), 14)
    ]
