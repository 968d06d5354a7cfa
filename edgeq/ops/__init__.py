"""One file per op: what it checks, what it becomes. OPS is the one list of them."""

from __future__ import annotations

from edgeq.ops.add import ADD
from edgeq.ops.arithmetic import FLOOR_DIV, FLOOR_MOD
from edgeq.ops.average_pool_2d import AVERAGE_POOL_2D
from edgeq.ops.base import OpKind
from edgeq.ops.comparisons import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL
from edgeq.ops.conv_2d import CONV_2D
from edgeq.ops.depthwise_conv_2d import DEPTHWISE_CONV_2D
from edgeq.ops.fully_connected import FULLY_CONNECTED
from edgeq.ops.join import CONCATENATION, PACK
from edgeq.ops.logical import LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR
from edgeq.ops.maximum_minimum import MAXIMUM, MINIMUM
from edgeq.ops.mul import MUL
from edgeq.ops.prelu import PRELU
from edgeq.ops.repeat import BROADCAST_TO, TILE
from edgeq.ops.reshape import EXPAND_DIMS, RESHAPE, SQUEEZE
from edgeq.ops.reverse_v2 import REVERSE_V2
from edgeq.ops.slice import SLICE
from edgeq.ops.softmax import SOFTMAX
from edgeq.ops.space_depth import DEPTH_TO_SPACE, SPACE_TO_DEPTH
from edgeq.ops.split import SPLIT, SPLIT_V, UNPACK
from edgeq.ops.squared_difference import SQUARED_DIFFERENCE
from edgeq.ops.strided_slice import STRIDED_SLICE
from edgeq.ops.sub import SUB
from edgeq.ops.transpose import TRANSPOSE

OPS: dict[str, OpKind] = {
    kind.name: kind
    for kind in (
        ADD,
        AVERAGE_POOL_2D,
        BROADCAST_TO,
        CONCATENATION,
        CONV_2D,
        DEPTHWISE_CONV_2D,
        DEPTH_TO_SPACE,
        EQUAL,
        EXPAND_DIMS,
        FLOOR_DIV,
        FLOOR_MOD,
        FULLY_CONNECTED,
        GREATER,
        GREATER_EQUAL,
        LESS,
        LESS_EQUAL,
        LOGICAL_AND,
        LOGICAL_NOT,
        LOGICAL_OR,
        MAXIMUM,
        MINIMUM,
        MUL,
        NOT_EQUAL,
        PACK,
        PRELU,
        RESHAPE,
        REVERSE_V2,
        SLICE,
        SOFTMAX,
        SPACE_TO_DEPTH,
        SPLIT,
        SPLIT_V,
        SQUARED_DIFFERENCE,
        SQUEEZE,
        STRIDED_SLICE,
        SUB,
        TILE,
        TRANSPOSE,
        UNPACK,
    )
}
