"""The kernels of Arm give TensorFlow Lite Micro's bytes at every level, in QEMU's user mode."""

import shutil

import pytest

from edgeq.boards.levels import best_here, best_of
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import isa_of
from edgeq.compiler.options import CompileOptions
from edgeq.devices.remote.facts import read_facts
from edgeq.devices.remote.runner import for_its_cpu
from edgeq.errors import EdgeqError
from tests.kernels.arm64 import (
    ARM64,
    TINY,
    five_models,
    levels_found,
    outputs_on_arm,
    run_arm,
    small_model,
)
from tests.kernels.hosts import FORMS, SIZE
from tests.kernels.layers import compared_with, random_layers
from tests.tools import need

A53 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
A76 = f"{A53} asimdrdm lrcpc dcpop asimddp"
A710 = f"{A76} sve2 svei8mm i8mm bf16"


@pytest.fixture(scope="module")
def layers():
    """Random layers that take each form."""
    return [
        case
        for name, form in FORMS
        for case in random_layers("c:aarch64", name, form, 2, 3, SIZE, "neon")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ARM64.levels)
def test_random_layers_give_tflms_bytes(isa, layers):
    need(not ARM64.missing(), ARM64.missing())
    differ, compared = compared_with(
        layers, lambda cases, calls: outputs_on_arm(ARM64, cases, calls, isa)
    )
    assert not differ
    assert compared >= len(layers) // 2


@pytest.fixture(scope="module")
def five(models, tmp_path_factory):
    return five_models(models, tmp_path_factory.mktemp("five"))


@pytest.mark.slow
@pytest.mark.parametrize("isa", ARM64.levels)
def test_the_five_models_give_tflms_bytes(isa, five):
    need(not ARM64.missing(), ARM64.missing())
    path, inputs, expected = five
    found = run_arm(ARM64, path, inputs, CompileOptions(isa=isa), ARM64.cpus[isa])
    for name, ours, theirs in zip(TINY, found, expected, strict=True):
        assert ours.tobytes() == theirs.tobytes(), name


@pytest.fixture
def small(tmp_path):
    return small_model(tmp_path)


@pytest.mark.slow
def test_a_program_of_all_levels_ends_on_no_cpu(small):
    """On a CPU without dot products one of them would end the program."""
    need(not ARM64.missing(), ARM64.missing())
    path, inputs, expected = small
    for cpu in ("cortex-a53", "cortex-a76", "max"):
        (found,) = run_arm(ARM64, path, inputs, CompileOptions(dispatch=True), cpu)
        assert found.tobytes() == expected[0].tobytes(), cpu


def test_a_level_is_not_run_where_it_is_lacking(small):
    """The other way round: that CPU does end what was made for another one."""
    need(not ARM64.missing(), ARM64.missing())
    path, inputs, _ = small
    with pytest.raises(AssertionError, match="uncaught target signal 4"):
        run_arm(ARM64, path, inputs, CompileOptions(isa="neondot"), "cortex-a53")


_NEON, _DOT, _I8MM = 8, 16, 32


def test_the_system_says_what_the_cpu_has(tmp_path):
    need(not ARM64.missing(), ARM64.missing())
    assert levels_found(ARM64, tmp_path, "cortex-a53") == _NEON
    assert levels_found(ARM64, tmp_path, "cortex-a76") == _NEON + _DOT
    assert levels_found(ARM64, tmp_path, "max") == _NEON + _DOT + _I8MM
    assert levels_found(ARM64, tmp_path, "max", "-DEQ_LEVELS=24u") == _NEON + _DOT


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (A53, _NEON),
        (A76, _NEON + _DOT),
        (A710, _NEON + _DOT + _I8MM),
        (f"{A53} asimddpx xasimddp", _NEON),
        (f"{A76} svei8mm", _NEON + _DOT),
        (f"{A53} i8mm", _NEON),
        (None, _NEON),
    ],
)
def test_without_a_c_library_its_text_says_so(features, found, tmp_path):
    need(not ARM64.missing(), ARM64.missing())
    text = tmp_path / "cpuinfo"
    if features is not None:
        text.write_text(
            f"processor\t: 0\nBogoMIPS\t: 38.40\nFeatures\t: {features}\nCPU part\t: 1\n"
        )
    assert levels_found(ARM64, tmp_path / "c", "max", f'-DEQ_CPUINFO="{text}"') == found


@pytest.mark.parametrize(
    ("target", "level"),
    [
        ("raspberry-pi-4", "neon"),
        ("raspberry-pi-5", "neondot"),
        ("android-snapdragon-8-gen-3", "i8mm"),
        ("aarch64", "neon"),
        ("armv7", "host"),
        ("x86-64", "host"),
    ],
)
def test_c_for_a_target_uses_what_it_is_known_to_have(target, level):
    assert isa_of(load_target(target)).kernels[0] == level


@pytest.mark.parametrize(
    ("features", "level"), [("", "portable"), (A53, "neon"), (A76, "neondot"), (A710, "i8mm")]
)
def test_an_arm_machine_takes_its_best_level(features, level, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("edgeq.boards.levels.features_here", lambda: frozenset(features.split()))
    assert best_here().name == level
    assert best_of("x86-64", features.split()).name == "portable"


def _device(machine, key, features):
    sections = {
        "uname": f"Linux 6.1.0 {machine}",
        "file /proc/cpuinfo": f"processor\t: 0\n{key}\t: {features}\n",
    }
    return read_facts(sections)


@pytest.mark.parametrize(
    ("machine", "key", "features", "level"),
    [
        ("aarch64", "Features", A53, "neon"),
        ("aarch64", "Features", A76, "neondot"),
        ("aarch64", "Features", A710, "i8mm"),
        ("aarch64", "flags", "fpu sse2 avx2 fma", ""),
        ("x86_64", "flags", "fpu sse2 avx2 fma", "avx2"),
        ("x86_64", "flags", "fpu sse2", ""),
        ("armv6l", "Features", "half thumb fastmult vfp", ""),
    ],
)
def test_a_device_gets_the_level_that_its_system_names(machine, key, features, level):
    facts = _device(machine, key, features)
    assert for_its_cpu(facts, CompileOptions()).isa == level
    chosen = CompileOptions(dispatch=True)
    assert for_its_cpu(facts, chosen) == chosen


def test_a_device_is_not_given_what_would_end_there():
    facts = _device("aarch64", "Features", A53)
    with pytest.raises(EdgeqError, match="neondot: it lacks asimddp") as found:
        for_its_cpu(facts, CompileOptions(isa="neondot"))
    assert found.value.hint == "--isa neon is the best that it has"
    assert for_its_cpu(facts, CompileOptions(isa="portable")).isa == "portable"
    assert for_its_cpu(_device("aarch64", "flags", ""), CompileOptions(isa="neon")).isa == "neon"


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["neondot", "i8mm"])
def test_clang_asks_for_its_instructions_too(isa, small):
    """Before version 16 it has no intrinsics for a part of a program, and gets assembly."""
    need(not ARM64.missing(), ARM64.missing())
    need(shutil.which("clang"), "clang")
    path, inputs, expected = small
    command = ("clang", "--target=aarch64-linux-gnu")
    (found,) = run_arm(
        ARM64, path, inputs, CompileOptions(isa=isa), ARM64.cpus[isa], command=command
    )
    assert found.tobytes() == expected[0].tobytes()
