"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM, whose state lives from call to call; LOGISTIC, TANH."""

from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import random_case
from tests.oracle.generators.values import (
    case_seed,
    chance,
    data,
    extent,
    scale,
    shape,
    tensor,
    weights,
    zero_point,
)

CALLS = 6
_TANH = 4


def svdf(kind):
    """A generator of SVDF models with int8 or int16 state, or in float32."""
    activations = "float32" if kind == "float32" else "int8"

    def make(rng, size):
        batches, inputs, units = extent(rng, 2), extent(rng, size), extent(rng, size)
        rank, memory = extent(rng, 3), extent(rng, size)
        filters = units * rank
        source = tensor(rng, (batches, inputs), activations)
        features = weights(rng, (filters, inputs), activations)
        time = weights(rng, (filters, memory), kind)
        fields = {"variable": True}
        if kind != "float32":
            fields |= {"scale": scale(rng, 1e-3, 0.05), "zero_point": zero_point(rng, kind)}
        state = TensorSpec((batches, filters * memory), kind, **fields)
        bias = TensorSpec((units,), "float32", data=data(rng, (units,), "float32"))
        output = tensor(rng, (batches, units), activations)
        if kind != "float32":
            unit = state.scale * time.scale[0]
            bias = TensorSpec((units,), "int32", unit, 0, rng.integers(-5000, 5000, units))
            output = tensor(rng, (batches, units), scale=unit * float(rng.uniform(1, 500)))
        # TFLM ignores that of integers; floats have TANH and SIGN_BIT as well.
        options = {"rank": rank, "fused_activation_function": int(rng.integers(0, 6))}
        operands = [source, features, time, bias, state]
        model = single_op("SVDF", operands, [output], options, version=3)
        return random_case(f"SVDF {kind}", model, CALLS, case_seed(rng))

    return make


def lstm(kind):
    """A generator of LSTM models."""
    quantized = kind != "float32"
    weight_type = "int8" if quantized else kind
    bias_type = {"int8": "int32", "int16": "int64"}.get(kind, "float32")

    def make(rng, size):
        batches, steps = extent(rng, 2), extent(rng, 4)
        inputs, cells = extent(rng, size), extent(rng, size)
        time_major = chance(rng, 0.5)
        front = (steps, batches) if time_major else (batches, steps)
        source = tensor(rng, (*front, inputs), kind)
        hidden_scale = {"scale": scale(rng, 1 / 400, 1 / 100)} if quantized else {}
        if quantized:
            hidden_scale["zero_point"] = zero_point(rng, kind)
        hidden = TensorSpec((batches, cells), kind, variable=True, **hidden_scale)
        output = TensorSpec((*front, cells), kind, **hidden_scale)
        power = float(
            2.0 ** -int(rng.integers(9, 16) if chance(rng, 0.7) else rng.integers(-2, 20))
        )
        power = power * 1.3 if chance(rng, 0.1) else power
        cell_type = "int16" if quantized else kind
        cell = TensorSpec((batches, cells), cell_type, power if quantized else None, variable=True)

        def matrix(columns, typical):
            return weights(rng, (cells, columns), weight_type, typical=typical)

        def bias():
            if not quantized:
                return TensorSpec((cells,), kind, data=data(rng, (cells,), kind))
            values = rng.integers(-2000, 2000, cells)
            return TensorSpec((cells,), bias_type, 1e-4, 0, values)

        inside = 2.0 / (source.scale * 32767 if kind == "int16" else 100) if quantized else 1
        operands = [
            source,
            *(matrix(inputs, inside / 100 / max(source.scale or 1, 1e-3)) for _ in range(4)),
            *(matrix(cells, 0.02) for _ in range(4)),
            *[None] * 3,
            *(bias() for _ in range(4)),
            *[None] * 2,
            hidden,
            cell,
            *[None] * 4,
        ]
        options = {
            "fused_activation_function": _TANH,
            "time_major": time_major,
            "cell_clip": float(rng.choice([0.0, 0.5, 10.0, 1e-6, -1.0])),
        }
        model = single_op("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [output], options, version=3)
        return random_case(f"LSTM {kind}", model, CALLS, case_seed(rng))

    return make


def curve_s16(name):
    """A generator of int16 LOGISTIC or TANH models."""

    def make(rng, size):
        dimensions = shape(rng, size, 3)
        power = 2.0 ** -int(rng.integers(9, 15)) if chance(rng, 0.5) else scale(rng, 1e-5, 1.0)
        source = tensor(rng, dimensions, "int16", scale=power)
        output = tensor(rng, dimensions, "int16", scale=2.0**-15)
        model = single_op(name, [source], [output], version=3)
        return random_case(f"{name} int16", model, seed=case_seed(rng))

    return make


GENERATORS = {
    **{f"SVDF {kind}": svdf(kind) for kind in ("int8", "int16", "float32")},
    **{f"LSTM {kind}": lstm(kind) for kind in ("int8", "int16", "float32")},
    **{f"{name} int16": curve_s16(name) for name in ("LOGISTIC", "TANH")},
}
