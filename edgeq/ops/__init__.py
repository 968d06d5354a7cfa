"""One file per op: what it checks, what it becomes. OPS is the one list of them."""

from __future__ import annotations

from edgeq.ops.add import ADD
from edgeq.ops.average_pool_2d import AVERAGE_POOL_2D
from edgeq.ops.base import OpKind
from edgeq.ops.conv_2d import CONV_2D
from edgeq.ops.depthwise_conv_2d import DEPTHWISE_CONV_2D
from edgeq.ops.fully_connected import FULLY_CONNECTED
from edgeq.ops.reshape import EXPAND_DIMS, RESHAPE, SQUEEZE
from edgeq.ops.softmax import SOFTMAX

OPS: dict[str, OpKind] = {
    kind.name: kind
    for kind in (
        ADD,
        AVERAGE_POOL_2D,
        CONV_2D,
        DEPTHWISE_CONV_2D,
        EXPAND_DIMS,
        FULLY_CONNECTED,
        RESHAPE,
        SOFTMAX,
        SQUEEZE,
    )
}
