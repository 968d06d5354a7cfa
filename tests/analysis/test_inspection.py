"""`edgeq inspect`: figures that are known from elsewhere."""

import pytest

import edgeq
from edgeq.errors import EdgeqError
from tests.oracle.build import TensorSpec, single_op

MACS = {"ad01": 264192, "kws": 2656768, "resnet": 12501632, "vww": 7489664, "sww": 826368}
# Trained parameters of the published Keras models.
PARAMETERS = {"ad01": 265864, "kws": 22604}


def test_macs_and_quantization(int8_model):
    name = int8_model.stem.removesuffix("_int8")
    found = edgeq.inspect(int8_model)
    assert found.macs == MACS[name]
    assert found.parameters == PARAMETERS.get(name, found.parameters)
    assert found.integer
    assert found.problems == ()
    assert found.arena_bytes is not None
    assert found.inputs[0].dtype == "int8"
    assert len(found.inputs[0].scale) == 1
    assert found.peak_op is not None


def test_json_and_words(cli, models):
    model = models / "kws_int8.tflite"
    found = cli("inspect", model, "--json").json
    assert found["model"]["file_bytes"] == model.stat().st_size
    assert len(found["ops"]) == 13
    first = found["ops"][0]
    assert (first["op"], first["macs"], first["output_shapes"]) == (
        "CONV_2D", 320000, [[1, 25, 5, 64]],
    )  # fmt: skip
    words = cli("inspect", model, "--tensors").out
    assert "13 ops, 2,656,768 MACs, 22,604 parameters" in words
    assert "64 scales along axis 0" in words


def test_live_bytes_of_a_chain(models):
    found = edgeq.inspect(models / "ad01_int8.tflite")
    # 640 inputs and 128 outputs of the first layer are alive together.
    assert found.ops[0].live_bytes == 768
    assert found.peak_live_bytes == 768


def test_keras_models_are_seen_as_float(models):
    pytest.importorskip("tensorflow")
    found = edgeq.inspect(models / "str_ww_ref_model.h5")
    assert not found.integer
    assert found.macs == MACS["sww"]
    assert found.inputs[0].dtype == "float32"
    assert found.ops[0].name == "depthwise_conv2d"


@pytest.mark.parametrize("name", ["none.tflite", "none.keras", "none"])
def test_a_missing_file(cli, tmp_path, name):
    done = cli("inspect", tmp_path / name)
    assert done.code == 1
    assert name in done.err


def test_a_damaged_file(models, tmp_path):
    data = (models / "kws_int8.tflite").read_bytes()
    (tmp_path / "half.tflite").write_bytes(data[:2000])
    with pytest.raises(EdgeqError):
        edgeq.inspect(tmp_path / "half.tflite")


def test_a_model_of_strings_is_shown_and_its_verification_refused(cli, tmp_path):
    text = TensorSpec((1,), "string")
    (tmp_path / "text.tflite").write_bytes(single_op("SplitIntoWords", [text], [text]))
    assert "SplitIntoWords" in cli("inspect", tmp_path / "text.tflite").out
    done = cli("verify", tmp_path / "text.tflite", "--on", "c", "--against", "tflm")
    assert done.code == 1
    assert "string" in done.err


TARGETS = [("portable", "balanced"), ("cortex-m4", "balanced"), ("cortex-m0plus", "ram")]
TARGETS += [("cortex-m55", "size"), ("x86-64", "speed")]


def check_peak(found):
    """The peak is at the op that needs most, and the arena holds at least that."""
    live = [op.live_bytes for op in found.ops]
    assert found.peak_live_bytes == max(live, default=0)
    assert found.peak_op is None or live[found.peak_op] == found.peak_live_bytes
    assert found.arena_bytes is None or found.arena_bytes >= found.peak_live_bytes


@pytest.mark.parametrize(("target", "optimize"), TARGETS)
def test_the_peak_is_not_below_the_lower_bound(int8_model, target, optimize):
    from edgeq.compiler.compilation import generate
    from edgeq.compiler.options import CompileOptions

    options = CompileOptions(optimize)
    found = edgeq.inspect(int8_model, target=target, options=options)
    check_peak(found)
    manifest = generate(int8_model, target=target, options=options).manifest
    assert found.peak_live_bytes == manifest["arena_bound_bytes"]
    assert found.arena_bytes == manifest["arena_bytes"] + manifest["state_bytes"]


def test_the_peak_of_random_models(tmp_path):
    """Graphs of every kind, as the comparison with the oracle draws them."""
    import numpy as np

    from edgeq.compiler.options import CompileOptions
    from tests.oracle.generators.graphs import GENERATORS

    rng = np.random.default_rng(5)
    seen = 0
    for name in sorted(GENERATORS) * 6:
        (tmp_path / "model.tflite").write_bytes(GENERATORS[name](rng, 3).model)
        for target, optimize in TARGETS:
            found = edgeq.inspect(
                tmp_path / "model.tflite", target=target, options=CompileOptions(optimize)
            )
            check_peak(found)
            seen += found.arena_bytes is not None
    assert seen > 100
