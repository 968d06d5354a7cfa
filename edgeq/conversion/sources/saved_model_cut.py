"""A SavedModel cut down to what one signature computes, so that nothing else of it can run.

Loading a SavedModel runs functions that it brings along: those that make, fill and destroy its
resources, the initial op of old ones, and whatever an attribute of an object stands for. All that
goes. What stays is the signature's function, the variables it reads, and nothing else, and its ops
are compared with a closed list before TensorFlow sees any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeq.conversion.sources.saved_model_ops import HARMLESS_OPS
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

_TRUST = "--trust loads and runs it all, if you know where it comes from"
_KEPT_COLLECTIONS = ("variables", "trainable_variables")
_PLAIN = "_generic_user_object"
_VALUES = ("variable", "constant")
# Where each function stands at each of its calls. TensorFlow puts them in line one by one, in
# Python, and twice: 3 ms for each, so that 65,000 took 200 s. EfficientNetV2B3 has 3,196.
_MOST_OPS = 20_000
_NOTHING = "thing that is not there"
# By these, an object has code of TensorFlow's or functions of its own called while it is loaded.
_LOADERS_OWN = (
    "dependencies", "slot_variables", "saveable_objects", "registered_name", "registered_saver",
    "serialized_user_proto",
)  # fmt: skip


def cut(saved: Any, signature: str, where: str) -> None:
    """Leave of a SavedModel proto only one signature and its variables, in place.

    Args:
        saved: A saved_model_pb2.SavedModel with one graph.
        signature: Name of the signature.
        where: The folder, for messages.

    Raises:
        EdgeqError: What is left has ops that no model for a device needs, or resources.
    """
    graph = saved.meta_graphs[0]
    if graph.HasField("object_graph_def"):
        functions = _cut_objects(graph, signature, where)
        reached = _cut_library(graph, functions)
        restores: tuple[str, ...] = ()
    else:
        _cut_nodes(graph, signature)
        reached = _cut_library(graph, _called(graph.graph_def.node, graph.graph_def.library))
        restores = (_base(graph.saver_def.filename_tensor_name),)
    ops = _foreign(graph.graph_def.node, reached, restores)
    ops |= {op for name in reached.values() for op in _foreign(name.node_def, reached, ())}
    if ops:
        raise EdgeqError(
            f"The SavedModel holds {visible_line(', '.join(sorted(ops)[:8]))}"
            f"{' and others' if len(ops) > 8 else ''}, which no model for a device needs; "
            "it is not loaded.",
            where,
            _TRUST,
        )


def signatures(saved: Any) -> list[str]:
    """The names of a SavedModel's signatures, those of TensorFlow's own left out."""
    graph = saved.meta_graphs[0]
    return sorted(name for name in graph.signature_def if not name.startswith("__"))


def _cut_objects(graph: Any, signature: str, where: str) -> set[str]:
    """Keep variables, constants and the signature's function; the names of its functions.

    Objects keep their places and names, by which the variables find their values.
    """
    objects = graph.object_graph_def
    root = next((c.node_id for c in objects.nodes[0].children if c.local_name == "signatures"), -1)
    entry = _child(objects, root, signature)
    names = _concrete(objects.nodes[entry]) if entry is not None else []
    if entry is None or not names:
        raise EdgeqError(f"The SavedModel's signature '{signature}' has no function.", where)
    _check_captured(objects, names, signature, where)
    for index, node in enumerate(objects.nodes):
        for field in _LOADERS_OWN:
            node.ClearField(field)
        if index == entry or node.WhichOneof("kind") in _VALUES:
            node.ClearField("children")
        else:
            kind = "signature_map" if index == root else _PLAIN
            _make_plain(objects, index, {(root, signature)}, kind)
    for name in set(objects.concrete_functions) - set(names):
        del objects.concrete_functions[name]
    constants = {node.constant.operation for node in objects.nodes if node.HasField("constant")}
    _keep(graph.graph_def.node, lambda node: node.name in constants and node.op == "Const")
    graph.ClearField("collection_def")
    graph.ClearField("saver_def")
    return set(names)


def _check_captured(objects: Any, names: Iterable[str], signature: str, where: str) -> None:
    """Refuse functions that need more from outside than variables and constants."""
    for index in {i for name in names for i in objects.concrete_functions[name].bound_inputs}:
        kind = _kind(objects, index)
        if kind not in _VALUES:
            raise EdgeqError(
                f"The SavedModel's signature '{visible_line(signature)}' uses a {kind} that is "
                "made by functions of its own; it is not loaded.",
                where,
                _TRUST,
            )


def _make_plain(objects: Any, index: int, functions: set[tuple[int, str]], identifier: str) -> None:
    """Turn an object into a mere holder of other objects, by the same names.

    A function as an attribute could be called by loading itself, under the right name: those go,
    but for the `functions`, by number of the holder and name.
    """
    node = objects.nodes[index]
    kept = [
        (child.node_id, child.local_name)
        for child in node.children
        if (index, child.local_name) in functions
        or _kind(objects, child.node_id) not in (_NOTHING, "function", "bare_concrete_function")
    ]
    node.ClearField(node.WhichOneof("kind") or "user_object")
    node.ClearField("children")
    node.user_object.identifier = identifier
    node.user_object.version.producer = 1
    node.user_object.version.min_consumer = 1
    for target, local_name in kept:
        node.children.add(node_id=target, local_name=local_name)


def _child(objects: Any, parent: int, name: str) -> int | None:
    if not 0 <= parent < len(objects.nodes):
        return None
    found = (c.node_id for c in objects.nodes[parent].children if c.local_name == name)
    index = next(found, None)
    return index if index is not None and 0 <= index < len(objects.nodes) else None


def _kind(objects: Any, index: int) -> str:
    inside = 0 <= index < len(objects.nodes)
    return str(objects.nodes[index].WhichOneof("kind")) if inside else _NOTHING


def _concrete(node: Any) -> list[str]:
    """The functions of the library that a function object stands for."""
    if node.WhichOneof("kind") == "bare_concrete_function":
        return [node.bare_concrete_function.concrete_function_name]
    return list(node.function.concrete_functions)


def _cut_nodes(graph: Any, signature: str) -> None:
    """Of a graph of TensorFlow 1, keep what the signature, the variables and their values need."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import variable_pb2

    for name in set(graph.collection_def) - set(_KEPT_COLLECTIONS):
        del graph.collection_def[name]
    for name in set(graph.signature_def) - {signature}:
        del graph.signature_def[name]
    wanted = [graph.saver_def.filename_tensor_name, graph.saver_def.restore_op_name]
    entry = graph.signature_def[signature]
    wanted += [info.name for side in (entry.inputs, entry.outputs) for info in side.values()]
    for collection in graph.collection_def.values():
        for raw in collection.bytes_list.value:
            try:
                variable = variable_pb2.VariableDef.FromString(raw)
            except DecodeError as error:
                raise ValueError(f"a variable: {error}") from None
            wanted += [variable.variable_name, variable.initializer_name]
            wanted += [variable.snapshot_name, variable.initial_value_name]
    inputs = {node.name: list(node.input) for node in graph.graph_def.node}
    kept: set[str] = set()
    todo = [_base(name) for name in wanted]
    while todo:
        name = todo.pop()
        if name in inputs and name not in kept:
            kept.add(name)
            todo += [_base(text) for text in inputs[name]]
    _keep(graph.graph_def.node, lambda node: node.name in kept)
    for node in graph.graph_def.node:
        node.attr.pop("_class", None)  # places beside a node that may be gone


def _base(name: str) -> str:
    """The node of `name:0` or `^name`."""
    return name.lstrip("^").partition(":")[0]


def _keep(nodes: Any, wanted: Any) -> None:
    kept = [node for node in nodes if wanted(node)]
    copies = []
    for node in kept:
        copy = type(node)()
        copy.CopyFrom(node)
        copies.append(copy)
    del nodes[:]
    nodes.extend(copies)


def _called(nodes: Iterable[Any], library: Any) -> set[str]:
    """The functions that nodes call, by their op or by an attribute."""
    known = {function.signature.name for function in library.function}
    return {name for node in nodes for name in (node.op, *_functions(node.attr)) if name in known}


def _functions(attributes: Mapping[str, Any]) -> Iterator[str]:
    for value in attributes.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
            yield from _functions(value.func.attr)
        elif kind == "list":
            for each in value.list.func:
                yield each.name
                yield from _functions(each.attr)


def _cut_library(graph: Any, wanted: set[str]) -> dict[str, Any]:
    """Keep the functions that are reached from those; by name."""
    library = graph.graph_def.library
    known = {function.signature.name: function for function in library.function}
    reached: set[str] = set()
    todo = [name for name in wanted if name in known]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += _called(known[name].node_def, library)
            todo += [other for other in _functions(known[name].attr) if other in known]
    _keep(library.function, lambda function: function.signature.name in reached)
    _check_calls(graph.graph_def)
    library.ClearField("gradient")
    library.ClearField("registered_gradients")
    return {function.signature.name: function for function in library.function}


def _check_calls(graph: Any) -> None:
    """Refuse functions that call themselves, or others so often that they hardly end.

    Raises:
        EdgeqError: One does, or there are too many ops in all.
    """
    library = graph.library
    known = {f.signature.name: f for f in library.function}
    calls = {name: _called(function.node_def, library) for name, function in known.items()}
    ops: dict[str, int] = {}

    def in_line(nodes: Any) -> int:
        named = (each for node in nodes for each in {node.op, *_functions(node.attr)})
        return len(nodes) + sum(ops.get(each, 0) for each in named)

    while ready := [name for name in calls if name not in ops and calls[name] <= ops.keys()]:
        for name in ready:
            ops[name] = in_line(known[name].node_def)
    if len(ops) < len(calls):
        raise EdgeqError("Functions of the SavedModel call themselves; it is not loaded.")
    if (most := max(in_line(graph.node), *ops.values(), 0)) > _MOST_OPS:
        raise EdgeqError(
            f"The SavedModel comes to {most:,} ops when its functions are put in line; "
            f"{_MOST_OPS:,} are converted at most."
        )


def _foreign(
    nodes: Iterable[Any], functions: Mapping[str, Any], restores: tuple[str, ...]
) -> set[str]:
    """Ops of nodes that are neither harmless nor functions of the file itself.

    Args:
        restores: Node whose text is where TensorFlow itself says the variables are; RestoreV2 may
            read there.
    """
    from tensorflow.python.framework import op_def_registry

    return {
        node.op
        for node in nodes
        if node.op not in HARMLESS_OPS
        # A function with the name of an op does not take its place.
        and (node.op not in functions or op_def_registry.get(node.op) is not None)
        and not (node.op == "RestoreV2" and node.input and _base(node.input[0]) in restores)
    }
