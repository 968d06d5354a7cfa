"""The self-test of models of floats: what another C library rounds otherwise is no fault."""

import shutil
import subprocess

import numpy as np
import pytest

from edgeq.workflow.compile import compile as compile_model
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need

# The linker gives calls of expf to another function.
MAIN = """
#include "net.h"
float __real_expf(float x);
float __wrap_expf(float x);
float __wrap_expf(float x) { return THEIRS; }
int main(void) { return net_selftest(); }
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A dense layer and a softmax, in float32."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 16)).astype(np.float32)
    tensors = [
        TensorSpec((1, 16), "float32", name="x"),
        TensorSpec((5, 16), "float32", data=weights),
        TensorSpec((5,), "float32", data=np.zeros(5, np.float32)),
        TensorSpec((1, 5), "float32", name="logits"),
        TensorSpec((1, 5), "float32", name="scores"),
    ]
    ops = [
        OpSpec("FULLY_CONNECTED", [0, 1, 2], [3]),
        OpSpec("SOFTMAX", [3], [4], {"beta": 1.0}),
    ]
    path = tmp_path_factory.mktemp("net") / "net.tflite"
    path.write_bytes(build([SubgraphSpec(tensors, ops, [0], [4])]))
    return path


@pytest.mark.parametrize(
    ("theirs", "target", "flags", "answer"),
    [
        ("__real_expf(x)", {}, [], 0),
        ("__real_expf(x) * (1.0f + 1e-6f * x)", {}, [], 0),  # another library's last bits
        ("__real_expf(1.1f * x)", {}, [], 2),
        (
            "__real_expf(x)",
            {"target": "generic-x86-64"},
            ["-march=haswell"],
            0,
        ),  # a host's kernels fuse
        ("__real_expf(1.1f * x)", {"target": "generic-x86-64"}, ["-march=haswell"], 2),
    ],
)
def test_last_bits_are_no_fault(net, tmp_path, theirs, target, flags, answer):
    need(shutil.which("gcc"), "gcc")
    compile_model(net, tmp_path / "c", name="net", golden=True, **target)
    (tmp_path / "main.c").write_text(MAIN)
    program = tmp_path / "program"
    units = sorted((tmp_path / "c").glob("*.c"))
    words = ["gcc", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fno-builtin-expf"]
    words += [*flags, f"-DTHEIRS={theirs}", "-Wl,--wrap=expf", "-I", tmp_path / "c"]
    subprocess.run([*words, tmp_path / "main.c", *units, "-lm", "-o", program], check=True)
    assert subprocess.run([program], check=False).returncode == answer
