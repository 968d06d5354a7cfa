"""LiteRT through its C API by ctypes: any Python, no numpy, nothing installed.

Source: google-ai-edge/LiteRT, litert/c/*.h of release 2.3.
"""

from __future__ import annotations

import ctypes
from typing import Any

_P = ctypes.c_void_p
_SIZE = ctypes.c_size_t

# LiteRtElementType -> (name, bytes)
_ELEMENT_TYPES = {
    1: ("float32", 4),
    2: ("int32", 4),
    3: ("uint8", 1),
    4: ("int64", 8),
    6: ("bool", 1),
    7: ("int16", 2),
    9: ("int8", 1),
    10: ("float16", 2),
    11: ("float64", 8),
    16: ("uint32", 4),
    17: ("uint16", 2),
}
# Their `extra` is the subgraph: what runs inside of an IF or WHILE is in that op's own time.
_OPERATOR_EVENTS = (2, 8)  # OPERATOR_INVOKE_EVENT, DELEGATE_OPERATOR_INVOKE_EVENT
_DELEGATED = 8
_WRITE, _READ = 1, 0
_CPU_ACCELERATOR = 1
# TensorFlow's own kernels instead of XNNPACK's; "reference" exists too.
_KERNEL_MODES = {"none": "builtin", "reference": "reference"}


class _Layout(ctypes.Structure):
    _fields_ = [
        ("rank", ctypes.c_uint, 7),
        ("has_strides", ctypes.c_uint, 1),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    ]


class _TensorType(ctypes.Structure):
    _fields_ = [("element_type", ctypes.c_int), ("layout", _Layout)]


class _MemoryUse(ctypes.Structure):
    _fields_ = [("heap", _SIZE), ("mapped", _SIZE), ("in_use", _SIZE)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_before", _MemoryUse),
        ("memory_after", _MemoryUse),
        ("index", ctypes.c_uint64),
        ("extra", ctypes.c_uint64),
        ("source", ctypes.c_int),
    ]


class Tensor:
    """One input or output of a model: its buffer and what it holds."""

    def __init__(self, buffer: Any, dtype: str, shape: list[int], size_bytes: int) -> None:
        self.buffer = buffer
        self.dtype = dtype
        self.shape = shape
        self.size_bytes = size_bytes


class Model:
    """A .tflite file compiled by libLiteRt.so."""

    def __init__(self, command: dict[str, Any]) -> None:
        self._library = ctypes.CDLL(command["library"])
        self._kept: list[Any] = []
        # A tensor may have two names, or be an input and an output.
        self._seen: dict[Any, Tensor] = {}
        self.version = "libLiteRt.so"
        self._environment = self._make("LiteRtCreateEnvironment", 0, None)
        self._model = self._make(
            "LiteRtCreateModelFromFile", self._environment, command["model"].encode()
        )
        self._compiled = self._make(
            "LiteRtCreateCompiledModel", self._environment, self._model, self._options(command)
        )
        signature = self._make("LiteRtGetModelSignature", self._model, _SIZE(0))
        self.inputs = self._tensors(signature, "Input")
        self.outputs = self._tensors(signature, "Output")
        self._input_array = (_P * len(self.inputs))(*[each.buffer for each in self.inputs])
        self._output_array = (_P * len(self.outputs))(*[each.buffer for each in self.outputs])
        self._order(signature)
        self.delegate = command.get("delegate", "xnnpack")

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise RuntimeError("%s failed with status %d" % (name, status))

    def _make(self, name: str, *arguments: Any) -> Any:
        made = _P()
        self._call(name, *arguments, ctypes.byref(made))
        return made

    def _options(self, command: dict[str, Any]) -> Any:
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU_ACCELERATOR)
        toml = "num_threads = %d\n" % int(command.get("threads", 1))
        mode = _KERNEL_MODES.get(command.get("delegate", "xnnpack"))
        if mode:
            toml += 'kernel_mode = "%s"\n' % mode
        self._add_options(options, "xnnpack", toml)
        if command.get("profiling"):
            self._add_options(options, "runtime_options_string", "enable_profiling = true\n")
        return options

    def _add_options(self, options: Any, identifier: str, toml: str) -> None:
        text = ctypes.create_string_buffer(toml.encode())
        release = ctypes.CFUNCTYPE(None, _P)(lambda _pointer: None)
        self._kept += [text, release]  # LiteRT keeps pointers to both
        opaque = self._make(
            "LiteRtCreateOpaqueOptions", identifier.encode(), ctypes.cast(text, _P), release
        )
        self._call("LiteRtAddOpaqueOptions", options, opaque)

    def _tensors(self, signature: Any, kind: str) -> list[Tensor]:
        count = _SIZE()
        self._call("LiteRtGetNumSignature%ss" % kind, signature, ctypes.byref(count))
        tensors: list[Tensor] = []
        for index in range(count.value):
            tensor = self._make("LiteRtGetSignature%sTensorByIndex" % kind, signature, _SIZE(index))
            if tensor.value in self._seen:  # LiteRT knows one buffer of each
                tensors.append(self._seen[tensor.value])
                continue
            kind_of_tensor = _TensorType()
            self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(kind_of_tensor))
            for axis in range(kind_of_tensor.layout.rank):
                if kind_of_tensor.layout.dimensions[axis] < 0:
                    kind_of_tensor.layout.dimensions[axis] = 1  # as edgeq.model.graph reads it
            if kind_of_tensor.element_type not in _ELEMENT_TYPES:
                raise RuntimeError("element type %d is not supported" % kind_of_tensor.element_type)
            requirements = self._make(
                "LiteRtGetCompiledModel%sBufferRequirements" % kind,
                self._compiled,
                _SIZE(0),
                _SIZE(index),
            )
            buffer = self._make(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                self._environment,
                ctypes.byref(kind_of_tensor),
                requirements,
            )
            dtype, size = _ELEMENT_TYPES[kind_of_tensor.element_type]
            shape = list(kind_of_tensor.layout.dimensions[: kind_of_tensor.layout.rank])
            for dimension in shape:
                size *= dimension
            self._seen[tensor.value] = Tensor(buffer, dtype, shape, size)
            tensors.append(self._seen[tensor.value])
        return tensors

    def _order(self, signature: Any) -> None:
        """Put inputs and outputs in the order of the subgraph: a signature has its own."""
        subgraph = self._make("LiteRtGetSignatureSubgraph", signature)
        for kind in ("Input", "Output"):
            tensors = self.inputs if kind == "Input" else self.outputs
            of_signature = [
                self._make("LiteRtGetSignature%sTensorByIndex" % kind, signature, _SIZE(i)).value
                for i in range(len(tensors))
            ]
            of_subgraph = [
                self._make("LiteRtGetSubgraph%s" % kind, subgraph, _SIZE(i)).value
                for i in range(len(tensors))
            ]
            tensors[:] = [tensors[of_signature.index(pointer)] for pointer in of_subgraph]

    def write(self, tensor: Tensor, data: bytes) -> None:
        """Fill an input."""
        address = _P()
        self._call("LiteRtLockTensorBuffer", tensor.buffer, ctypes.byref(address), _WRITE)
        ctypes.memmove(address, data, tensor.size_bytes)
        self._call("LiteRtUnlockTensorBuffer", tensor.buffer)

    def read(self, tensor: Tensor) -> bytes:
        """The bytes of an output."""
        address = _P()
        self._call("LiteRtLockTensorBuffer", tensor.buffer, ctypes.byref(address), _READ)
        data = ctypes.string_at(address, tensor.size_bytes)
        self._call("LiteRtUnlockTensorBuffer", tensor.buffer)
        return data

    def invoke(self) -> None:
        """One inference."""
        self._call(
            "LiteRtRunCompiledModel",
            self._compiled,
            _SIZE(0),
            _SIZE(len(self.inputs)),
            self._input_array,
            _SIZE(len(self.outputs)),
            self._output_array,
        )

    def op_times(self, runs: int) -> list[tuple[int, str, bool, list[float]]]:
        """(index, name, delegated, microseconds of each run) of all that ran, in that order."""
        profiler = self._make("LiteRtCompiledModelGetProfiler", self._compiled)
        calls = [self._one_call(profiler) for _ in range(runs)]
        # Indices start anew in every delegated part, so rows are told apart by their position.
        if any([row[:3] for row in call] != [row[:3] for row in calls[0]] for call in calls):
            raise RuntimeError("two calls of this model ran different ops")
        return [
            (index, name, delegated, [call[position][3] for call in calls])
            for position, (index, name, delegated, _) in enumerate(calls[0])
        ]

    def _one_call(self, profiler: Any) -> list[tuple[int, str, bool, float]]:
        """(index, name, delegated, microseconds) of all that one call ran."""
        self._call("LiteRtStartProfiler", profiler)
        self.invoke()
        self._call("LiteRtStopProfiler", profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", profiler, count, events)
        return [
            (
                int(each.index),
                each.tag.decode("utf-8", "replace"),
                each.type == _DELEGATED,
                float(each.elapsed_us),
            )
            for each in events
            if each.type in _OPERATOR_EVENTS and each.tag and not each.extra
        ]
