"""Other people's integer models give TensorFlow Lite Micro's bytes on every core."""

import zlib

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.model.inputs import xorshift_input
from edgeq.model.model_file import read_graph

PUBLISHED_CRCS = {
    "ad01": 0x5A4278D0,
    "kws": 0x9103FDA8,
    "resnet": 0x9D7E8654,
    "sww": 0x0B0F0562,
    "vww": 0x51277144,
}
# Arena in bytes that TFLM with CMSIS-NN takes, and the share of it that edgeq may take.
TFLM_ARENA = {"ad01": 2580, "kws": 22820, "resnet": 54996, "sww": 16596, "vww": 100708}
BALANCED = {"ad01": 0.45, "kws": 0.45, "resnet": 0.70, "sww": 0.32, "vww": 0.50}
RAM = {"ad01": 0.38, "kws": 0.40, "resnet": 0.55, "sww": 0.26, "vww": 0.42}


def short_name(path):
    return path.stem.removesuffix("_int8")


def run(path, address, inputs, optimize="balanced"):
    with open_device(address).open(path, CompileOptions(optimize)) as session:
        return session.run([inputs])[0]


@pytest.mark.parametrize(
    ("address", "count"),
    [("c", 100), ("sim:cortex-m4", 6), ("sim:cortex-m0plus", 3), ("sim:rv32imc", 3)],
)
def test_random_and_extreme_inputs_give_tflms_bytes(int8_model, address, count):
    main = read_graph(int8_model).main
    shape = main.tensors[main.inputs[0]].shape
    random = np.random.default_rng(7).integers(-128, 128, (count, *shape), np.int8)
    ends = np.stack([np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)])
    inputs = np.concatenate([random, ends])
    assert run(int8_model, address, inputs).tobytes() == run(int8_model, "tflm", inputs).tobytes()


@pytest.mark.parametrize("optimize", ["balanced", "ram"])
def test_the_published_checksums_of_eight_inputs(int8_model, optimize):
    main = read_graph(int8_model).main
    shape = main.tensors[main.inputs[0]].shape
    inputs = np.stack([xorshift_input(shape, "int8", index) for index in range(8)])
    outputs = run(int8_model, "sim:cortex-m4", inputs, optimize)
    crc = 0
    for output in outputs:
        crc = zlib.crc32(output.tobytes(), crc)
    assert crc == PUBLISHED_CRCS[short_name(int8_model)]


def test_the_arena_is_smaller_than_inputs_and_outputs_of_the_largest_op(int8_model):
    sources = generate(int8_model, target="cortex-m4")
    main = read_graph(int8_model).main

    def size(index):
        return 0 if main.tensors[index].is_constant else main.tensors[index].bytes

    largest = max(
        sum(size(i) for i in op.inputs if i >= 0) + sum(size(i) for i in op.outputs)
        for op in main.ops
    )
    assert sources.plan.arena_bytes <= 1.05 * largest


@pytest.mark.parametrize(("optimize", "shares"), [("balanced", BALANCED), ("ram", RAM)])
def test_the_arena_against_tflms(int8_model, optimize, shares):
    name = short_name(int8_model)
    options = CompileOptions(optimize)
    arena = generate(int8_model, target="cortex-m4", options=options).plan.arena_bytes
    assert arena <= shares[name] * TFLM_ARENA[name]


def test_the_same_model_gives_the_same_files(int8_model):
    assert generate(int8_model).files == generate(int8_model).files
