"""Samples as they come: however they are cut, on whatever core, the same answers."""

import subprocess

import numpy as np
import pytest

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.flags import WARNINGS
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end, graph_of
from edgeq.frontend.description import read_description
from tests.frontend.signals import frames_of, recording
from tests.oracle.build import TensorSpec, single_op

KINDS = {
    "micro": ("micro", "int16"),
    "mfcc": ("mfcc", "int16"),
    "float": ("log-mel", "float32"),
    "gaps": ({"kind": "log-mel", "frame_length": 100, "frame_step": 350}, "int16"),
    "center": (
        {"kind": "log-mel", "center": True, "pre_emphasis": 0.9, "frame_step": 77}, "int16",
    ),
}  # fmt: skip


def model(tmp_path, frames=4, features=40, dtype="int8"):
    """A model that gives back its input, in another shape."""
    shape = (1, frames, features)
    scale = None if dtype == "float32" else 0.1
    x = TensorSpec(shape, dtype, scale=scale, zero_point=3 if scale else 0)
    y = TensorSpec(shape, dtype, scale=scale, zero_point=3 if scale else 0)
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_any_cut_of_a_recording_gives_the_same_frames(kind):
    sound = recording(2, seed=2)[:30011]
    described, precision = KINDS[kind]
    whole = frames_of(described, precision, sound, len(sound))
    assert len(whole) == graph_of(read_description(described), precision).stream.answers(30011)
    for chunk in (1, 7, 160, 16000):
        np.testing.assert_array_equal(frames_of(described, precision, sound, chunk), whole)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_a_model_sees_the_frames_in_its_own_type(tmp_path, dtype):
    sound = recording(1, seed=3)
    described = {"kind": "log-mel", "frame_step": 320, "stride": 3, "precision": "int16"}
    if dtype == "int16":
        described["precision"] = "float32"
    options = CompileOptions(frontend=front_end(described))
    path = model(tmp_path, dtype=dtype)
    with open_device("c").open(path, options) as session:
        (answers,) = session.stream(sound, 777)
    frames = frames_of(described, described["precision"], sound)
    stacks = np.stack([frames[i : i + 4] for i in range(0, len(frames) - 3, 3)])
    assert answers.shape == (len(stacks), 1, 4, 40)
    if dtype == "float32":
        np.testing.assert_array_equal(answers[:, 0], stacks.astype(np.float32))
    else:
        limits = np.iinfo(dtype)
        steps = np.clip(np.rint(stacks / np.float32(0.1)) + 3, limits.min, limits.max)
        if dtype == "uint8":
            steps = np.maximum(steps, 0)
        assert np.abs(answers[:, 0] - steps).max() <= 1
        assert len(np.unique(answers)) > 30 or dtype == "uint8"


@pytest.mark.parametrize(
    ("address", "kind"),
    [("sim:cortex-m4", "micro"), ("sim:cortex-m4", "mfcc"), ("sim:cortex-m4", "float"),
     ("sim:cortex-m0plus", "micro"), ("sim:cortex-m0plus", "mfcc"), ("sim:rv32imc", "mfcc")],
)  # fmt: skip
def test_emulated_cores_give_the_bytes_of_this_machine(tmp_path, address, kind):
    described, precision = KINDS[kind]
    front = front_end(described, precision)
    features = 13 if kind == "mfcc" else 40
    path = model(tmp_path, features=features)
    sound = recording(1, seed=4)[:5000]
    answers = []
    for place in ("c", address):
        with open_device(place).open(path, CompileOptions(frontend=front)) as session:
            answers.append(session.stream(sound)[0])
    assert len(answers[0]) and len(np.unique(answers[0])) > 5
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("kind", "memory"),
    [("micro", Memory.STATIC), ("float", Memory.EXTERNAL), *(("mfcc", each) for each in Memory)],
)
def test_the_c_compiles_without_a_warning(tmp_path, kind, memory):
    described, precision = KINDS[kind]
    options = CompileOptions(frontend=front_end(described, precision))
    path = model(tmp_path, features=13 if kind == "mfcc" else 40)
    sources = generate(path, name="ears", options=options, memory=memory)
    files = {**sources.files, "main.c": '#include "ears.h"\nint main(void) { return 0; }\n'}
    flags = ["-std=c99", "-O1", *WARNINGS]
    assert build(host_toolchain(), files, flags, ["-lm"], "ears").exists()


def test_a_model_that_no_number_of_frames_fills_is_refused(tmp_path):
    path = model(tmp_path, features=39)
    with pytest.raises(EdgeqError, match="156 values, which are no frames of 40 features"):
        generate(path, options=CompileOptions(frontend=front_end("log-mel")))
    described = {"kind": "log-mel", "num_mel_bins": 39, "frames": 5}
    with pytest.raises(EdgeqError, match="no 5 frames of 39"):
        generate(path, options=CompileOptions(frontend=front_end(described)))


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_first_samples_count_without_a_reset(tmp_path, by_hand):
    described = {"kind": "log-mel", "frame_step": 480, "num_mel_bins": 4, "precision": "int16"}
    path = model(tmp_path, frames=2, features=4)  # its zero point is none: state is not all zeros
    options = CompileOptions(frontend=front_end(described))
    sources = generate(path, name="ears", options=options)
    sound = recording(1, seed=4)[:960]
    push = "ears_push(sound, 960);"
    if by_hand:
        feed = "memcpy(ears_input(), sound + 480 * i, 960);"
        push = f"for (int i = 0; i < 2; i++) {{ {feed} ears_invoke(); }}"
    main = f"""
#include <stdio.h>
#include <string.h>
#include "ears.h"
static const int16_t sound[] = {{{", ".join(map(str, sound))}}};
int main(void)
{{
    for (int round = 0; round < 2; round++) {{
        {push}
        for (int i = 0; i < EARS_OUTPUT_ELEMENTS; i++) {{ printf("%d ", ears_output()[i]); }}
        ears_reset();
    }}
    return 0;
}}
"""
    files = {**sources.files, "main.c": main}
    program = build(host_toolchain(), files, ["-std=c99", "-O1", *WARNINGS], ["-lm"], "ears")
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert said[:8] == said[8:]
    with open_device("c").open(path, options) as session:
        assert list(map(int, said[:8])) == session.stream(sound)[0].reshape(-1).tolist()
