"""{{ models | map(attribute="name") | join(", ") }}: numpy arrays in and out. Made by edgeq {{ edgeq_version }}."""

import ctypes
from pathlib import Path
{% if models | selectattr("stream") | list %}
from typing import NamedTuple
{% endif %}

import numpy as np

__all__ = [{% if models | selectattr("stream") | list %}"Event", {% endif %}{% for model in models %}"{{ model.title }}"{% if not loop.last %}, {% endif %}{% endfor %}]

_library = ctypes.CDLL(str(Path(__file__).parent / "lib{{ name }}.so"))


class Tensor:
    """One input or output.

    Attributes:
        shape: Shape of one call.
        dtype: numpy's type of its values.
        scale, zero_point: real = (value - zero_point) * scale; a scale of 0 stands for values as
            they are.
    """

    def __init__(self, function, shape, dtype, scale, zero_point):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.scale = scale
        self.zero_point = zero_point
        self._function = function

    def __repr__(self):
        return f"Tensor({self.dtype} {self.shape}, {self.scale}, {self.zero_point})"


class _Model:
    """One model with memory of its own: no two threads may call the same object at once."""

    _NAME = ""
    inputs = ()
    outputs = ()

    def __init__(self):
        size = self._c("state_bytes", ctypes.c_size_t)()
        self._memory = ctypes.create_string_buffer(size + 16)
        self._state = ctypes.c_void_p(-(-ctypes.addressof(self._memory) // 16) * 16)
        self._invoke = self._c("invoke")
        self._c("setup")(self._state)
        self._in = [self._view(tensor) for tensor in self.inputs]
        self._out = [self._view(tensor) for tensor in self.outputs]

    def reset(self):
        """Forget all calls so far, where the model keeps something from call to call."""
        self._c("restart")(self._state)

    def self_test(self):
        """0 when each op gives the bytes known when this was made, else the first that differs."""
        return self._c("check", ctypes.c_int)(self._state)

    @classmethod
    def label(cls, index):
        """The name of a class, where the model has names; else None."""
        function = cls._c("label", ctypes.c_char_p)
        function.argtypes = [ctypes.c_int]
        name = function(index)
        return None if name is None else name.decode()

    @classmethod
    def _c(cls, name, result=None):
        function = _library[f"{cls._NAME}_{name}"]
        function.restype = result
        return function

    def _view(self, tensor):
        function = _library[tensor._function]
        function.restype = ctypes.c_void_p
        size = int(np.prod(tensor.shape)) * tensor.dtype.itemsize
        # The buffer that the array keeps is a view of memory that it does not own.
        raw = (ctypes.c_char * size).from_address(function(self._state))
        raw._owner = self._memory
        return np.frombuffer(raw, tensor.dtype).reshape(tensor.shape)

    def _real(self, tensor, direction, values):
        function = _library[tensor._function + direction]
        function.restype = None
        function(self._state, values.ctypes.data_as(ctypes.c_void_p))

    def _reals(self):
        found = []
        for tensor in self.outputs:
            real = np.empty(tensor.shape, np.float32)
            self._real(tensor, "_to_real", real)
            found.append(real)
        return found
{% if models | rejectattr("stream") | list %}


class _Tensors(_Model):
    """One that takes tensors."""

    def run(self, *inputs):
        """The outputs for inputs in the types of the tensors: TensorFlow Lite Micro's bytes.

        Args:
            inputs: One array per input, of its shape and type.

        Returns:
            An array, or a list of arrays where the model has several outputs.
        """
        for tensor, view, values in self._fed(inputs):
            if values.dtype != tensor.dtype:
                raise TypeError(f"the input is {tensor.dtype}, {values.dtype} was given")
            view[...] = values.reshape(tensor.shape)
        self._invoke(self._state)
        return _one([view.copy() for view in self._out])

    def run_real(self, *inputs):
        """The outputs in real numbers for inputs in real numbers, as float32."""
        for tensor, _, values in self._fed(inputs):
            real = np.ascontiguousarray(values, np.float32)
            self._real(tensor, "_from_real", real)
        self._invoke(self._state)
        return _one(self._reals())

    def _fed(self, inputs):
        if len(inputs) != len(self.inputs):
            raise TypeError(f"{len(self.inputs)} inputs are needed, {len(inputs)} were given")
        arrays = [np.asarray(values) for values in inputs]
        for tensor, values in zip(self.inputs, arrays):
            if values.size != int(np.prod(tensor.shape)):
                raise ValueError(f"the input has shape {tensor.shape}, {values.shape} was given")
        return zip(self.inputs, self._in, arrays)
{% endif %}
{% if models | selectattr("stream") | list %}


class _CEvent(ctypes.Structure):
    _fields_ = [("label", ctypes.c_int16), ("score", ctypes.c_int16), ("sample", ctypes.c_uint32)]


class Event(NamedTuple):
    """What was decided.

    Attributes:
        label: Number of the class; `label` of the model has its name.
        score: Its mean, 0 to 1.
        sample: Samples since the last reset until then.
    """

    label: int
    score: float
    sample: int


class _Samples(_Model):
    """One that takes samples as they come.

    Attributes:
        SAMPLE_RATE: Hz; 0 where samples are bytes of frames.
        FIRST_ANSWER, ANSWER_STEP: Samples until the first answer, and from one to the next.
    """

    _DTYPE = np.dtype("int16")
    _DECIDES = False

    def push(self, samples):
        """How many answers became ready with these samples.

        `output` and `output_real` are the last of them; of at most ANSWER_STEP samples there is
        never more than one.

        Args:
            samples: Of the type that the model takes, in a row.
        """
        row = np.ascontiguousarray(samples).reshape(-1)
        if row.dtype != self._DTYPE:
            raise TypeError(f"samples are {self._DTYPE}, {row.dtype} was given")
        function = self._c("push", ctypes.c_int)
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
        return function(self._state, row.ctypes.data, row.size)

    def output(self):
        """The last answer in the type of the output, or a list where there are several."""
        return _one([view.copy() for view in self._out])

    def output_real(self):
        """The last answer in real numbers, as float32."""
        return _one(self._reals())

    def decision(self):
        """The oldest Event that was not taken yet; None where there is none."""
        if not self._DECIDES:
            return None
        event = _CEvent()
        function = self._c("decision", ctypes.c_int)
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        if not function(self._state, ctypes.byref(event)):
            return None
        return Event(event.label, event.score / 32768, event.sample)
{% endif %}


def _one(values):
    return values[0] if len(values) == 1 else values
{% macro facts(tensor) %}
Tensor("{{ tensor.function }}", ({% for size in tensor.shape %}{{ size }}, {% endfor %}), "{{ tensor.dtype }}", {{ tensor.scale }}, {{ tensor.zero_point }})
{%- endmacro %}
{% for model in models %}


class {{ model.title }}({% if model.stream %}_Samples{% else %}_Tensors{% endif %}):
    """{{ model.name }}; SHA-256 of its .tflite file: {{ model.sha256 }}."""

    _NAME = "{{ model.name }}"
{% if model.stream %}
    _DTYPE = np.dtype("{{ model.stream.dtype }}")
    _DECIDES = {{ "True" if model.stream.decision else "False" }}
    SAMPLE_RATE = {{ model.stream.rate_hz }}
    FIRST_ANSWER = {{ model.stream.first_answer }}
    ANSWER_STEP = {{ model.answer_step }}
{% endif %}
    inputs = ({% for tensor in model.inputs %}{{ facts(tensor) | code }}, {% endfor %})
    outputs = ({% for tensor in model.outputs %}{{ facts(tensor) | code }}, {% endfor %})
{% endfor %}
