"""MAXIMUM and MINIMUM: of the integers as they are, as TFLite takes one scale for granted."""

from __future__ import annotations

from edgeq.ops.arithmetic import plain_call
from edgeq.ops.base import OpKind

_TYPES = ("int8", "uint8", "int16", "int32", "int64", "float32")

MAXIMUM = OpKind("MAXIMUM", lambda node: plain_call(node, "maximum", _TYPES), _TYPES)
MINIMUM = OpKind("MINIMUM", lambda node: plain_call(node, "minimum", _TYPES), _TYPES)
