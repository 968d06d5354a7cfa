"""How the axes of inputs lay in the ONNX or PyTorch file that a .tflite was made of.

It travels inside the .tflite, so that data in the order of that file (channels first) can be given
to the converted model too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_json

ENTRY = "EDGEQ_FILE_AXES"
"""Name of the metadata buffer."""

Axes = Mapping[str, tuple[int, ...]]


def write_axes(axes: Axes) -> bytes:
    """The buffer: for each input the axis of a sample there that each axis here is."""
    return json.dumps({name: list(order) for name, order in axes.items()}).encode()


def read_axes(metadata: Mapping[str, bytes], where: str) -> dict[str, tuple[int, ...]]:
    """What the metadata of a model says; nothing where it says nothing that makes sense."""
    if not metadata.get(ENTRY):
        return {}
    try:
        found = parse_json(metadata[ENTRY], where)
    except EdgeqError:
        return {}
    found = found if isinstance(found, dict) else {}
    return {
        name: tuple(order)
        for name, order in found.items()
        if isinstance(order, list)
        and all(type(axis) is int for axis in order)
        and sorted(order) == list(range(len(order)))
    }
