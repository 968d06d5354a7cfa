"""A kernel that would end the process is met by an error, not by the end of edgeq."""

import importlib.util
import os
import signal

import numpy as np
import pytest

import edgeq
from edgeq.devices.fatal import holds, returns
from edgeq.devices.oracle import SECOND_ORACLE
from edgeq.errors import EdgeqError
from edgeq.model.model_file import read_graph
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need


def softmax(path, scale, width):
    """A .tflite of one int8 SOFTMAX."""
    path.write_bytes(
        single_op(
            "SOFTMAX",
            [TensorSpec((1, width), "int8", scale)],
            [TensorSpec((1, width), "int8", 1 / 256, -128)],
            {"beta": 1.0},
        )
    )
    return path


@pytest.mark.parametrize("address", ["tflm", SECOND_ORACLE])
@pytest.mark.parametrize(("scale", "width"), [(1e-9, 10), (1e-4, 600)])
def test_a_softmax_that_hardly_varies_is_refused(tmp_path, address, scale, width):
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    path = softmax(tmp_path / "m.tflite", scale, width)
    with pytest.raises(EdgeqError, match=r"ends the process on this model: .*SOFTMAX"):
        edgeq.run(path, on=address, inputs=np.zeros((2, 1, width), np.int8))


@pytest.mark.parametrize("address", ["tflm", SECOND_ORACLE])
def test_a_wide_softmax_of_unlike_values_runs(tmp_path, address):
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    path = softmax(tmp_path / "m.tflite", 0.1, 600)
    values = np.random.default_rng(0).integers(-128, 128, (2, 1, 600)).astype(np.int8)
    outputs = [edgeq.run(path, on=on, inputs=values) for on in (address, "c")]
    assert (np.asarray(outputs[0]) == np.asarray(outputs[1])).all()


def settings(name):
    """A model of one op, an input of which says what is meant; values that no kernel checks."""
    x, at = TensorSpec((4, 4), "float32"), TensorSpec((2,), "int32")
    far = np.array([-(2**31), 2**31 - 1], np.int32)
    two = TensorSpec((2,), "int32", data=np.array([1, 2], np.int32))
    if name == "SLICE":
        far = np.array([2_000_000_000, -2_000_000_000], np.int32)
        return single_op(name, [x, at, two], [TensorSpec((1, 2), "float32")]), far
    if name == "REVERSE_SEQUENCE":
        options = {"seq_dim": 1, "batch_dim": 0}
        x = TensorSpec((2, 4), "float32")
        return single_op(name, [x, at], [TensorSpec((2, 4), "float32")], options), far
    axis = TensorSpec((), "int32")
    ends = single_op(name, [x, axis], [TensorSpec((4,), "int32")], {"output_type": 2})
    return ends, np.int32(-(2**31))


@pytest.mark.parametrize(
    ("name", "address"),
    [("SLICE", "tflm"), ("ARG_MAX", "tflm"), ("ARG_MIN", "tflm"),
     ("REVERSE_SEQUENCE", "local"), ("REVERSE_SEQUENCE", "local?threads=2"),
     ("REVERSE_SEQUENCE", SECOND_ORACLE)],
)  # fmt: skip
def test_places_that_kernels_trust_are_tried_in_a_copy(tmp_path, name, address):
    """The process ended by SIGSEGV, without a word."""
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    content, far = settings(name)
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    shape = read_graph(path).main.tensors[0].shape
    inputs = {"0": np.ones((1, *shape), np.float32), "1": far[np.newaxis]}
    with pytest.raises(EdgeqError, match=f"its kernel for {name} trusts what its input 1 says"):
        edgeq.run(path, on=address, inputs=inputs)


@pytest.mark.parametrize("address", ["tflm", "local", "local?threads=2", SECOND_ORACLE])
@pytest.mark.parametrize("name", ["ADD", "SUB", "GREATER", "SQUARED_DIFFERENCE", "QUANTIZE"])
def test_scales_that_kernels_make_nothing_of_are_tried_in_a_copy(tmp_path, name, address):
    """The process ended by SIGABRT, without a word."""
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    x, zeros = TensorSpec((1, 4), "int8", 0.05), TensorSpec((1, 4), "int8", 0.0)
    y = TensorSpec((1, 4), "bool" if name == "GREATER" else "int8", 0.05)
    path = tmp_path / "m.tflite"
    path.write_bytes(single_op(name, [zeros, x][: 1 if name == "QUANTIZE" else 2], [y]))
    threes = np.full((1, 1, 4), 3, np.int8)
    inputs = {"0": threes} if name == "QUANTIZE" else {"0": threes, "1": threes}
    if name == "QUANTIZE" and address in ("tflm", SECOND_ORACLE):
        assert np.asarray(edgeq.run(path, on=address, inputs=inputs)).tolist() == [[[0, 0, 0, 0]]]
        return
    with pytest.raises(EdgeqError, match=rf"kernel for {name} takes no scales of 0, .*0 and 0\.05"):
        edgeq.run(path, on=address, inputs=inputs)


def test_values_that_threads_stumble_over_are_tried_without_them(tmp_path):
    """The call was made, since a copy has no threads; the process ended by SIGABRT."""
    path = softmax(tmp_path / "m.tflite", 1e-3, 600)
    on = f"{SECOND_ORACLE}&threads=2"
    unlike = np.full((1, 1, 600), -128, np.int8)
    unlike[..., 0] = 127
    expected = edgeq.run(path, on="c", inputs=unlike)
    assert np.array_equal(edgeq.run(path, on=SECOND_ORACLE, inputs=unlike), expected)
    assert np.array_equal(edgeq.run(path, on=on, inputs=unlike), expected)
    path = softmax(tmp_path / "n.tflite", 1e-4, 600)
    with pytest.raises(EdgeqError, match=r"ends the process on this model: .*SOFTMAX"):
        edgeq.run(path, on=on, inputs=np.zeros((2, 1, 600), np.int8))


def test_shapes_that_do_not_fit_are_tried_in_a_copy(tmp_path):
    """`compile --golden` ended by SIGABRT, without a word."""
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    path = tmp_path / "m.tflite"
    one, other, both = (TensorSpec((2,), "int32") for _ in range(3))
    path.write_bytes(single_op("BROADCAST_ARGS", [one, other], [both]))
    fit = {"0": np.array([[1, 5]], np.int32), "1": np.array([[3, 5]], np.int32)}
    assert np.asarray(edgeq.run(path, on="tflm", inputs=fit)).tolist() == [[[3, 5]]]
    with pytest.raises(EdgeqError, match="its kernel for BROADCAST_ARGS trusts what its input 0"):
        edgeq.run(path, on="tflm", inputs={**fit, "0": np.array([[2, 4]], np.int32)})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_ends_a_copy_has_not_been_so():
    assert holds(lambda: True)
    assert not holds(lambda: False)
    assert not holds(lambda: os.kill(os.getpid(), signal.SIGSEGV) is None)
    assert not holds(lambda: int("no") > 0)
    assert returns(lambda: False)
    assert not returns(lambda: os.kill(os.getpid(), signal.SIGSEGV))


def test_a_depthwise_convolution_without_the_bias_that_it_names(tmp_path):
    """TensorFlow Lite Micro reads it all the same: a segmentation fault of `compile --golden`."""
    need(importlib.util.find_spec("tflite_micro") is not None, "tflite-micro")
    x, y = TensorSpec((1, 4, 4, 2), "int8", 0.5), TensorSpec((1, 4, 4, 2), "int8", 0.5)
    weights = TensorSpec((1, 3, 3, 2), "int8", 0.25, data=np.ones((1, 3, 3, 2), np.int8))
    path = tmp_path / "m.tflite"
    options = {"padding": 0, "strideW": 1, "strideH": 1, "depthMultiplier": 1}
    options |= {"dilationWFactor": 1, "dilationHFactor": 1}
    path.write_bytes(single_op("DEPTHWISE_CONV_2D", [x, weights, None], [y], options))
    inputs = np.ones((1, 1, 4, 4, 2), np.int8)
    here = edgeq.run(path, on="c", inputs=inputs)
    try:
        assert np.array_equal(edgeq.run(path, on="tflm", inputs=inputs), here)
    except EdgeqError as error:
        assert "reads a bias that the op leaves out" in str(error)
