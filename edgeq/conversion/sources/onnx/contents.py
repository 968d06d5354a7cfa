"""What is in an ONNX file, read without running anything and without leaving its folder."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.graph import Graph, Input, Node, used
from edgeq.conversion.sources.onnx.inlining import inlined
from edgeq.conversion.sources.onnx.names import readable_names
from edgeq.conversion.sources.onnx.signatures import Signatures
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.support.array import Array
from edgeq.support.foreign import read_bytes, shaped_as, too_large
from edgeq.support.reasons import reason_of
from edgeq.support.sizes import element_count
from edgeq.support.text import visible_line

_MOST_BYTES = 2 << 30  # a protobuf's own limit
_MOST_NODES = 100_000
_MOST_SHARED = 4  # weights may lie at one place of a file, as tied ones do, but not thousands
_SMALL_BYTES = 1 << 20
_MOST_RANK = 8
_MOST_ELEMENTS = 1 << 28  # of an input: 1 GiB of float32
_BATCH = re.compile(r"(?i)batch|^n$|^b$|^bs$")
_STANDARD = ("", "ai.onnx")
_HINT = "export a model of standard ONNX ops, opset 13 or later"


def import_onnx() -> Any:
    """The package onnx.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingDependency(
            "onnx", "reading ONNX models", "pip install 'edgeq[onnx]'", error
        ) from error
    return onnx


def read_onnx(path: Path) -> Graph:
    """The graph of an ONNX file; weights in other files are taken from its own folder only.

    Raises:
        EdgeqError: Damaged, too large, not of standard ops, open shapes, or weights elsewhere.
        MissingDependency: The package onnx is not installed.
    """
    import_onnx()
    return parse_onnx(read_bytes(path, "ONNX model", _MOST_BYTES), str(path), path.parent)


def parse_onnx(data: bytes, source: str, folder: Path | None = None) -> Graph:
    """The graph of the bytes of an ONNX file.

    Args:
        data: The protobuf.
        source: What to blame.
        folder: Where weights in other files may lie; None for nowhere.
    """
    onnx = import_onnx()
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, RecursionError) as error:
        raise EdgeqError("This is no sound ONNX file.", source) from error
    if not model.graph.node and not model.graph.output:
        raise EdgeqError("This is no ONNX model: it has no graph.", source)
    # What is no UTF-8 is given as bytes, where text is looked for.
    with shaped_as("sound ONNX model", source):
        return _graph(onnx, inlined(model, _MOST_NODES, source), source, folder)


def _graph(onnx: Any, model: Any, source: str, folder: Path | None) -> Graph:
    _check_size(model, source)
    opset = _opset(onnx, model, source)
    reader = _Reader(onnx, source, folder, Signatures(onnx, opset, source))
    constants = {
        _text(tensor.name): reader.array(tensor, f"weight '{visible_line(tensor.name)}'")
        for tensor in model.graph.initializer
    }
    names = readable_names(model.graph.node)
    nodes = tuple(
        reader.node(node, name) for node, name in zip(model.graph.node, names, strict=True)
    )
    outputs = tuple(_text(value.name) for value in model.graph.output)
    inputs = tuple(reader.inputs(i for i in model.graph.input if i.name not in constants))
    nodes = tuple(used(nodes, outputs))
    _check_order(nodes, outputs, {*constants, *(i.name for i in inputs)}, source)
    graph = Graph(source, opset, nodes, constants, inputs, outputs, model.graph)
    return _without_constant_nodes(graph)


def _opset(onnx: Any, model: Any, source: str) -> int:
    """The version of the standard ops that the file is written in."""
    given = [int(o.version) for o in model.opset_import if o.domain in _STANDARD]
    if not given and model.ir_version < 3:
        return 1  # files so old do not say it
    newest = onnx.defs.onnx_opset_version()
    if not given or not 1 <= given[0] <= newest:
        found = f"is of opset {given[0]}" if given else "does not say its opset"
        raise EdgeqError(
            f"The model {found}; the package onnx here knows 1 to {newest}.",
            source,
            "export it with an opset of 13 to 21, or update the package onnx",
        )
    return given[0]


def _check_size(model: Any, source: str) -> None:
    if len(model.graph.node) > _MOST_NODES:
        raise EdgeqError(f"The model has {len(model.graph.node):,} ops.", source)
    weights = Counter(tensor.name for tensor in model.graph.initializer).most_common(1)
    if weights and weights[0][1] > 1:
        name = visible_line(_text(weights[0][0]))
        raise EdgeqError(f"The model has two weights of the name '{name}'.", source)
    if model.graph.sparse_initializer:
        raise EdgeqError("The model has sparse weights.", source, "store them as plain tensors")


def _check_order(
    nodes: tuple[Node, ...], outputs: tuple[str, ...], known: set[str], source: str
) -> None:
    """Refuse a graph in which something is read before it is made."""
    if not outputs:
        raise EdgeqError("The model has no outputs.", source)
    for node in nodes:
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise EdgeqError(
                f"{node.where} reads '{visible_line(missing[0])}', which nothing makes before.",
                source,
            )
        made = [name for name in node.outputs if name]
        again = known.intersection(made) or {name for name in made if made.count(name) > 1}
        if again:
            raise EdgeqError(
                f"{node.where} makes '{visible_line(min(again))}', which is there already.", source
            )
        known.update(made)
    lost = [name for name in outputs if not name or name not in known]
    if lost:
        raise EdgeqError(f"Nothing makes the output '{visible_line(lost[0])}'.", source)


def _without_constant_nodes(graph: Graph) -> Graph:
    """The values of Constant ops among the constants."""
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        if node.op != "Constant":
            nodes.append(node)
            continue
        values = [value for name, value in node.attributes.items() if name.startswith("value")]
        if len(values) != 1 or isinstance(values[0], str):
            raise graph.refuse(node, "its value is no number")
        plain = {int: np.int64, float: np.float32}
        first = values[0][0] if isinstance(values[0], tuple) and values[0] else values[0]
        constants[node.outputs[0]] = np.asarray(values[0], plain.get(type(first)))
    return replace(graph, nodes=tuple(nodes), constants=constants)


class _Reader:
    """Turns protobuf messages into plain data."""

    def __init__(self, onnx: Any, source: str, folder: Path | None, signatures: Signatures) -> None:
        self._onnx = onnx
        self._signatures = signatures
        self._source = source
        self._folder = folder
        self._left = 2 * _MOST_BYTES
        self._taken: Counter[Path] = Counter()  # bytes of weights, by file beside the model

    def node(self, proto: Any, name: str) -> Node:
        """One op with its attributes."""
        if proto.domain not in _STANDARD:
            kind = visible_line(f"{proto.domain}.{proto.op_type}")
            raise EdgeqError(
                f"The op {kind} ('{name}') is not of ONNX itself.", self._source, _HINT
            )
        self._signatures.check(proto, name)
        attributes = {a.name: self._attribute(a, name) for a in proto.attribute}
        op = visible_line(proto.op_type)
        taken, given = (tuple(map(_text, names)) for names in (proto.input, proto.output))
        return Node(op, name, taken, given, attributes)

    def _attribute(self, proto: Any, where: str) -> Any:
        kinds = self._onnx.AttributeProto
        if proto.type == kinds.TENSOR:
            return self.array(proto.t, f"attribute of '{where}'")
        if proto.type == kinds.STRING:
            return visible_line(proto.s.decode("utf-8", "replace"))
        plain = {kinds.INT: "i", kinds.FLOAT: "f"}
        if proto.type in plain:
            return getattr(proto, plain[proto.type])
        several = {kinds.INTS: "ints", kinds.FLOATS: "floats"}
        if proto.type in several:
            return tuple(getattr(proto, several[proto.type]))
        if proto.type == kinds.STRINGS:
            return tuple(visible_line(s.decode("utf-8", "replace")) for s in proto.strings)
        return None  # bodies of If and Loop, and types that no op here reads

    def array(self, tensor: Any, what: str) -> Array:
        """A tensor's values.

        Raises:
            EdgeqError: Damaged, text, or stored where it must not be.
        """
        kinds = self._onnx.TensorProto
        if tensor.data_type not in kinds.DataType.values():
            raise EdgeqError(
                f"The {what} is of type {tensor.data_type}, which ONNX does not have.",
                self._source,
            )
        if tensor.data_type in (0, kinds.STRING, kinds.COMPLEX64, kinds.COMPLEX128):
            raise EdgeqError(f"The {what} holds no numbers.", self._source, _HINT)
        elements = element_count(tensor.dims) if min(tensor.dims, default=0) >= 0 else -1
        if elements < 0 or len(tensor.dims) > _MOST_RANK or elements > _MOST_BYTES:
            raise EdgeqError(f"The {what} has the shape {list(tensor.dims)[:9]}.", self._source)
        bits = _bits(kinds.DataType.Name(tensor.data_type))
        self._left -= max(4, bits // 8) * elements
        if self._left < 0:
            raise too_large(
                "the model", 2 * _MOST_BYTES - self._left, 2 * _MOST_BYTES, self._source
            )
        if tensor.data_location == kinds.EXTERNAL:
            self._take_from_file(tensor, what, (elements * bits + 7) // 8)
        try:
            found = np.asarray(self._onnx.numpy_helper.to_array(tensor))
        except Exception as error:
            raise EdgeqError(f"The {what} is damaged: {reason_of(error)}.", self._source) from error
        # Half precision is for storage here; ml_dtypes' own types are of kind "V".
        return found.astype(np.float32) if found.dtype.kind in "fV" else found

    def _take_from_file(self, tensor: Any, what: str, needed: int) -> None:
        """Put the bytes of a file beside the model into the tensor itself.

        Where the file does not say how many, it is what the tensor needs.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        if self._folder is None or not name:
            raise EdgeqError(f"The {what} lies in another file.", self._source)
        folder, place = self._folder.resolve(), PurePosixPath(name.replace("\\", "/"))
        outside = EdgeqError(
            f"The {what} is said to lie in '{visible_line(name)}', outside of the model's folder.",
            self._source,
            "a model's weights lie beside it",
        )
        if place.is_absolute() or ".." in place.parts or ":" in name or "\0" in name:
            raise outside
        path = folder / place
        if not path.resolve().is_relative_to(folder):
            raise outside
        if not path.is_file():
            raise EdgeqError(f"There is no '{visible_line(name)}' beside the model.", self._source)
        start = self._number(entries, "offset", what) or 0
        length = self._number(entries, "length", what)
        size = path.stat().st_size
        if length not in (None, needed):
            raise EdgeqError(
                f"The {what} takes {needed:,} bytes, and is said to lie in {length:,} of them in "
                f"'{visible_line(name)}'.",
                self._source,
            )
        length = needed
        if start + length > size:
            raise EdgeqError(
                f"'{visible_line(name)}' has {size:,} bytes; the {what} is said to lie at "
                f"{start:,} to {start + length:,}.",
                self._source,
                "copy both files again",
            )
        self._taken[path] += length
        if self._taken[path] > _MOST_SHARED * size + _SMALL_BYTES:
            raise too_large(
                f"what is said to lie in '{visible_line(name)}'",
                self._taken[path],
                _MOST_SHARED * size,
                self._source,
            )
        with path.open("rb") as file:
            file.seek(start)
            tensor.raw_data = file.read(length)
        del tensor.external_data[:]
        tensor.data_location = self._onnx.TensorProto.DEFAULT

    def _number(self, entries: dict[str, str], key: str, what: str) -> int | None:
        text = entries.get(key)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise EdgeqError(
                f"The {what} lies in another file, with the {key} of '{visible_line(text)[:40]}'.",
                self._source,
            )
        return int(text)

    def inputs(self, protos: Iterator[Any]) -> Iterator[Input]:
        """What the model takes, with batch axes of 1."""
        for proto in protos:
            name = visible_line(proto.name)
            kind = proto.type.tensor_type
            if not proto.type.HasField("tensor_type") or not kind.HasField("shape"):
                raise EdgeqError(f"Input '{name}' is no tensor of a known shape.", self._source)
            shape, is_open = [], []
            named = [bool(_BATCH.search(dim.dim_param)) for dim in kind.shape.dim]
            for axis, dim in enumerate(kind.shape.dim):
                fixed = dim.dim_value > 0
                # The first axis may be of steps, where another one says that it is the batch.
                batch = not fixed and axis == (named.index(True) if any(named) else 0)
                shape.append(dim.dim_value if fixed else 1)
                is_open.append("" if fixed or batch else visible_line(dim.dim_param) or "?")
            if any(is_open):
                words = ", ".join(gap or str(n) for gap, n in zip(is_open, shape, strict=True))
                raise EdgeqError(
                    f"Input '{name}' has open axes: ({words}).",
                    self._source,
                    "export it with a fixed input shape; only the batch may stay open",
                )
            if len(shape) > _MOST_RANK or math.prod(shape) > _MOST_ELEMENTS:
                raise EdgeqError(f"Input '{name}' has the shape {shape}.", self._source)
            yield Input(_text(proto.name), tuple(shape), self._type(kind.elem_type, name))

    def _type(self, number: int, name: str) -> str:
        kinds = self._onnx.TensorProto
        names = {
            kinds.FLOAT: "float32", kinds.FLOAT16: "float32", kinds.BFLOAT16: "float32",
            kinds.INT64: "int32", kinds.INT32: "int32", kinds.BOOL: "bool", kinds.UINT8: "uint8",
            kinds.INT8: "int8",
        }  # fmt: skip
        if number not in names:
            raise EdgeqError(f"Input '{name}' is of a type that no device takes.", self._source)
        return names[number]


def _bits(kind: str) -> int:
    """Bits of a number of an ONNX type: they stand in its name, but for three."""
    digits = re.search(r"\d+", kind)
    return int(digits[0]) if digits else {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8}[kind]


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")
