"""What looks like a mistake in the data or the model, told by what the model makes of the data."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.float_model import FloatModel
from edgeq.model.graph import Subgraph

_SQUASHING = frozenset({"LOGISTIC", "SOFTMAX", "TANH"})
# exp(-80) is nothing even beside the smallest float; trained nets hardly reach 30.
_SATURATED = 80.0
# Normalised values stay within a few units of zero.
_RAW = 20.0


def suspicions(model: FloatModel, found: Calibration | None) -> tuple[str, ...]:
    """What to say of a model and its data, in sentences.

    Args:
        model: The float model.
        found: Its calibration; None where none was needed.
    """
    return (*_unread(model), *(() if found is None else _unnormalised(model, found)))


def _unnormalised(model: FloatModel, found: Calibration) -> Iterator[str]:
    """A sentence for each input whose values are too large for the layers behind them.

    Raw pixels are fine for a net that was trained on them: its activations are of usual size. A
    net that expects -1..1 passes them on a hundredfold, and what goes into its sigmoids and softmax
    is so large that they can only say 0 or 1.
    """
    main = model.graph.main
    places = {main.tensors[index].name: index for index in main.inputs}
    for spec in model.inputs:
        least, most = found.ranges.get(spec.name, (0.0, 0.0))
        if most - least <= _RAW or spec.dtype != "float32" or spec.name not in places:
            continue
        behind = _behind(main, places[spec.name])
        flooded = [
            (op.name, name, *found.ranges[name])
            for op in main.ops
            if op.name in _SQUASHING
            and op.inputs[0] in behind
            and (name := main.tensors[op.inputs[0]].name) in found.ranges
            and _reach(op.name, *found.ranges[name]) > _SATURATED
        ]
        if flooded:
            kind, name, low, high = max(flooded, key=lambda entry: _reach(entry[0], *entry[2:]))
            yield (
                f'The data look unnormalised: input "{spec.name}" goes from {least:.4g} to '
                f'{most:.4g}, and what goes into the {kind} of "{name}" from {low:.4g} to '
                f"{high:.4g}, where it says 0 or 1 only. Was the model trained on other values "
                "(--mean, --std)?"
            )


def _behind(main: Subgraph, source: int) -> set[int]:
    """The tensors that a tensor goes into, itself among them."""
    found = {source}
    for op in main.ops:  # in the order of execution
        if not found.isdisjoint(op.inputs):
            found.update(op.outputs)
    return found


def _reach(kind: str, low: float, high: float) -> float:
    """How far from each other, for a softmax, or from zero the numbers are."""
    return high - low if kind == "SOFTMAX" else max(-low, high)


def _unread(model: FloatModel) -> Iterator[str]:
    """A sentence for each input that no op reads."""
    main = model.graph.main
    read = {index for op in main.ops for index in op.inputs} | set(main.outputs)
    for index in main.inputs:
        if index not in read:
            name = main.tensors[index].name
            yield f'Input "{name}" has no part in any output; it is kept, but never read.'
