"""A float model and the ranges of its tensors become an integer model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeq.conversion.biases import fit_biases
from edgeq.conversion.flatbuffer import drop_unused, pack, unpack
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.schemes import Scheme
from edgeq.conversion.tensorflow import quiet

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value of each activation tensor, by name."""


def quantize(model: FloatModel, scheme: Scheme, ranges: Ranges, io: str) -> bytes:
    """The quantized .tflite, constants inline, by litert-quantizer.

    Args:
        model: The float model.
        scheme: How to store weights and activations.
        ranges: From calibration; empty for schemes whose activations stay float.
        io: Type of inputs and outputs: "int8", "uint8", "int16" or "float32".
    """
    from litert_quantizer import quantizer

    found = {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in ranges.items()
    }
    with quiet():
        engine = quantizer.Quantizer(bytearray(model.data))
        engine.load_quantization_recipe(_recipe(scheme, io))
        result = engine.quantize(found or None, enable_progress_report=False)
    made = unpack(bytes(result.quantized_model))
    if scheme.integer:
        fit_biases(made, model.graph)
    drop_unused(made)
    return pack(made)


def _recipe(scheme: Scheme, io: str) -> Any:
    """litert-quantizer's description of a scheme; later rules overrule earlier ones."""
    from litert_quantizer import qtyping, recipe_manager
    from litert_quantizer.algorithm_manager import AlgorithmName

    granularity = qtyping.QuantGranularity
    chosen = granularity.CHANNELWISE if scheme.per_channel else granularity.TENSORWISE
    rules = recipe_manager.RecipeManager()
    bits = {"int4": 4, "int8": 8}.get(scheme.weights, 16)
    if scheme.name == "float16":
        rules.add_quantization_config(
            ".*",
            "*",
            qtyping.OpQuantizationConfig(
                weight_tensor_config=qtyping.TensorQuantizationConfig(
                    num_bits=16, dtype=qtyping.TensorDataType.FLOAT
                ),
                compute_precision=qtyping.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            ),
            AlgorithmName.FLOAT_CASTING,
        )
    elif scheme.name == "dynamic":
        rules.add_dynamic_config(".*", "*", bits, chosen)
    elif not scheme.integer:
        rules.add_weight_only_config(".*", "*", bits, chosen)
    else:
        width = 16 if scheme.activations == "int16" else 8
        rules.add_static_config(".*", "*", width, 8, chosen)
        if bits == 4:
            for op in ("CONV_2D", "FULLY_CONNECTED"):
                rules.add_static_config(".*", op, width, 4, chosen)
        _add_io(rules, scheme, io)
    return rules.get_quantization_recipe()


def _add_io(rules: Any, scheme: Scheme, io: str) -> None:
    from litert_quantizer import qtyping
    from litert_quantizer.algorithm_manager import AlgorithmName

    if io == scheme.activations:
        return
    for side in ("INPUT", "OUTPUT"):
        if io == "float32":
            rules.add_quantization_config(".*", side, None, AlgorithmName.NO_QUANTIZE)
            continue
        unsigned = qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=False, dtype=qtyping.TensorDataType.UINT
        )
        rules.add_quantization_config(
            ".*",
            side,
            qtyping.OpQuantizationConfig(
                activation_tensor_config=unsigned,
                weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=8),
                compute_precision=qtyping.ComputePrecision.INTEGER,
            ),
        )
