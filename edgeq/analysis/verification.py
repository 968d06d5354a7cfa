"""Do two devices give the same bytes? If not: how far apart, and the first op that differs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.analysis.models import as_tflite
from edgeq.analysis.recordings import as_fed, in_form_of
from edgeq.analysis.remarks import remarks_of
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Session
from edgeq.devices.oracle import open_oracle, owns
from edgeq.devices.registry import address_of
from edgeq.errors import EdgeqError, UsageError
from edgeq.frontend.silent import silent_bands_of
from edgeq.model.arrays import input_tensors, model_inputs
from edgeq.model.file_axes import Axes, read_axes
from edgeq.model.graph import Graph, Subgraph, Tensor, numpy_dtype
from edgeq.model.model_file import read_graph
from edgeq.model.places import Bounds, input_bounds, is_of_places
from edgeq.support.array import Array
from edgeq.support.progress import track
from edgeq.support.result import Result
from edgeq.support.seeds import check_seed

_CHUNK = 32
_MOST_RANDOM_BYTES = 4 << 30


@dataclass(frozen=True)
class OpDifference:
    """The first op, in order of execution, whose output differs.

    Attributes:
        index: Position in the model.
        op: Builtin name.
        name: Name of the output tensor that differs.
        max_difference: Largest difference, in LSB where the tensor is integer.
        elements: How many elements differ, of `of` elements.
    """

    index: int
    op: str
    name: str
    max_difference: float
    elements: int
    of: int


@dataclass(frozen=True, repr=False)
class Verification(Result):
    """The result of comparing two devices.

    Attributes:
        equal: Whether all output bytes are the same.
        n: Number of random or given inputs.
        compared: Number of inputs compared: `n`, and the two extremes before random ones.
        differing: Number of inputs with a difference.
        max_difference: Largest difference of one output element, in LSB where it is an integer.
        first_differing: Position of the first input with a difference; None if there is none.
        first_op: The first op that differs on that input; None if unknown or equal.
        note: Why `first_op` is unknown; empty if it is not.
        owned: Whether `against` owns the arithmetic of all ops, so that a difference is a fault.
        warnings: What is known to be wrong with the arithmetic of a device, in sentences.
    """

    model: str
    sha256: str
    on: str
    against: str
    equal: bool
    n: int
    compared: int
    differing: int = 0
    max_difference: float = 0.0
    first_differing: int | None = None
    first_op: OpDifference | None = None
    note: str = ""
    owned: bool = True
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq verify`."""
        found = asdict(self)
        model = {"path": found.pop("model"), "sha256": found.pop("sha256")}
        return {"edgeq": __version__, "model": model, **found}


def verify(
    model: str | Path,
    *,
    on: str,
    against: str | None = None,
    n: int = 100,
    seed: int = 0,
    inputs: Array | Mapping[str, Array] | None = None,
    options: CompileOptions | None = None,
    where: str = "inputs",
) -> Verification:
    """Whether two devices give the same output bytes.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (as float).
        on: Address of the device to check.
        against: Address of the oracle; None for the one that owns each op's arithmetic: TensorFlow
            Lite Micro, and LiteRT's reference kernels for ops that it has no kernel for.
        n: Number of random inputs; all-minimum and all-maximum inputs come before them.
        seed: Of the random inputs.
        inputs: Inputs to use in place of random ones, as for `edgeq.run`.
        options: How C is generated, where an address runs generated C.
        where: Name of `inputs`, for error messages.

    A front end has no oracle but this machine's C: on `c` itself the model behind it is compared,
    with TensorFlow Lite Micro, unless `inputs` or `against` are given.

    Raises:
        EdgeqError: A device cannot run the model, or `inputs` do not fit it.
        UsageError: `c` would be compared with itself.
    """
    if options is not None and options.frontend is not None and against is None:
        against = "c"  # no other runtime has front ends
        if address_of(on).scheme == "c":
            if inputs is not None:
                raise UsageError(
                    "c would be compared with itself: no other runtime here has front ends.",
                    hint="leave out the inputs, or --against sim:CPU or wasm:",
                )
            options, against = replace(options, frontend=None), None
    if options is not None:
        options = in_form_of(on, options)
    with ExitStack() as stack:
        path = stack.enter_context(as_tflite(model))
        graph = read_graph(path)
        axes = read_axes(graph.metadata, graph.path)
        arrays = _inputs(as_fed(graph, options), inputs, axes, n, seed, where)
        pair = [stack.enter_context(open_session(on, path, options))]
        if against is None:
            against, theirs = open_oracle(path)
        else:
            theirs = open_session(against, path, options, reference=True)
        pair.append(stack.enter_context(theirs))
        with _of_random_values(graph, given=inputs is not None):
            far = np.concatenate(list(_differences(pair, arrays)))
        bad = np.flatnonzero(far)
        compared = len(arrays[0])
        result = Verification(
            model=str(model),
            sha256=graph.sha256,
            on=on,
            against=against,
            equal=not len(bad),
            n=n if inputs is None else compared,
            compared=compared,
            owned=owns(against, graph),
            warnings=(*_warnings(pair, options), *remarks_of(graph)),
        )
        if not len(bad):
            return result
        first = int(bad[0])
        op, note = _first_op(graph, pair, [a[first] for a in arrays], (on, against))
    return replace(
        result,
        differing=len(bad),
        max_difference=float(far.max()),
        first_differing=first,
        first_op=op,
        note=note,
    )


@contextmanager
def _of_random_values(graph: Graph, *, given: bool) -> Iterator[None]:
    """Say of a runtime that stumbles over places drawn here what would be better ones."""
    try:
        yield
    except EdgeqError as error:
        if given or error.hint or not is_of_places(error.what):
            raise
        raise EdgeqError(
            f"{error.what.rstrip('.')}: the inputs are random numbers.",
            graph.path,
            "-i FILE with inputs that the model expects, whose places lie inside its tables",
        ) from None


def _warnings(pair: Sequence[Session], options: CompileOptions | None) -> tuple[str, ...]:
    of_sessions = (said for session in pair for said in session.warnings)
    return tuple(dict.fromkeys((*of_sessions, *silent_bands_of(options))))


def _inputs(
    graph: Graph,
    given: Array | Mapping[str, Array] | None,
    axes: Axes,
    n: int,
    seed: int,
    where: str,
) -> list[Array]:
    model = graph.main
    if not model.inputs:
        raise EdgeqError(
            "The model has no input: it gives the same in every call.",
            graph.path,
            "edgeq compile --golden makes a self-test of it",
        )
    if given is not None:
        return model_inputs(given, model, where, axes)
    if n < 1:
        raise UsageError(f"-n {n}: at least one input is needed.")
    check_seed(seed)
    # Random numbers are drawn with 8 bytes each.
    one = 8 * sum(math.prod(tensor.shape) for tensor in input_tensors(model))
    if n * one > _MOST_RANDOM_BYTES:
        raise UsageError(
            f"-n {n:,}: so many inputs take {n * one:,} bytes.",
            hint=f"at most {_MOST_RANDOM_BYTES // one:,}, of several seeds",
        )
    return random_inputs(model, n, seed, graph.subgraphs)


def random_inputs(
    model: Subgraph, n: int, seed: int = 0, subgraphs: Sequence[Subgraph] = ()
) -> list[Array]:
    """All-minimum, all-maximum and then `n` uniformly random inputs.

    Floats lie in [-1, 1]; numbers that index a table stay inside it, those that a loop of the other
    subgraphs counts by are small.

    Raises:
        EdgeqError: An input holds something else than numbers.
    """
    generator = np.random.default_rng(seed)
    bounds = input_bounds(model, subgraphs)
    result = []
    for tensor in input_tensors(model):
        try:
            dtype = numpy_dtype(tensor.dtype)
        except KeyError:
            raise EdgeqError(
                f"there are no random {tensor.dtype} values.", f'input "{tensor.name}"'
            ) from None
        known = bounds.get(tensor.index)
        if dtype.kind == "f" and known is None:
            random = generator.uniform(-1, 1, (n, *tensor.shape)).astype(dtype)
            low, high = dtype.type(-1), dtype.type(1)
        else:
            low, high = _integer_range(known, tensor, dtype)
            # Drawn as int64, so that one seed gives the same numbers in every type they fit.
            drawn = np.int64 if np.max(high) <= np.iinfo(np.int64).max else dtype
            random = generator.integers(low, high, (n, *tensor.shape), drawn, endpoint=True)
            random = random.astype(dtype)
        extremes = np.stack([np.full(tensor.shape, low, dtype), np.full(tensor.shape, high, dtype)])
        result.append(np.concatenate([extremes, random]))
    return result


def _integer_range(bounds: Bounds | None, tensor: Tensor, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the largest values of an input: numbers, or arrays of its shape."""
    if bounds is not None:
        return bounds.arrays(tensor.shape)
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _differences(pair: Sequence[Session], arrays: Sequence[Array]) -> Iterator[Array]:
    """Largest difference of each input's outputs, chunk by chunk, so that memory stays small."""
    starts = range(0, len(arrays[0]), _CHUNK)
    for start in track(starts, "verifying", len(starts)):
        chunk = [array[start : start + _CHUNK] for array in arrays]
        ours, theirs = (session.run(chunk) for session in pair)
        far = [
            _distance(a, b, f"output {i}")
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        ]
        yield np.max([each.reshape(len(chunk[0]), -1).max(axis=1) for each in far], axis=0)


def _distance(ours: Array, theirs: Array, what: str) -> Array:
    """Absolute difference of each element as float64; 0 exactly where the bytes are equal."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise EdgeqError(
            f"{what} is {ours.dtype} {ours.shape} on one device and {theirs.dtype} "
            f"{theirs.shape} on the other."
        )
    ours, theirs = np.ascontiguousarray(ours), np.ascontiguousarray(theirs)  # of one axis at least
    integer = f"u{ours.dtype.itemsize}"
    same = ours.view(integer) == theirs.view(integer)
    far = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    # Bytes that differ without a numeric distance (-0.0, NaN, large int64) still differ.
    far[~same & ~(far > 0)] = 1 if ours.dtype.kind in "iub" else np.finfo(np.float64).tiny
    far[same] = 0
    return np.asarray(far)


def _first_op(
    graph: Graph,
    pair: Sequence[Session],
    inputs: Sequence[Array],
    addresses: tuple[str, str],
) -> tuple[OpDifference | None, str]:
    """The first op that differs on one input (without a sample axis), from the initial state."""
    traces = []
    for session, address in zip(pair, addresses, strict=True):
        try:
            traces.append(session.trace(inputs))
        except EdgeqError as error:
            return None, f"{address}: {error.what}"
    op = first_difference(graph.main, *traces)
    return op, "" if op else "from the initial state no op differs on that input."


def first_difference(
    model: Subgraph, ours: Mapping[int, Array], theirs: Mapping[int, Array]
) -> OpDifference | None:
    """The first op whose output differs between two traces (tensors by index)."""
    for op in model.ops:
        for index in op.outputs:
            if index not in ours or index not in theirs:
                continue
            name = model.tensors[index].name
            far = _distance(ours[index], theirs[index], f'tensor {index} "{name}"')
            if far.any():
                return OpDifference(
                    op.index, op.name, name, float(far.max()), int((far > 0).sum()), far.size
                )
    return None
