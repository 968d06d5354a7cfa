"""What the ops of an ONNX file are called: after the modules they come from, where it says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from edgeq.support.text import visible_line

_SCOPES = "pkg.torch.onnx.name_scopes"
_ODD = re.compile(r"[^A-Za-z0-9_.]+")


def readable_names(nodes: Iterable[Any]) -> list[str]:
    """A name for each node, made of letters, digits, dots and underscores; not unique.

    PyTorch's exporters write a module's path, once as metadata (["", "enc", "enc.0", "linear_3"]),
    once into the node's name ("/enc/enc.0/MatMul"). A module with one op gives it its own name.
    """
    paths = [_path(node) for node in nodes]
    ops = Counter(module for module, _ in dict.fromkeys(paths))
    return [
        plain(module if module and ops[module] == 1 else f"{module}.{op}" if module else op)
        for module, op in paths
    ]


def plain(name: str) -> str:
    """A name that TensorFlow takes for a scope: it starts with a letter, digit or dot."""
    return _ODD.sub("_", visible_line(name)).lstrip("_")[:200] or "op"


def _path(node: Any) -> tuple[str, str]:
    """The module a node belongs to, "" for none, and what the op is called in it."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            scopes = re.findall(r"'([^']*)'", entry.value)
            if len(scopes) > 1:
                return scopes[-2], scopes[-1]
    if node.name.startswith("/"):
        module = ""
        *scopes, op = node.name[1:].split("/")
        for scope in scopes:
            whole = not module or scope.startswith(module + ".")
            module = scope if whole else f"{module}.{scope}"
        return module, op
    outputs = [name for name in node.output if name]
    return "", node.name.removeprefix("node_") or (outputs[0] if outputs else node.op_type)
