"""Which weights are kept as 4-bit codes: what that saves against what its kernels take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgeq.compiler.ops import OPS
from edgeq.compiler.ops.shared.base import Isa, Node, Unsupported
from edgeq.compiler.ops.shared.packed import VALUES, codes_of
from edgeq.compiler.plan.checks import check_operands
from edgeq.model.fixedpoint import OutOfRange
from edgeq.model.graph import Op, Subgraph

_PACKABLE = ("CONV_2D", "FULLY_CONNECTED")
# A model in which other layers of an op keep their weights as bytes has one kernel more.
KERNEL_BYTES = 1024


def packed_weights(
    ops: Iterable[Op], subgraph: Subgraph, isa: Isa, optimize: str
) -> frozenset[int]:
    """The weight tensors to be kept as 4-bit codes, by index.

    An op's kernels decide which layers they can unpack at a price that `optimize` allows. All of
    them are packed if none of that op is left over, or if together they save more than one more
    kernel takes.
    """
    if optimize == "speed":
        return frozenset()
    packed: set[int] = set()
    by_name: Mapping[str, list[Op]] = {name: [] for name in _PACKABLE}
    for op in ops:
        if op.name in by_name:
            by_name[op.name].append(op)
    for layers in by_name.values():
        saved = {
            op.inputs[1]: _saved_bytes(op, subgraph, isa, optimize)
            for op in layers
            if len(op.inputs) > 1
        }
        worth = {index for index, saving in saved.items() if saving > 0}
        if len(worth) == len(saved) or sum(saved[i] for i in worth) > KERNEL_BYTES:
            packed |= worth
    return frozenset(packed)


def _saved_bytes(op: Op, subgraph: Subgraph, isa: Isa, optimize: str) -> int:
    """What packing a layer's weights would save; nothing where no kernel unpacks them."""
    node = Node(op, subgraph, isa, optimize, frozenset(op.inputs[1:2]))
    if not node.has_input(1):
        return 0
    weights = node.input(1)
    kinds = ("int8", "int4") if optimize == "size" else ("int4",)
    if weights.data is None or weights.dtype not in kinds or codes_of(weights.data) is None:
        return 0
    try:
        check_operands(node)
        call = OPS[op.name].lower(node)
    except (Unsupported, OutOfRange, ValueError, ArithmeticError, LookupError):
        return 0  # lowering it for good says what is in the way
    return weights.elements // 2 - VALUES if call is not None and call.packed else 0
