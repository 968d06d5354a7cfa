"""A .tflite model as plain immutable data.

Everything behind `model_file` works on `Graph`, `Subgraph`, `Op` and `Tensor` and never touches a
flatbuffer again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import EdgeqError, UsageError
from edgeq.model.stream import Stream
from edgeq.model.tflite.metadata import ModelInfo
from edgeq.support.text import visible_line

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
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
PACKED_BITS = {"int4": 4, "uint4": 4, "int2": 2}
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
    def real_range(self) -> tuple[float, float]:
        """Least and largest real value of a per-tensor quantized tensor; equal if it is none."""
        kind = NUMPY_TYPES.get(self.dtype)
        if kind is None or kind.kind not in "iu" or self.quantization is None:
            return 0.0, 0.0
        limits = np.iinfo(kind)
        return (
            (int(limits.min) - self.zero_point) * self.scale,
            (int(limits.max) - self.zero_point) * self.scale,
        )

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
        subgraph: Which subgraph it stands in.
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
    subgraph: int = 0


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Tensors and ops that run in order; subgraph 0 is the model."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def writes_state(self) -> bool:
        """Whether ops write into variables, as models that stream keep what has gone by.

        Recurrent ops that write their own state are not meant: they have it as inputs.
        """
        return any(self.tensors[index].is_variable for op in self.ops for index in op.outputs)

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


# Ops that remember what has gone by in memory of their own, or of the interpreter.
_REMEMBER = frozenset(
    {
        "VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", "CALL_ONCE", "CIRCULAR_BUFFER",
        "SignalDelay", "SignalFramer", "SignalOverlapAdd", "SignalStacker",
        "SignalFilterBankSpectralSubtraction",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model file.

    Attributes:
        path: Where it was read from (for messages only).
        sha256: Digest of the file.
        file_bytes: Size of the file.
        external_buffers: Numbers of buffers that lie outside the flatbuffer.
        metadata: Raw metadata buffers by name.
        info: Labels and normalisation from the metadata; empty where there are none.
        entry: The subgraph that runs.
        stream: How samples reach its input, where it begins with a front end.
    """

    path: str
    sha256: str
    file_bytes: int
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...] = ()
    external_buffers: tuple[int, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    info: ModelInfo = field(default_factory=lambda: ModelInfo("", (), ()))
    description: str = ""
    entry: int = 0
    stream: Stream | None = None

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs: 0, unless a signature was chosen."""
        return self.subgraphs[self.entry]

    @property
    def keeps_state(self) -> bool:
        """Whether a call's answer may hang on the calls before: variables, or ops that remember."""
        return any(
            any(tensor.is_variable for tensor in each.tensors) or _remembers(each)
            for each in self.subgraphs
        )

    @property
    def is_stream(self) -> bool:
        """Whether a call goes on where the last one ended.

        A recurrent layer whose state is written before it is read begins anew with each call.
        """
        return any(_goes_on(each) or _remembers(each) for each in self.subgraphs)


def _remembers(model: Subgraph) -> bool:
    return any((op.custom_name or op.name) in _REMEMBER for op in model.ops)


def _goes_on(model: Subgraph) -> bool:
    """Whether a variable is read before it is written."""
    written: set[int] = set()
    for op in model.ops:
        read = {index for index in op.inputs if index >= 0 and model.tensors[index].is_variable}
        if read - written:
            return True
        written.update(op.outputs)
    return False


def element_bits(dtype: str) -> int:
    """Bits that one element takes in memory; 0 for types without a fixed size (strings)."""
    if dtype in NUMPY_TYPES:
        return NUMPY_TYPES[dtype].itemsize * 8
    return PACKED_BITS.get(dtype) or _FOREIGN_BITS.get(dtype, 0)


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy type that holds values of a tensor type; int4 and int2 are held as int8.

    Raises:
        KeyError: The type has no numpy counterpart here (strings, complex numbers).
    """
    if dtype in PACKED_BITS:
        return np.dtype("u1" if dtype.startswith("u") else "i1")
    return NUMPY_TYPES[dtype]


def check_outputs(graph: Graph) -> None:
    """Refuse a model that gives nothing.

    Raises:
        EdgeqError: It has no output.
    """
    if not graph.main.outputs:
        raise EdgeqError("the graph has no output: there is nothing to compute.", graph.path)


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


def of_one_signature(graph: Graph) -> tuple[str, ...]:
    """A sentence for the figures of a model of which one of several signatures runs; or none."""
    others = [each.key for each in graph.signatures if each.subgraph != graph.entry]
    if not others:
        return ()
    mine = [each.key for each in graph.signatures if each.subgraph == graph.entry]
    names = ", ".join(visible_line(key)[:100] for key in others[:10])
    here = f"signature {visible_line(mine[0])[:100]}" if mine else "the first subgraph"
    return (f"the model has several signatures; this is of {here}, nothing of {names}",)
