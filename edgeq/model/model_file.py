"""Reads .tflite files into a `Graph`: once, and checked once.

All indices are checked here, so later code may follow them blindly.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import EdgeqError, raise_problems
from edgeq.model.graph import (
    NUMPY_TYPES,
    PACKED_BITS,
    Graph,
    Op,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    element_bits,
)
from edgeq.model.nesting import nesting_problem
from edgeq.model.tflite.metadata import ENTRY, ModelInfo, read_info
from edgeq.model.tflite.reader import Malformed, Table
from edgeq.model.tflite.schema import (
    BUILTIN_OPERATORS,
    DEFAULT_OPTIONS,
    OPTION_FIELDS,
    TENSOR_TYPES,
)
from edgeq.support.foreign import read_bytes
from edgeq.support.text import visible_line

MAX_RANK = 8
_SPARSITY = 6  # a tensor's field
MAX_BYTES = 1 << 31


def read_graph(path: str | Path) -> Graph:
    """The model in a .tflite file.

    Raises:
        EdgeqError: No such file, or no valid TensorFlow Lite model; all problems at once.
    """
    return parse_graph(read_bytes(Path(path), "model", MAX_BYTES), str(path))


def parse_graph(data: bytes, path: str = "model") -> Graph:
    """The model in the bytes of a .tflite file.

    Args:
        data: The whole file.
        path: Name for messages.

    Raises:
        EdgeqError: The bytes are no valid TensorFlow Lite model; all problems at once.
    """
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise EdgeqError(
            "this is no TensorFlow Lite model (no TFL3 identifier).",
            path,
            "edgeq convert makes one of a Keras, ONNX or PyTorch model, or of a SavedModel",
        )
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
        self._held: dict[int, bytes | None] = {}
        self._unpacked: dict[tuple[int, str], NDArray[Any]] = {}

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
        if problem := nesting_problem(subgraphs):
            raise EdgeqError(problem, self.path)
        info = read_info(metadata[ENTRY], self.data) if metadata.get(ENTRY) else None
        return Graph(
            path=self.path,
            sha256=hashlib.sha256(self.data).hexdigest(),
            file_bytes=len(self.data),
            subgraphs=subgraphs,
            signatures=signatures,
            external_buffers=tuple(sorted(set(self.external))),
            metadata=metadata,
            info=info or ModelInfo("", (), ()),
            description=visible_line(root.text(3)),
        )

    def _opcode(self, code: Table) -> tuple[str, str, int]:
        number = max(code.scalar(3, "i32"), code.scalar(0, "i8"))
        name = BUILTIN_OPERATORS.get(number, f"BUILTIN_{number}")
        return name, visible_line(code.text(1)), code.scalar(2, "i32", 1)

    def _buffer(self, number: int, where: str) -> bytes | None:
        """The bytes of a buffer, which tensors may share; None if it is empty."""
        if number not in self._held:
            self._held[number] = self._read_buffer(number, where)
        return self._held[number]

    def _read_buffer(self, number: int, where: str) -> bytes | None:
        if number >= len(self.buffers):
            self.problem(f"buffer {number} does not exist ({len(self.buffers)} do).", where)
            return None
        buffer = self.buffers[number]
        raw = buffer.vector(0, "[u8]")
        offset, size = buffer.scalar(1, "u64"), buffer.scalar(2, "u64")
        if offset > 1 and raw is not None and len(raw):
            # LiteRT takes those inside, other readers those behind the flatbuffer.
            self.problem(f"buffer {number} is in the file twice, inside and behind it.", where)
            return None
        if offset > 1:
            self.external.append(number)
            if offset + size > len(self.data):
                self.problem(f"buffer {number} lies behind the end of the file.", where)
                return None
            return buffer.part(offset, size)
        return raw.tobytes() if raw is not None and len(raw) else None

    def _subgraph(self, index: int, table: Table) -> Subgraph:
        where = f"subgraph {index}"
        tensors = tuple(
            self._tensor(i, tensor, f"{where}, tensor {i}")
            for i, tensor in enumerate(table.tables(0))
        )
        ops = tuple(
            replace(self._op(i, op, len(tensors), f"{where}, op {i}"), subgraph=index)
            for i, op in enumerate(table.tables(3))
        )
        inputs = self._indices(table, 1, len(tensors), f"{where} inputs")
        outputs = self._indices(table, 2, len(tensors), f"{where} outputs")
        # Of a constant without elements (the axes of a scalar) the file has no bytes.
        made = {*inputs, *(i for op in ops for i in op.outputs)}
        tensors = tuple(
            t if t.elements or t.index in made or t.is_constant else _empty(t) for t in tensors
        )
        return Subgraph(index, visible_line(table.text(4)), tensors, ops, inputs, outputs)

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
        name = visible_line(table.text(3))
        where = f'{where} "{name}"'
        dtype = TENSOR_TYPES.get(table.scalar(1, "i8"), "unknown")
        vector = table.vector(0, "[i32]")
        shape = () if vector is None else tuple(int(v) for v in vector)
        signature = table.vector(7, "[i32]")
        dynamic = () if signature is None else tuple(np.flatnonzero(signature < 0).tolist())
        if signature is not None and len(signature) not in (0, len(shape)):
            self.problem(
                f"a shape signature of {len(signature)} axes is not that of {shape}.", where
            )
            dynamic = ()
        if len(shape) > MAX_RANK or any(size < 0 for size in shape):
            self.problem(f"shape {shape} is not valid.", where)
            shape = ()
        if math.prod(max(size, 1) for size in shape) * 8 >= MAX_BYTES:
            self.problem(f"shape {shape} is larger than edgeq handles.", where)
            shape = ()
        if table.has(_SPARSITY):
            self.problem("sparse weights (`sparsity`) are not read; store them dense.", where)
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
        if dtype not in NUMPY_TYPES and dtype not in PACKED_BITS:
            return np.frombuffer(raw, np.uint8)
        elements = math.prod(shape)
        expected = (elements * element_bits(dtype) + 7) // 8
        if len(raw) != expected:
            self.problem(f"{len(raw)} bytes of data, but {dtype} {shape} needs {expected}.", where)
            return None
        if dtype in PACKED_BITS:
            if (number, dtype) not in self._unpacked:
                self._unpacked[number, dtype] = _unpack(
                    np.frombuffer(raw, np.uint8), PACKED_BITS[dtype], dtype.startswith("u")
                )
            return self._unpacked[number, dtype][:elements].reshape(shape)
        return np.frombuffer(raw, NUMPY_TYPES[dtype]).reshape(shape)

    def _op(self, index: int, table: Table, tensors: int, where: str) -> Op:
        number = table.scalar(0, "u32")
        if number >= len(self.codes):
            self.problem(f"operator code {number} does not exist.", where)
            return Op(index, "UNKNOWN", (), ())
        name, custom, version = self.codes[number]
        where = f"{where} {custom or name}"
        raw = table.vector(5, "[u8]")
        if table.scalar(9, "u64") > 1:
            self.problem("its options lie behind the flatbuffer, where edgeq reads none.", where)
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
            key, number = visible_line(table.text(2)), table.scalar(4, "u32")
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
    known = tensor.dtype in NUMPY_TYPES and not tensor.is_variable
    return (
        replace(tensor, data=np.zeros(tensor.shape, NUMPY_TYPES[tensor.dtype])) if known else tensor
    )


def _unpack(raw: NDArray[np.uint8], bits: int, unsigned: bool) -> NDArray[Any]:
    """Values of a packed sub-byte vector, lowest bits first, one per element."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = ((raw[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)
    if unsigned:
        return values
    half = 1 << (bits - 1)
    return ((values.astype(np.int16) ^ half) - half).astype(np.int8)
