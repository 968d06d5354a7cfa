"""Energy, power and battery life, by hand and against published measurements."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.analysis.account import Account
from edgeq.analysis.energy.figures import (
    Battery,
    Duty,
    duty_of,
    energy_figures,
    parse_battery,
    parse_every,
)
from edgeq.analysis.limits import Limits, check_limits
from edgeq.boards.power import Power
from edgeq.boards.target import load_target
from edgeq.devices import inventory
from edgeq.errors import UsageError
from edgeq.support.figures import Figure, Provenance, mark

ROOT = Path(__file__).parents[3]
# 100 uA/MHz at 3 V are 300 pJ a cycle; 2 uA asleep are 6 uW.
CHIP = Power(3.0, 100, 2, "Stop", "LDO", "an inference")
BOARD = replace(load_target("nucleo-f446re"), power=CHIP)
TEN_MS = Figure(10.0, "estimated", "ms", Provenance(clock_hz=80_000_000))


def test_energy_is_current_times_voltage_times_time() -> None:
    found = energy_figures(TEN_MS, BOARD)
    assert found["energy_uj"].value == pytest.approx(240.0)  # 8 mA at 3 V for 10 ms
    assert found["energy_uj"].kind == "estimated"
    assert "for an inference" in found["energy_uj"].provenance.note


def test_energy_of_unchecked_cycles_says_so() -> None:
    source = replace(TEN_MS.provenance, note="unchecked: nobody published cycles")
    found = energy_figures(replace(TEN_MS, provenance=source), BOARD)
    assert mark(found["energy_uj"]) == " (estimated, unchecked)"


def test_average_power_and_battery() -> None:
    found = energy_figures(TEN_MS, BOARD, Duty(1.0, Battery(230, 3.0)))
    assert found["average_power_uw"].value == pytest.approx(240 + 6 * 0.99)
    assert found["battery_life_h"].value == pytest.approx(230 * 3 * 1000 / (240 + 6 * 0.99))


def test_the_battery_has_the_boards_voltage_by_default() -> None:
    found = energy_figures(TEN_MS, BOARD, Duty(1.0, Battery(230)))
    same = energy_figures(TEN_MS, BOARD, Duty(1.0, Battery(230, 3.0)))
    assert found["battery_life_h"].value == same["battery_life_h"].value


@pytest.mark.parametrize(
    ("board", "latency", "why"),
    [
        (load_target("nucleo-f446re"), TEN_MS, "not written down"),
        (BOARD, replace(TEN_MS, value=None, kind="unknown"), "latency is unknown"),
        (None, TEN_MS, "not written down"),
    ],
)
def test_unknown_is_never_a_figure(board: object, latency: Figure, why: str) -> None:
    found = energy_figures(latency, board, Duty(1.0, Battery(230)))  # type: ignore[arg-type]
    assert {entry.value for entry in found.values()} == {None}
    assert {entry.kind for entry in found.values()} == {"unknown"}
    assert why in found["energy_uj"].provenance.note


def test_without_a_sleep_current_there_is_no_average() -> None:
    board = replace(BOARD, power=replace(CHIP, sleep_ua=None))
    found = energy_figures(TEN_MS, board, Duty(1.0, Battery(230)))
    assert found["energy_uj"].value == pytest.approx(240.0)
    assert found["average_power_uw"].kind == "unknown"
    assert found["battery_life_h"].kind == "unknown"


def test_too_often_has_no_average() -> None:
    found = energy_figures(TEN_MS, BOARD, Duty(0.005))
    assert found["average_power_uw"].value is None
    assert "longer than" in found["average_power_uw"].provenance.note


def test_a_stand_in_stays_one() -> None:
    found = energy_figures(replace(TEN_MS, kind="stand-in"), BOARD)
    assert found["energy_uj"].kind == "stand-in"


@pytest.mark.parametrize(("limit", "met"), [(250.0, True), (230.0, False)])
def test_a_limit_on_energy(limit: float, met: bool) -> None:
    names = ("flash_total", "ram_total", "stack")
    figures = {f"memory_bytes.{name}": Figure(None, "unknown") for name in names}
    figures |= {"cycles": Figure(8e5, "estimated"), "latency_ms": TEN_MS}
    figures |= {**energy_figures(TEN_MS, BOARD)}
    account = Account(BOARD.name, "sim:cortex-m4", figures)
    (check,) = check_limits(Limits(energy_uj=limit), BOARD, account)
    assert (check.name, check.met, check.kind) == ("energy uJ", met, "estimated")
    unknown = replace(account, figures={**figures, "energy_uj": Figure(None, "unknown", "uJ")})
    (missed,) = check_limits(Limits(energy_uj=limit), BOARD, unknown)
    assert not missed.met
    assert "--power" in missed.note


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("500ms", 0.5), ("2min", 120), ("1.5h", 5400), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_every(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "0s", "-1s", "1 week", "1e3s", "nan s", "9" * 40 + "s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        parse_every(text)


def test_batteries() -> None:
    assert parse_battery("230mAh") == Battery(230)
    assert parse_battery("1000mAh@3.7V") == Battery(1000, 3.7)
    for wrong in ("", "230", "0mAh", "230mAh@0V", "1Ah", "infmAh"):
        with pytest.raises(UsageError):
            parse_battery(wrong)
    with pytest.raises(UsageError, match="how often"):
        duty_of(None, "230mAh")


def test_profile_says_it(models: Path, cli) -> None:  # type: ignore[no-untyped-def]
    model = str(models / "ad01_int8.tflite")
    done = cli(
        "profile", model, "--on", "sim:nucleo-u575zi-q", "--no-ops", "--every", "1s",
        "--battery", "230mAh", "--json",
    )  # fmt: skip
    power = load_target("nucleo-u575zi-q").power
    assert power is not None
    assert done.json["energy_uj"] == pytest.approx(done.json["cycles"] * power.cycle_uj)
    assert done.json["kinds"]["energy_uj"] == "estimated"
    assert done.json["average_power_uw"] > done.json["energy_uj"]
    assert math.isfinite(done.json["battery_life_h"])


def test_a_group_says_it_too(  # type: ignore[no-untyped-def]
    models: Path, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of emulated devices there was neither a count nor an energy, nor why there is none."""
    pytest.importorskip("unicorn")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    inventory.set_group("both", ["sim:nucleo-u575zi-q", "sim:cortex-m4"])
    model = models / "ad01_int8.tflite"
    words = ("profile", model, "--every", "1s", "--battery", "230mAh@3V", "--no-ops", "--on")
    head, board, core, *lines = cli(*words, "group:both").out.splitlines()
    assert "cycles" in head
    assert all(" (estimated)" in row for row in (board, core))
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == [
        "energy", "average power", "battery life", "average power",
    ]  # fmt: skip
    assert "average power: unknown, its currents are not written down" in lines[-1]
    assert lines[-1].partition(": ")[2] in cli(*words, "sim:cortex-m4").out


def test_tune_turns_energy_into_cycles() -> None:
    from edgeq.workflow.tuning.front import TuneLimits
    from edgeq.workflow.tuning.tune import _with_clock

    power = load_target("nucleo-u575zi-q").power
    assert power is not None
    found = _with_clock(TuneLimits(energy_uj=100), "sim:nucleo-u575zi-q")
    assert found.cycles == int(100 / power.cycle_uj)
    with pytest.raises(UsageError, match="draws"):
        _with_clock(TuneLimits(energy_uj=100), "sim:nucleo-f446re")


def test_tune_counts_time_at_the_clock_that_the_project_runs_at() -> None:
    from edgeq.workflow.tuning.front import TuneLimits
    from edgeq.workflow.tuning.tune import _with_clock

    board = load_target("nucleo-f446re")
    assert board.running_clock_hz == 16_000_000
    assert _with_clock(TuneLimits(latency_us=1000), "sim:nucleo-f446re").cycles == 16_000


def test_published_energies() -> None:
    rows = json.loads((ROOT / "benchmarks/published_boards.json").read_text())["rows"]
    found = [row for row in rows if "published_uj" in row]
    errors = [abs(row["estimated_uj"] / row["published_uj"] - 1) for row in found]
    assert len({row["board"] for row in found}) >= 3
    assert max(errors) < 0.20
