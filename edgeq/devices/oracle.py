"""The oracle: each op computed by the runtime whose arithmetic is the contract for it.

That is TensorFlow Lite Micro; where it has no kernel for an op and its types, or refuses the call,
LiteRT's reference kernel. A model with ops of both kinds runs part by part, so that an op that both
compute differently (FULLY_CONNECTED by a step now and then) is TensorFlow Lite Micro's even beside
one that TensorFlow Lite Micro does not know.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Measurement, ProfileOptions, Session
from edgeq.devices.registry import open_device
from edgeq.devices.tensors import check_batch, graph_specs, one_call
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.model.graph import Graph, Op, Subgraph, numpy_dtype
from edgeq.model.model_file import read_graph
from edgeq.model.parts import Part, Whole
from edgeq.model.places import input_bounds
from edgeq.support.array import Array

ORACLE, SECOND_ORACLE = "tflm", "local?kernels=reference"
# Inputs that count places: ones could lie beyond the end, where zero never does.
_INDEX_INPUTS = {"GATHER": 1, "GATHER_ND": 1, "EMBEDDING_LOOKUP": 0, "DYNAMIC_UPDATE_SLICE": 2}


def open_oracle(model: Path) -> tuple[str, Session]:
    """A session whose bytes are the contract for a model, and who computes it.

    The address is that of a device, or both joined by "+" where the ops are shared out between
    them.

    Raises:
        EdgeqError: Neither runs the model.
    """
    try:
        session = _tried(model)
    except MissingDependency:
        return SECOND_ORACLE, open_device(SECOND_ORACLE).open(model, CompileOptions())
    except EdgeqError:
        shared = _shared(model)
        if shared is not None:
            return f"{ORACLE}+{SECOND_ORACLE}", shared
        return SECOND_ORACLE, open_device(SECOND_ORACLE).open(model, CompileOptions())
    return ORACLE, session


def owns(address: str, graph: Graph) -> bool:
    """Whether the oracle that was chosen for a model owns the arithmetic of all its ops.

    Without TensorFlow Lite Micro, LiteRT stands in for it, and its float kernels need only be
    close; a difference is no fault then.
    """
    if address != SECOND_ORACLE:
        return True
    floats = any("float" in tensor.dtype for tensor in graph.main.tensors)
    return not floats and importlib.util.find_spec("tflite_micro") is not None


def runs_on_tflm(model: Path) -> bool:
    """Whether TensorFlow Lite Micro opens a model and runs it.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        _tried(model).close()
    except MissingDependency:
        raise
    except EdgeqError:
        return False
    return True


def _tried(model: Path) -> Session:
    """TensorFlow Lite Micro with a model that it has run; opening alone does not tell."""
    session = open_device(ORACLE).open(model, CompileOptions())
    try:
        session.run(_trial_inputs(read_graph(model)))
        session.reset()
    except EdgeqError:
        session.close()
        raise
    return session


def _trial_inputs(graph: Graph) -> list[Array]:
    """Small values that no kernel stumbles over: no zero divisors, no places beyond ends."""
    main = graph.main
    bounds = input_bounds(main, graph.subgraphs)
    places = {
        op.inputs[position]
        for op in main.ops
        if (position := _INDEX_INPUTS.get(op.name, len(op.inputs))) < len(op.inputs)
    }
    found = []
    for index in main.inputs:
        tensor = main.tensors[index]
        value: Array | int = 0 if index in places else min(tensor.zero_point + 1, 127)
        if index in bounds:
            value = bounds[index].arrays(tensor.shape)[0]
        found.append(np.full((1, *tensor.shape), value, numpy_dtype(tensor.dtype)))
    return found


def _shared(model: Path) -> OracleSession | None:
    """The model shared out among both runtimes; None where it cannot be, or need not be."""
    graph = read_graph(model)
    main = graph.main
    held = any(t.dtype == "resource" for each in graph.subgraphs for t in each.tensors)
    if held or any(op.custom_name for op in main.ops) or not main.ops:
        return None
    with tempfile.TemporaryDirectory(prefix="edgeq-oracle-") as folder:
        trial = _Trial(model.read_bytes(), Path(folder))
        owners = [trial.owner(main, op) for op in main.ops]
    if ORACLE not in owners:
        return None
    return OracleSession(graph, model.read_bytes(), owners)


class _Trial:
    """Which runtime runs an op, tried with the op alone; alike ones are tried once."""

    def __init__(self, data: bytes, folder: Path) -> None:
        self._whole, self._folder = Whole(data), folder
        self._known: dict[object, str] = {}

    def owner(self, main: Subgraph, op: Op) -> str:
        """The address of the runtime that owns an op."""
        key = (op.name, str(sorted(op.options.items())), *(_kind(main, i) for i in op.inputs))
        if key not in self._known:
            path = self._folder / f"{op.index}.tflite"
            path.write_bytes(self._whole.part(op.index, op.index + 1, all_outputs=True).data)
            self._known[key] = ORACLE if runs_on_tflm(path) else SECOND_ORACLE
        return self._known[key]


def _kind(main: Subgraph, index: int) -> tuple[object, ...]:
    """What decides over kernels: type, rank, whether constant, scales per channel."""
    if index < 0:
        return ()
    tensor = main.tensors[index]
    per_channel = tensor.quantization is not None and tensor.quantization.per_channel
    return tensor.dtype, tensor.shape, tensor.is_constant, per_channel


class OracleSession(Session):
    """A model whose ops are shared out among runtimes; its parts run one after the other."""

    def __init__(self, graph: Graph, data: bytes, owners: Sequence[str]) -> None:
        """Open every part.

        Args:
            graph, data: The model.
            owners: Address of a device for each op.
        """
        self._graph, self.owners = graph, tuple(owners)
        self._inputs = graph_specs(graph, graph.main.inputs)
        self._folder = tempfile.TemporaryDirectory(prefix="edgeq-oracle-")
        self._parts: list[tuple[Part, Session]] = []
        whole, first = Whole(data), 0
        for owner, group in groupby(owners):
            end = first + len(list(group))
            part = whole.part(first, end)
            path = Path(self._folder.name) / f"{first}.tflite"
            path.write_bytes(part.data)
            self._parts.append((part, open_device(owner).open(path, CompileOptions())))
            first = end

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order."""
        count = check_batch(inputs, self._inputs)
        values = dict(zip(self._graph.main.inputs, inputs, strict=True))
        for part, session in self._parts:
            found = session.run([values[index] for index in part.inputs])
            for index, value in zip(part.outputs, found, strict=True):
                # What depends on no input is computed once.
                alike = len(value) == 1 and count > 1
                values[index] = np.repeat(value, count, axis=0) if alike else value
        return [self._output(values, index, count) for index in self._graph.main.outputs]

    def _output(self, values: dict[int, Array], index: int, count: int) -> Array:
        if index in values:
            return values[index]
        data = self._graph.main.tensors[index].data
        if data is None:
            raise EdgeqError("An output is computed by no op.", self._graph.path)
        return np.repeat(data[None], count, axis=0)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Every activation of one call from the initial state, by tensor index."""
        check_batch(one_call(inputs), self._inputs)
        found: dict[int, Array] = dict(
            zip(self._graph.main.inputs, map(np.asarray, inputs), strict=True)
        )
        for part, session in self._parts:
            traced = session.trace([found[index] for index in part.inputs])
            found |= {part.tensors[index]: value for index, value in traced.items()}
        return {i: found[i] for op in self._graph.main.ops for i in op.outputs if i in found}

    def reset(self) -> None:
        """Set the state of every part back."""
        for _, session in self._parts:
            session.reset()

    def profile(self, options: ProfileOptions) -> Measurement:  # noqa: ARG002
        """Nothing: an oracle is no device."""
        raise EdgeqError("an oracle in parts has no latency.", self._graph.path)

    def close(self) -> None:
        """Close every part."""
        for _, session in self._parts:
            session.close()
        self._parts = []
        self._folder.cleanup()
