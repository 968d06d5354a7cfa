"""The float model held against its source: TensorFlow's converter rewrites graphs on its own, too.

What it computes is compared with what the source answers in its own framework, on a few samples.
Both are floats, so all but rounding is a fault of the conversion. A model trained with fake
quantization rounds to 8 bits or less besides, and the float model does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edgeq.boards.runtimes.check import lacking_in_litert
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.network import NotAnswered
from edgeq.conversion.tensorflow import first_line
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter
from edgeq.model.arrays import to_input
from edgeq.model.graph import Subgraph
from edgeq.model.model_file import parse_graph
from edgeq.support.array import Array

SAMPLES = 3
# Of the largest value of an output; float32 through exponentials and divisions is a tenth of that.
_SHARE = 1e-3
# Where values cancel, their rounding is left.
_NOTHING = 1e-5
# What rounding to 4 bits, layer after layer, leaves.
_ROUNDED_DB = 15.0


@dataclass(frozen=True)
class Apart:
    """An output of the float model that is not what the source computes.

    Attributes:
        name: Of the output.
        difference: The largest.
        largest: The largest value that the source gives.
        decibels: Signal-to-noise ratio.
    """

    name: str
    difference: float
    largest: float
    decibels: float


@dataclass(frozen=True)
class Comparison:
    """How a float model compares with its source.

    Attributes:
        samples: That both ran on; 0 where they were not compared.
        apart: Outputs that differ.
        why_not: Why there is nothing to be said, in words; empty where there is.
        instead: Why it was held against what its file was read as, and not against the file.
    """

    samples: int
    apart: tuple[Apart, ...] = ()
    why_not: str = ""
    instead: str = ""


def compare_with_source(model: FloatModel, samples: Iterable[Sequence[Array]]) -> Comparison:
    """How a float model compares with what it was made of, where that may run.

    Args:
        model: The float model.
        samples: Inputs in real numbers: one array per model input, without a batch axis.
    """
    given = [] if model.own is None else list(islice(samples, SAMPLES))
    if model.own is None or not given:
        return Comparison(0)
    graph = parse_graph(model.own.data)
    if lacking_in_litert(graph):
        return Comparison(0)
    answers, instead = model.own.answers, ""
    try:
        try:
            wanted = answers(given)
        except NotAnswered as silent:
            if silent.instead is None:
                return Comparison(0, why_not=str(silent))
            answers, instead = silent.instead, str(silent)
            wanted = answers(given)
    except Exception as error:  # noqa: BLE001  (a framework's own, whatever it is)
        return Comparison(0, why_not=f"its own framework fails on it ({first_line(error)})")
    given = given[: len(wanted)]
    try:
        found = _answers(graph.main, model.own.data, given)
    except RuntimeError as error:  # a place behind the end of a table, say
        return Comparison(0, why_not=f"LiteRT fails on it ({first_line(error)})")
    names = [graph.main.tensors[index].name for index in graph.main.outputs]
    apart = _apart(names, wanted, found)
    if model.own.rounds:
        apart = [output for output in apart if output.decibels < _ROUNDED_DB]
    if not apart:
        return Comparison(len(given), instead=instead)
    # Each alone: what is random, or mixes the samples of a batch, answers otherwise.
    again = [answers([sample, sample, sample])[0] for sample in given]
    if _apart(names, wanted, again):
        why = "it answers otherwise from call to call, or mixes the samples of a batch"
        return Comparison(0, why_not=why)
    return Comparison(len(given), tuple(apart), instead=instead)


def _answers(graph: Subgraph, data: bytes, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    model = litert_interpreter(data, LiteRtOptions(delegate="none"))
    found = []
    for sample in samples:
        for index, value in zip(graph.inputs, sample, strict=True):
            tensor = graph.tensors[index]
            model.set_tensor(index, to_input(np.asarray(value)[None], tensor, tensor.name)[0])
        model.invoke()
        found.append([np.array(model.get_tensor(index)) for index in graph.outputs])
    return found


def _apart(
    names: Sequence[str], wanted: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]
) -> list[Apart]:
    """The outputs that differ by more than rounding; whole numbers turn where two are equal."""
    outputs = []
    for name, theirs, ours in zip(
        names, zip(*wanted, strict=True), zip(*found, strict=True), strict=True
    ):
        exact, got = (np.stack([np.ravel(v) for v in side]) for side in (theirs, ours))
        if exact.dtype.kind != "f" or exact.shape != got.shape or not np.isfinite(exact).all():
            continue
        exact, got = exact.astype(np.float64), np.nan_to_num(got.astype(np.float64))
        difference, largest = float(np.abs(exact - got).max()), float(np.abs(exact).max())
        if difference <= _SHARE * largest + _NOTHING:
            continue
        noise, signal = float(((exact - got) ** 2).sum()), float((exact**2).sum())
        outputs.append(
            Apart(name, difference, largest, 10 * math.log10(max(signal, 1e-30) / noise))
        )
    return outputs
