"""Which layers can take int4 weights: measured one at a time, then put together.

Rounding errors of different layers hardly correlate, so the noise each adds to the outputs is
about additive. Layers are taken in the order of noise per byte saved until the noise that the
user's answers can bear is used up; the model as a whole is measured at the end.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence

import numpy as np

from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.quantization.quantize import Ranges, Recipe, quantize
from edgeq.conversion.quantization.schemes import find_scheme
from edgeq.conversion.tensorflow import quiet
from edgeq.data import Dataset, Sample
from edgeq.model.arrays import dequantize, input_tensors, output_tensors, to_input
from edgeq.model.model_file import parse_graph
from edgeq.support.array import Array
from edgeq.support.progress import track

_SAMPLES = 32
# 25 dB: on the tasks of benchmarks/tasks.py less than a point of accuracy; 20 dB cost up to three.
_NOISE = 0.003
_SMALLEST_WEIGHTS = 64


def choose_precision(model: FloatModel, ranges: Ranges, data: Dataset) -> dict[str, str]:
    """The scheme for every layer that should not be int8, by tensor name.

    Args:
        model: The float model.
        ranges: From calibration.
        data: Representative data, of which a few samples are used.
    """
    samples = list(data.take(_SAMPLES))
    wanted = _outputs(model.data, samples)

    def noise(names: Sequence[str]) -> float:
        precision = tuple((glob.escape(name), "int4") for name in names)
        recipe = Recipe(find_scheme("mixed"), "int8", precision=precision)
        return _noise(wanted, _outputs(quantize(model, recipe, ranges).pack(), samples))

    base = noise(())
    budget = max(_NOISE, 2 * base)
    candidates = _candidates(model)
    added = {
        name: max(noise([name]) - base, 0.0)
        for name in track(candidates, "trying int4", len(candidates))
    }
    chosen: list[str] = []
    for name in sorted(candidates, key=lambda name: added[name] / candidates[name]):
        if base + sum(added[n] for n in chosen) + added[name] <= budget:
            chosen.append(name)
    while chosen and noise(chosen) > budget:
        chosen.pop()
    return {glob.escape(name): "int4" for name in chosen}


def _candidates(model: FloatModel) -> dict[str, int]:
    """Number of weights of every layer that can be int4, by the name of its output."""
    main = model.graph.main
    return {
        main.tensors[op.outputs[0]].name: main.tensors[op.inputs[1]].elements
        for op in main.ops
        if op.name in ("CONV_2D", "FULLY_CONNECTED")
        and main.tensors[op.inputs[1]].is_constant
        and main.tensors[op.inputs[1]].elements >= _SMALLEST_WEIGHTS
    }


def _outputs(data: bytes, samples: Sequence[Sample]) -> list[Array]:
    """Outputs in real numbers, one array per model output, samples on the first axis."""
    main = parse_graph(data).main
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=data, num_threads=2)
        interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    found: list[list[Array]] = [[] for _ in outputs]
    for sample in samples:
        if sample.starts:
            interpreter.reset_all_variables()
        for detail, tensor, value in zip(inputs, input_tensors(main), sample.inputs, strict=True):
            interpreter.set_tensor(detail["index"], to_input(value[None], tensor, "")[0])
        interpreter.invoke()
        for detail, tensor, kept in zip(outputs, output_tensors(main), found, strict=True):
            kept.append(dequantize(interpreter.get_tensor(detail["index"]), tensor))
    return [np.array(kept) for kept in found]


def _noise(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """Power of the error as a share of the signal's, of the output where that is largest."""
    return max(
        float(((a - b) ** 2).sum() / max((a**2).sum(), 1e-30))
        for a, b in zip(wanted, found, strict=True)
    )
