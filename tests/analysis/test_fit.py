"""Does a model fit a board?"""

import pytest

from edgeq.analysis.fit import fit
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.errors import LimitError, UsageError

pytest.importorskip("unicorn")


def test_what_fits(cli, models):
    model = models / "kws_int8.tflite"
    found = fit(model, "nucleo-f446re")
    assert found.fits
    assert found.on == "sim:nucleo-f446re"
    assert found.advice == ()
    # The whole image against the whole memory: nothing is left out, so nothing is kept back.
    assert {check.name: check.limit for check in found.checks} == {
        "flash bytes": 524288,
        "RAM bytes": 131072,
    }
    words = cli("inspect", model, "--target", "nucleo-f446re").out
    assert "fits" in words
    assert f"{found.account.image.flash_bytes:,} of 524,288 bytes" in words
    assert "with golden vectors" in words
    assert found.account.figures["memory_bytes.flash_total"].provenance.compiler in words
    assert "-mcpu=cortex-m4" in words


def test_a_time_is_at_the_clock_that_the_project_runs_at(cli, models):
    """The start-up code leaves the clock as reset does: 4 MHz of the 80 that the chip can do."""
    found = fit(models / "kws_int8.tflite", "nucleo-l476rg")
    cycles = found.account.figures["cycles"].value
    assert found.latency_ms == pytest.approx(cycles / 4e6 * 1000)
    assert found.account.latency_ms.kind == "estimated"
    assert found.account.latency_ms.provenance.clock_hz == 4_000_000
    words = cli("inspect", models / "kws_int8.tflite", "-t", "nucleo-l476rg").out
    assert "at 4 MHz, the clock that the bare-metal project runs at" in words
    at_80 = found.account.fastest
    assert (at_80.value, at_80.kind) == (pytest.approx(cycles / 80e6 * 1000), "estimated")
    assert f"{at_80.value:.4g} ms (estimated), at 80 MHz, the chip's highest clock" in words
    # What the project itself is built for, and tells the host over its serial port.
    board = load_target("nucleo-l476rg")
    assert board.uart.core_clock_hz == board.running_clock_hz == 4_000_000


def test_what_does_not_fit(cli, models):
    for model, short in {"vww": "RAM", "ad01": "flash"}.items():
        found = fit(models / f"{model}_int8.tflite", "nucleo-f103rb")
        assert not found.fits
        (advice,) = found.advice
        assert f"{short} bytes too few" in advice
    words = cli("inspect", models / "vww_int8.tflite", "-t", "nucleo-f103rb").out
    assert "DOES NOT FIT" in words
    assert "--optimize ram" in words


def test_no_such_board(models):
    with pytest.raises(UsageError, match="no target"):
        fit(models / "kws_int8.tflite", "nucleo-x")


def test_one_core_is_measured_for_all_boards_that_have_it(models):
    from edgeq.analysis.fit import fits

    boards = [load_target(name) for name in ("nucleo-f446re", "nucleo-f429zi", "esp32-devkitc")]
    first, second, other = fits(models / "kws_int8.tflite", [*boards, load_target("generic-armv7")])
    assert first == fit(models / "kws_int8.tflite", "nucleo-f446re")
    assert second.memory_bytes == first.memory_bytes
    assert second.flash_margin_bytes > first.flash_margin_bytes
    # An Xtensa is not emulated: sizes and cycles are those of the nearest core, and said to be.
    assert other.on == "sim:rv32imc"
    assert other.flash_margin_bytes > 0
    assert other.account.latency_ms.kind == "stand-in"
    assert other.account.latency_ms.provenance.core == "rv32imc"
    kinds = {name: figure.kind for name, figure in other.account.figures.items()}
    assert kinds["memory_bytes.arena"] == "measured"
    for name in ("stack", "flash_code", "flash_total", "ram_total"):
        assert kinds[f"memory_bytes.{name}"] == "stand-in"
    assert {check.kind for check in other.checks} == {"stand-in"}


def test_constants_take_ram_where_loads_cannot_read_flash(models):
    """270,880 bytes of weights were said to fit 8 KB of RAM."""
    options = CompileOptions(accept_stand_in=True)
    found = fit(models / "ad01_int8.tflite", "arduino-mega-2560", options, golden=False)
    assert not found.fits
    static = found.account.figures["memory_bytes.static"]
    assert (static.value, static.kind) == (270_880, "estimated")
    assert found.memory_bytes.ram_total > 270_880
    with pytest.raises(LimitError, match="over 6,144"):
        budget = CompileOptions(accept_stand_in=True, ram_bytes=6144)
        fit(models / "ad01_int8.tflite", "arduino-mega-2560", budget)
