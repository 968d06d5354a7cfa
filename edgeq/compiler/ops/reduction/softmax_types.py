"""SOFTMAX of types other than int8 to int8: int16, int8 to int16, and float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Call,
    Constant,
    Node,
    Overlap,
    constant_args,
    require,
)
from edgeq.model.fixedpoint import quantize_multiplier

_STEPS = 512
_RANGE = 65535


def _near(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= 0.001 * wanted


def interpolation_table(
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    scale: float,
    zero_point: int,
) -> NDArray[np.int16]:
    """513 points of a function over the int16 range, in Q0.15, with half the error in between.

    Args:
        function: In float32.
        scale, zero_point: Of the int16 argument.

    Source: TFLite `LUTPopulateInt16`.
    """
    single = np.float32
    low = single(scale) * single(-32768 - zero_point)
    high = single(scale) * single(32767 - zero_point)
    step = (high - low) / single(_STEPS)
    output_scale = single(2.0) / single(_RANGE)
    factor = single(65536) / (output_scale * single(32767) - output_scale * single(-32768))

    def rounded(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.trunc(x + np.copysign(single(0.5), x)), np.float32)

    places = np.arange(_STEPS, dtype=np.float32)
    value = function(low + places * step)
    middle = function(low + places * step + step / single(2))
    after = function(low + (places + single(1)) * step)
    sample = rounded(value * factor)
    between = rounded((after * factor + sample) / single(2))
    error = rounded((between - rounded(middle * factor)) / single(2))
    last = rounded(function(np.asarray([high], np.float32)) * factor)
    table = np.concatenate([sample - error, last])
    return np.asarray(np.clip(table, -32768, 32767), np.int16)


def _exp(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.exp(x.astype(np.float64)).astype(np.float32)


def _reciprocal(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.float32(1) / (np.float32(1) + x), np.float32)


def lower_other_type(
    node: Node, rows: dict[str, int], exp_table: Callable[[float, float], NDArray[np.int64]]
) -> Call:
    """The kernel call of a SOFTMAX that is not int8 to int8.

    Args:
        rows: The fields rows and depth.
        exp_table: Makes the table for int8 inputs from scale and beta.
    """
    source, output, beta = node.input(0), node.output(), float(node.option("beta"))
    types = (source.dtype, output.dtype)
    quantization = f"output scale and zero point {(output.scale, output.zero_point)}"
    if types == ("float32", "float32"):
        return Call(
            "softmax_f32",
            "eq_softmax_f32",
            "eq_softmax_f32_params",
            {**rows, "beta": beta},
            (INPUT, OUTPUT),
            overlaps=(Overlap(0),),
        )
    if types == ("int8", "int16"):
        fits = _near(output.scale, 1 / 65536) and output.zero_point == -32768
        require(fits, quantization)
        table = exp_table(source.scale, beta)
        return Call(
            "softmax_s16",
            "eq_softmax_s8_s16",
            "eq_softmax_params",
            {**rows, "table_size": len(table)},
            (INPUT, *constant_args(1), OUTPUT),
            (Constant("exp_table", "int32_t", table, "exp(-d * scale), Q0.31"),),
        )
    require(types == ("int16", "int16"), f"types {types}")
    fits = _near(output.scale, 1 / 32768) and output.zero_point == source.zero_point == 0
    require(fits, quantization)
    multiplier, shift = quantize_multiplier(source.scale * beta / (10.0 / _RANGE))
    exp_step, unit_step = (
        float(np.float32(10.0) / np.float32(_RANGE)),
        float(np.float32(1.0) / _RANGE),
    )
    reciprocal = interpolation_table(_reciprocal, unit_step, -32768)
    return Call(
        "softmax_s16",
        "eq_softmax_s16",
        "eq_softmax_s16_params",
        {**rows, "multiplier": multiplier, "shift": shift},
        (INPUT, *constant_args(2), OUTPUT),
        (
            Constant("exp_lut", "int16_t", interpolation_table(_exp, exp_step, 32767)),
            Constant("reciprocal_lut", "int16_t", reciprocal),
        ),
        overlaps=(Overlap(0),),
    )
