"""Limits: which are checked, and when they are met."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeq.analysis.account import account_for, account_of, account_on
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.kinds import figures_of, stand_in
from edgeq.analysis.limits import Limits, check_limits, memory_checks
from edgeq.analysis.own import runs_own_code
from edgeq.analysis.profiling import _target_of
from edgeq.boards.target import all_targets, load_target, target_called
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Latency, Measurement, Memory
from edgeq.metrics.base import Score
from edgeq.report.account import check_line
from edgeq.support.resources import resource_dir
from tests.oracle.build import TensorSpec, single_op

FOUND = Measurement(
    {"address": "sim:cortex-m4", "cpu": "cortex-m4"},
    cycles=1000,
    memory_bytes=Memory(ram_total=5000, flash_total=20000),
)


def account(target="cortex-m4"):
    found = replace(FOUND, device={"address": f"sim:{target}", "cpu": "cortex-m4"})
    return account_of(found, Path("m"), load_target(target), CompileOptions())


def evaluation(value, *, larger_is_better=True):
    return Evaluation("m", "", "c", 10, Score("accuracy", value, larger_is_better, {}))


def verdicts(limits, **others):
    checks = check_limits(limits, load_target("cortex-m4"), account(), **others)
    return {check.name: check.met for check in checks}


def test_sizes_and_cycles():
    assert verdicts(Limits(flash_bytes=20000, ram_bytes=4999, cycles=1000)) == {
        "flash bytes": True,
        "RAM bytes": False,
        "cycles": True,
    }


def test_what_cannot_be_measured_does_not_meet_a_limit():
    # A bare CPU has no clock to turn cycles into time.
    assert verdicts(Limits(latency_ms=1.0)) == {"latency ms": False}
    name = "nucleo-f446re"
    board = check_limits(Limits(latency_ms=1.0), load_target(name), account(name))
    # The bare-metal project leaves the chip at the 16 MHz that it starts with.
    assert board[0].value == pytest.approx(1000 / 16e6 * 1000)
    assert board[0].met
    assert board[0].kind == "estimated"
    assert "; at 16 MHz, the clock that the bare-metal project runs at" in check_line(board[0])


@pytest.mark.parametrize(("integer", "met"), [(0.90, True), (0.93, True), (0.89, False)])
def test_accuracy_drop(integer, met):
    found = verdicts(
        Limits(accuracy_drop=0.02), accuracy=evaluation(integer), float_accuracy=evaluation(0.92)
    )
    assert found == {"accuracy drop": met}


def test_where_smaller_is_better():
    worse = evaluation(0.5, larger_is_better=False)
    better = evaluation(0.4, larger_is_better=False)
    limits = Limits(accuracy=0.45, accuracy_drop=0.05)
    assert verdicts(limits, accuracy=worse, float_accuracy=better) == {
        "accuracy": False,
        "accuracy drop": False,
    }
    assert verdicts(limits, accuracy=better, float_accuracy=worse) == {
        "accuracy": True,
        "accuracy drop": True,
    }


def test_a_drop_needs_a_float_model():
    assert verdicts(Limits(accuracy_drop=0.5), accuracy=evaluation(1.0)) == {"accuracy drop": False}


def test_the_target_s_memory_and_unequal_bytes_always_count():
    target = load_target("nucleo-f446re")
    unequal = SimpleNamespace(on="c", against="tflm", differing=3, equal=False, owned=True)
    litert = "local?kernels=reference"
    other = SimpleNamespace(on="c", against=litert, differing=3, equal=False, owned=False)
    checks = check_limits(
        Limits(), target, account("nucleo-f446re"), verifications=[unequal, other]
    )
    assert [(check.source, check.met) for check in checks] == [
        ("always", False),
        ("nucleo-f446re", True),
        ("nucleo-f446re", True),
    ]


# All hosts but this kind of computer, of which this machine is one.
HOSTS = [
    target
    for target in all_targets()
    if target.kind == "host" and not runs_own_code({"address": "local"}, target)
]


@pytest.mark.parametrize("address", ["local", "c", "tflm"])
@pytest.mark.parametrize("phone", HOSTS, ids=lambda target: target.name)
def test_this_machine_never_tells_a_phone_s_latency(address, phone):
    here = Measurement(
        {"address": address, "cpu": "x86_64"},
        latency_us=Latency(10, 1, 9.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 0.1),
    )
    found = account_of(here, Path("m"), phone, CompileOptions())
    assert found.latency_ms.value is None
    for accept in (False, True):
        checks = check_limits(Limits(latency_ms=1e6), phone, found, accept_stand_in=accept)
        assert [(c.name, c.kind, c.met) for c in checks] == [("latency ms", "unknown", False)]
        assert ("adb:" if phone.phone else "ssh:") in checks[0].note


def test_most_hosts_are_phones_and_pis():
    assert sum(host.phone for host in HOSTS) >= 8
    assert {"raspberry-pi-4", "raspberry-pi-5", "jetson-orin-nano"} <= {host.name for host in HOSTS}


PI_5 = {"architecture": "aarch64", "system": "linux", "target": "Raspberry Pi 5 Model B Rev 1.0"}
PI_3 = {**PI_5, "target": "Raspberry Pi 3 Model B Plus Rev 1.3"}
HELIO = {"architecture": "aarch64", "system": "android", "target": "SM-A155F", "soc": "MT6789"}
PC = {"architecture": "x86_64", "system": "linux", "target": "x86_64", "cpu": "AMD EPYC"}
F446 = {"target": "nucleo-f446re", "cpu": "cortex-m4"}


def timed(address, told):
    latency = Latency(10, 1, 9.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 0.1)
    return Measurement({"address": address, **told}, latency_us=latency)


@pytest.mark.parametrize(
    ("target", "address", "told"),
    [
        ("raspberry-pi-5", "ssh://pi@h", PI_5),
        ("raspberry-pi-3b-plus", "ssh://pi@h", PI_3),
        ("generic-aarch64", "ssh://pi@h", PI_3),
        ("generic-x86-64", "ssh://h", PC),
        ("android-helio-g99", "adb:R58M", HELIO),
        ("android-helio-g99", "ssh://phone:8022", {**HELIO, "system": "termux"}),
        ("android-snapdragon-8-gen-2", "adb:1", {**HELIO, "soc": "SM8550-AC"}),
        ("android-tensor-g3", "adb:1", {**HELIO, "soc": "Tensor G3"}),
        ("generic-android", "adb:R58M", {**HELIO, "soc": None}),
    ],
)
def test_the_device_itself_tells_its_latency(target, address, told):
    board = load_target(target)
    found = account_of(timed(address, told), Path("m"), board, CompileOptions())
    checks = check_limits(Limits(latency_ms=0.003), board, found)
    assert [(c.value, c.kind, c.met) for c in checks] == [(0.002, "measured", True)]


@pytest.mark.parametrize(
    ("target", "address", "told", "words"),
    [
        (
            "raspberry-pi-5",
            "ssh://h",
            PC,
            "says that it is x86_64, AMD EPYC, which is no Raspberry",
        ),
        ("raspberry-pi-5", "ssh://pi@h", PI_3, "Raspberry Pi 3 Model B Plus Rev 1.3, which is no"),
        ("raspberry-pi-5", "ssh://h", {**PI_5, "target": "Raspberry Pi 500"}, "which is no"),
        ("raspberry-pi-5", "ssh://h", {**PI_5, "architecture": "armv7l"}, "which is no"),
        ("raspberry-pi-5", "ssh://h", {}, "says that it is nothing"),
        ("generic-x86-64", "ssh://pi@h", PI_5, "which is no Any 64-bit x86"),
        ("generic-aarch64", "adb:R58M", HELIO, "which is no"),
        ("generic-android", "ssh://pi@h", PI_5, "which is no"),
        ("android-tensor-g3", "adb:R58M", HELIO, "SM-A155F, MT6789, which is no Android"),
        ("android-tensor-g3", "adb:1", {**HELIO, "soc": "Tensor"}, "which is no"),
        ("android-helio-g99", "adb:1", {**HELIO, "soc": None}, "which is no"),
        ("android-helio-g99", "adb:1", {**HELIO, "soc": "MT67"}, 'with board = "..."'),
    ],
)
def test_another_device_never_does(target, address, told, words):
    board = load_target(target)
    found = account_of(timed(address, told), Path("m"), board, CompileOptions())
    for accept in (False, True):
        checks = check_limits(Limits(latency_ms=1e6), board, found, accept_stand_in=accept)
        assert [(c.name, c.kind, c.met) for c in checks] == [("latency ms", "unknown", False)]
        assert words in checks[0].note


def test_a_board_of_one_s_own_is_told_by_what_it_calls_itself(tmp_path):
    file = tmp_path / "mine.toml"
    text = (resource_dir("targets") / "raspberry-pi-5.toml").read_text()
    text = text.replace('name = "raspberry-pi-5"', 'name = "mine"')
    file.write_text(text.replace("[host]\n", '[host]\nboard = "Radxa ROCK 5B"\n'))
    mine = load_target(file)
    assert runs_own_code({"address": "ssh://h", **PI_5, "target": "Radxa ROCK 5B"}, mine)
    assert not runs_own_code({"address": "ssh://h", **PI_5}, mine)


@pytest.mark.parametrize(
    ("target", "told", "own"),
    [
        ("nucleo-f446re", F446, True),
        ("cortex-m4", F446, False),  # an FPU more, which a model of floats would use
        ("cortex-m4f", F446, True),
        ("nucleo-f401re", F446, False),
        ("cortex-m7", F446, False),
        ("nucleo-f446re", {}, False),
        ("nucleo-f446re", {"target": "/tmp/nucleo-f446re.toml"}, False),
    ],
)
def test_a_board_is_the_target_that_its_firmware_was_made_for(target, told, own):
    assert runs_own_code({"address": "serial:/dev/ttyACM0", **told}, load_target(target)) == own


def test_a_device_names_no_file_of_this_machine(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text((resource_dir("targets") / "raspberry-pi-5.toml").read_text())
    assert load_target(file).name == "raspberry-pi-5"
    for told in (str(file), "/" + "a" * 300, "a" * 300, "../targets/raspberry-pi-5", "", "a\nb"):
        assert target_called(told) is None
        for address in ("ssh://h", "adb:1", "serial:/dev/ttyACM0"):
            assert _target_of(Measurement({"address": address, "target": told})) is None
    assert target_called("nucleo-f446re") is load_target("nucleo-f446re")


def test_a_board_that_nobody_here_knows_is_called_by_its_own_name():
    told = replace(FOUND, device={"address": "serial:/dev/ttyACM0", "target": "my-board"})
    figures = stand_in(figures_of(told), "cortex-m4")
    assert figures["cycles"].provenance.note == "my-board stands in for cortex-m4"


@pytest.mark.parametrize("address", ["ssh://h", "adb:1", "vela:ethos-u55-128"])
def test_no_host_and_no_npu_is_a_microcontroller(address):
    assert not runs_own_code({"address": address, **PC}, load_target("cortex-m4"))
    assert not runs_own_code({"address": address, **PI_5}, load_target("nucleo-f446re"))


def test_a_stand_in_meets_a_limit_only_where_it_is_accepted(models):
    pytest.importorskip("unicorn")
    board = load_target("esp32-s3-devkitc-1")
    found = account_for(models / "sww_int8.tflite", board, CompileOptions())
    limits = Limits(ram_bytes=64 << 10, flash_bytes=1 << 20)
    plain = check_limits(limits, board, found)[:2]
    assert [(check.kind, check.met) for check in plain] == [("stand-in", False)] * 2
    assert all("rv32imc" in check.note and "--accept-stand-in" in check.note for check in plain)
    accepted = check_limits(limits, board, found, accept_stand_in=True)[:2]
    assert [check.met for check in accepted] == [True, True]
    # Accepting a stand-in makes nothing smaller.
    tight = check_limits(Limits(flash_bytes=1000), board, found, accept_stand_in=True)
    assert not tight[0].met


def test_a_call_that_takes_more_stack_than_is_kept(models):
    """The linker script keeps 2 KB; a deeper call has what the other data leave of the memory."""
    pytest.importorskip("unicorn")
    board = load_target("nucleo-f103rb")
    found = account_for(models / "sww_int8.tflite", board, CompileOptions(), golden=False)
    names = [check.name for check in memory_checks(board, found)]
    assert names == ["flash bytes", "RAM bytes"]
    image = found.image
    left = next(region.left_bytes for region in image.regions if region.kind == "ram")
    for stack, met in ((image.stack_bytes + left - 512, True), (image.stack_bytes + left, False)):
        deep = replace(found.figures["memory_bytes.stack"], value=stack)
        figures = {**found.figures, "memory_bytes.stack": deep}
        check = memory_checks(board, replace(found, figures=figures))[-1]
        assert (check.name, check.met, check.kind) == ("stack bytes", met, "emulated")
        assert check.limit == image.stack_bytes + left


def test_an_fpu_makes_no_other_core_of_integers(models, tmp_path):
    """sim:cortex-m4 has none, the board has one: for a float model it is another core."""
    board, x = load_target("nucleo-f446re"), TensorSpec((1, 5), "float32")
    dense = tmp_path / "float.tflite"
    dense.write_bytes(single_op("TANH", [x], [TensorSpec((1, 5), "float32")]))
    integers = account_on("sim:cortex-m4", models / "ad01_int8.tflite", board, CompileOptions())
    floats = account_on("sim:cortex-m4", dense, board, CompileOptions())
    own = account_on("sim:nucleo-f446re", models / "ad01_int8.tflite", board, CompileOptions())
    assert integers.figures["cycles"].kind == "estimated"
    assert integers.figures["memory_bytes.ram_total"].kind == "emulated"
    assert floats.figures["cycles"].kind == "stand-in"
    # Flash is that of the board's own flags, wherever the calls were counted.
    for name in ("memory_bytes.flash_total", "memory_bytes.arena"):
        assert integers.figures[name].value == own.figures[name].value
