"""What a program of PyTorch computes of constants alone, held to a bound before PyTorch does so.

Its exporter to ONNX folds what does not depend on the inputs: `torch.ones(1 << 30)` in a file of a
few kilobytes would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeq.support.sizes import element_count

_BYTES = 8  # of a number, at most
_FILLED = ("new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like")
"""Ops that take no more than a type, or a shape, from the tensor that they are given."""

_COUNTED = ("arange", "linspace", "eye")  # their length is a number, not a list of sizes


def constant_bytes(program: Mapping[str, Any]) -> int:
    """About how many bytes the values come to that do not depend on the inputs.

    Args:
        program: The content of a file's model.json.
    """
    module = program["graph_module"]
    signature, graph = module.get("signature"), module.get("graph")
    if not isinstance(signature, dict) or not isinstance(graph, dict):
        return 0
    specs, nodes = signature.get("input_specs"), graph.get("nodes")
    values = graph.get("tensor_values")
    fed = {name for spec in _list(specs) for name in _tensors(_of(spec, "user_input"))}
    total = 0
    for node in _list(nodes):
        arguments, target = _of(node, "inputs"), str(_of(node, "target"))
        if any(word in target for word in _FILLED) or fed.isdisjoint(_tensors(arguments)):
            outputs = [_of(values, name) for name in _tensors(_of(node, "outputs"))]
            made = sum(element_count(_sizes(_of(output, "sizes"))) for output in outputs)
            total += max(made, _asked(target, arguments)) * _BYTES
        else:
            fed.update(_tensors(_of(node, "outputs")))
    return total


def _asked(target: str, arguments: Any) -> int:
    """How many numbers an op is told to make; the list of its values may say something else."""
    counted = any(word in target for word in _COUNTED)
    most = 0
    for key, value in pairs(arguments):
        if key == "as_ints":
            most = max(most, element_count(abs(n) for n in _list(value) if isinstance(n, int)))
        elif counted and key in ("as_int", "as_float") and isinstance(value, int | float):
            most = max(most, int(abs(value)))
    return most


def _tensors(value: Any) -> Iterator[str]:
    """Names of the tensors anywhere in a list of arguments."""
    for key, each in pairs(value):
        if key in ("as_tensor", "as_tensors"):
            for tensor in each if isinstance(each, list) else [each]:
                name = _of(tensor, "name")
                if isinstance(name, str):
                    yield name


def _sizes(value: Any) -> list[int]:
    found = [_of(each, "as_int") for each in _list(value)]
    return [size for size in found if isinstance(size, int)]


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, anywhere inside."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            yield from each.items()
            todo += each.values()
        elif isinstance(each, list):
            todo += each
