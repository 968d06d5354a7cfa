"""Will a model run on a named runtime? Op versions, types, and features that came later."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError
from edgeq.graph import Graph, Op, Subgraph

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = Path(__file__).parent
_MONTH = re.compile(r"\d{4}-\d{2}(-\d{2})?")
# Where an op's type shows in another input than the first.
_TYPED_INPUT = {"TRANSPOSE_CONV": 2, "FILL": 1, "EMBEDDING_LOOKUP": 1, "SELECT_V2": 1}
_PER_CHANNEL = "per_channel"


def runtime_data(file: str) -> Mapping[str, Any]:
    """The content of one data file: "tflm", "litert-2.3.0", ..."""
    loaded: dict[str, Any] = tomllib.loads((_FOLDER / f"{file}.toml").read_text())
    return loaded


def known_runtimes() -> list[str]:
    """Every name that `check_runtime` takes, dates as YYYY-MM."""
    names = ["tflm@YYYY-MM"]
    for file in sorted(_FOLDER.glob("*.toml")):
        data = runtime_data(file.stem)
        if "dates" in data:
            names += [f"{data['name']}@{version}" for version in data["dates"]]
        elif "versions" in data:
            names.append(f"{data['name']}@{data['version']}")
    return names


def check_runtime(graph: Graph, runtime: str) -> list[str]:
    """What a runtime cannot run of a model, one sentence each; empty if nothing is known.

    Args:
        runtime: "tflm@2024-05", "esp-tflite-micro@1.3.3", "litert@2.3.0", ...

    Raises:
        UsageError: There is no data on such a runtime.
    """
    name, _, version = runtime.partition("@")
    if name == "tflm" and _MONTH.fullmatch(version):
        return _check_tflm(graph, version[:7])
    if name == "esp-tflite-micro":
        date = runtime_data(name)["dates"].get(version)
        if date is not None:
            return _check_tflm(graph, date)
    if f"{name}@{version}" in known_runtimes():
        return _check_versions(graph, runtime_data(f"{name}-{version}"))
    raise UsageError(
        f"nothing is known about the runtime '{runtime}'.", hint=", ".join(known_runtimes())
    )


def _ops(graph: Graph) -> list[tuple[Subgraph, Op]]:
    return [(subgraph, op) for subgraph in graph.subgraphs for op in subgraph.ops]


def _check_versions(graph: Graph, data: Mapping[str, Any]) -> list[str]:
    runtime, found = f"{data['name']} {data['version']}", []
    for subgraph, op in _ops(graph):
        highest = data["versions"].get(op.name)
        where = subgraph.describe(op)
        if op.custom_name:
            continue
        if highest is None:
            found.append(f"{where}: {runtime} does not have it.")
        elif op.version > highest:
            found.append(f"{where}: version {op.version}; {runtime} has up to {highest}.")
    return found


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
    return found


def _types(subgraph: Subgraph, op: Op) -> list[str]:
    """The types and features that an op needs a kernel for."""
    position = _TYPED_INPUT.get(op.name, 0)
    if position >= len(op.inputs) or op.inputs[position] < 0:
        return []
    kinds = [subgraph.tensors[op.inputs[position]].dtype]
    if len(op.inputs) > 1 and op.inputs[1] >= 0:
        weights = subgraph.tensors[op.inputs[1]]
        kinds += ["int4"] if weights.dtype == "int4" else []
        quantization = weights.quantization
        kinds += [_PER_CHANNEL] if quantization is not None and quantization.per_channel else []
    return [] if kinds[0] == "resource" else kinds
