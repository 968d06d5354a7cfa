"""Weights stored in fewer bits of float, unpacked when the model runs.

bfloat16 weights are read by a CAST. No op reads 8-bit floats, so they are stored as their codes
and looked up in a table of the 256 values (CAST to int32, GATHER). A power of two per tensor,
which is part of the table, moves the largest weight to the top of the format's range; tensors with
the same power share a table.

Source: "FP8 Formats for Deep Learning", Micikevicius et al., 2022 (e4m3 has no infinities).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    add_constant,
    drop_unused,
    indices,
    new_op,
    new_tensor,
    op_kinds,
)
from edgeq.conversion.network import Network

# Where the weights of an op are; biases and the constants of other ops are small, and stay.
_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1,
            "GATHER": 0, "BATCH_MATMUL": 1}  # fmt: skip
_TABLE_VALUES = 256


def store_weights(network: Network, dtype: str) -> Network:
    """The float network with its weights stored as "bfloat16", "float8-e4m3" or "float8-e5m2"."""
    model, graph = network.model, network.graph
    kinds = op_kinds(model)
    tables: dict[int, int] = {}
    unpacked: dict[int, list[Any]] = {}
    for op in graph.operators:
        position = _WEIGHTS.get(kinds[op.opcodeIndex])
        index = -1 if position is None else indices(op.inputs)[position]
        values = None if index < 0 or index in unpacked else _constant(model, index)
        # A table costs more than it saves for fewer values than it has.
        if values is not None and (dtype == "bfloat16" or values.size > 2 * _TABLE_VALUES):
            graph.tensors[index].buffer = 0
            if dtype == "bfloat16":
                unpacked[index] = [_bfloat16(model, index, values)]
            else:
                unpacked[index] = _float8(model, index, values, dtype, tables)
    operators: list[Any] = []
    for op in graph.operators:  # whichever op reads them first
        for index in indices(op.inputs):
            operators += unpacked.pop(index, [])
        operators.append(op)
    graph.operators = operators
    drop_unused(model)
    return network


def _constant(model: Any, index: int) -> NDArray[np.float32] | None:
    tensor = model.subgraphs[0].tensors[index]
    raw = model.buffers[tensor.buffer].data
    if tensor.type != TENSOR_CODES["float32"] or raw is None or not len(raw):
        return None
    return np.frombuffer(bytes(raw), np.float32)


def _bfloat16(model: Any, index: int, values: NDArray[np.float32]) -> Any:
    """The op that unpacks a weight tensor from the upper halves of its floats."""
    bits = values.view(np.uint32)
    # Round to nearest, ties to even: carry into the upper half before the lower one is cut off.
    halves = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    tensor = model.subgraphs[0].tensors[index]
    packed = new_tensor(model, tensor.name.decode() + "/bfloat16", tensor.shape, "bfloat16")
    model.subgraphs[0].tensors[packed].buffer = add_constant(model, halves)
    return _cast(model, packed, index, "bfloat16", "float32")


def _float8(
    model: Any, index: int, values: NDArray[np.float32], dtype: str, tables: dict[int, int]
) -> list[Any]:
    """The ops that look a weight tensor up in a table of 8-bit floats."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[index]
    name = tensor.name.decode()
    codes, power = encode_float8(values, dtype)
    if power not in tables:
        tables[power] = new_tensor(model, f"{dtype}/times_2^{power}", [_TABLE_VALUES], "float32")
        scaled = np.ldexp(np.nan_to_num(float8_values(dtype), posinf=0, neginf=0), power)
        graph.tensors[tables[power]].buffer = add_constant(model, scaled.astype(np.float32))
    packed = new_tensor(model, f"{name}/{dtype}", tensor.shape, "uint8")
    graph.tensors[packed].buffer = add_constant(model, codes)
    wide = new_tensor(model, f"{name}/codes", tensor.shape, "int32")
    return [
        _cast(model, packed, wide, "uint8", "int32"),
        new_op(model, "GATHER", [tables[power], wide], [index]),
    ]


def _cast(model: Any, source: int, result: int, before: str, after: str) -> Any:
    from ai_edge_litert.schema_py_generated import BuiltinOptions, CastOptionsT

    op = new_op(model, "CAST", [source], [result])
    op.builtinOptionsType, op.builtinOptions = BuiltinOptions.CastOptions, CastOptionsT()
    op.builtinOptions.inDataType = TENSOR_CODES[before]
    op.builtinOptions.outDataType = TENSOR_CODES[after]
    return op


def float8_values(dtype: str) -> NDArray[np.float64]:
    """The 256 values of an 8-bit float format, by code; NaN and infinity included."""
    mantissa_bits, bias = {"float8-e4m3": (3, 7), "float8-e5m2": (2, 15)}[dtype]
    codes = np.arange(_TABLE_VALUES)
    mantissa = (codes & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    exponent = (codes & 0x7F) >> mantissa_bits
    size = np.where(
        exponent == 0,
        np.ldexp(mantissa, 1 - bias),
        np.ldexp(1 + mantissa, exponent - bias),
    )
    if dtype == "float8-e4m3":
        size[codes & 0x7F == 0x7F] = np.nan
    else:
        top = exponent == 31
        size[top] = np.where(mantissa[top] == 0, np.inf, np.nan)
    return np.where(codes & 0x80, -size, size)


def encode_float8(values: NDArray[np.float32], dtype: str) -> tuple[NDArray[np.uint8], int]:
    """Codes of the nearest 8-bit floats, ties to even, and the power of two to multiply by."""
    table = float8_values(dtype)
    positive = table[:128][np.isfinite(table[:128])]
    largest = float(np.abs(values).max(initial=0.0))
    power = int(np.ceil(np.log2(largest / positive[-1]))) if largest > 0 else 0
    size = np.ldexp(np.abs(values.astype(np.float64)), -power)
    above = np.clip(np.searchsorted(positive, size), 1, len(positive) - 1)
    low, high = positive[above - 1], positive[above]
    nearer_high = (high - size < size - low) | ((high - size == size - low) & (above % 2 == 0))
    codes = np.where(nearer_high, above, above - 1).astype(np.uint8)
    return codes | np.where(np.signbit(values), 0x80, 0).astype(np.uint8), power
