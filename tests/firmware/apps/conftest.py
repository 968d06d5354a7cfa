"""The five published models in one project of each kind, made once."""

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.firmware.create import create_project
from edgeq.model.inputs import xorshift_input
from tests.conftest import MLPERF_TINY

COUNT = 4


@pytest.fixture(scope="session")
def tflm_bytes(models):
    """By model: inputs of shape (COUNT, ...) and what TensorFlow Lite Micro gives for them."""
    found = {}
    for name in MLPERF_TINY:
        with open_device("tflm").open(models / f"{name}_int8.tflite", CompileOptions()) as session:
            shape = session._inputs[0].shape
            batch = np.stack([xorshift_input(shape, "int8", k) for k in range(COUNT)])
            found[name] = batch, session.run([batch])[0]
    return found


@pytest.fixture(scope="session")
def make_project(models, tmp_path_factory):
    """Makes the project of a kind, once: make_project("web")."""
    made = {}

    def make(template, names=MLPERF_TINY):
        if (template, names) not in made:
            folder = tmp_path_factory.mktemp(template) / "net"
            paths = {str(models / f"{name}_int8.tflite"): name for name in names}
            create_project(
                list(paths), folder, target="portable", template=template, name="net",
                names=paths,
            )  # fmt: skip
            made[template, names] = folder
        return made[template, names]

    return make
