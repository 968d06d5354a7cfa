"""float32 layers of hosts: TensorFlow Lite Micro's bytes in plain C, near them with fused sums."""

import numpy as np
import pytest

from edgeq.boards.levels import LEVELS, best_here, runs_here
from edgeq.compiler.compilation import generate
from edgeq.compiler.ops.host import shares
from edgeq.compiler.options import CompileOptions
from edgeq.devices.host_c import host_target
from edgeq.devices.registry import open_device
from tests.kernels.arm64 import ARM64, outputs_on_arm
from tests.kernels.layers import differences, outputs_on, random_layers, side_by_side
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec
from tests.oracle.build import build as build_model
from tests.oracle.check import same_values
from tests.sanitized import run_sanitized

FORMS = (
    ("CONV_2D float32", "eq_conv_2d_host_f32"),
    ("CONV_2D float32", "eq_conv_2d_copied_host_f32"),
    ("DEPTHWISE_CONV_2D float32", "eq_depthwise_conv_2d_host_f32"),
    ("DEPTHWISE_CONV_2D float32", "eq_depthwise_conv_2d_copied_host_f32"),
    ("FULLY_CONNECTED float32", "eq_conv_2d_host_f32"),
)
NAMES = [each.name for each in LEVELS if each.cpu in ("", host_target().cpu) and runs_here(each)]


@pytest.fixture(scope="module")
def layers():
    return [
        case for name, form in FORMS for case in random_layers("c", name, form, 4, seed=5, size=40)
    ]


def test_plain_c_gives_tflms_bytes(layers):
    assert differences("c", layers, isa="portable") == ([], len(layers))


@pytest.mark.parametrize("isa", NAMES[1:])
def test_fused_sums_are_near(layers, isa):
    calls = min(len(case.calls) for case in layers)
    plain = outputs_on("c", layers, calls, "portable")
    for ours, theirs in zip(outputs_on("c", layers, calls, isa), plain, strict=True):
        assert same_values(ours.tobytes(), theirs, "litert")


@pytest.mark.slow
@pytest.mark.parametrize("isa", ARM64.levels)
def test_fused_sums_are_near_on_arm64(layers, isa):
    if ARM64.missing():
        pytest.skip(f"{ARM64.missing()} is not installed")
    plain = outputs_on("c", layers, 1, "portable")
    for ours, theirs in zip(outputs_on_arm(ARM64, layers, 1, isa), plain, strict=True):
        assert same_values(ours.tobytes(), theirs, "litert")


@pytest.mark.slow
@pytest.mark.parametrize("isa", NAMES)
def test_nothing_is_read_or_written_outside(isa, layers, tmp_path):
    path = tmp_path / "layers.tflite"
    path.write_bytes(side_by_side([case.model for case in layers]))
    inputs = [np.asarray(array)[None] for case in layers for array in case.calls[0]]
    options = CompileOptions(isa=isa)
    sources = generate(path, name="model", target=host_target(), options=options)
    with open_device("c").open(path, options) as session:
        plain = session.run(inputs)
    for ours, theirs in zip(run_sanitized(sources, inputs), plain, strict=True):
        assert same_values(ours.tobytes(), theirs, "litert")


@pytest.fixture
def padded(tmp_path):
    """A convolution with padding, whose weights one test makes infinite."""

    def make(weight=None):
        random = np.random.default_rng(3)
        filters = random.standard_normal((20, 3, 3, 5)).astype(np.float32)
        if weight is not None:
            filters[4, 0, 0, 0] = weight
        tensors = [
            TensorSpec((1, 9, 7, 5), "float32"),
            TensorSpec(filters.shape, "float32", data=filters),
            TensorSpec((20,), "float32", data=random.standard_normal(20).astype(np.float32)),
            TensorSpec((1, 9, 7, 20), "float32"),
        ]
        window = {"padding": 0, "stride_h": 1, "stride_w": 1, "fused_activation_function": 1}
        window |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        op = OpSpec("CONV_2D", [0, 1, 2], [3], window)
        path = tmp_path / "float.tflite"
        path.write_bytes(build_model([SubgraphSpec(tensors, [op], [0], [3])]))
        return path

    return make


def outputs(address, path, isa=""):
    inputs = np.random.default_rng(1).standard_normal((3, 1, 9, 7, 5)).astype(np.float32)
    inputs[1, 0, 0, 0, 0] = np.nan
    options = CompileOptions() if address == "tflm" else CompileOptions(isa=isa)
    with open_device(address).open(path, options) as session:
        return session.run([inputs])[0]


@pytest.mark.parametrize("isa", NAMES)
def test_nan_stays_nan(padded, isa):
    path = padded()
    expected = outputs("tflm", path)
    assert np.isnan(expected[1]).any()
    assert same_values(outputs("c", path, isa).tobytes(), expected, "litert")


def test_infinite_weights_meet_no_padding(padded):
    path = padded(np.inf)
    made = generate(path, target=host_target(), options=CompileOptions(isa=best_here().name))
    assert made.manifest["ops"][0]["kernel"] == "eq_conv_2d_f32"
    expected = outputs("tflm", path)
    assert same_values(outputs("c", path).tobytes(), expected, "litert")


def test_threads_give_the_same_bytes(padded, monkeypatch):
    path = padded()
    alone = outputs("c", path)
    monkeypatch.setattr(shares, "_PART_WORK", 1)
    for threads in (2, 5):
        assert outputs(f"c?threads={threads}", path).tobytes() == alone.tobytes()
