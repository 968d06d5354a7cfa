"""Layers that differ in sizes alone share a function; loops are unrolled as often as it pays."""

from itertools import pairwise

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.codegen.names import assign_names
from edgeq.compiler.codegen.unrolling import unrolled
from edgeq.compiler.compilation import generate, isa_of
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.program import lower_graph
from edgeq.devices.registry import open_device
from edgeq.model.model_file import parse_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

CHANNELS = (16, 32, 20, 300, 8, 4)
SIDE = 7


def pointwise_net(zero_points=(-128, 3, -7, -128, 0, 5)):
    """Convolutions of 1x1, RELU behind some: all kinds of counts of channels and zero points."""
    random = np.random.default_rng(11)
    tensors = [TensorSpec((1, SIDE, SIDE, CHANNELS[0]), "int8", 0.05, zero_points[0])]
    ops = []
    window = {"padding": 1, "stride_h": 1, "stride_w": 1}
    window |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    for number, (taken, given) in enumerate(pairwise(CHANNELS)):
        weights = random.integers(-127, 128, (given, 1, 1, taken)).astype(np.int8)
        bias = random.integers(-900, 900, given).astype(np.int32)
        before = len(tensors) - 1
        tensors += [
            TensorSpec(weights.shape, "int8", 0.01, 0, weights),
            TensorSpec((given,), "int32", 0.0005, 0, bias),
            TensorSpec(
                (1, SIDE, SIDE, given), "int8", 0.05 + 0.01 * number, zero_points[number + 1]
            ),
        ]
        fused = {"fused_activation_function": number % 2}
        ops.append(
            OpSpec("CONV_2D", [before, before + 1, before + 2], [before + 3], {**window, **fused})
        )
    return build([SubgraphSpec(tensors, ops, [0], [len(tensors) - 1])])


def functions(model, target, optimize):
    manifest = generate(
        parse_graph(model, "net"), target=target, options=CompileOptions(optimize)
    ).manifest
    return [op["function"] for op in manifest["ops"]]


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "cortex-m55", "rv32imc"])
def test_layers_of_other_sizes_share_a_function_but_not_for_speed(target):
    model = pointwise_net()
    assert len(set(functions(model, target, "speed"))) == len(CHANNELS) - 1
    assert len(set(functions(model, target, "size"))) < len(CHANNELS) - 1


@pytest.mark.parametrize("optimize", ["balanced", "size", "speed"])
@pytest.mark.parametrize(
    "address", ["sim:cortex-m0plus", "sim:cortex-m3", "sim:cortex-m4", "sim:rv32imc"]
)
def test_their_bytes_are_the_oracles(address, optimize, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(pointwise_net())
    images = np.random.default_rng(2).integers(-128, 128, (2, SIDE, SIDE, CHANNELS[0]), np.int8)
    images = images[:, None]
    wanted = open_device("tflm").open(path, CompileOptions()).run([images])[0]
    found = open_device(address).open(path, CompileOptions(optimize)).run([images])[0]
    assert len(np.unique(wanted)) > 20
    assert np.array_equal(found, wanted)


def test_rows_hold_what_the_layers_differ_in():
    text = generate(parse_graph(pointwise_net(), "net"), name="net", target="cortex-m4").files[
        "net.c"
    ]
    assert "const net_conv_2d_1_layer *layer" in text
    assert "net_conv_2d_1(&net_conv_2d_1_layers[0], " in text
    # All counts of channels are multiples of four, and the compiler is told so.
    assert ".input_c = 4 * layer->input_c," in text
    assert ".filter_h = 1," in text


def test_a_loop_is_unrolled_as_often_as_it_saves_its_share():
    graph = parse_graph(pointwise_net(), "net")
    program = lower_graph(graph, isa_of(load_target("cortex-m4")), "balanced")
    macs = sum(step.call.macs for step in program.steps)
    loops = [loop for step in program.steps for loop in step.call.loops]
    passes = [loop for loop in loops if loop.macro == "EQ_PASS_UNROLL"]
    found = {mode: unrolled(program, mode) for mode in ("speed", "balanced", "size")}
    assert found["speed"] == {}
    code = sum({loop.function: loop.step_bytes for loop in passes}.values())

    def turns(count):
        return sum(loop.entries * -(-loop.steps // count) * loop.turn for loop in passes)

    for mode, worth in (("balanced", 0.02), ("size", 0.15)):
        count = found[mode].get("EQ_PASS_UNROLL", 16)
        if count < 16:  # twice as often would save less than its share
            assert (turns(count) - turns(2 * count)) / macs <= worth * code * count / 1024
        if count > 1:  # half as often would cost more than it saves
            half = count // 2
            assert (turns(half) - turns(count)) / macs >= worth * code * half / 1024
    names = assign_names(program, "net", "balanced")
    assert names.unrolled == found["balanced"]
