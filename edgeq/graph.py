"""A .tflite model as plain immutable data: read once, checked once.

Everything behind this module works on `Graph`, `Subgraph`, `Op` and `Tensor` and never touches a
flatbuffer again. All indices are checked here, so later code may follow them blindly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import EdgeqError, UsageError, raise_problems
from edgeq.tflite.reader import Malformed, Table
from edgeq.tflite.schema import (
    BUILTIN_OPERATORS,
    DEFAULT_OPTIONS,
    OPTION_FIELDS,
    TENSOR_TYPES,
)

MAX_RANK = 8
MAX_BYTES = 1 << 31
_NUMPY: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "float64": np.dtype("<f8"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "int16": np.dtype("<i2"),
    "uint16": np.dtype("<u2"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "int64": np.dtype("<i8"),
    "uint64": np.dtype("<u8"),
    "bool": np.dtype("?"),
    "bfloat16": np.dtype("<u2"),
    "resource": np.dtype("<i4"),
}
_BITS = {"int4": 4, "uint4": 4, "int2": 2}
# Types that no kernel here takes; what has no fixed size counts as none.
_FOREIGN_BITS = {"complex64": 64, "complex128": 128}


@dataclass(frozen=True, eq=False)
class Quantization:
    """How integers stand for reals: real = scale * (integer - zero_point).

    Attributes:
        scale: float32, one value, or one per slice along `quantized_dimension`.
        zero_point: int64, as many as scales.
        quantized_dimension: The axis of per-channel scales; 0 when per-tensor.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    quantized_dimension: int = 0

    @property
    def per_channel(self) -> bool:
        """Whether there is more than one scale."""
        return len(self.scale) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        index: Position in its subgraph.
        name: Name in the file; often a Keras layer path.
        shape: Static shape, NHWC for images.
        dtype: Name of the type in lower case: "int8", "int4", "float32", ...
        quantization: None where the file gives no scale.
        data: The value of a constant, with `shape` (int4 unpacked to int8); None for activations.
        is_variable: Whether the value lives on from call to call.
        dynamic_axes: Axes that the file leaves open (-1 in its shape signature).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None
    is_variable: bool = False
    dynamic_axes: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the value in memory; sub-byte types are packed."""
        return (self.elements * element_bits(self.dtype) + 7) // 8

    @property
    def is_constant(self) -> bool:
        """Whether the file gives the value."""
        return self.data is not None

    @property
    def scale(self) -> float:
        """The per-tensor scale (float32 value); 0.0 if the tensor is not quantized."""
        return float(self.quantization.scale[0]) if self.quantization is not None else 0.0

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point; 0 if the tensor is not quantized."""
        return int(self.quantization.zero_point[0]) if self.quantization is not None else 0


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    Attributes:
        index: Position in its subgraph, also the order of execution.
        name: Builtin name such as "CONV_2D", or "CUSTOM".
        inputs: Tensor indices, -1 for an optional input that is left out.
        outputs: Tensor indices.
        options: Fields of the op's option table, defaults filled in.
        version: Op version that the file asks for.
        custom_name: Name of a custom op; empty for builtin ones.
        custom_options: Raw option bytes of a custom op.
        intermediates: Tensor indices of internal values (LSTM).
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    custom_name: str = ""
    custom_options: bytes = b""
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Tensors and ops that run in order; subgraph 0 is the model."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def describe(self, op: Op) -> str:
        """Where an op stands, for error messages: `op 7 CONV_2D "block3/conv"`.

        Of the names that a converter joined with semicolons, the first.
        """
        name = self.tensors[op.outputs[0]].name.split(";")[0] if op.outputs else ""
        return f'op {op.index} {op.custom_name or op.name} "{name}"'


@dataclass(frozen=True, eq=False)
class Signature:
    """A named entry point: names of inputs and outputs by tensor index."""

    key: str
    subgraph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model file.

    Attributes:
        path: Where it was read from (for messages only).
        sha256: Digest of the file.
        file_bytes: Size of the file.
        external_buffers: Numbers of buffers that lie outside the flatbuffer.
        metadata: Raw metadata buffers by name.
        entry: The subgraph that runs.
    """

    path: str
    sha256: str
    file_bytes: int
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...] = ()
    external_buffers: tuple[int, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    description: str = ""
    entry: int = 0

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs: 0, unless a signature was chosen."""
        return self.subgraphs[self.entry]


def element_bits(dtype: str) -> int:
    """Bits that one element takes in memory; 0 for types without a fixed size (strings)."""
    if dtype in _NUMPY:
        return _NUMPY[dtype].itemsize * 8
    return _BITS.get(dtype) or _FOREIGN_BITS.get(dtype, 0)


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy type that holds values of a tensor type; int4 and int2 are held as int8.

    Raises:
        KeyError: The type has no numpy counterpart here (strings, complex numbers).
    """
    if dtype in _BITS:
        return np.dtype("u1" if dtype.startswith("u") else "i1")
    return _NUMPY[dtype]


def at_signature(graph: Graph, key: str | None) -> Graph:
    """The graph that runs where a signature points to.

    Args:
        key: The signature's name; may be None if all signatures point to one subgraph.

    Raises:
        UsageError: There is no such signature, or one must be named.
    """
    known = {signature.key: signature.subgraph for signature in graph.signatures}
    if key is None and len(set(known.values())) < 2:
        return graph
    if key not in known:
        problem = "has several signatures" if key is None else f"has no signature {key!r}"
        raise UsageError(
            f"the model {problem}; it has: {', '.join(sorted(known)) or 'none'}.",
            graph.path,
            hint=f"--signature {min(known)}" if known else "",
        )
    return replace(graph, entry=known[key])


def read_graph(path: str | Path) -> Graph:
    """The model in a .tflite file.

    Raises:
        EdgeqError: No such file, or no valid TensorFlow Lite model; all problems at once.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise EdgeqError(f"cannot read the model: {error.strerror}.", str(path)) from None
    return parse_graph(data, str(path))


def parse_graph(data: bytes, path: str = "model") -> Graph:
    """The model in the bytes of a .tflite file.

    Args:
        data: The whole file.
        path: Name for messages.

    Raises:
        EdgeqError: The bytes are no valid TensorFlow Lite model; all problems at once.
    """
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise EdgeqError("this is no TensorFlow Lite model (no TFL3 identifier).", path)
    try:
        return _Reader(data, path).graph()
    except Malformed as error:
        raise EdgeqError(
            f"the model file is damaged: {error}.", path, "copy or convert the model again"
        ) from None


class _Reader:
    """Builds the Graph; collects problems instead of stopping at the first."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = data
        self.path = path
        self.problems: list[EdgeqError] = []
        self.external: list[int] = []

    def problem(self, what: str, where: str) -> None:
        self.problems.append(EdgeqError(what, f"{self.path}, {where}"))

    def graph(self) -> Graph:
        root = Table.root(self.data)
        version = root.scalar(0, "u32")
        if version != 3:
            raise EdgeqError(f"schema version {version} is not 3.", self.path)
        self.codes = [self._opcode(code) for code in root.tables(1)]
        self.buffers = root.tables(4)
        tables = root.tables(2)
        if not tables:
            raise EdgeqError("the model has no subgraph.", self.path)
        subgraphs = tuple(self._subgraph(i, table) for i, table in enumerate(tables))
        signatures = self._signatures(root, subgraphs)
        metadata = {
            entry.text(0): self._buffer(entry.scalar(1, "u32"), "metadata") or b""
            for entry in root.tables(6)
        }
        raise_problems(self.problems)
        return Graph(
            path=self.path,
            sha256=hashlib.sha256(self.data).hexdigest(),
            file_bytes=len(self.data),
            subgraphs=subgraphs,
            signatures=signatures,
            external_buffers=tuple(sorted(set(self.external))),
            metadata=metadata,
            description=root.text(3),
        )

    def _opcode(self, code: Table) -> tuple[str, str, int]:
        number = max(code.scalar(3, "i32"), code.scalar(0, "i8"))
        name = BUILTIN_OPERATORS.get(number, f"BUILTIN_{number}")
        return name, code.text(1), code.scalar(2, "i32", 1)

    def _buffer(self, number: int, where: str) -> bytes | None:
        """The bytes of a buffer; None if it is empty."""
        if number >= len(self.buffers):
            self.problem(f"buffer {number} does not exist ({len(self.buffers)} do).", where)
            return None
        buffer = self.buffers[number]
        offset, size = buffer.scalar(1, "u64"), buffer.scalar(2, "u64")
        if offset > 1:
            self.external.append(number)
            if offset + size > len(self.data):
                self.problem(f"buffer {number} lies behind the end of the file.", where)
                return None
            return self.data[offset : offset + size]
        raw = buffer.vector(0, "[u8]")
        return raw.tobytes() if raw is not None and len(raw) else None

    def _subgraph(self, index: int, table: Table) -> Subgraph:
        where = f"subgraph {index}"
        tensors = tuple(
            self._tensor(i, tensor, f"{where}, tensor {i}")
            for i, tensor in enumerate(table.tables(0))
        )
        ops = tuple(
            self._op(i, op, len(tensors), f"{where}, op {i}")
            for i, op in enumerate(table.tables(3))
        )
        inputs = self._indices(table, 1, len(tensors), f"{where} inputs")
        outputs = self._indices(table, 2, len(tensors), f"{where} outputs")
        # Of a constant without elements (the axes of a scalar) the file has no bytes.
        made = {*inputs, *(i for op in ops for i in op.outputs)}
        tensors = tuple(
            t if t.elements or t.index in made or t.is_constant else _empty(t) for t in tensors
        )
        return Subgraph(index, table.text(4), tensors, ops, inputs, outputs)

    def _indices(
        self, table: Table, slot: int, count: int, where: str, *, optional: bool = False
    ) -> tuple[int, ...]:
        vector = table.vector(slot, "[i32]")
        values = () if vector is None else tuple(int(v) for v in vector)
        lowest = -1 if optional else 0
        bad = [v for v in values if not lowest <= v < count]
        if bad:
            self.problem(f"tensor {bad[0]} does not exist ({count} do).", where)
            return ()
        return values

    def _tensor(self, index: int, table: Table, where: str) -> Tensor:
        name = table.text(3)
        where = f'{where} "{name}"'
        dtype = TENSOR_TYPES.get(table.scalar(1, "i8"), "unknown")
        vector = table.vector(0, "[i32]")
        shape = () if vector is None else tuple(int(v) for v in vector)
        signature = table.vector(7, "[i32]")
        dynamic = () if signature is None else tuple(np.flatnonzero(signature < 0).tolist())
        if len(shape) > MAX_RANK or any(size < 0 for size in shape):
            self.problem(f"shape {shape} is not valid.", where)
            shape = ()
        if math.prod(shape) * 8 >= MAX_BYTES:
            self.problem(f"shape {shape} is larger than edgeq handles.", where)
            shape = ()
        return Tensor(
            index=index,
            name=name,
            shape=shape,
            dtype=dtype,
            quantization=self._quantization(table.table(4), shape, where),
            data=self._constant(table.scalar(2, "u32"), shape, dtype, where),
            is_variable=bool(table.scalar(5, "bool")),
            dynamic_axes=dynamic,
        )

    def _quantization(
        self, table: Table | None, shape: tuple[int, ...], where: str
    ) -> Quantization | None:
        scale = table.vector(2, "[f32]") if table is not None else None
        if table is None or scale is None or not len(scale):
            return None
        zero_point = table.vector(3, "[i64]")
        if zero_point is None or not len(zero_point):
            zero_point = np.zeros(len(scale), np.int64)
        axis = table.scalar(6, "i32")
        if len(zero_point) == 1 and len(scale) > 1:
            zero_point = np.repeat(zero_point, len(scale))
        if len(shape) == 1:
            axis = 0  # biases of old converters still name the axis of their weights
        if len(zero_point) != len(scale):
            self.problem(f"{len(scale)} scales but {len(zero_point)} zero points.", where)
        elif len(scale) > 1 and (not 0 <= axis < len(shape) or shape[axis] != len(scale)):
            self.problem(f"{len(scale)} scales do not fit axis {axis} of {shape}.", where)
        elif not (np.all(np.isfinite(scale)) and np.all(scale >= 0)):
            self.problem("a scale is negative, infinite or not a number.", where)
        else:
            return Quantization(
                scale.astype(np.float32), zero_point.astype(np.int64), axis if len(scale) > 1 else 0
            )
        return None

    def _constant(
        self, number: int, shape: tuple[int, ...], dtype: str, where: str
    ) -> NDArray[Any] | None:
        raw = self._buffer(number, where)
        if raw is None:
            return None
        if dtype not in _NUMPY and dtype not in _BITS:
            return np.frombuffer(raw, np.uint8)
        elements = math.prod(shape)
        expected = (elements * element_bits(dtype) + 7) // 8
        if len(raw) != expected:
            self.problem(f"{len(raw)} bytes of data, but {dtype} {shape} needs {expected}.", where)
            return None
        if dtype in _BITS:
            values = _unpack(np.frombuffer(raw, np.uint8), _BITS[dtype], dtype.startswith("u"))
            return values[:elements].reshape(shape)
        return np.frombuffer(raw, _NUMPY[dtype]).reshape(shape)

    def _op(self, index: int, table: Table, tensors: int, where: str) -> Op:
        number = table.scalar(0, "u32")
        if number >= len(self.codes):
            self.problem(f"operator code {number} does not exist.", where)
            return Op(index, "UNKNOWN", (), ())
        name, custom, version = self.codes[number]
        where = f"{where} {custom or name}"
        raw = table.vector(5, "[u8]")
        return Op(
            index=index,
            name=name,
            inputs=self._indices(table, 1, tensors, where, optional=True),
            outputs=self._indices(table, 2, tensors, where),
            options=self._options(name, table, where),
            version=version,
            custom_name=custom if name == "CUSTOM" else "",
            custom_options=b"" if raw is None else raw.tobytes(),
            intermediates=self._indices(table, 8, tensors, where),
        )

    def _options(self, name: str, table: Table, where: str) -> dict[str, Any]:
        expected = DEFAULT_OPTIONS.get(name)
        if expected is None:
            return {}
        number = table.scalar(3, "u8")
        if number not in (0, expected):
            self.problem(f"its options are of union type {number}, not {expected}.", where)
            return {}
        fields = table.table(4) if number else None
        options: dict[str, Any] = {}
        for slot, field_name, kind, default in OPTION_FIELDS[expected]:
            if kind == "str":
                options[field_name] = "" if fields is None else fields.text(slot)
            elif kind.startswith("["):
                vector = None if fields is None else fields.vector(slot, kind)
                options[field_name] = () if vector is None else tuple(vector.tolist())
            else:
                value = default if fields is None else fields.scalar(slot, kind, default)
                options[field_name] = bool(value) if kind == "bool" else value
        return options

    def _signatures(self, root: Table, subgraphs: tuple[Subgraph, ...]) -> tuple[Signature, ...]:
        result = []
        for table in root.tables(7):
            key, number = table.text(2), table.scalar(4, "u32")
            where = f'signature "{key}"'
            if number >= len(subgraphs):
                self.problem(f"subgraph {number} does not exist.", where)
                continue
            maps = []
            for slot in (0, 1):
                entries = {entry.text(0): entry.scalar(1, "u32") for entry in table.tables(slot)}
                if any(i >= len(subgraphs[number].tensors) for i in entries.values()):
                    self.problem("it names a tensor that does not exist.", where)
                    entries = {}
                maps.append(entries)
            result.append(Signature(key, number, maps[0], maps[1]))
        return tuple(result)


def _empty(tensor: Tensor) -> Tensor:
    known = tensor.dtype in _NUMPY and not tensor.is_variable
    return replace(tensor, data=np.zeros(tensor.shape, _NUMPY[tensor.dtype])) if known else tensor


def _unpack(raw: NDArray[np.uint8], bits: int, unsigned: bool) -> NDArray[Any]:
    """Values of a packed sub-byte vector, lowest bits first, one per element."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = ((raw[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)
    if unsigned:
        return values
    half = 1 << (bits - 1)
    return ((values.astype(np.int16) ^ half) - half).astype(np.int8)
