"""NEON of 32-bit Arm gives TensorFlow Lite Micro's bytes, in QEMU's user mode."""

import shutil

import pytest

from edgeq.boards.levels import best_here, best_of, level
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate, isa_of
from edgeq.compiler.options import CompileOptions
from edgeq.devices.remote.facts import read_facts
from edgeq.devices.remote.runner import for_its_cpu
from edgeq.errors import EdgeqError, UsageError
from tests.kernels.arm64 import (
    ARM32,
    five_models,
    levels_found,
    outputs_on_arm,
    run_arm,
    small_model,
)
from tests.kernels.hosts import FORMS, SIZE
from tests.kernels.layers import compared_with, random_layers
from tests.tools import need

PI_2 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm"
TEGRA_2 = "swp half thumb fastmult vfp edsp vfpv3 vfpv3d16"
PI_3_OF_64_BITS = "fp asimd evtstrm crc32 cpuid"
NEON = CompileOptions(isa="neon")
_WITHOUT = "cortex-a9,neon=off"


@pytest.mark.slow
def test_random_layers_give_tflms_bytes():
    need(not ARM32.missing(), ARM32.missing())
    layers = [
        case
        for name, form in FORMS
        for case in random_layers("c:armv7", name, form, 2, 3, SIZE, "neon")
    ]
    differ, compared = compared_with(
        layers, lambda cases, calls: outputs_on_arm(ARM32, cases, calls, "neon")
    )
    assert not differ
    assert compared >= len(layers) // 2


def _same(model, options, cpu, command=()):
    path, inputs, expected = model
    found = run_arm(ARM32, path, inputs, options, cpu, command)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.slow
def test_the_five_models_give_tflms_bytes(models, tmp_path):
    need(not ARM32.missing(), ARM32.missing())
    _same(five_models(models, tmp_path), NEON, "cortex-a8")


@pytest.fixture
def small(tmp_path):
    return small_model(tmp_path)


@pytest.mark.slow
def test_a_program_of_all_levels_ends_on_no_cpu(small):
    need(not ARM32.missing(), ARM32.missing())
    for cpu in ("cortex-a8", _WITHOUT):
        _same(small, CompileOptions(dispatch=True), cpu)
    with pytest.raises(AssertionError, match="uncaught target signal 4"):
        _same(small, NEON, _WITHOUT)


def test_one_text_is_for_both_kinds_of_arm(small):
    cpus = ("aarch64", "armv7")
    both = [generate(small[0], name="m", target=cpu, options=NEON) for cpu in cpus]
    assert both[0].files == both[1].files


@pytest.mark.parametrize(
    "command",
    [
        # What makes code for Armv6 otherwise, as Raspberry Pi OS's own compiler.
        (ARM32.compiler, "-march=armv6+fp", "-marm"),
        ("clang", "--target=arm-linux-gnueabihf", "-march=armv7-a", "-mfpu=neon"),
    ],
)
def test_other_compilers_make_it_too(command, small):
    need(not ARM32.missing(), ARM32.missing())
    need(shutil.which(command[0]), command[0])
    _same(small, NEON, "cortex-a8", command)


_HAS_NEON = 8


def test_the_system_says_what_the_cpu_has(tmp_path):
    need(not ARM32.missing(), ARM32.missing())
    assert levels_found(ARM32, tmp_path, "cortex-a7") == _HAS_NEON
    assert levels_found(ARM32, tmp_path, _WITHOUT) == 0
    assert levels_found(ARM32, tmp_path, "cortex-a7", "-DEQ_LEVELS=16u") == 0


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (PI_2, _HAS_NEON),
        (PI_3_OF_64_BITS, _HAS_NEON),
        (TEGRA_2, 0),
        (f"{TEGRA_2} neonless", 0),
        (None, 0),
    ],
)
@pytest.mark.parametrize("flags", [("-marm",), ("-mthumb", "-O0", "-fno-omit-frame-pointer")])
def test_without_a_c_library_its_text_says_so(features, found, flags, tmp_path):
    need(not ARM32.missing(), ARM32.missing())
    text = tmp_path / "cpuinfo"
    if features is not None:
        text.write_text(f"processor\t: 0\nFeatures\t: {features}\nCPU part\t: 1\n")
    told = f'-DEQ_CPUINFO="{text}"'
    assert levels_found(ARM32, tmp_path / "c", "cortex-a7", told, *flags) == found


def test_levels_of_one_name_are_those_of_their_cpu(monkeypatch):
    assert level("neon", "armv7").features == ("neon",)
    assert level("neon", "aarch64").features == level("neon").features == ("asimd",)
    assert [best_of("armv7", f.split()).name for f in (PI_2, PI_3_OF_64_BITS, TEGRA_2)] == [
        "neon", "neon", "portable",
    ]  # fmt: skip
    monkeypatch.setattr("platform.machine", lambda: "armv7l")
    monkeypatch.setattr("edgeq.boards.levels.features_here", lambda: frozenset(PI_2.split()))
    assert (best_here().name, best_here().cpu) == ("neon", "armv7")
    for target in ("generic-armv7", "raspberry-pi-2"):
        assert isa_of(load_target(target)).kernels[0] == "neon"
    with pytest.raises(UsageError, match="is a level of aarch64"):
        isa_of(load_target("armv7"), "neondot")


def _device(machine, features):
    sections = {
        "uname": f"Linux 6.1.0 {machine}",
        "file /proc/cpuinfo": f"processor\t: 0\nFeatures\t: {features}\n",
        "bits": "32",
    }
    return read_facts(sections)


@pytest.mark.parametrize(
    ("machine", "features", "isa"),
    [
        ("armv7l", PI_2, "neon"),
        ("aarch64", PI_3_OF_64_BITS, "neon"),
        ("armv8l", PI_3_OF_64_BITS, "neon"),
        ("armv7l", TEGRA_2, ""),
        ("armv6l", "half thumb fastmult vfp edsp java tls", ""),
    ],
)
def test_a_device_gets_neon_where_its_system_names_it(machine, features, isa):
    facts = _device(machine, features)
    assert facts.architecture == ("armv6l" if machine == "armv6l" else "armv7l")
    assert for_its_cpu(facts, CompileOptions()).isa == isa


def test_a_device_without_neon_is_not_given_it():
    with pytest.raises(EdgeqError, match="level neon: it lacks neon") as found:
        for_its_cpu(_device("armv7l", TEGRA_2), NEON)
    assert found.value.hint == "--isa portable is the best that it has"
