"""UNIDIRECTIONAL_SEQUENCE_LSTM: int8 and int16 activations with int16 cells, and float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.dsp.lstm import lower_dsp
from edgeq.compiler.ops.fpu.lstm_f32 import lower_f32
from edgeq.compiler.ops.mve.lstm import lower_mve
from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    ParamValue,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.quantized import check_accumulator, require_quantized
from edgeq.compiler.ops.shared.sigmoid_s16 import SIGMOID_TABLE, checked_log2
from edgeq.compiler.ops.shared.wide import reduced_multiplier
from edgeq.model.fixedpoint import dtype_range, quantize_multiplier
from edgeq.model.graph import Tensor

_WEIGHTS, _RECURRENT, _BIASES = range(1, 5), range(5, 9), range(12, 16)
_HIDDEN, _CELL = 18, 19
_LEFT_OUT = (9, 10, 11, 16, 17, 20, 21, 22, 23)
_TANH = 4
_STATE = (Arg("state", _HIDDEN), Arg("state", _CELL))
_WIDE_LIMIT = 1 << 47


def geometry(node: Node) -> dict[str, ParamValue]:
    """The shape fields of eq_lstm_params, with every tensor's shape checked."""
    require(len(node.op.inputs) == 24, f"{len(node.op.inputs)} inputs; 24 are needed")
    present = [position for position in _LEFT_OUT if node.has_input(position)]
    require(not present, f"input {present}: no peepholes, projections or layer norms")
    require(node.option("fused_activation_function") == _TANH, "the cell's activation is not TANH")
    source, output, hidden, cell = (
        node.input(0),
        node.output(),
        node.input(_HIDDEN),
        node.input(_CELL),
    )
    require(len(source.shape) == 3 and len(hidden.shape) >= 2, "shapes")
    time_major = node.option("time_major")
    first, second, input_c = source.shape
    batches, steps = (second, first) if time_major else (first, second)
    cells = hidden.shape[1]
    require(output.shape == (first, second, cells), f"output of shape {output.shape}")
    for state in (hidden, cell):
        require(state.is_variable and state.elements == batches * cells, "its state does not fit")
    for position in (*_WEIGHTS, *_RECURRENT):
        shape = (cells, input_c if position in _WEIGHTS else cells)
        require(node.input(position).shape == shape, f"weights of {node.input(position).shape}")
    for position in _BIASES:
        require(node.input(position).shape == (cells,), "a bias does not fit")
    return {
        "batches": batches,
        "steps": steps,
        "input_c": input_c,
        "cells": cells,
        "batch_input": input_c if time_major else steps * input_c,
        "step_input": batches * input_c if time_major else input_c,
        "batch_output": cells if time_major else steps * cells,
        "step_output": batches * cells if time_major else cells,
    }


def macs(node: Node) -> int:
    """Multiply-accumulates of one call."""
    weights = sum(node.input(position).elements for position in (*_WEIGHTS, *_RECURRENT))
    first, second, _ = node.input(0).shape
    return first * second * weights


def _stacked(node: Node, positions: range) -> NDArray[Any]:
    return np.concatenate([node.constant(position) for position in positions])


def _clip(node: Node, cell: Tensor) -> int:
    clip = float(node.option("cell_clip"))
    return int(min(max(clip / cell.scale, -32768.0), 32767.0)) if clip > 0 else -1


def _scalings(source: Tensor, tensors: list[Tensor], *, wide: bool) -> tuple[list[int], list[int]]:
    """Multiplier and shift per gate, from a sum of products to Q3.12.

    Source: TFLM `CreateGateParams`; without a bias the scales are multiplied in float32.
    """
    pairs = []
    for weights in tensors:
        require_quantized(weights)
        require(weights.quantization is not None and not weights.quantization.per_channel, "scales")
        product = float(np.float32(source.scale) * np.float32(weights.scale))
        real = product / 2.0**-12
        pairs.append(reduced_multiplier(real) if wide else quantize_multiplier(real))
    return [m for m, _ in pairs], [s for _, s in pairs]


def _folded(
    values: NDArray[Any], bias: NDArray[np.int64], source: Tensor
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The bias with the input's zero point in it, and the bound on the accumulator."""
    if source.dtype == "int8":
        bound = check_accumulator(values, bias, source.zero_point)
    else:
        reach = np.abs(values.astype(np.int64)).sum(axis=1) * (32768 + abs(source.zero_point))
        bound = reach + np.abs(bias)
        require(bool(np.all(bound < _WIDE_LIMIT)), "accumulators can reach 2**47")
    return bias - source.zero_point * values.astype(np.int64).sum(axis=1), bound


def _float32(node: Node, extent: dict[str, ParamValue]) -> Call:
    constants = (
        Constant("weights", "float", _stacked(node, _WEIGHTS), "gate, cell, input"),
        Constant("recurrent", "float", _stacked(node, _RECURRENT), "gate, cell, hidden"),
        Constant("bias", "float", _stacked(node, _BIASES), "gate, cell"),
    )
    require(all(c.values.dtype == np.float32 for c in constants), "types")
    require(node.input(_CELL).dtype == node.input(_HIDDEN).dtype == "float32", "types")
    cells = node.input(_HIDDEN).shape[1]
    call = Call(
        "lstm_f32",
        "eq_lstm_f32",
        "eq_lstm_f32_params",
        {**extent, "cell_clip": max(float(node.option("cell_clip")), 0.0)},
        (INPUT, *constant_args(3), *_STATE, SCRATCH, OUTPUT),
        constants,
        scratch_bytes=4 * cells,
        macs=macs(node),
    )
    return lower_f32(call) if node.isa.has("fpu") else call


def _scaling_params(node: Node, *, wide: bool) -> dict[str, ParamValue]:
    """The multipliers of eq_lstm_params. Source: TFLM `PrepareGateParametersInteger`."""
    source, hidden, cell = node.input(0), node.input(_HIDDEN), node.input(_CELL)
    inputs = _scalings(source, [node.input(i) for i in _WEIGHTS], wide=wide)
    recurrent = _scalings(hidden, [node.input(i) for i in _RECURRENT], wide=wide)
    gate_scale = 2.0**-15
    forget = quantize_multiplier(gate_scale * cell.scale / cell.scale)
    added = quantize_multiplier(gate_scale * gate_scale / cell.scale)
    shown = quantize_multiplier(gate_scale * gate_scale / hidden.scale)
    left = 12 + checked_log2(cell.scale)[0]
    require(-31 <= left < 15, f"a cell scale of {cell.scale}")
    low, high = dtype_range(hidden.dtype)
    return {
        "input_multiplier": inputs[0],
        "input_shift": inputs[1],
        "recurrent_multiplier": recurrent[0],
        "recurrent_shift": recurrent[1],
        "forget_multiplier": forget[0],
        "forget_shift": forget[1],
        "cell_multiplier": added[0],
        "cell_shift": added[1],
        "hidden_multiplier": shown[0],
        "hidden_shift": shown[1],
        "hidden_zero_point": hidden.zero_point,
        "hidden_min": low,
        "hidden_max": high,
        "tanh_multiplier": 3 << left if left >= 0 else 3,
        "tanh_shift": max(-left, 0),
        "cell_clip": _clip(node, cell),
    }


def lower(node: Node) -> Call:
    """The kernel call for one UNIDIRECTIONAL_SEQUENCE_LSTM. Source: TFLM lstm_eval.h."""
    source, hidden, cell, output = (
        node.input(0),
        node.input(_HIDDEN),
        node.input(_CELL),
        node.output(),
    )
    extent = geometry(node)
    if source.dtype == "float32":
        return _float32(node, extent)
    kind = source.dtype
    require(kind in ("int8", "int16"), f"{kind} activations")
    require(hidden.dtype == output.dtype == kind and cell.dtype == "int16", "types")
    require_quantized(source, hidden, cell)
    require(min(hidden.scale, cell.scale) > 0, "scales must be positive")
    weights, recurrent = _stacked(node, _WEIGHTS), _stacked(node, _RECURRENT)
    biases = _stacked(node, _BIASES)
    require(weights.dtype == recurrent.dtype == np.int8, "weights must be int8")
    wide = kind == "int16"
    sums = "int64_t" if wide else "int32_t"
    require(biases.dtype == (np.int64 if wide else np.int32), f"{biases.dtype} biases")
    bias, bound = _folded(weights, biases.astype(np.int64), source)
    recurrent_bias, recurrent_bound = _folded(recurrent, np.zeros(len(recurrent), np.int64), hidden)
    params = {**extent, **_scaling_params(node, wide=wide)}
    if node.isa.has("dsp") and node.optimize != "size":
        gates = {
            "input": (weights, bias, bound),
            "recurrent": (recurrent, recurrent_bias, recurrent_bound),
        }
        lower_fast = lower_mve if node.isa.has("mve") else lower_dsp
        call = lower_fast(params, gates, _STATE, macs(node), wide=wide)
        if call is not None:
            return call
    return Call(
        "lstm",
        "eq_lstm_s16" if wide else "eq_lstm_s8",
        "eq_lstm_params",
        params,
        (INPUT, *constant_args(5), *_STATE, SCRATCH, OUTPUT),
        (
            Constant("weights", "int8_t", weights, "gate, cell, input"),
            Constant("recurrent", "int8_t", recurrent, "gate, cell, hidden"),
            Constant("bias", sums, bias, "gate, cell; zero points folded in"),
            Constant("recurrent_bias", sums, recurrent_bias, "gate, cell"),
            SIGMOID_TABLE,
        ),
        scratch_bytes=hidden.shape[1] * (2 if wide else 1),
        macs=macs(node),
    )


UNIDIRECTIONAL_SEQUENCE_LSTM = OpKind(
    "UNIDIRECTIONAL_SEQUENCE_LSTM", lower, ("int8", "int16", "float32"), macs
)
