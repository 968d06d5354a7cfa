"""The MVE kernels in QEMU against TFLM: many layers side by side in one image."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgeq.analysis.verification import random_inputs
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.qemu import QemuSession
from edgeq.devices.registry import open_device
from edgeq.model.model_file import read_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op_subgraph
from tests.tools import need

SAME, VALID = 0, 1
CALLS = 2  # random ones, besides all-minimum and all-maximum


@pytest.fixture(autouse=True)
def _programs():
    need(shutil.which("qemu-system-arm"), "qemu-system-arm")


def side_by_side(layers):
    """One subgraph that holds all layers, each with inputs and outputs of its own."""
    tensors, ops, inputs, outputs = [], [], [], []
    for layer in layers:
        shift = len(tensors)
        tensors += layer.tensors
        for op in layer.ops:
            moved = [i + shift if i >= 0 else i for i in op.inputs]
            ops.append(
                OpSpec(op.name, moved, [i + shift for i in op.outputs], op.options, version=5)
            )
        inputs += [i + shift for i in layer.inputs]
        outputs += [i + shift for i in layer.outputs]
    return SubgraphSpec(tensors, ops, inputs, outputs)


def assert_exact(folder, layers, level="-O2"):
    """Every layer has an MVE kernel, and its bytes are TFLM's. Returns the kernels."""
    path = folder / "model.tflite"
    path.write_bytes(build([side_by_side(layers)]))
    sources = generate(path, target="cortex-m55")
    sources = replace(sources, manifest={**sources.manifest, "cflags": [level]})
    ops = sources.manifest["ops"]
    portable = [op["index"] for op in ops if "_mve_" not in op["kernel"]]
    assert not portable, f"without an MVE kernel: {portable}"
    inputs = random_inputs(read_graph(path).main, CALLS)
    with QemuSession("qemu:cortex-m55", load_target("cortex-m55"), sources) as session:
        found = session.run(inputs)
    with open_device("tflm").open(path, CompileOptions()) as session:
        expected = session.run(inputs)
    bad = [
        f"op {k} {ops[k]['kernel']} {ours.shape}: {int((ours != theirs).sum())} differ"
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True))
        if not np.array_equal(ours, theirs)
    ]
    assert not bad, "\n".join(bad)
    return {op["kernel"] for op in ops}


def activation(rng, shape, scale):
    """An int8 tensor; its zero point is often at an end of the range."""
    zero_point = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    return TensorSpec(shape, "int8", scale, zero_point)


def layer(rng, name, source_shape, filter_shape, out_shape, channel_axis, options=None):
    """A layer with random weights, whose scales are below one half.

    Scales that are powers of two make ties between two results frequent.
    """
    channels = filter_shape[channel_axis]
    per_channel = name != "FULLY_CONNECTED" or rng.random() < 0.5
    count = channels if per_channel else 1
    if rng.random() < 0.5:
        effective = 2.0 ** -rng.integers(2, 12, count)
    else:
        effective = np.exp(rng.uniform(np.log(1e-4), np.log(0.49), count))
    source = activation(rng, source_shape, 0.5)
    output = activation(rng, out_shape, 0.25)
    scales = (effective * 0.5).astype(np.float32)
    values = rng.integers(-127, 128, filter_shape)
    if rng.random() < 0.3:
        values = rng.choice([-127, 127], filter_shape)
    axis = channel_axis if per_channel else 0
    filters = TensorSpec(filter_shape, "int8", scales, 0, values.astype(np.int8), axis)
    reach = 1 << int(rng.integers(4, 20))
    bias = TensorSpec(
        (channels,),
        "int32",
        0.5 * scales,
        0,
        rng.integers(-reach, reach, channels).astype(np.int32),
    )
    code = int(rng.choice([0, 0, 1, 2, 3]))
    options = {**(options or {}), "fused_activation_function": code}
    return single_op_subgraph(name, [source, filters, bias], [output], options)


def convolution(rng, size, channels, window, stride=(1, 1), padding=SAME, *, dilation=1, batches=1):
    """A CONV_2D where `channels` is (input, output), a DEPTHWISE_CONV_2D where it is a number."""
    out = []
    for length, taps, step in zip(size, window, stride, strict=True):
        reach = (taps - 1) * dilation if padding == VALID else 0
        out.append(-(-(length - reach) // step))
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation,
        "dilation_w_factor": dilation,
    }
    if isinstance(channels, int):
        return layer(
            rng,
            "DEPTHWISE_CONV_2D",
            (batches, *size, channels),
            (1, *window, channels),
            (batches, *out, channels),
            3,
            {**options, "depth_multiplier": 1},
        )
    return layer(
        rng,
        "CONV_2D",
        (batches, *size, channels[0]),
        (channels[1], *window, channels[0]),
        (batches, *out, channels[1]),
        0,
        options,
    )


def random_convolutions(rng, count, *, depthwise):
    for _ in range(count):
        window = tuple(int(n) for n in rng.integers(1, 5, 2))
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        padding = int(rng.integers(0, 2))
        size = tuple(int(n) for n in rng.integers(1, 9, 2) + (np.array(window) if padding else 0))
        channels = int(rng.choice([1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 50]))
        if not depthwise:
            channels = (channels, int(rng.integers(1, 20)))
        batches = int(rng.integers(1, 3))
        yield convolution(rng, size, channels, window, stride, padding, batches=batches)


def test_conv_2d(tmp_path):
    rng = np.random.default_rng(1)
    layers = [
        convolution(rng, (5, 5), (16, 8), (1, 1)),
        convolution(rng, (1, 9), (33, 2), (1, 5)),
        convolution(rng, (4, 1), (40, 7), (1, 1)),
        convolution(rng, (7, 6), (3, 5), (3, 3), (2, 2)),
        convolution(rng, (9, 4), (17, 1), (3, 3)),
        convolution(rng, (5, 5), (70, 2), (5, 5)),
        convolution(rng, (6, 5), (64, 3), (3, 3), padding=VALID),
        convolution(rng, (3, 3), (144, 4), (1, 1)),
        convolution(rng, (10, 8), (1, 6), (10, 4), (2, 2)),
        *(convolution(rng, (3, 2), (taps, 3), (1, 1)) for taps in range(1, 160, 13)),
        convolution(rng, (5, 3), (7, 18), (5, 3), padding=VALID, batches=2),
        *random_convolutions(rng, 24, depthwise=False),
    ]
    assert_exact(tmp_path, layers)


def test_windows_of_3x3(tmp_path):
    rng = np.random.default_rng(8)
    layers = [
        convolution(rng, size, channels, (3, 3), batches=batches)
        for size, channels, batches in (
            ((1, 4), (16, 1), 1),
            ((2, 8), (32, 2), 2),
            ((5, 12), (48, 7), 1),
            ((3, 4), (16, 16), 2),
            ((4, 8), (80, 5), 1),
            ((3, 16), (16, 9), 1),
        )
    ]
    layers += [convolution(rng, (3, 6 + k), (16, 3), (3, 3), padding=VALID) for k in range(3)]
    assert_exact(tmp_path, layers)


def test_depthwise_conv_2d(tmp_path):
    rng = np.random.default_rng(2)
    layers = [
        *(convolution(rng, size, 8, (3, 3)) for size in ((1, 1), (1, 2), (2, 1), (5, 4), (4, 7))),
        *(convolution(rng, (size, size), 17, (3, 3), (2, 2)) for size in range(1, 12)),
        convolution(rng, (25, 5), 64, (3, 3)),
        convolution(rng, (5, 6), 32, (3, 3), padding=VALID),
        convolution(rng, (9, 8), 16, (3, 3), (2, 2), VALID),
        convolution(rng, (6, 6), 20, (2, 3)),
        convolution(rng, (6, 6), 20, (1, 3), batches=2),
        convolution(rng, (6, 7), 9, (3, 1), batches=2),
        convolution(rng, (9, 9), 10, (3, 3), dilation=2),
        *(convolution(rng, (length, 1), 40, (5, 1)) for length in range(1, 8)),
        convolution(rng, (12, 1), 40, (10, 1), padding=VALID),
        convolution(rng, (1, 30), 16, (1, 13), batches=2),
        convolution(rng, (16, 1), 7, (14, 1), padding=VALID),
        convolution(rng, (6, 6), 21, (5, 5)),
        *(convolution(rng, (3 + size % 2, size), 18, (3, 3)) for size in range(7, 18)),
        *(convolution(rng, (length, 1), 20, (4, 1)) for length in range(8, 19)),
        convolution(rng, (6, 5), 32, (5, 5), batches=2),
        convolution(rng, (7, 6), 16, (4, 2), (2, 3)),
        convolution(rng, (15, 1), 48, (15, 1), padding=VALID),
        *random_convolutions(rng, 24, depthwise=True),
    ]
    assert_exact(tmp_path, layers)


def test_fully_connected(tmp_path):
    rng = np.random.default_rng(3)
    shapes = [(1, 8, 128), (1, 16, 1), (2, 33, 5), (3, 640, 7), (1, 1, 1), (1, 15, 12), (2, 48, 4)]
    shapes += [(1, 64, 16), (2, 33, 19), (1, 7, 22), (1, 96, 28), (1, 130, 8), (2, 80, 21)]
    layers = [
        layer(rng, "FULLY_CONNECTED", (batches, taps), (count, taps), (batches, count), 0)
        for batches, taps, count in shapes * 3
    ]
    assert_exact(tmp_path, layers)


def added(rng, size, scales):
    """An ADD of two rows."""
    a, b = (activation(rng, (1, size), float(scale)) for scale in scales)
    output = activation(rng, (1, size), float(max(scales) * rng.uniform(0.5, 3)))
    options = {"fused_activation_function": int(rng.integers(0, 4))}
    return single_op_subgraph("ADD", [a, b], [output], options)


def test_add(tmp_path):
    """Rows of random scales, most by one factor for each input, one by the reference's three."""
    rng = np.random.default_rng(4)
    layers = [
        added(rng, size, rng.choice([0.25, 0.5, 1.0, 0.3, 0.017], 2))
        for size in (1, 2, 3, 4, 5, 16, 31, 64)
        for _ in range(3)
    ]
    kernels = assert_exact(tmp_path, layers)
    assert kernels == {"eq_add_factors_mve_s8", "eq_add_mve_s8"}


def test_average_pool_2d(tmp_path):
    rng = np.random.default_rng(5)
    layers = []
    for size, channels, window, stride, padding in (
        ((25, 5), 64, (25, 5), (25, 5), VALID),
        ((8, 8), 5, (3, 3), (1, 1), SAME),
        ((7, 9), 18, (2, 4), (2, 3), SAME),
        ((5, 5), 1, (1, 1), (2, 2), SAME),
        ((40, 40), 3, (40, 40), (1, 1), VALID),
        ((6, 6), 7, (3, 2), (3, 2), VALID),
    ):
        rows, columns = (
            -(-(length - taps + 1 if padding == VALID else length) // step)
            for length, taps, step in zip(size, window, stride, strict=True)
        )
        source = activation(rng, (2, *size, channels), 0.5)
        output = TensorSpec((2, rows, columns, channels), "int8", 0.5, source.zero_point)
        options = {
            "padding": padding,
            "stride_h": stride[0],
            "stride_w": stride[1],
            "filter_height": window[0],
            "filter_width": window[1],
            "fused_activation_function": int(rng.choice([0, 1])),
        }
        layers.append(single_op_subgraph("AVERAGE_POOL_2D", [source], [output], options))
    assert_exact(tmp_path, layers)


@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
def test_other_optimization_levels(tmp_path, level):
    rng = np.random.default_rng(6)
    layers = [
        *(convolution(rng, size, 8, (3, 3)) for size in ((1, 1), (1, 2), (2, 1), (5, 4))),
        convolution(rng, (7, 7), 17, (3, 3), (2, 2)),
        convolution(rng, (6, 6), 20, (2, 3), padding=VALID),
        convolution(rng, (6, 6), 20, (5, 5)),
        convolution(rng, (6, 6), 32, (5, 5)),
        convolution(rng, (3, 9), 8, (3, 3)),
        convolution(rng, (3, 8), (16, 4), (3, 3)),
        *(convolution(rng, (5, 1), (16 * n, 3), (1, 1)) for n in range(1, 9)),
        added(rng, 17, (0.3, 0.25)),
        convolution(rng, (12, 1), 40, (10, 1)),
        convolution(rng, (7, 6), (3, 5), (3, 3), (2, 2)),
        convolution(rng, (5, 5), (32, 8), (1, 1)),
        layer(rng, "FULLY_CONNECTED", (2, 33), (5, 33), (2, 5), 0),
        *(layer(rng, "FULLY_CONNECTED", (1, n), (22, n), (1, 22), 0) for n in (32, 32, 37, 37)),
    ]
    assert_exact(tmp_path, layers, level)
