"""Outputs that are joined of parts become an output for each part.

Before: boxes and scores -> CONCATENATION -> output. After: boxes and scores are outputs, in the
order in which they were joined. Parts of one tensor share its scale, so that boxes in pixels leave
nothing of scores between 0 and 1; as outputs they have scales of their own.
"""

from __future__ import annotations

from typing import Any

from edgeq.conversion.flatbuffer import drop_unused, indices, set_signature
from edgeq.conversion.network import Network
from edgeq.errors import UsageError


def split_outputs(network: Network) -> Network:
    """The float network with the concatenations at its outputs undone, nested ones too.

    Raises:
        UsageError: No output is a concatenation of computed parts.
    """
    (signature,) = network.model.signatureDefs
    entries = {entry.tensorIndex: entry for entry in signature.outputs}
    places: list[int] = []
    names: list[str] = []
    for output in network.outputs:
        parts = _parts(network, output)
        fresh = [part for part in parts if part not in (*places, *network.outputs)]
        if len(fresh) < len(parts) or len(parts) < 2:
            parts = [output]
        places += parts
        names += [_name(entries[i]) if i in entries else network.name(i) for i in parts]
    if places == network.outputs:
        raise UsageError(
            "No output of the model is a concatenation of computed parts: --split-outputs has "
            "nothing to undo.",
            network.source,
        )
    inputs = [_name(entry) for entry in _ordered(signature.inputs, network.inputs)]
    key = signature.signatureKey
    network.graph.outputs = places
    set_signature(network.model, inputs, names, key.decode() if isinstance(key, bytes) else key)
    drop_unused(network.model)
    return network


def _parts(network: Network, index: int) -> list[int]:
    """What a tensor is joined of; itself where it is no concatenation."""
    maker = network.maker(index)
    if maker is None or network.kind(maker) != "CONCATENATION":
        return [index]
    joined = indices(maker.inputs)
    computed = all(network.maker(part) is not None for part in joined)
    if not computed or maker.builtinOptions.fusedActivationFunction or len({*joined}) < len(joined):
        return [index]
    return [part for one in joined for part in _parts(network, one)]


def _ordered(entries: Any, tensors: list[int]) -> list[Any]:
    """Entries of a signature in the order of the tensors."""
    return sorted(entries, key=lambda entry: tensors.index(entry.tensorIndex))


def _name(entry: Any) -> str:
    return entry.name.decode() if isinstance(entry.name, bytes) else str(entry.name)
