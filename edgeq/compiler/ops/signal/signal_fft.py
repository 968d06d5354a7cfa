"""SignalRfft and SignalIrfft: real FFTs whose length is a power of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.shared.base import (
    C_TYPES,
    INPUT,
    OUTPUT,
    SCRATCH,
    Call,
    Constant,
    Node,
    OpKind,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.custom import int_option, require_types, rows

TYPES = ("int16", "int32", "float32")
_SUFFIX = {"int16": "s16", "int32": "s32", "float32": "f32"}
_LONGEST = 1 << 16


def first_order(points: int) -> NDArray[np.int64]:
    """Which point of the input each point of the first stage takes: decimation in time."""
    order = np.zeros(1, np.int64)
    while len(order) < points:
        # A stage of radix 2, if there is one, is the innermost.
        radix = 2 if len(order) == 1 and int(math.log2(points)) % 2 else 4
        stride = points // (len(order) * radix)
        order = np.concatenate([order + leg * stride for leg in range(radix)])
    return order


def _twiddles(phases: Sequence[float], dtype: str) -> NDArray[Any]:
    """exp(i * phase) as pairs (real, imaginary).

    Source: kissfft 130, `kf_cexp`.
    """
    pairs = [part for phase in phases for part in (math.cos(phase), math.sin(phase))]
    if dtype == "float32":
        return np.asarray(pairs, np.float32)
    largest = np.iinfo(dtype).max
    return np.asarray([math.floor(0.5 + largest * part) for part in pairs], dtype)


def _lower(inverse: bool, node: Node) -> Call:
    dtype = node.input(0).dtype
    require(dtype in TYPES, f"{dtype} values")
    require_types(node, (dtype,), (dtype,))
    length = int_option(node, "fft_length", 4, _LONGEST)
    require(length & (length - 1) == 0, f"an FFT of length {length}, which is no power of two")
    points = length // 2
    count, input_length = rows(node.input(0))
    spectrum = rows(node.input(0) if inverse else node.output())
    signal = rows(node.output() if inverse else node.input(0))
    require(spectrum == (count, length + 2), f"a spectrum of shape {spectrum} for {length} points")
    fits = signal[1] == length if inverse else signal[1] <= length
    require(signal[0] == count and fits, f"a signal of shape {signal} for {length} points")
    sign = 1 if inverse else -1
    full = [sign * (2 * math.pi * i / points) for i in range(points)]
    halves = [sign * (math.pi * ((i + 1) / points + 0.5)) for i in range(points // 2)]
    ctype = C_TYPES[dtype]
    packed = dtype == "int16" and not inverse and points >= 4 and node.isa.has("dsp")
    params = {"rows": count, "input_length": input_length, "points": points}
    params["odd"] = int(math.log2(points)) % 2
    if not packed:
        params["inverse"] = int(inverse)
    return Call(
        "signal_fft",
        f"eq_signal_{'irfft' if inverse else 'rfft'}{'_dsp' * packed}_{_SUFFIX[dtype]}",
        f"eq_signal_fft{'_dsp' * packed}_params",
        params,
        (INPUT, *constant_args(3), SCRATCH, OUTPUT),
        (
            Constant("twiddles", ctype, _twiddles(full, dtype), "real, imaginary"),
            Constant("super_twiddles", ctype, _twiddles(halves, dtype), "real, imaginary"),
            Constant("order", "uint16_t", first_order(points)),
        ),
        scratch_bytes=2 * points * np.dtype(dtype).itemsize,
        kernels="dsp" if packed else "portable",
    )


SIGNAL_RFFT = OpKind("SignalRfft", partial(_lower, False), TYPES, custom=True)
SIGNAL_IRFFT = OpKind("SignalIrfft", partial(_lower, True), TYPES, custom=True)
