"""Models that compute spectra themselves (tf.signal): what to write as a front end instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.conversion.spectra.chain import one_number
from edgeq.errors import EdgeqError
from edgeq.frontend.description import toml_text
from edgeq.model.graph import Graph, Op, Subgraph

_TRANSFORMS = ("RFFT2D",)
_COMPLEX = ("COMPLEX_ABS", "REAL", "IMAG")


def transforms(graph: Graph) -> list[Op]:
    """The Fourier transforms of a model, in order."""
    return [op for op in graph.main.ops if op.name in _TRANSFORMS]


def refuse_spectrum(graph: Graph, why: str = "") -> None:
    """Refuse a model with a Fourier transform, which has no integer form, and say what has.

    Args:
        graph: The model.
        why: Why it is not split off, as the end of a sentence; empty if that was not tried.

    Raises:
        EdgeqError: It has one; with as much of a front end's description as the graph tells.
    """
    main = graph.main
    if not (found := transforms(graph)):
        return
    first = found[0]
    ops = [first, *(op for op in main.ops if op.name in _COMPLEX)]
    layers = [f'{op.name} "{main.tensors[op.outputs[0]].name}"' for op in ops[:4]]
    values = _described(main, first)
    lines = toml_text(values).strip().replace("\n", ", ")
    rest = (
        "sample_rate, lower_edge_hertz and upper_edge_hertz as linear_to_mel_weight_matrix has them"
        if values["kind"] == "log-mel"
        else "sample_rate"
    )
    apart = f" It cannot be split off: {why}." if why else ""
    raise EdgeqError(
        f"The model computes a spectrum itself (tf.signal: {', '.join(layers)}), which has no "
        f"integer form.{apart}",
        f"{graph.path}, {main.describe(first)}",
        f"take it out of the model and write it in a TOML file for --frontend: {lines}, {rest}; "
        "train and convert what lies behind it on the features of `edgeq features`; or begin a "
        "Keras model with keras.layers.MelSpectrogram, which convert splits off; or --scheme "
        "dynamic or float16, which leave it in float",
    )


def _described(main: Subgraph, transform: Op) -> dict[str, Any]:
    """What the graph tells of its front end, in the words of a description."""
    makers = {index: op for op in main.ops for index in op.outputs}
    users: dict[int, list[Op]] = {}
    for op in main.ops:
        for index in op.inputs:
            users.setdefault(index, []).append(op)
    size = main.tensors[transform.inputs[0]].shape[-1]
    values: dict[str, Any] = {"kind": "spectrogram", **_frames(main, makers, transform)}
    values["fft_length"] = size
    values |= _behind(main, users, transform)
    return values


def _frames(main: Subgraph, makers: Mapping[int, Op], transform: Op) -> dict[str, Any]:
    """Length and step of windows, from the ops that cut the samples."""
    op = makers.get(transform.inputs[0])
    while op is not None:
        given = main.tensors[op.inputs[0]]
        if op.name == "GATHER":
            places = main.tensors[op.inputs[1]].data
            if places is None or np.ndim(places) != 2 or len(places) < 2:
                return {}
            part = given.shape[-1]
            length, step = places.shape[1] * part, int(places[1, 0] - places[0, 0]) * part
            return {"frame_length": length, "frame_step": step}
        op = makers.get(op.inputs[0])
    return {}


def _behind(main: Subgraph, users: Mapping[int, list[Op]], transform: Op) -> dict[str, Any]:
    """Power, bands and logarithm, from the ops that follow."""
    values: dict[str, Any] = {"power": 1, "log": "none"}
    op = transform
    while len(after := users.get(op.outputs[0], [])) == 1:
        op = after[0]
        others = [main.tensors[i].data for i in op.inputs[1:] if i >= 0]
        if op.name == "SQUARE":
            values["power"] = 2
        elif op.name in ("FULLY_CONNECTED", "BATCH_MATMUL"):
            values |= {"kind": "log-mel", "num_mel_bins": main.tensors[op.outputs[0]].shape[-1]}
            values |= _number("log_offset", others[1] if len(others) > 1 else None)
        elif op.name in ("ADD", "MAXIMUM"):
            values |= _number("log_offset" if op.name == "ADD" else "log_floor", others[0])
        elif op.name == "LOG":
            return {**values, "log": "natural"}
        elif op.name not in ("RESHAPE", "COMPLEX_ABS", "TRANSPOSE", "REAL"):
            return values
    return values


def _number(name: str, data: Any) -> dict[str, float]:
    """A constant that is one number above 0."""
    found = one_number(data)
    return {name: float(f"{found:.6g}")} if found is not None and found > 0 else {}
