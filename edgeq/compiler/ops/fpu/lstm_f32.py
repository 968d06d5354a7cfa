"""UNIDIRECTIONAL_SEQUENCE_LSTM in float32 for Arm cores with an FPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.ops.fpu.fully_connected_f32 import ROWS
from edgeq.compiler.ops.fpu.groups import stream
from edgeq.compiler.ops.shared.base import Call, Constant, constant_args

_GATES = 4


def lower_f32(portable: Call) -> Call:
    """The kernel's call, made of that of the portable kernel."""
    weights, recurrent, bias = (constant.values for constant in portable.constants)
    tables = (
        Constant("weights", "float", _stream(weights, bias), "cell by cell, rows by eights"),
        Constant(
            "recurrent",
            "float",
            _stream(recurrent, np.zeros_like(bias)),
            "cell by cell, rows by eights",
        ),
    )
    first, *_ = portable.args
    return replace(
        portable,
        function="eq_lstm_fpu_f32",
        args=(first, *constant_args(2), *portable.args[4:]),
        constants=tables,
        kernels="fpu",
    )


def _stream(rows: NDArray[Any], bias: NDArray[Any]) -> NDArray[np.float32]:
    """Rows in the order gate, cell as groups of rows in the order cell, gate."""
    by_cell = rows.reshape(_GATES, -1, rows.shape[-1]).swapaxes(0, 1).reshape(rows.shape)
    return stream(by_cell, bias.reshape(_GATES, -1).T.reshape(-1), ROWS)
