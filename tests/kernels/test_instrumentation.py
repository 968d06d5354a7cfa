"""Options that put canaries, calls and counters into functions leave the results as they are.

All ops with all of them: python -m tests.compiler.codegen.builds
"""

import shutil

import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices import emulator, qemu
from edgeq.devices.base import ProfileOptions
from edgeq.devices.generated import generate
from edgeq.devices.registry import open_device
from scripts.check_c import BUILDS
from tests.kernels.instrumented import OPTIONS, assembly_functions, instrumented
from tests.tools import need

# Bytes of the least assembly there is for a core.
SOME = 100
ARM = [
    (build, command) for build in ("dsp", "armv7m", "armv6m", "mve") for command in BUILDS[build]
]
BUILT = [
    ("cortex-m0plus", ("-O2", *OPTIONS["canary"], *OPTIONS["calls"])),
    ("cortex-m3", ("-O2", *OPTIONS["canary"], *OPTIONS["calls"])),
    ("cortex-m4", ("-O2", *OPTIONS["canary"], *OPTIONS["calls"])),
    ("cortex-m4", ("-O0", *OPTIONS["pg"], *OPTIONS["canary"])),
    ("cortex-m4", ("-O3", "-flto")),
    ("cortex-m4", ("-Os", *OPTIONS["pic"])),
    ("cortex-m55", ("-O2", *OPTIONS["canary"], *OPTIONS["calls"])),
    ("cortex-m55", ("-O0", *OPTIONS["pg"])),
    ("rv32imc", ("-O2", *OPTIONS["canary"], *OPTIONS["calls"])),
    ("rv32imc", ("-O1", *OPTIONS["ubsan"])),
]


@pytest.mark.parametrize(("build", "command"), ARM, ids=[f"{b} {c[0]}" for b, c in ARM])
def test_assembly_stays_as_it_is_written(build, command, tmp_path):
    """gcc writes its canary into naked functions, where it destroys the arguments."""
    need(shutil.which(command[0]), command[0])
    plain = assembly_functions(build, command, ["-O2"], tmp_path)
    assert sum(map(len, plain.values())) > SOME
    for options in OPTIONS.values():
        found = assembly_functions(build, command, ["-O2", *options], tmp_path)
        assert [name for name in plain if found[name] != plain[name]] == [], options


@pytest.mark.slow
@pytest.mark.parametrize(("core", "options"), BUILT, ids=[f"{c} {' '.join(o)}" for c, o in BUILT])
def test_the_result_is_that_of_a_plain_build(core, options, models):
    model, measure = models / "sww_int8.tflite", ProfileOptions(ops=False)
    with open_device("c").open(model, CompileOptions()) as session:
        expected = session.profile(measure).output_sha256
    board = qemu.BOARDS.get(core)
    need(board is None or shutil.which(board.program), board and board.program)
    kind = emulator.EmulatorSession if board is None else qemu.QemuSession
    target = load_target(core)
    sources = instrumented(generate(model, target, CompileOptions()), *options)
    with kind(core, target, sources) as session:
        assert session.profile(measure).output_sha256 == expected
