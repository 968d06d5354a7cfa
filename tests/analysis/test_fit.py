"""Does a model fit a board?"""

import pytest

from edgeq.analysis.fit import fit
from edgeq.errors import UsageError

pytest.importorskip("unicorn")


def test_what_fits(cli, models):
    model = models / "kws_int8.tflite"
    found = fit(model, "nucleo-f446re")
    assert found.fits
    assert found.on == "sim:nucleo-f446re"
    assert found.advice == ()
    assert {check.name: check.limit for check in found.checks} == {
        "flash bytes": 524288 - 6144,
        "RAM bytes": 131072 - 3072,
    }
    assert 5 < found.latency_ms < 100
    words = cli("inspect", model, "--target", "nucleo-f446re").out
    assert "fits" in words
    assert "latency" in words


def test_what_does_not_fit(cli, models):
    found = fit(models / "vww_int8.tflite", "nucleo-f103rb")
    assert not found.fits
    assert len(found.advice) == 2
    words = cli("inspect", models / "vww_int8.tflite", "-t", "nucleo-f103rb").out
    assert "DOES NOT FIT" in words
    assert "--optimize ram" in words


def test_no_such_board(models):
    with pytest.raises(UsageError, match="no target"):
        fit(models / "kws_int8.tflite", "nucleo-x")


def test_one_core_is_measured_for_all_boards_that_have_it(models):
    from edgeq.analysis.fit import fits
    from edgeq.boards.target import load_target

    boards = [load_target(name) for name in ("nucleo-f446re", "nucleo-f429zi", "esp32-devkitc")]
    first, second, other = fits(models / "kws_int8.tflite", [*boards, load_target("generic-armv7")])
    assert first == fit(models / "kws_int8.tflite", "nucleo-f446re")
    assert second.memory_bytes == first.memory_bytes
    assert second.flash_margin_bytes > first.flash_margin_bytes
    # An Xtensa is not emulated: sizes are those of the nearest core, and cycles nobody's.
    assert other.on == "sim:rv32imc"
    assert other.flash_margin_bytes > 0
    assert other.latency_ms is None
