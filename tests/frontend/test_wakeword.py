"""A published streaming model behind its own front end: samples in, the package's answers out."""

import importlib.util
from pathlib import Path

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.frontend.build import front_end
from edgeq.model.arrays import quantize
from edgeq.model.model_file import read_graph
from tests.frontend.signals import recording
from tests.frontend.test_micro import micro_features
from tests.tools import need


def test_micro_before_okay_nabu():
    found = importlib.util.find_spec("pymicro_wakeword")
    need(found, "the package pymicro-wakeword")
    path = Path(found.origin).parent / "models" / "okay_nabu.tflite"
    graph = read_graph(path)
    entry = graph.main.tensors[graph.main.inputs[0]]
    sound = recording(4, seed=9)
    features = micro_features(sound)
    count = len(features) * 40 // entry.elements
    steps = features.reshape(-1)[: count * entry.elements].reshape(count, *entry.shape)
    with open_device("tflm").open(path, CompileOptions()) as session:
        (theirs,) = session.run([quantize(steps, entry)])
    options = CompileOptions(frontend=front_end("micro"))
    with open_device("c").open(path, options) as session:
        (ours,) = session.stream(sound)
        (again,) = session.stream(sound, 160)
    np.testing.assert_array_equal(ours, again)
    assert len(ours) == count > 100
    # Quantizing from 16 bits may round a feature to its neighbour.
    assert np.abs(ours.astype(int) - theirs).max() <= 8
    with open_device("sim:cortex-m4").open(path, options) as session:
        np.testing.assert_array_equal(session.stream(sound[:12000])[0], ours[:24])
