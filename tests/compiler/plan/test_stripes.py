"""Layers run in stripes give the same bytes as whole ones."""

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import isa_of
from edgeq.compiler.plan.arena import plan_arena
from edgeq.compiler.plan.choose import least_memory
from edgeq.compiler.plan.program import lower_graph
from edgeq.compiler.plan.stripes import Rows, can_group, striped
from edgeq.model.model_file import parse_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

HOST = isa_of(load_target("x86-64"))


def conv(rng, name, source, output, shape, stride, kernel, channels):
    """Tensors and op of one SAME convolution of `channels` from what tensor `source` holds."""
    height, width, depth = shape
    out = (-(-height // stride), -(-width // stride), channels)
    depthwise = name == "DEPTHWISE_CONV_2D"
    filters = (1, kernel, kernel, depth) if depthwise else (channels, kernel, kernel, depth)
    tensors = [
        TensorSpec(filters, "int8", 0.01, 0, data=rng.integers(-127, 128, filters, np.int8)),
        TensorSpec((channels,), "int32", 0.0005, 0, data=rng.integers(-999, 999, channels)),
        TensorSpec((1, *out), "int8", 0.09, 3),
    ]
    options = {"padding": 0, "stride_h": stride, "stride_w": stride, "dilation_h_factor": 1}
    options |= {"dilation_w_factor": 1, "fused_activation_function": 0}
    if depthwise:
        options["depth_multiplier"] = 1
    return tensors, OpSpec(name, [source, output - 2, output - 1], [output], options), out


def network(seed, residual):
    """conv, depthwise, conv with odd extents; with an ADD of the first one's output if asked."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(9, 15)), int(rng.integers(3, 8)), int(rng.integers(1, 5)))
    tensors, ops = [TensorSpec((1, *shape), "int8", 0.05, -7)], []
    stride = 1 if residual else int(rng.integers(1, 3))
    for name, step, kernel in (
        ("CONV_2D", 1, 3),
        ("DEPTHWISE_CONV_2D", stride, int(rng.choice([1, 3, 5]))),
        ("CONV_2D", 1, int(rng.choice([1, 3]))),
    ):
        channels = shape[2] if name != "CONV_2D" else (4 if residual else int(rng.integers(1, 6)))
        made, op, shape = conv(
            rng, name, len(tensors) - 1, len(tensors) + 2, shape, step, kernel, channels
        )
        tensors += made
        ops.append(op)
    if residual:
        tensors.append(TensorSpec((1, *shape), "int8", 0.1, 1))
        ops.append(OpSpec("ADD", [3, len(tensors) - 2], [len(tensors) - 1]))
    return build([SubgraphSpec(tensors, ops, [0], [len(tensors) - 1])])


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_every_grouping_gives_tflms_bytes(seed, residual, tmp_path, monkeypatch):
    from edgeq.compiler import compilation
    from edgeq.compiler.options import CompileOptions
    from edgeq.devices.registry import open_device

    model = tmp_path / "net.tflite"
    model.write_bytes(network(seed, residual))
    program = lower_graph(parse_graph(model.read_bytes()), HOST)
    shape = program.tensor(0).shape
    inputs = np.random.default_rng(seed).integers(-128, 128, (5, *shape), np.int8)
    with open_device("tflm").open(model, CompileOptions()) as session:
        expected = session.run([inputs])[0].tobytes()
    last = len(program.steps) - 1
    tried = 0
    for rows in (1, 2, 3):
        made = striped(program, 0, last, rows, HOST, "ram")
        if made is None:
            continue
        tried += 1
        chosen = (made, plan_arena(made))
        monkeypatch.setattr(compilation, "least_memory", lambda *_, chosen=chosen: chosen)
        with open_device("c").open(model, CompileOptions("ram", why=f"{rows} rows")) as session:
            assert session.run([inputs])[0].tobytes() == expected, f"{rows} rows"
    assert tried


def test_stripes_make_the_arena_smaller():
    program = lower_graph(parse_graph(network(1, True)), HOST)
    assert can_group(program, 0, 3)
    _, plan = least_memory(program, HOST, "ram")
    assert plan.arena_bytes <= plan_arena(program).arena_bytes


def test_the_rows_that_output_rows_need():
    rows = Rows(stride=2, pad=1, kernel=3, input_h=10)
    assert rows.needed(0, 1) == (0, 2)
    assert rows.padding(0) == 1
    assert rows.needed(1, 3) == (1, 6)
    assert rows.padding(1) == 0
    assert rows.needed(4, 5) == (7, 10)
