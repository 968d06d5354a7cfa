"""Each graph pass held against the graph before it, on random and on real inputs.

A pass over the float graph must leave its values as they are, but for the rounding of float32. One
over the quantized graph may round otherwise, or mend what was wrong; then its result must not be
further from the float model than the graph before it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.boards.runtimes.check import lacking_in_litert
from edgeq.conversion.flatbuffer import indices
from edgeq.conversion.network import Network
from edgeq.conversion.pass_log import PassLog, Rewrite, State
from edgeq.data import Sample
from edgeq.devices.interpreters import (
    LiteRtOptions,
    litert_interpreter,
    stand_in_for_litert,
)
from edgeq.errors import EdgeqError
from edgeq.model.arrays import dequantize, to_input
from edgeq.model.graph import Tensor, numpy_dtype
from edgeq.model.model_file import parse_graph
from edgeq.support.array import Array

SAMPLES = 2
"""Real inputs, and random ones."""
_FLOAT_DB, _INTEGER_DB = 60.0, 25.0
# What an approximation loses is for the check of the whole model to judge; this is broken.
_BROKEN_DB = 12.0
# Fake quantization is taken out of the float graph; it rounds to 8 bits or less.
# A shift by whole steps is off by half a step where a layer pads; the shortest of vectors do not
# become as long as the others.
_ROUNDED_DB = {"take_learned_ranges": 15.0, "align_shifts": 25.0, "spell_norms": 25.0}
_WORSE_DB = 3.0
_AGREEMENT = 0.5

Values = list[list[Array]]
"""Outputs by position, by sample."""


@dataclass(frozen=True)
class PassCheck:
    """How a pass compares with the graph before it.

    Attributes:
        name: Of the pass.
        decibels: The least signal-to-noise ratio of an output; infinite where nothing differs.
    """

    name: str
    decibels: float


def check_passes(
    log: PassLog, samples: Iterable[Sample], real: bytes, where: str
) -> tuple[PassCheck, ...]:
    """How each pass of a conversion compares with the graph before it.

    Args:
        log: Of the conversion.
        samples: Real inputs; SAMPLES are read.
        real: The float model.
        where: Name for messages.

    Raises:
        EdgeqError: A pass changed what the model computes.
    """
    given = [list(sample.inputs) for sample, _ in zip(samples, range(SAMPLES), strict=False)]
    seen = len(given)
    given += _random(given)
    exact = _run(State(real, {}, {}), given)
    results: dict[int, Values | None] = {}
    checks = []
    first: Values | None = None  # of the integer graphs
    last: Values | None = None
    blamed: Rewrite | None = None
    whole = [rewrite for rewrite in log.rewrites if rewrite.whole]
    for rewrite in whole:
        before, after = (
            results.setdefault(id(state), _tried(state, given))
            for state in (rewrite.before, rewrite.after)
        )
        if after is None and (rewrite.real or rewrite is whole[-1]):
            raise EdgeqError(f"The pass {rewrite.name} made a graph that does not run.", where)
        if not rewrite.real:
            # What the quantizer left needs several passes to run at all.
            before = before if before is not None else last
            first = first if first is not None else before
            last = after if after is not None else before
        if before is None or after is None:
            continue
        # Integers end where the ranges of real inputs do, and other inputs may leave those.
        n = len(given) if rewrite.real else seen
        found = _compared(rewrite, before[:n], after[:n], exact[:n])
        if found is None and rewrite.real:
            raise _changed(rewrite, where)
        if found is None:
            blamed = blamed or rewrite
            continue
        checks.append(PassCheck(rewrite.name, found))
    # A later pass over the integer graph may have mended what an earlier one left.
    whole_way = (side[:seen] for side in (first or [], last or [], exact))
    if blamed and first and last and _compared(blamed, *whole_way) is None:
        raise _changed(blamed, where)
    return tuple(checks)


def _changed(rewrite: Rewrite, where: str) -> EdgeqError:
    return EdgeqError(
        f"The pass {rewrite.name} changed what the model computes.",
        where,
        "this is a fault of edgeq, not of your model: report it with the model",
    )


def _random(real: list[list[Array]]) -> list[list[Array]]:
    """As many random inputs, within what was seen of each; what never changes stays as it is."""
    random = np.random.default_rng(0)
    found = []
    for _ in real:
        sample = []
        for values in zip(*real, strict=True):
            seen = np.stack(values)
            drawn = random.uniform(seen.min(), seen.max(), seen.shape[1:])
            whole = bool((seen == np.round(seen)).all())  # whatever type they have by now
            drawn = np.round(drawn) if whole else drawn
            still = (seen == seen[0]).all(0)
            drawn = drawn if still.all() else np.where(still, seen[0], drawn)
            sample.append(drawn.astype(seen.dtype))
        found.append(sample)
    return found


def _tried(state: State, samples: list[list[Array]]) -> Values | None:
    try:
        return _run(state, samples)
    except (EdgeqError, RuntimeError, ValueError):
        return None


def _run(state: State, samples: list[list[Array]]) -> Values:
    """The outputs of a graph in real numbers; its stand-ins are computed by their functions."""
    network = Network.unpack(state.data, "")
    outputs = network.outputs
    cuts = _cut(network, state)
    data = network.pack()
    graph = parse_graph(data).main
    model: Any
    if lacking_in_litert(parse_graph(data)):
        model = stand_in_for_litert(data, graph.inputs, graph.outputs)
    else:
        # In memory that LiteRT shares out, a reshape may be written over before it is read again.
        model = litert_interpreter(data, LiteRtOptions(delegate="none"), preserve=True)
    found = []
    for sample in samples:
        for index, value in zip(graph.inputs, sample, strict=False):
            tensor = graph.tensors[index]
            model.set_tensor(index, _given(np.asarray(value), tensor))
        # A stand-in behind another needs a round more.
        for _ in range(len(cuts) + 1):
            model.invoke()
            for source, result, function in cuts:
                model.set_tensor(result, function(model.get_tensor(source).copy()))
        values = {index: model.get_tensor(index) for index in {*graph.outputs}}
        values.update({result: model.get_tensor(result) for _, result, _ in cuts})
        found.append([_real(values[index], graph.tensors[index]) for index in outputs])
    return found


def _cut(network: Network, state: State) -> list[tuple[int, int, Any]]:
    """Take the stand-ins out: what they give becomes an input, what they read an output."""
    cuts, kept = [], []
    for op in network.ops:
        result = indices(op.outputs)[0]
        function = state.tables.get(network.name(result))
        if function is not None and network.kind(op) == "CEIL" and network.is_float(result):
            cuts.append((indices(op.inputs)[0], result, function))
        else:
            kept.append(op)
    network.ops = kept
    if cuts:
        results = [result for _, result, _ in cuts]
        network.graph.inputs = [*network.inputs, *results]
        outputs = dict.fromkeys((*network.outputs, *(source for source, _, _ in cuts)))
        network.graph.outputs = [index for index in outputs if index not in results]
        network.model.signatureDefs = []
    return cuts


def _given(value: Array, tensor: Tensor) -> Array:
    """A sample as an input of a graph, whatever type that input has by now."""
    if tensor.quantization is not None and value.dtype.kind == "f":
        return np.asarray(to_input(value[None], tensor, tensor.name)[0])
    return np.asarray(value.astype(numpy_dtype(tensor.dtype)).reshape(tensor.shape))


def _real(value: Array, tensor: Tensor) -> Array:
    if tensor.quantization is None or "int" not in tensor.dtype:
        return np.array(value)
    return np.asarray(dequantize(value, tensor), np.float64)


def _compared(rewrite: Rewrite, before: Values, after: Values, exact: Values) -> float | None:
    """The least ratio of an output's values to what a pass changed in them; None if too small."""
    least = _ROUNDED_DB.get(rewrite.name, _FLOAT_DB) if rewrite.real else _INTEGER_DB
    columns: list[list[Sequence[Array]]] = [
        list(zip(*side, strict=True)) for side in (before, after, exact)
    ]
    worst = math.inf
    for old, new, wanted in _aligned(*columns):
        ratio = _decibels(old, new)
        worst = min(worst, ratio)
        if ratio >= least:
            continue
        far = _decibels(wanted, new)
        if rewrite.real or (far < _BROKEN_DB and far < _decibels(wanted, old) - _WORSE_DB):
            return None
    return worst


def _aligned(*sides: Sequence[Sequence[Array]]) -> Iterable[tuple[Array, ...]]:
    """Outputs of several graphs side by side; parts that were joined in one are joined in all."""
    joined = [np.concatenate([np.stack(x).ravel() for x in side]) for side in sides]
    if len({len(side) for side in sides}) > 1:
        # The order of the numbers is another; that they are the same must do.
        yield tuple(np.sort(values) for values in joined)
        return
    for values in zip(*sides, strict=True):
        yield tuple(np.stack(value) for value in values)


def _decibels(wanted: Array, found: Array) -> float:
    """Signal-to-noise ratio; for classes, all or nothing by how many are the same."""
    if wanted.dtype.kind in "iub":
        return math.inf if float((wanted == found).mean()) >= _AGREEMENT else 0.0
    noise = float(((wanted.astype(np.float64) - found) ** 2).sum())
    signal = float((wanted.astype(np.float64) ** 2).sum())
    if noise <= 1e-12 * wanted.size:
        return math.inf
    return 10 * math.log10(max(signal, 1e-30) / noise)
