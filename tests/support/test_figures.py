"""Figures: kinds, what satisfies a limit, and what stands beside numbers in JSON."""

import pytest

from edgeq.support.figures import (
    KINDS,
    MEANINGS,
    Provenance,
    beside,
    can_satisfy,
    figure,
    score_text,
    weakest,
)


@pytest.mark.parametrize(
    ("kind", "plain", "accepted", "timed"),
    [
        ("measured", True, True, True),
        ("emulated", True, True, False),
        ("estimated", True, True, False),
        ("stand-in", False, True, False),
        ("unknown", False, False, False),
    ],
)
def test_which_kinds_may_satisfy_a_limit(kind, plain, accepted, timed):
    assert can_satisfy(kind) == plain
    assert can_satisfy(kind, accept_stand_in=True) == accepted
    # A phone's latency is only told by the phone, whatever else is accepted.
    assert can_satisfy(kind, accept_stand_in=True, timed_only=True) == timed


def test_a_figure_without_a_value_is_unknown_and_never_satisfies():
    nothing = figure(None, "measured", "ms")
    assert nothing.kind == "unknown"
    assert not nothing.satisfies(1e9, accept_stand_in=True)
    assert figure(10, "measured", "ms").satisfies(10)
    assert not figure(11, "measured", "ms").satisfies(10)


def test_what_is_computed_from_several_is_as_good_as_the_weakest():
    assert weakest(["measured", "emulated"]) == "emulated"
    assert weakest(["stand-in", "estimated"]) == "stand-in"
    assert tuple(MEANINGS) == KINDS


def test_beside_the_numbers_of_a_document():
    here = Provenance("sim:cortex-m4", "cortex-m4", "gcc 12", ("-O2",), "generated C")
    other = Provenance("sim:rv32imc", "rv32imc", "gcc 12", ("-O2",), "generated C")
    found = beside(
        {
            "memory_bytes.arena": figure(100, "measured", "bytes", here),
            "memory_bytes.flash_total": figure(200, "measured", "bytes", here),
            "memory_bytes.stack": figure(8, "stand-in", "bytes", other),
            "latency_ms": figure(None, "estimated", "ms"),
        }
    )
    assert found["kinds"] == {
        "memory_bytes.arena": "measured",
        "memory_bytes.flash_total": "measured",
        "memory_bytes.stack": "stand-in",
        "latency_ms": "unknown",
    }
    assert found["provenance"]["compiler"] == "gcc 12"
    assert found["provenance"]["flags"] == ["-O2"]
    assert found["provenance"]["figures"]["memory_bytes.stack"] == {
        "address": "sim:rv32imc",
        "core": "rv32imc",
    }
    assert "memory_bytes.arena" not in found["provenance"]["figures"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0.91237,), "0.9124"), ((0.0,), "0.0000"), ((0.00123,), "0.0012"),
        ((1.234e-5,), "1.23e-05"),
        ((-2e-4, "+"), "-0.0002"), ((0.5, "+"), "+0.5000"), ((0.91237, "", 3), "0.912"),
        ((0.00123, "", 3), "0.00123"),
    ],
)  # fmt: skip
def test_what_a_model_is_worth_is_never_rounded_away(given, said):
    assert score_text(*given) == said
