"""Limits: which are checked, and when they are met."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeq.analysis.account import account_for, account_of, account_on, runs_own_code
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.limits import Limits, check_limits, memory_checks
from edgeq.boards.target import all_targets, load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Latency, Measurement, Memory
from edgeq.metrics.base import Score
from edgeq.report.account import check_line
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
    if target.kind == "host" and not runs_own_code("local", target)
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


def test_the_phone_itself_does():
    there = Measurement(
        {"address": "adb:R58M", "cpu": "Cortex-A76"},
        latency_us=Latency(10, 1, 9.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 0.1),
    )
    phone = load_target("android-helio-g99")
    found = account_of(there, Path("m"), phone, CompileOptions())
    checks = check_limits(Limits(latency_ms=0.003), phone, found)
    assert [(c.value, c.kind, c.met) for c in checks] == [(0.002, "measured", True)]


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
