"""The generators of the ops' own tests, one per op and type, for the fuzzer."""

from functools import partial

from tests.ops.test_movement import MOVES
from tests.ops.test_pairs import PAIRS
from tests.ops.test_placement import PLACEMENTS
from tests.ops.test_reduce import REDUCTIONS, reduction
from tests.ops.test_unary import quantized_case
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import random_case
from tests.oracle.generators.values import case_seed, shape, tensor

INT8 = ("ABS", "RELU", "RELU6", "ELU")
INT16 = ("ABS", "RELU", "RELU6")
FLOAT = ("ABS", "CEIL", "COS", "EXP", "FLOOR", "LOGISTIC", "NEG", "RELU", "ROUND", "SIN", "TANH")
CONVERSIONS = (
    ("QUANTIZE", "int8", "int8"),
    ("QUANTIZE", "int8", "int16"),
    ("QUANTIZE", "int16", "int8"),
    ("QUANTIZE", "int16", "int16"),
    ("QUANTIZE", "float32", "int8"),
    ("QUANTIZE", "float32", "int16"),
    ("DEQUANTIZE", "int8", "float32"),
    ("DEQUANTIZE", "int16", "float32"),
)


def _sized(make, dtype, rng, size):
    return make(rng, dtype)


def _quantized(name, dtype, rng, size):
    return quantized_case(rng, name, dtype)


def _float(name, rng, size):
    spec = TensorSpec(shape(rng, size, 3), "float32")
    output = TensorSpec(spec.shape, "float32")
    return random_case(name, single_op(name, [spec], [output]), seed=case_seed(rng))


def _conversion(name, source, target, rng, size):
    dimensions = shape(rng, size, 3)
    pair = tensor(rng, dimensions, source), tensor(rng, dimensions, target)
    model = single_op(name, pair[:1], pair[1:])
    return random_case(f"{name} {source} {target}", model, seed=case_seed(rng))


GENERATORS = {
    **{
        f"{make.__name__} {dtype}": partial(_sized, make, dtype)
        for table in (PAIRS, MOVES, PLACEMENTS)
        for make, types in table.items()
        for dtype in dict.fromkeys(types)
    },
    **{
        f"{name} {dtype}": partial(_sized, reduction(name, oracle), dtype)
        for name, dtype, oracle in REDUCTIONS
    },
    **{f"{name} int8": partial(_quantized, name, "int8") for name in INT8},
    **{f"{name} int16": partial(_quantized, name, "int16") for name in INT16},
    **{f"{name} float32": partial(_float, name) for name in FLOAT},
    **{f"{' '.join(names)}": partial(_conversion, *names) for names in CONVERSIONS},
}
