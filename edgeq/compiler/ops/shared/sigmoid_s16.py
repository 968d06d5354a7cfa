"""LOGISTIC and TANH on int16: linear interpolation in one table, the sigmoid's right half."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    Overlap,
    require,
)
from edgeq.model.graph import Tensor

# Sigmoid of 0, 1/24, 2/24, ... in Q16. Source: TFLite `sigmoid_table_uint16`; it is not rounded
# in any one way, so it is data and no formula.
# fmt: off
_SIGMOID = (
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794,
    41432, 42064, 42688, 43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443,
    48964, 49475, 49975, 50464, 50942, 51409, 51865, 52311, 52745, 53169, 53581, 53983, 54374,
    54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433, 57724, 58007, 58280, 58544,
    58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110, 61279,
    61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990,
    63090, 63186, 63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030,
    64090, 64148, 64204, 64257, 64308, 64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652,
    64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900, 64926, 64950, 64974, 64997, 65019,
    65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208, 65221, 65234,
    65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360,
    65367, 65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433,
    65438, 65442, 65445, 65449, 65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476,
    65479, 65481, 65483, 65485, 65488, 65489, 65491, 65493, 65495, 65497, 65498, 65500, 65501,
    65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513, 65514, 65515, 65516,
    65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529,
    65529, 65530, 65530, 65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532,
    65532, 65532, 65532, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65534, 65534,
    65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
)
# fmt: on
SIGMOID_TABLE = Constant("sigmoid", "uint16_t", np.asarray(_SIGMOID, np.uint16), "Q16, by 1/24")


def checked_log2(x: float) -> tuple[int, bool]:
    """The nearest power of two, and whether it is near. Source: TFLite `CheckedLog2`."""
    exact = np.float32(np.log(np.float32(x))) * (np.float32(1) / np.float32(math.log(2)))
    rounded = math.floor(abs(float(exact)) + 0.5) * (1 if exact >= 0 else -1)
    return rounded, abs(float(exact) - rounded) < 1e-3


def table_scaling(source: Tensor, powers: tuple[int, ...]) -> tuple[int, int]:
    """Multiplier and right shift that bring an int16 input to the table's steps.

    Args:
        powers: Left shifts for which a scale that is a power of two needs no multiplier.

    Source: TFLM `CalculateArithmeticOpDataLogistic` and `CalculateArithmeticOpDataTanh`.
    """
    log2, exact = checked_log2(source.scale)
    if exact and 12 + log2 in powers:
        return 3 << (12 + log2), 0
    multiplier, shift = source.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift, multiplier = shift + 1, multiplier * 2.0
    # For larger ones the reference's product overflows.
    require(1 <= multiplier < 65536, f"an input scale of {source.scale}")
    return int(multiplier), shift


def lower_s16(node: Node, name: str) -> Call:
    """The kernel call for an int16 "logistic" or "tanh"."""
    source, output = node.input(0), node.output()
    require((source.dtype, output.dtype) == ("int16", "int16"), f"{source.dtype} values")
    require(min(source.scale, output.scale) > 0, "scales must be positive")
    require(source.zero_point == output.zero_point == 0, "int16 has no zero point here")
    require(checked_log2(output.scale) == (-15, True), f"an output scale of {output.scale}")
    require(source.elements == output.elements, f"shapes {source.shape} and {output.shape}")
    multiplier, shift = table_scaling(source, (0,) if name == "logistic" else (0, 1))
    return Call(
        "sigmoid_s16",
        f"eq_{name}_s16",
        "eq_sigmoid_s16_params",
        {"size": output.elements, "multiplier": multiplier, "shift": shift},
        (INPUT, Arg("constant"), OUTPUT),
        (SIGMOID_TABLE,),
        overlaps=(Overlap(0),),
    )
