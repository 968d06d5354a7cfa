"""Look-ups in three ops, made one."""

import numpy as np
import pytest

import edgeq
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import isa_of, planned
from edgeq.model.model_file import read_graph


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A convolution and a softplus, which int8 has as a table."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    steps = [layers.Conv2D(8, 3), layers.Activation("softplus"), layers.Conv2D(2, 3)]
    net = keras.Sequential([keras.Input((16, 16, 2)), *steps])
    path = tmp_path_factory.mktemp("tables") / "net.tflite"
    data = np.random.default_rng(0).normal(0, 1, (20, 16, 16, 2)).astype(np.float32)
    edgeq.convert(net, data=data, output=path)
    return path


def test_a_table_takes_no_memory_beside_its_values(model):
    isa = isa_of(load_target("cortex-m4"))
    program, plan = planned(read_graph(model), isa, "balanced")
    calls = [step.call.function for step in program.steps if step.call is not None]
    assert [name for name in calls if "conv" not in name] == ["eq_lookup_s8"]
    values = 16 * 16 * 2 + 14 * 14 * 8 + 12 * 12 * 2
    assert plan.arena_bytes < values + 1024  # the numbers in four bytes would be 6,272


def test_a_table_gives_the_bytes_of_the_three_ops(model):
    assert edgeq.verify(model, on="c", against="tflm", n=5).equal
