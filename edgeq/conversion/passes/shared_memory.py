"""Values that LiteRT writes over before they are read again get a second reader, which it counts.

LiteRT's kernels for sums, products and softmax write over an input that nothing else reads, and a
RESHAPE shares the memory of what it is given. Whether something else reads, it counts at the tensor
that the memory is of, and at the one that the op is given, but not at those between them:

    SUB -> a, RESHAPE -> b, ADD -> a:  a RESHAPE of a is written over where the sum goes
    SUM -> x; ADD(x, 1) -> a; RESHAPE(a) -> b; ADD(b, y) -> c (written over b, a and x); TANH(a)

Here what reads `a` after that op reads `b` instead, brought back to a's shape where that matters.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.moves import reshape
from edgeq.conversion.network import Network

_VIEWS = frozenset({"RESHAPE", "EXPAND_DIMS", "SQUEEZE", "BITCAST"})
# Inputs that an op may write over, the first ones.
_IN_PLACE = {"ADD": 2, "SUB": 2, "MUL": 2, "DIV": 2, "SOFTMAX": 1, "DYNAMIC_UPDATE_SLICE": 1}


def keep_shared_values(network: Network) -> Network:
    """The network without values that LiteRT writes over while they are needed."""
    while True:
        found = _first_lost(network)
        if found is None:
            return network
        _read_through(network, *found)


def _first_lost(network: Network) -> tuple[int, Any, int] | None:
    """What an op writes over by what it reads, an op behind it, and what that one loses."""
    ops, uses = network.ops, _uses(network)
    owner: dict[int, int] = {}
    for place, op in enumerate(ops):
        given = _shared(network, op, owner, uses)
        if given is None:
            continue
        result, kind = indices(op.outputs)[0], network.kind(op)
        root = owner.get(given, given)
        if kind not in _VIEWS:
            same = {root, *(tensor for tensor, of in owner.items() if of == root)}
            for later in ops[place + 1 :]:
                lost = next((i for i in indices(later.inputs) if i in same), None)
                if lost is not None:
                    return given, later, lost
        owner[result] = root
    return None


def _uses(network: Network) -> Counter[int]:
    """How often each tensor is read, by ops and from outside."""
    uses = Counter(network.outputs) + Counter(network.inputs)
    for op in network.ops:
        uses.update(indices(op.inputs))
    return uses


def _shared(network: Network, op: Any, owner: dict[int, int], uses: Counter[int]) -> int | None:
    """The input whose memory the result of an op has, too; None where it has its own."""
    kind, result = network.kind(op), indices(op.outputs)[0]
    if result in network.outputs:
        return None
    for index in indices(op.inputs)[: _IN_PLACE.get(kind, 1 if kind in _VIEWS else 0)]:
        if index < 0 or index in network.inputs or network.is_constant(index):
            continue
        if kind in _VIEWS:
            return index
        sizes = {(network.dtype_of(i), prod(network.shape(i))) for i in (index, result)}
        if len(sizes) == 1 and uses[index] == 1 and uses[owner.get(index, index)] == 1:
            return index
    return None


def _read_through(network: Network, given: int, reader: Any, lost: int) -> None:
    """Let an op read another view of the value that it reads."""
    if network.kind(reader) in _VIEWS:
        reader.inputs = [given if i == lost else i for i in indices(reader.inputs)]
        return
    if network.shape(given) == network.shape(lost):
        again, added = given, []
    else:
        again = network.add_tensor(
            f"{network.name(lost)}/again:{len(network.graph.tensors)}",
            network.shape(lost),
            network.dtype_of(lost),
        )
        network.graph.tensors[again].quantization = network.graph.tensors[lost].quantization
        network.ranges[network.name(again)] = network.range(lost)
        added = [reshape(network, given, again)]
    reader.inputs = [again if i == lost else i for i in indices(reader.inputs)]
    network.ops = [new for op in network.ops for new in ([*added, op] if op is reader else [op])]
