"""Self-tests: right code passes, with loops and states too; last bits are no fault."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from edgeq.workflow.compile import compile as compile_model
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.fuzz import generators
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


def loop():
    """Three turns, each of which adds the input once more; behind it, and of it, an output."""
    counter, value = TensorSpec((1,), "int32"), TensorSpec((1, 4), "int32")
    zero, three, one = (TensorSpec((1,), "int32", data=[n]) for n in (0, 3, 1))
    carried = [counter, value, value]
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    ops = [
        OpSpec("WHILE", [1, 0, 0], [2, 3, 4], options),
        OpSpec("ADD", [3, 4], [5]),
    ]
    turn = [OpSpec("ADD", [0, 3], [4]), OpSpec("ADD", [1, 2], [5])]
    return build(
        [
            SubgraphSpec([value, zero, *carried, value], ops, [0], [5, 3, 2]),
            SubgraphSpec(
                [*carried, three, TensorSpec((1,), "bool")],
                [OpSpec("LESS", [0, 3], [4])],
                [0, 1, 2],
                [4],
            ),
            SubgraphSpec([*carried, one, counter, value], turn, [0, 1, 2], [4, 5, 2]),
        ]
    )


def made(kind, seed=0):
    return generators()[kind](np.random.default_rng((seed, 1)), 4).model


MODELS = {
    "loop": (loop, 3),
    "LSTM int8": (lambda: made("LSTM int8"), 1),
    "LSTM int16": (lambda: made("LSTM int16"), 1),
    "SVDF int8": (lambda: made("SVDF int8"), 1),
    **{
        kind: (lambda kind=kind: made(kind), 0)
        for kind in ("CIRCULAR_BUFFER of some calls", "SignalFramer", "SignalStacker")
    },
    **{f"calls {n}": (lambda n=n: made("graph of subgraphs", n), 0) for n in range(4)},
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_runs_in_turns_or_keeps_a_state_passes(kind, tmp_path):
    """Values before the first turn were held against those after the last: boards said FAIL."""
    need(shutil.which("gcc"), "gcc")
    make, least = MODELS[kind]
    (tmp_path / "net.tflite").write_bytes(make())
    compile_model(tmp_path / "net.tflite", tmp_path / "c", name="net", golden=True)
    units = sorted((tmp_path / "c").glob("*.c"))
    text = {unit: unit.read_text() for unit in units}
    checks = re.findall(r"if \(net_crc\(0", text[tmp_path / "c" / "net.c"])
    assert len(checks) >= least
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void) { return net_selftest() + 16 * net_selftest(); }\n'
    )
    words = ["gcc", "-O1", "-I", tmp_path / "c", tmp_path / "main.c", *units, "-lm"]
    subprocess.run([*words, "-o", tmp_path / "program"], check=True)
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 0
    # Fed with something else, it does not pass.
    for unit in units:
        other = re.sub(r"(net_golden_input_0\[\d+\] = \{)[^}]*", r"\g<1>77", text[unit])
        unit.write_text(other)
    subprocess.run([*words, "-o", tmp_path / "program"], check=True)
    assert bool(subprocess.run([tmp_path / "program"], check=False).returncode) or least == 0


AGAIN = """
#include <string.h>
#include "net.h"
static int8_t first[NET_OUTPUT_BYTES];
int main(void)
{
    memset(net_input(), 50, NET_INPUT_BYTES);
    net_invoke();
    memcpy(first, net_output(), sizeof(first));
    if (net_selftest() != 0) {
        return 1;
    }
    memset(net_input(), 50, NET_INPUT_BYTES);
    net_invoke();
    return 2 * (memcmp(first, net_output(), sizeof(first)) != 0);
}
"""


def test_a_self_test_leaves_no_state_behind(tmp_path):
    """Firmware runs it at the start: the first answers were those to the known input, too."""
    need(shutil.which("gcc"), "gcc")
    (tmp_path / "net.tflite").write_bytes(made("SVDF int8"))
    compile_model(tmp_path / "net.tflite", tmp_path / "c", name="net", golden=True)
    (tmp_path / "main.c").write_text(AGAIN)
    units = sorted((tmp_path / "c").glob("*.c"))
    words = ["gcc", "-O1", "-I", tmp_path / "c", tmp_path / "main.c", *units, "-lm"]
    subprocess.run([*words, "-o", tmp_path / "program"], check=True)
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 0
    assert " * The next call is the first again. */" in (tmp_path / "c" / "net.h").read_text()
