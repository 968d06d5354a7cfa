"""The generated C of a small model, whole files, as it was last reviewed.

python -m pytest tests/compiler/codegen --update-golden   after a change; review the diff
"""

from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler.compilation import generate
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

GOLDEN = Path(__file__).parents[2] / "golden"
TARGETS = ("cortex-m0plus", "cortex-m4")


def small_model():
    """CONV_2D with RELU, DEPTHWISE_CONV_2D, FULLY_CONNECTED, SOFTMAX on a 6x6 image."""
    rng = np.random.default_rng(3)

    def weights(*shape):
        return rng.integers(-127, 128, shape, np.int8)

    def bias(count):
        return rng.integers(-500, 500, count).astype(np.int32)

    window = {"padding": 0, "stride_h": 1, "stride_w": 1}
    window |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    tensors = [
        TensorSpec((1, 6, 6, 1), "int8", 0.02, -1, name="image"),
        TensorSpec((4, 3, 3, 1), "int8", [0.01, 0.02, 0.03, 0.04], 0, data=weights(4, 3, 3, 1)),
        TensorSpec((4,), "int32", 0.0002, 0, data=bias(4)),
        TensorSpec((1, 6, 6, 4), "int8", 0.05, -128, name="conv/Relu;conv/BiasAdd"),
        TensorSpec((1, 3, 3, 4), "int8", 0.02, 0, data=weights(1, 3, 3, 4)),
        TensorSpec((4,), "int32", 0.001, 0, data=bias(4)),
        TensorSpec((1, 6, 6, 4), "int8", 0.06, 3, name="depthwise"),
        TensorSpec((1, 144), "int8", 0.06, 3, name="flatten"),
        TensorSpec((3, 144), "int8", 0.01, 0, data=weights(3, 144)),
        TensorSpec((3,), "int32", 0.0006, 0, data=bias(3)),
        TensorSpec((1, 3), "int8", 0.3, 0, name="logits"),
        TensorSpec((1, 3), "int8", 1 / 256, -128, name="scores"),
    ]
    ops = [
        OpSpec("CONV_2D", [0, 1, 2], [3], {**window, "fused_activation_function": 1}),
        OpSpec("DEPTHWISE_CONV_2D", [3, 4, 5], [6], {**window, "depth_multiplier": 1}),
        OpSpec("RESHAPE", [6], [7], {"new_shape": [1, 144]}),
        OpSpec("FULLY_CONNECTED", [7, 8, 9], [10]),
        OpSpec("SOFTMAX", [10], [11], {"beta": 1.0}),
    ]
    return build([SubgraphSpec(tensors, ops, [0], [11])])


@pytest.mark.parametrize("target", TARGETS)
def test_the_generated_c_is_the_reviewed_one(target, tmp_path, request):
    model = tmp_path / "small.tflite"
    model.write_bytes(small_model())
    files = generate(model, name="small", target=target).files
    own = {name: text for name, text in files.items() if name.startswith("small")}
    folder = GOLDEN / target
    if request.config.getoption("--update-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in own.items():
            (folder / name).write_text(text)
    assert {path.name for path in folder.glob("small*")} == set(own)
    for name, text in own.items():
        assert text == (folder / name).read_text(), f"{name}: review, then --update-golden"


def test_nothing_in_a_generated_file_depends_on_the_day_or_the_place(tmp_path):
    files = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        model = tmp_path / folder / "small.tflite"
        model.write_bytes(small_model())
        files.append(generate(model, name="small").files)
        assert all(str(tmp_path) not in text for text in files[-1].values())
    assert files[0] == files[1]


def test_hostile_layer_names_stay_inside_their_comment(tmp_path):
    model = tmp_path / "small.tflite"
    data = small_model().replace(b"depthwise", b"*/ int x;")
    model.write_bytes(data)
    source = generate(model, name="small").files["small.c"]
    assert "*/ int x" not in source
    assert "* / int x" in source
