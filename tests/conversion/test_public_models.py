"""Every integer scheme of the public float models compiles, to C that gives the oracle's bytes."""

import numpy as np
import pytest

import edgeq

NETS = ("ad01.h5", "kws_ref_model", "pretrainedResnet.h5", "str_ww_ref_model.h5", "vww_96.h5")
SCHEMES = ("int8", "int8-per-tensor", "int16x8", "int4", "mixed")


@pytest.fixture(scope="module", params=NETS)
def float_model(request, models, tmp_path_factory):
    """The float .tflite of a public model, and samples of its shape."""
    made = edgeq.convert(models / request.param, scheme="float16").float_model
    file = tmp_path_factory.mktemp("float") / "model.tflite"
    file.write_bytes(made.data)
    main = made.graph.main
    shape = main.tensors[main.inputs[0]].shape
    return file, np.random.default_rng(1).normal(0, 1, (12, *shape[1:])).astype(np.float32)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_c_of_every_scheme_gives_the_bytes_of_the_oracle(float_model, scheme, tmp_path):
    file, samples = float_model
    integer = tmp_path / "integer.tflite"
    integer.write_bytes(edgeq.convert(file, data=samples, scheme=scheme).data)
    assert edgeq.verify(integer, on="c", against="tflm", n=20).equal
