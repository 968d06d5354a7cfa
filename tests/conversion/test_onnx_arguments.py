"""Arguments of ONNX ops count as ONNX says, or are refused by name; never dropped."""

import numpy as np
import pytest

from edgeq.errors import EdgeqError
from tests.conversion.onnx_cases import ints, model, op, weights
from tests.conversion.test_onnx import compare, imported, refusal
from tests.tools import need

try:
    import onnx
except ImportError:
    onnx = None


@pytest.fixture(autouse=True)
def _onnx():
    need(onnx is not None, "the package onnx: pip install 'edgeq[onnx]'")


@pytest.mark.parametrize("size", [9, 10])
@pytest.mark.parametrize("pads", [(2, 2, 2, 2), (1, 1, 2, 2), (0, 2, 2, 0)])
def test_strides_of_convolutions_with_dilation_keep_their_padding(size, pads):
    kernel = weights(3, 2, 3, 3)
    spread = {"strides": [2, 2], "dilations": [2, 2], "pads": pads}
    compare(op("Conv", x=(1, 2, size, size), more=[kernel], **spread))


PLACES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resizes():
    """Resize with every rule of places and rounding, by scales and by sizes."""

    def made(lines, mode, nearest, *how):
        return op(
            "Resize", x=(1, 2, 5, 4), more=[None, *how], opset=19, mode=mode, nearest_mode=nearest,
            coordinate_transformation_mode=lines,
        )  # fmt: skip

    for lines in PLACES:
        for nearest in NEAREST:
            for by in ((1, 1, 2, 3), (1, 1, 1.6, 0.75)):
                scales = np.array(by, np.float32)
                yield f"{lines} {nearest} {by}", made(lines, "nearest", nearest, scales)
        yield f"{lines} sizes", made(lines, "nearest", "floor", None, ints(1, 2, 8, 3))
        for by in ((1, 1, 1.5, 2), (1, 1, 0.4, 1), (1, 1, 2, 2)):
            scales = np.array(by, np.float32)
            yield f"{lines} linear {by}", made(lines, "linear", NEAREST[0], scales)
    roi = op(
        "Resize", more=[ints(), np.array([1, 1, 2, 2], np.float32)], opset=19,
        coordinate_transformation_mode="tf_crop_and_resize",
    )  # fmt: skip
    yield "crop", roi


def test_resizes_take_the_places_that_onnx_says_or_are_refused():
    refused = {}
    for name, proto in resizes():
        try:
            compare(proto)
        except EdgeqError as error:
            refused[name] = str(error)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    assert len(refused) < 10
    # 5 places times 1.5 are 7 and a half: no op of a device takes its places so.
    assert {f"{lines} linear (1, 1, 1.5, 2)" for lines in PLACES} <= set(refused)
    assert "of which 7 are made" in refused["half_pixel linear (1, 1, 1.5, 2)"]
    assert "recompute_scale_factor=True" in refused["asymmetric linear (1, 1, 1.5, 2)"]
    assert "tf_crop_and_resize" in refused["crop"]


def arguments():
    """Ops of which an argument or an input once counted for nothing, or for something else."""
    from onnx import helper

    def nodes(*lines):
        return [
            helper.make_node(kind, taken, [given], **more) for kind, taken, given, more in lines
        ]

    k = weights
    for auto in ("SAME_UPPER", "SAME_LOWER"):
        for kernel in (3, 5):
            yield f"transposed {auto} {kernel}", op(
                "ConvTranspose", x=(1, 2, 4, 4), more=[k(2, 3, kernel, kernel)], strides=[2, 2],
                auto_pad=auto,
            )  # fmt: skip
    yield "selu", op("Selu", x=(1, 8), gamma=2.0)
    yield "selu alpha", op("Selu", x=(1, 8), alpha=0.5)
    yield "clip crossed", op("Clip", more=[np.float32(0.5), np.float32(-0.5)])
    yield "clip crossed at 0", op("Clip", more=[np.float32(0), np.float32(-0.5)])
    mean = ("ReduceMean", ["x"], "m", {"keepdims": 0})
    for taken in (["x", "", "m"], ["x", "m"], ["x", "low", "m"], ["x", "m", "high"]):
        yield f"clip {taken}", model(
            nodes(mean, ("Clip", taken, "y", {})), {"x": (1, 3, 4, 4)},
            {"low": np.float32(-0.3), "high": np.float32(0.3)},
        )  # fmt: skip
    square = ("Reshape", ["x", "s"], "a", {})
    for name, bias in (("column", k(4, 1)), ("row", k(1, 4)), ("whole", k(4, 4)), ("one", k(1, 1))):
        yield f"gemm {name}", model(
            nodes(square, ("Gemm", ["a", "w", "c"], "y", {"beta": 0.5})), {"x": (1, 32)},
            {"s": ints(4, 8), "w": k(8, 4), "c": bias},
        )  # fmt: skip
    yield "product and column", model(
        nodes(("MatMul", ["x", "w"], "m", {}), ("Add", ["m", "c"], "y", {})), {"x": (1, 4, 8)},
        {"w": k(8, 4), "c": k(4, 1)},
    )  # fmt: skip
    for x, c in (((1, 5, 4, 4), (4, 1)), ((1, 4, 4), (4, 1)), ((1, 3, 4, 6), (4, 1))):
        yield f"add {x} {c}", op("Add", x=x, more=[k(*c)])
    yield (
        "sum",
        model(
            nodes(("Sum", ["a", "b", "x"], "y", {})), {"x": (1, 8, 1)}, {"a": k(8, 8), "b": k(8, 1)}
        ),
    )
    for end, step in ((2**31, -1), (-(2**31), -1), (2**31, 1), (-(2**31), 1)):
        yield f"sum of a constant up to {end} by {step}", model(
            nodes(("Slice", ["c", "first", "end", "axis", "step"], "s", {}),
                  ("ReduceSum", ["s"], "t", {}), ("Add", ["x", "t"], "y", {})),
            {"x": (1, 3)},
            {"c": k(4), "first": ints(3), "end": ints(end), "axis": ints(0), "step": ints(step)},
        )  # fmt: skip
    for kind in ("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceSum"):
        yield f"{kind} of no axes", op(kind, noop_with_empty_axes=1)
        yield f"{kind} of no axes of a constant", model(
            nodes((kind, ["c", "none"], "a", {"noop_with_empty_axes": 1}),
                  ("Add", ["x", "a"], "y", {})),
            {"x": (1, 3)}, {"c": np.float32([-2, 0.5, 3]), "none": ints()},
        )  # fmt: skip
    # One number along an axis, which a line has as an image of one row.
    thrice = np.array([1, 1, 3], np.float32)
    yield "line nearest", op("Resize", x=(1, 4, 6), more=[None, thrice], mode="nearest")
    for mode in ("nearest", "linear"):
        yield f"{mode} to one place", op(
            "Resize", x=(1, 4, 7, 5), more=[None, None, ints(1, 4, 1, 1)], mode=mode,
            coordinate_transformation_mode="pytorch_half_pixel",
        )  # fmt: skip
    yield "type of a constant", op("CastLike", more=[np.float32(1)])
    whole = ("Cast", ["x"], "i", {"to": onnx.TensorProto.INT32})
    back = ("Cast", ["d"], "y", {"to": onnx.TensorProto.FLOAT})
    yield "whole quotient", model(
        nodes(("Mul", ["x", "s"], "l", {}), (whole[0], ["l"], *whole[2:]),
              ("Div", ["i", "c"], "d", {}), back),
        {"x": (1, 40)}, {"s": np.float32(9), "c": np.int32(2)},
    )  # fmt: skip


def test_arguments_count_as_onnx_says():
    for name, proto in arguments():
        try:
            compare(proto)
        except (AssertionError, EdgeqError) as error:
            raise AssertionError(f"{name}: {error}") from error
    narrow = op("ConvTranspose", more=[weights(4, 3, 2, 2)], strides=[3, 3], auto_pad="SAME_UPPER")
    assert "runtimes differ" in refusal(narrow)
    wide = op("Clip", x=(1, 3), more=[weights(3)])
    assert "its min has the shape (3,)" in refusal(wide)


def test_attributes_that_are_not_looked_at_are_refused_by_name():
    from edgeq.conversion.sources.onnx.attributes import READ
    from edgeq.conversion.sources.onnx.folding import _FOLDED
    from edgeq.conversion.sources.onnx.ops import OPS

    assert set(READ) == {*OPS, *_FOLDED, "Constant"}
    bias = weights(4)
    for attribute, proto in {
        "axis": op("Add", more=[bias], axis=1, broadcast=1, opset=6),
        "spatial": op("BatchNormalization", more=[bias] * 4, spatial=0, opset=7),
        "magic": op("Relu", magic=1),
        "fmod": op("Mod", more=[np.float32(2)], fmod=1),
    }.items():
        assert f"attribute {attribute} set" in refusal(proto), attribute
    compare(op("Add", x=(1, 3, 5, 4), more=[bias], broadcast=1, opset=6))
    imported(op("BatchNormalization", more=[abs(bias)] * 4, spatial=1, momentum=0.3, opset=7))


def test_inputs_that_are_not_looked_at_are_refused_by_name():
    from onnx import helper

    x = {"x": (1, 4, 6, 5)}
    mean = helper.make_node("ReduceMean", ["x", "places"], ["m"], keepdims=0)
    whole = helper.make_node("Reshape", ["m", "four"], ["b"])
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"])
    known = {"places": ints(0, 2, 3), "four": ints(4), "w": weights(4, 4, 3, 3)}
    assert "its bias is computed" in refusal(model([mean, whole, conv], x, known))
    drop = op("Dropout", more=[np.float32(0.5), np.array(True)])
    assert "training mode" in refusal(drop)
    compare(op("Dropout", more=[np.float32(0.5), np.array(False)]))


def test_mirrors_of_more_than_stands_there_are_refused():
    compare(op("Pad", more=[ints(0, 0, 5, 0, 0, 0, 0, 4)], mode="reflect"))
    with pytest.raises(EdgeqError, match="'node' cannot be converted: 6 places are mirrored"):
        compare(op("Pad", more=[ints(0, 0, 6, 0, 0, 0, 0, 4)], mode="reflect"))
