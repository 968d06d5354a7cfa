"""Will a model run on a named runtime? Op versions, types, and features that came later."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError
from edgeq.model.graph import Graph, Op, Subgraph

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent
_MONTH = re.compile(r"\d{4}-\d{2}(-\d{2})?")
# Where an op's type shows in another input than the first.
_TYPED_INPUT = {"TRANSPOSE_CONV": 2, "FILL": 1, "EMBEDDING_LOOKUP": 1, "SELECT_V2": 1}
# Ops that hand on whatever they are given.
_UNTYPED = frozenset({"CALL_ONCE", "IF", "WHILE"})
_PER_CHANNEL = "per_channel"
_WIDE_BIAS = {"DEPTHWISE_CONV_2D": 2, "TRANSPOSE_CONV": 3}  # of int16, on TensorFlow Lite Micro
# Inputs whose scales TensorFlow Lite Micro reads by channel: weights, and biases, whose scales it
# does not read at all.
_CHANNELS_OF_TFLM = {
    "CONV_2D": frozenset({1, 2}),
    "DEPTHWISE_CONV_2D": frozenset({1, 2}),
    "FULLY_CONNECTED": frozenset({1, 2}),
    "TRANSPOSE_CONV": frozenset({1, 3}),
}
# Bytes that are moved have no scale.
_MOVED = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "ASSIGN_VARIABLE", "READ_VARIABLE"})
_NEWEST = "9999-12"


def runtime_data(name: str) -> Mapping[str, Any]:
    """The content of one data file: "tflm", "litert", ..."""
    loaded: dict[str, Any] = tomllib.loads((_FOLDER / f"{name}.toml").read_text())
    return loaded


def known_runtimes() -> list[str]:
    """Every name that `check_runtime` takes, dates as YYYY-MM."""
    names = ["tflm@YYYY-MM"]
    for file in sorted(_FOLDER.glob("*.toml")):
        data = runtime_data(file.stem)
        releases = data.get("dates", data.get("releases", ()))
        names += [f"{file.stem}@{release}" for release in releases]
    return names


def highest_versions(name: str, release: str | None = None) -> dict[str, int]:
    """The highest version of each op that a release takes, of "litert" or "tflite-runtime".

    Args:
        release: By default the newest.
    """
    data = runtime_data(name)
    known = data["releases"]
    until = known[: known.index(release or known[-1]) + 1]
    found = {
        op: next((steps[each] for each in reversed(until) if each in steps), 0)
        for op, steps in data["ops"].items()
    }
    return {op: version for op, version in found.items() if version}


def check_runtime(graph: Graph, runtime: str) -> list[str]:
    """What a runtime cannot run of a model, one sentence each; empty if nothing is known.

    Args:
        runtime: "tflm@2024-05", "esp-tflite-micro@1.3.3", "litert@2.3.0", ...

    Raises:
        UsageError: There is no data on such a runtime.
    """
    name, _, version = runtime.partition("@")
    if name == "tflm" and _MONTH.fullmatch(version):
        first = runtime_data(name)["first"]
        if version[:7] < first:
            raise UsageError(f"nothing is known about '{name}' before {first}.")
        return _check_tflm(graph, version[:7])
    if runtime not in known_runtimes():
        raise UsageError(f"nothing is known about the runtime '{runtime}'.", hint=_nearest(name))
    if name == "esp-tflite-micro":
        return _check_tflm(graph, runtime_data(name)["dates"][version])
    return _check_versions(graph, f"{name} {version}", highest_versions(name, version))


def check_newest(graph: Graph, name: str) -> list[str]:
    """What the newest known state of "tflm" or "litert" cannot run of a model."""
    if name == "tflm":
        return _check_tflm(graph, _NEWEST)
    newest = runtime_data(name)["releases"][-1]
    return _check_versions(graph, f"{name} {newest}", highest_versions(name, newest))


def wrong_on_tflm(graph: Graph) -> list[str]:
    """Ops that TensorFlow Lite Micro computes wrongly without an error, a sentence each.

    Source: its kernels, of which convolutions and FULLY_CONNECTED alone read weights' scales by
    channel; the others read `params.scale`, which is the first one's. Of biases beside int16, those
    of two ops are read as int64 whatever they are.
    """
    found = [
        f"{subgraph.describe(op)}: TensorFlow Lite Micro has one scale for all channels there."
        for subgraph, op in _ops(graph)
        if _channels_at(subgraph, op) - _CHANNELS_OF_TFLM.get(op.name, frozenset())
    ]
    return found + [
        f"{subgraph.describe(op)}: TensorFlow Lite Micro reads the int32 bias as int64 there."
        for subgraph, op in _ops(graph)
        if _is_narrow_bias(subgraph, op)
    ]


def _is_narrow_bias(subgraph: Subgraph, op: Op) -> bool:
    position = _WIDE_BIAS.get(op.name, len(op.inputs))
    if position >= len(op.inputs) or op.inputs[position] < 0:
        return False
    wide = any(subgraph.tensors[index].dtype == "int16" for index in op.outputs)
    return wide and subgraph.tensors[op.inputs[position]].dtype == "int32"


def _channels_at(subgraph: Subgraph, op: Op) -> frozenset[int]:
    """Positions of inputs and outputs (behind them) of integers that have scales per channel."""
    if op.name in _UNTYPED or op.name in _MOVED:
        return frozenset()
    found = []
    for position, index in enumerate((*op.inputs, *op.outputs)):
        tensor = subgraph.tensors[index] if index >= 0 else None
        if tensor is not None and tensor.quantization is not None and "int" in tensor.dtype:
            found += [position] if tensor.quantization.per_channel else []
    return frozenset(found)


def lacking_in_litert(graph: Graph) -> list[str]:
    """Ops of a model that LiteRT knows but has no kernel for, a sentence each."""
    lacks = runtime_data("litert")["lacks"]
    return [
        f"{subgraph.describe(op)}: LiteRT has no {kind} kernel."
        for subgraph, op in _ops(graph)
        for kind in _types(subgraph, op)[:1]
        if kind in lacks.get(op.name, ())
    ]


def _nearest(name: str) -> str:
    """Runtimes of this name; the newest of every name if there is none."""
    known = known_runtimes()
    newest = {each.partition("@")[0]: each for each in known}
    return ", ".join([k for k in known if k.partition("@")[0] == name] or newest.values())


def _ops(graph: Graph) -> list[tuple[Subgraph, Op]]:
    return [(subgraph, op) for subgraph in graph.subgraphs for op in subgraph.ops]


def _check_versions(graph: Graph, runtime: str, versions: Mapping[str, int]) -> list[str]:
    found = []
    for subgraph, op in _ops(graph):
        highest = versions.get(op.name)
        where = subgraph.describe(op)
        if op.custom_name:
            continue
        if highest is None:
            found.append(f"{where}: {runtime} does not have it.")
        elif op.version > highest:
            found.append(f"{where}: version {op.version}; {runtime} has up to {highest}.")
    return found + (lacking_in_litert(graph) if runtime.startswith("litert") else [])


def _check_tflm(graph: Graph, month: str) -> list[str]:
    ops, found = runtime_data("tflm")["ops"], []
    for subgraph, op in _ops(graph):
        where, known = subgraph.describe(op), ops.get(op.custom_name or op.name)
        if op.custom_name and known is None:
            continue
        if known is None or known["since"] > month:
            since = "does not have it" if known is None else f"has it since {known['since']}"
            found.append(f"{where}: TensorFlow Lite Micro {since}.")
            continue
        for kind in _types(subgraph, op):
            since = known.get(kind)
            if since is None and kind == _PER_CHANNEL:
                continue
            if since is None or since > month:
                when = "does not have it" if since is None else f"since {since}"
                what = "per-channel weights" if kind == _PER_CHANNEL else kind
                found.append(f"{where}: {what}: TensorFlow Lite Micro {when}.")
    return [*found, *wrong_on_tflm(graph)]


def _types(subgraph: Subgraph, op: Op) -> list[str]:
    """The types and features that an op needs a kernel for."""
    position = _TYPED_INPUT.get(op.name, 0)
    if op.name in _UNTYPED:
        return []
    if position >= len(op.inputs) or op.inputs[position] < 0:
        return []
    kinds = [subgraph.tensors[op.inputs[position]].dtype]
    if len(op.inputs) > 1 and op.inputs[1] >= 0:
        weights = subgraph.tensors[op.inputs[1]]
        kinds += ["int4"] if weights.dtype == "int4" else []
        quantization = weights.quantization
        kinds += [_PER_CHANNEL] if quantization is not None and quantization.per_channel else []
    return [] if kinds[0] == "resource" else kinds
