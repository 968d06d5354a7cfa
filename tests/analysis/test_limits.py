"""Limits: which are checked, and when they are met."""

from types import SimpleNamespace

import pytest

from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.limits import Limits, check_limits
from edgeq.analysis.profiling import Profile
from edgeq.boards.target import load_target
from edgeq.devices.base import Measurement, Memory
from edgeq.metrics.base import Score

FOUND = Profile(
    "m",
    "",
    10,
    Measurement(
        {"address": "sim:cortex-m4"},
        cycles=1000,
        memory_bytes=Memory(ram_total=5000, flash_total=20000),
    ),
)


def evaluation(value, *, larger_is_better=True):
    return Evaluation("m", "", "c", 10, Score("accuracy", value, larger_is_better, {}))


def verdicts(limits, **others):
    checks = check_limits(limits, load_target("cortex-m4"), FOUND, **others)
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
    board = check_limits(Limits(latency_ms=1.0), load_target("nucleo-f446re"), FOUND)
    assert board[0].value == pytest.approx(1000 / 180e6 * 1000)
    assert board[0].met


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
    unequal = SimpleNamespace(on="c", against="tflm", differing=3, equal=False)
    other = SimpleNamespace(on="c", against="local", differing=3, equal=False)
    checks = check_limits(Limits(), target, FOUND, verifications=[unequal, other])
    assert [(check.source, check.met) for check in checks] == [
        ("always", False),
        ("nucleo-f446re", True),
        ("nucleo-f446re", True),
    ]
