"""Front end, model and decision in a firmware: self-test, and recordings replayed over the port."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeq.analysis.profiling import profile
from edgeq.compiler.build.compiler import build as compile_c
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.firmware.create import create_project
from edgeq.frontend.build import front_end
from edgeq.workflow.compile import compile as compile_model
from tests.devices.test_replay import EARS, hear, passing
from tests.firmware.boards import build, need_tools, on_pty, read_until
from tests.frontend.signals import recording
from tests.tools import need

KINDS = {
    "int16": (EARS, 4, 3),
    "float32": ({**EARS, "precision": "float32"}, 4, 3),
    "one frame": ({"kind": "micro", "frame_step": 320, "num_mel_bins": 8}, 1, 8),
    "motion": ({"kind": "motion", "axes": 2, "frame_length": 40, "frame_step": 10,
                "statistics": ["mean", "rms"]}, 1, 4),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_self_test_knows_front_ends(tmp_path, kind):
    described, frames, bands = KINDS[kind]
    path = passing(tmp_path, frames, bands)
    options = CompileOptions(frontend=front_end(described))
    sources = compile_model(path, tmp_path / "out", name="ears", options=options, golden=True)
    stages = [op["op"] for op in sources.manifest["ops"]]
    assert sources.files["ears.c"].count("ears_crc(0") >= len(stages) - 3
    main = """
#include <stdio.h>
#include "ears.h"
int main(void) { int first = ears_selftest(); printf("%d %d", first, ears_selftest()); return 0; }
"""
    for damaged in (False, True):
        files = {**sources.files, "main.c": main}
        if damaged:  # another known input
            weights = files["ears_weights.c"]
            at = weights.index("{", weights.index("golden_input_0")) + 40
            files["ears_weights.c"] = weights[:at] + weights[at:].replace("1", "2", 3)
        program = compile_c(host_toolchain(), files, ["-std=c99", "-O1"], ["-lm"], "ears")
        said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        first, again = map(int, said.split())
        assert first == again
        assert (first > 0) == damaged, stages


@pytest.mark.parametrize("kind", ["float32", "motion"])
def test_no_compiler_fuses_the_floats_of_a_front_end(tmp_path, kind):
    """As people build, in gnu modes for cores with fused multiplications, gcc and clang."""
    described, frames, bands = KINDS[kind]
    path = passing(tmp_path, frames, bands)
    options = CompileOptions(frontend=front_end(described))
    compile_model(path, tmp_path / "c", name="ears", options=options, golden=True)
    main = tmp_path / "main.c"
    main.write_text('#include "ears.h"\nint main(void) { return ears_selftest(); }\n')
    arm = ["-L", "/usr/aarch64-linux-gnu"]
    ways = [["aarch64-linux-gnu-gcc", "-O3"], ["aarch64-linux-gnu-gcc", "-O2", "-std=gnu17"]]
    if platform.machine() == "x86_64" and " fma " in Path("/proc/cpuinfo").read_text():
        ways += [
            ["gcc", "-O2", "-mfma"],
            ["clang", "-O2", "-mfma"],
            ["gcc", "-Os", "-mfma", "-flto"],
        ]
    ways = [way for way in ways if shutil.which(way[0])]
    need(ways, "a compiler for a core with fused multiplications")
    for compiler, *flags in ways:
        there = "aarch64" in compiler
        if there and shutil.which("qemu-aarch64") is None:
            continue
        program = tmp_path / "program"
        units = sorted((tmp_path / "c").glob("*.c"))
        subprocess.run(
            [compiler, *flags, "-I", tmp_path / "c", main, *units, "-lm", "-o", program], check=True
        )
        command = [*(["qemu-aarch64", *arm] if there else []), program]
        assert subprocess.run(command, check=False).returncode == 0, (compiler, flags)


ARM = {
    "kind": "motion", "sample_rate": 50, "unit": 0.001, "frame_length": 50, "frame_step": 25,
    "statistics": ["std"],
    "decision": {"labels": ["x", "y", "z"], "full_scale": 30, "threshold": 2, "release": 1,
                 "average": 2, "suppression": 1, "refractory_ms": 2000},
}  # fmt: skip


def movements(seconds):
    """int16 samples of three axes in a row, each of which swings now and then."""
    t = np.arange(50 * seconds) / 50
    swings = [np.sin(9 * t) * (np.sin(2 * np.pi * t / every) > 0.7) for every in (7, 11, 13)]
    noise = np.random.default_rng(0).normal(0, 30, (3, len(t)))
    return np.rint(5000 * np.array(swings) + noise).astype(np.int16).T.reshape(-1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "described", "seconds"),
    [("qemu-mps2-an386", ARM, 60), ("qemu-riscv32-virt", ARM, 5), ("qemu-mps2-an386", EARS, 0.12)],
)
def test_a_board_decides_what_this_machine_decides(tmp_path, target, described, seconds):
    moves = described is ARM
    path, front = passing(tmp_path, *((1, 3) if moves else (4, 3))), front_end(described)
    sound = movements(seconds) if moves else recording(1, seed=2)[: int(16000 * seconds)]
    here = hear("c", path, front, sound)
    assert len(here.events) >= (seconds // 5 if moves else 0)
    for address in ("sim:cortex-m4", "sim:rv32imc"):
        assert hear(address, path, front, sound).events == here.events
    options = CompileOptions(frontend=front)
    elf = build([path], tmp_path / "fw", target, name="ears", options=options)
    with on_pty(elf, target) as port:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
        said = read_until(handle, "cycles|FAIL at op \\d+", 60)
        os.close(handle)
        assert "edgeq ears: self-test PASS, " in said
        there = hear(f"serial:{port}", path, front, sound)
        assert there.events == here.events
        np.testing.assert_array_equal(there.answers[0], here.answers[0])
        found = profile(path, on=f"serial:{port}", options=options).measurement
        assert found.cycles > 0
        with open_device("c").open(path, options) as session:
            stages = {(op.index, op.op) for op in session.profile(ProfileOptions(runs=1)).ops}
        assert {(op.index, op.op) for op in found.ops} - {(-1, "COPY")} >= stages - {(-1, "COPY")}
        assert all(op.cycles > 0 for op in found.ops if op.op.startswith("FRONTEND_"))
        assert all(op.cycles > 0 for op in found.ops if op.op == "MAXIMUM")
        other = CompileOptions(frontend=front_end({**described, "decision": {"full_scale": 60}}))
        with pytest.raises(EdgeqError, match="this model behind this front end with this decision"):
            open_device(f"serial:{port}").open(path, other)


def test_projects_on_the_command_line(tmp_path, cli):
    need_tools("arm-none-eabi-gcc")
    (tmp_path / "ears.toml").write_text(
        'kind = "log-mel"\nnum_mel_bins = 3\nframe_step = 320\nstride = 1\n'
        "[decision]\nfull_scale = 30\n"
    )
    command = ["compile", passing(tmp_path), "--frontend", tmp_path / "ears.toml", "-n", "ears"]
    made = cli(*command, "-o", tmp_path / "fw", "--project", "bare-metal", "-t", "qemu-mps2-an386",
               "--json")  # fmt: skip
    assert made.code == 0, made.err
    assert json.loads(made.out)["account"]["golden"]
    text = (tmp_path / "fw" / "src" / "eq_models.c").read_text()
    assert "ears_replay_invoke();" in text
    assert (tmp_path / "fw" / "model" / "ears_replay.c").exists()
    board = ["-t", "qemu-mps2-an386"]
    for template, more in (("mlperf-tiny", board), ("sources", [*board, "--runtime", "tflm"])):
        options = ["--project", template, *more]
        refused = cli(*command, "-o", tmp_path / "no", *options)
        assert refused.code == 2
        assert "No front ends run" in refused.err


def test_two_models_share_an_arena_and_a_front_end(tmp_path):
    need_tools("arm-none-eabi-gcc")
    path = passing(tmp_path)
    twin = tmp_path / "twin.tflite"
    twin.write_bytes(path.read_bytes())
    options = CompileOptions(frontend=front_end(EARS))
    project = create_project(
        [path, twin], tmp_path / "fw", target="qemu-mps2-an386", template="bare-metal",
        options=options,
    )  # fmt: skip
    assert set(project.models) == {"same", "twin"}
