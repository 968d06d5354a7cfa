"""The interpreters of this machine: LiteRT's and TensorFlow Lite Micro's, made for a model."""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeq.devices.native_output import captured_stderr
from edgeq.devices.tensors import graph_specs
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.model.model_file import parse_graph
from edgeq.support.quiet import without_warnings

_ARENA_HINT = "edgeq inspect shows which op or type is unusual; --on local runs more kinds"
_OF_PROFILING = re.compile(
    r"InvokeWithCalibration failed: |failed to get XNNPACK profile information\."
)
_NODE = re.compile(r"Node number \d+ \((\w+)\) failed to invoke\.")
_PREPARED = (
    "values that count places must lie inside their tables: are the data prepared as those of the "
    "training?"
)
_DIVIDED = (
    "a divisor is 0, or rounds to 0 in 8 bits: add a larger number to it in the model, or take "
    "--scheme int16x8"
)
_LARGEST_ARENA = (1 << 31) - 16  # TensorFlow Lite Micro counts in 32 bits, and crashes above


@dataclass(frozen=True)
class LiteRtOptions:
    """How LiteRT runs a model.

    Attributes:
        threads: Threads of the kernels.
        delegate: "xnnpack", LiteRT's default, or "none".
        kernels: "default", or "reference" for the plain C++ ones, which take no delegate; a model
            with an op that has no such kernel (ELU) runs on the default ones, without a delegate.
    """

    threads: int = 1
    delegate: str = "xnnpack"
    kernels: str = "default"


def litert_interpreter(model: bytes, options: LiteRtOptions, *, preserve: bool = False) -> Any:
    """A LiteRT interpreter with its tensors allocated.

    Args:
        model: Content of a .tflite file.
        options: Threads, delegate, kernels.
        preserve: Whether every intermediate tensor can be read after a call.

    Raises:
        EdgeqError: LiteRT does not run this model; its own words are in the message.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN
    if options.kernels == "reference":
        resolver = OpResolverType.BUILTIN_REF
    elif options.delegate == "none":
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with captured_stderr() as printed, without_warnings():  # preserving tensors is meant
        try:
            interpreter = Interpreter(
                model_content=model,
                num_threads=options.threads,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=preserve,
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            detail = str(error).strip() or printed.text().strip()
            if options.kernels == "reference" and "Didn't find op" in detail:
                usual = LiteRtOptions(options.threads, delegate="none")
                return litert_interpreter(model, usual, preserve=preserve)
            raise EdgeqError(f"LiteRT cannot run this model: {detail}") from None
    return interpreter


def divides_by_zero(said: str) -> bool:
    """Whether LiteRT's words are about a divisor of 0."""
    integers = "div.cc" in said and "zero_point was not true" in said
    return integers or "Division by 0" in said


@contextmanager
def computing(what: str, where: str = "") -> Iterator[None]:
    """What LiteRT says of values that it cannot compute with, as an error of the user's.

    Args:
        what: Whose values they are, such as "sample 3 of the data".
        where: The model or the data.

    Raises:
        EdgeqError: LiteRT failed; its own words are in the message.
    """
    try:
        yield
    except RuntimeError as error:
        said = _NODE.sub(r" (\1)", _OF_PROFILING.sub("", str(error))).strip()
        hint = _DIVIDED if divides_by_zero(said) else _PREPARED
        raise EdgeqError(f"LiteRT cannot compute {what}: {said}.", where, hint) from None


def micro_interpreter(
    model: bytes, *, preserve: bool = False, arena_bytes: int | None = None
) -> Any:
    """A TensorFlow Lite Micro interpreter with its tensors allocated.

    Args:
        model: Content of a .tflite file; checked before, since TFLM trusts what it reads.
        preserve: Whether every intermediate tensor can be read after a call.
        arena_bytes: Size of the arena; by default much more than enough.

    Raises:
        MissingDependency: The package is not installed.
        EdgeqError: TFLM has no kernel for this model; its own words are in the message.
    """
    try:
        from tflite_micro.python.tflite_micro import runtime
    except ImportError:
        raise MissingDependency(
            "tflite-micro", "the tflm device", "pip install 'edgeq[tflm]'"
        ) from None
    config = runtime.InterpreterConfig
    kind = config.kPreserveAllTensors if preserve else config.kAllocationRecording
    # Ten times the file is the package's own guess; a small file may still have large
    # activations, and preserving keeps all of them at once.
    arena = max(10 * len(model), 16 << 20) if arena_bytes is None else arena_bytes
    arena = min(arena, _LARGEST_ARENA)
    with captured_stderr() as printed:
        try:
            return runtime.Interpreter.from_bytes(model, None, arena, kind)
        except (RuntimeError, ValueError) as error:
            lines = printed.text().split("\n")
            detail = next((line for line in lines if line.strip()), str(error))
            raise EdgeqError(f"TFLM cannot run this model: {detail}", hint=_ARENA_HINT) from None


class StandIn(Protocol):
    """What runs a model that LiteRT cannot run, with LiteRT's calls."""

    def set_tensor(self, index: int, value: Any) -> None:
        """Give an input its value."""

    def invoke(self) -> None:
        """Run the model once."""

    def get_tensor(self, index: int) -> Any:
        """The value of an output, or of an input."""


def stand_in_for_litert(model: bytes, inputs: Sequence[int], outputs: Sequence[int]) -> StandIn:
    """TensorFlow Lite Micro with a model that LiteRT cannot run; generated C where that cannot.

    Args:
        model: Content of a .tflite file.
        inputs, outputs: Its inputs and outputs, by position.

    Raises:
        MissingDependency: There is neither TensorFlow Lite Micro nor a C compiler.
        EdgeqError: Nothing runs this model.
    """

    def compiled() -> StandIn:
        return _CompiledAsLiteRt(model, inputs, outputs)

    try:
        return _FirstThatRuns(AsLiteRt(model, inputs), compiled)
    except EdgeqError as error:
        try:
            return compiled()
        except MissingDependency as missing:
            raise error if isinstance(error, MissingDependency) else missing from None


class _FirstThatRuns:
    """A runtime until its first call fails, which tells more than opening a model; then another."""

    def __init__(self, first: StandIn, second: Callable[[], StandIn]) -> None:
        self._now, self._second = first, second
        self._given: dict[int, Any] = {}
        self._ran = False

    def set_tensor(self, index: int, value: Any) -> None:
        """Give an input its value."""
        self._given[index] = value
        self._now.set_tensor(index, value)

    def invoke(self) -> None:
        """Run the model once."""
        try:
            self._now.invoke()
        except RuntimeError:
            if self._ran:
                raise
            self._now = self._second()
            for index, value in self._given.items():
                self._now.set_tensor(index, value)
            self._now.invoke()
        self._ran = True

    def get_tensor(self, index: int) -> Any:
        """The value of an output, or of an input."""
        return self._now.get_tensor(index)


class _CompiledAsLiteRt:
    """Generated C with LiteRT's calls."""

    def __init__(self, model: bytes, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        from edgeq.compiler.options import CompileOptions
        from edgeq.devices.host_c import HostDevice

        with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
            path = Path(folder) / "model.tflite"
            path.write_bytes(model)
            self._session = HostDevice("c").open(path, CompileOptions())
        graph = parse_graph(model)
        # Zeros until they are given, as LiteRT's are.
        self._inputs: dict[int, Any] = {
            index: np.zeros((1, *spec.shape), spec.dtype)
            for index, spec in zip(inputs, graph_specs(graph, inputs), strict=True)
        }
        self._outputs: dict[int, Any] = dict.fromkeys(outputs)
        weakref.finalize(self, self._session.close)

    def set_tensor(self, index: int, value: Any) -> None:
        """Give an input its value."""
        self._inputs[index] = value[None]

    def invoke(self) -> None:
        """Run the model once."""
        found = self._session.run(list(self._inputs.values()))
        self._outputs = {i: value[0].copy() for i, value in zip(self._outputs, found, strict=True)}

    def get_tensor(self, index: int) -> Any:
        """The value of an output, or of an input."""
        return self._inputs[index][0] if index in self._inputs else self._outputs[index]


class AsLiteRt:
    """A TensorFlow Lite Micro interpreter with LiteRT's calls, for models that LiteRT cannot run.

    Every tensor can be read after a call.
    """

    def __init__(self, model: bytes, inputs: Sequence[int]) -> None:
        """Load a model.

        Args:
            model: Content of a .tflite file.
            inputs: Its inputs, by position.

        Raises:
            MissingDependency: The package is not installed.
            EdgeqError: TFLM has no kernel for this model.
        """
        self._interpreter = micro_interpreter(model, preserve=True)
        self._places = {index: position for position, index in enumerate(inputs)}

    def set_tensor(self, index: int, value: Any) -> None:
        """Give an input its value."""
        self._interpreter.set_input(value, self._places[index])

    def invoke(self) -> None:
        """Run the model once."""
        self._interpreter.invoke()

    def get_tensor(self, index: int) -> Any:
        """The value of a tensor of the main subgraph."""
        return self._interpreter.GetTensor(index, 0)["tensor_data"]
