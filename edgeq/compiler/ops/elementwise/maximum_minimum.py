"""MAXIMUM and MINIMUM: of the integers as they are, as TFLite takes one scale for granted."""

from __future__ import annotations

from functools import partial

import numpy as np

from edgeq.compiler.ops.elementwise.arithmetic import plain_call
from edgeq.compiler.ops.shared.base import Call, Node, OpKind
from edgeq.compiler.ops.shared.lookup import Pairwise, scalar_lookup

_TYPES = ("int8", "uint8", "int16", "int32", "int64", "float32")


def _lower(function: str, compute: Pairwise, node: Node) -> Call:
    return scalar_lookup(node, compute) or plain_call(node, function, _TYPES)


MAXIMUM = OpKind("MAXIMUM", partial(_lower, "maximum", np.maximum), _TYPES)
MINIMUM = OpKind("MINIMUM", partial(_lower, "minimum", np.minimum), _TYPES)
