"""Meters: texts in the documented forms, made-up machines under a folder, and stand-ins."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.analysis.energy.metering import PowerReport, metered
from edgeq.analysis.fleet.groups import profile_group
from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.base import Measurement, ProfileOptions
from edgeq.devices.power.counters import COUNTERS, CounterMeter
from edgeq.devices.power.instruments import Pulses
from edgeq.devices.power.meter import (
    Reading,
    Window,
    check_work,
    per_inference,
    recorded,
    window,
)
from edgeq.devices.power.opening import check_meter, open_meter
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError

# The form of `vcgencmd pmic_read_adc` on a Raspberry Pi 5, some rails left out.
PMIC = """\
   3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.90000000V
      EXT5V_V volt(24)=5.13000000V
"""


def shell(command: str) -> str:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False).stdout


def meter(name: str, root: Path) -> CounterMeter:
    return CounterMeter(COUNTERS[name], shell, root=str(root))


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")


def test_rapl_counts_over_its_end(tmp_path: Path) -> None:
    base = tmp_path / "sys/class/powercap"
    names = {0: "package-0", 1: "package-1-die-1", 2: "psys", 10: "package-10"}
    for number, name in names.items():
        zone = base / f"intel-rapl:{number}"
        write(zone, name=name, energy_uj=900_000, max_energy_range_uj=1_000_000)
    write(base / "intel-rapl:0:0", name="core", energy_uj=5, max_energy_range_uj=1_000_000)
    found = meter("rapl", tmp_path)
    first = found.read()
    write(base / "intel-rapl:0", energy_uj=100_000)  # 0.2 J, over the end
    write(base / "intel-rapl:1", energy_uj=950_000)  # 0.05 J
    write(base / "intel-rapl:2", energy_uj=999_000)  # the whole platform, the packages in it
    write(base / "intel-rapl:10", energy_uj=910_000)  # 0.01 J
    second = found.read()
    assert first.energy_j is not None
    assert second.energy_j is not None
    assert second.energy_j - first.energy_j == pytest.approx(0.26)


def test_a_rapl_counter_that_only_root_reads(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    write(zone, name="package-0", max_energy_range_uj=1_000_000)
    with pytest.raises(EdgeqError, match="rapl") as caught:
        meter("rapl", tmp_path).read()
    assert "chmod" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "watts"),
    [
        ({"power1_input": 1_500_000, "curr1_input": 1, "in1_input": 1}, 1.5),
        ({"curr1_input": 300, "in1_input": 5000}, 1.5),
    ],
)
def test_ina_chips(tmp_path: Path, files: dict[str, int], watts: float) -> None:
    base = tmp_path / "sys/class/hwmon"
    write(base / "hwmon0", name="coretemp", power1_input=7)
    write(base / "hwmon1", name="ina219", **files)
    assert meter("hwmon", tmp_path).read().power_w == pytest.approx(watts)


def test_of_several_shunts_the_user_says_which(tmp_path: Path) -> None:
    """The first channel of three was taken for all, and chips of different supplies added up."""
    base = tmp_path / "sys/class/hwmon"
    rails = {"curr1_input": 100, "in1_input": 5000, "curr2_input": 200, "in2_input": 5000}
    sums = {"curr3_input": 300, "in3_input": 5000, "curr4_input": 600, "in4_input": 4}
    write(base / "hwmon2", name="ina3221", **rails, **sums)

    def watts(*only: str) -> float | None:
        found = CounterMeter(COUNTERS["hwmon"], shell, root=str(tmp_path), only=only)
        return found.read().power_w

    with pytest.raises(EdgeqError, match=r"several: hwmon2/1 ina3221, hwmon2/2 .*hwmon2/3") as told:
        watts()
    assert "--power hwmon:hwmon2/1" in str(told.value)
    assert watts("hwmon2/2") == pytest.approx(1.0)
    assert watts("hwmon2") == pytest.approx(3.0)
    write(base / "hwmon10", name="ina219", power1_input=7_000_000)
    assert watts("hwmon10") == pytest.approx(7.0)
    assert watts("hwmon10", "hwmon2/1", "hwmon10/1") == pytest.approx(7.5)
    with pytest.raises(EdgeqError, match=r"no hwmon1; it has hwmon10/1 ina219"):
        watts("hwmon1")
    for spec in ("hwmon:hwmon2", "hwmon:hwmon2/2,hwmon10"):
        check_meter(spec, "local")
    for spec in ("hwmon:", "hwmon:2", "hwmon:hwmon2/4", "hwmon:hwmon2;x", "rapl:hwmon2", "rapl:"):
        with pytest.raises(UsageError, match="is no meter"):
            check_meter(spec, "local")


def test_the_power_chip_of_a_pi_5() -> None:
    found = CounterMeter(COUNTERS["pmic"], lambda _: PMIC).read()
    assert found.power_w == pytest.approx(0.1 * 3.7 + 2.0 * 0.9)


@pytest.mark.parametrize("current", [-350_000, 350_000, -350])
def test_a_phones_battery(tmp_path: Path, current: int) -> None:
    base = tmp_path / "sys/class/power_supply/battery"
    write(base, status="Discharging", current_now=current, voltage_now=4_000_000)
    assert meter("battery", tmp_path).read().power_w == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("status", "charger", "words"),
    [
        ("Charging", 0, "is charging"),
        ("Not charging", 0, "is not charging"),  # what runs is fed by USB
        ("Full", 0, "is full"),
        ("Unknown", 0, "is unknown"),
        ("Discharging", 1, r"has a charger \(usb\)"),  # which is too weak, or gives a part
        ("Discharging", 2, r"has a charger \(usb\)"),
    ],
)
def test_a_phone_that_is_plugged_in_measures_nothing(
    tmp_path: Path, status: str, charger: int, words: str
) -> None:
    base = tmp_path / "sys/class/power_supply"
    write(base / "battery", status=status, current_now=350_000, voltage_now=4_000_000,
          type="Battery", online=1)  # fmt: skip
    write(base / "usb", type="USB", online=charger)
    write(base / "bms", type="BMS")
    with pytest.raises(EdgeqError, match=words):
        meter("battery", tmp_path).read()


def test_a_phone_without_its_charger(tmp_path: Path) -> None:
    base = tmp_path / "sys/class/power_supply"
    write(base / "battery", status="Discharging", current_now=350_000, voltage_now=4_000_000,
          type="Battery", online=1)  # fmt: skip
    write(base / "usb", type="USB", online=0)
    write(base / "bms", type="BMS")
    assert meter("battery", tmp_path).read().power_w == pytest.approx(1.4)


def test_what_no_phone_draws(tmp_path: Path) -> None:
    """Nothing is taken now for milliamperes and now for microamperes."""
    base = tmp_path / "sys/class/power_supply/battery"

    def read(found: CounterMeter, current: int) -> float:
        write(base, status="Discharging", current_now=current, voltage_now=4_180_000)
        return found.read().power_w or 0.0

    found = meter("battery", tmp_path)
    assert read(found, 6_200) == pytest.approx(0.0062 * 4.18)
    assert read(found, -10_100) == pytest.approx(0.0101 * 4.18)
    with pytest.raises(EdgeqError, match="in one reading and not in another"):
        read(found, 4_000)
    assert read(meter("battery", tmp_path), 4_000) == pytest.approx(4 * 4.18)
    with pytest.raises(EdgeqError, match=r"shows 25\.1 W, more than a phone draws"):
        read(meter("battery", tmp_path), 6_000_000)


@pytest.mark.parametrize(
    "text",
    [f"hwmon0/1 ina219 {'9' * 400} - -", f"hwmon0/1 ina219 - {'9' * 5000} 1",
     f"package-0 {'9' * 400} 1", f"VDD_A current(7)={'9' * 400}A\nVDD_V volt(7)={'9' * 400}V",
     f"status Discharging\ncurrent_now {'9' * 400}\nvoltage_now {'9' * 400}"],
)  # fmt: skip
def test_numbers_of_any_length_are_no_tracebacks(text: str) -> None:
    for counter in COUNTERS.values():
        found = CounterMeter(counter, lambda _: text)
        with pytest.raises(EdgeqError):
            window([found.read(), found.read()])


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize("text", ["", "x\n" * 100, "package-0 x y", "\0", "VDD_A current(7)=A"])
def test_what_makes_no_sense_is_no_meter(name: str, text: str) -> None:
    with pytest.raises(EdgeqError, match=f"no {name} meter"):
        CounterMeter(COUNTERS[name], lambda _: text).read()


def test_windows() -> None:
    assert window([Reading(1, 10.0), Reading(3, 14.0)]) == Window(2, 4)
    assert window([Reading(0, None, 1.0), Reading(1, None, 3.0), Reading(3, None, 3.0)]) == Window(
        3, 8
    )
    for wrong in ([], [Reading(1, 1.0)], [Reading(1, 1.0), Reading(1, 2.0)],
                  [Reading(1, 5.0), Reading(2, 1.0)]):  # fmt: skip
        with pytest.raises(EdgeqError):
            window(wrong)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([Reading(0, None, 1.0), Reading(1, None, float("nan")), Reading(2, None, 1.0)], "number"),
        ([Reading(0, 1.0), Reading(1, float("nan"))], "number"),
        ([Reading(0, 1.0), Reading(1, float("inf"))], "number"),
        ([Reading(0, None, 1e18), Reading(1, None, 1e18)], "1e\\+18 W, more than any machine"),
        # One reading that cannot be is hidden in no mean.
        ([Reading(0, None, 1.0), Reading(1, None, 1e6), Reading(1000, None, 1.0)], "1e\\+06 W"),
        ([Reading(0, 0.0), Reading(10, 2e6)], "2e\\+05 W"),
    ],
)
def test_readings_that_cannot_be_are_errors(readings: list[Reading], words: str) -> None:
    with pytest.raises(EdgeqError, match=words):
        window(readings)


def test_a_meter_that_shows_nothing_of_the_inferences_is_an_error() -> None:
    for nothing in (0.0, 1e-9):
        with pytest.raises(EdgeqError, match=r"shows nothing: .* W while inferences ran"):
            per_inference(Window(10, nothing), Window(2, 0), 400, 0.01)
    # Less than the rest of the window takes at rest: no inference costs 0 uJ.
    with pytest.raises(EdgeqError, match=r"no more at work \(1 W\) than at rest \(2 W\)"):
        per_inference(Window(10, 10), Window(2, 4), 400, 0.01)
    with pytest.raises(EdgeqError, match="shows nothing"):  # pulses without a current in them
        check_work(Window(10, 1), 0.0)
    # A sleeping microcontroller is below what a shunt shows; one at work is not.
    found = per_inference(Window(10, 20e-6 * 10), Window(2, 0), 1000, 0.01)
    assert found.energy_uj == pytest.approx(0.2)


def test_rails_that_come_and_go_are_not_summed() -> None:
    texts = [PMIC, PMIC, PMIC.replace("VDD_CORE", "VDD_GONE")]
    found = CounterMeter(COUNTERS["pmic"], lambda _: texts.pop(0))
    assert found.read().power_w == found.read().power_w
    with pytest.raises(EdgeqError, match="VDD_CORE in one reading and not in another"):
        found.read()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("   VDD_CORE_A current(7)=2.00000000A\n", "   VDD_CORE_A current(7)=0,884A\n"),
        ("2.00000000A", "nanA"),
        ("2.00000000A", "1e999A"),
        ("VDD_CORE_A", "VDD\x1b_CORE_A"),
        ("   VDD_CORE_V volt(15)=0.90000000V\n", ""),
    ],
)
def test_a_rail_that_cannot_be_read_is_not_left_out(old: str, new: str) -> None:
    """The sum was that of the others, a third less, and said to be of all."""
    with pytest.raises(EdgeqError, match=r"no number of amperes|no voltage of"):
        CounterMeter(COUNTERS["pmic"], lambda _: PMIC.replace(old, new)).read()


def test_what_is_not_inference_counts_as_idle() -> None:
    # 10 s: 4 s of 400 inferences at 5 W, the rest idle at 2 W.
    found = per_inference(Window(10, 4 * 5 + 6 * 2), Window(2, 4), 400, 0.01)
    assert found.energy_uj == pytest.approx(5 * 0.01 * 1e6)
    assert found.share == pytest.approx(0.4)
    with pytest.raises(EdgeqError, match=r"took 10 s, of which the meter saw 5 s"):
        per_inference(Window(5, 20), Window(2, 4), 1000, 0.01)
    with pytest.raises(EdgeqError, match="only 1%"):
        per_inference(Window(10, 20), Window(2, 4), 10, 0.01)


def test_a_meter_that_fails_meanwhile_is_an_error() -> None:
    class Failing:
        name, covers, interval_s = "x", "y", 0.001
        count = 0

        def read(self) -> Reading:
            self.count += 1
            if self.count > 1:
                raise EdgeqError("gone")
            return Reading(0.0, 0.0)

        def close(self) -> None:
            pass

    with pytest.raises(EdgeqError, match="gone"):
        recorded(Failing(), lambda: None)


def test_pulses_of_a_trigger_pin() -> None:
    found = Pulses()
    found.add([1, 2, 4, 8], [0, 1, 1, 0])
    found.add([16, 32, 64], [1, 1, 1])
    assert (found.joules, found.count) == (6, 1)
    found.add([128], [0])
    assert (found.joules, found.count) == (6 + 112, 2)


@pytest.mark.parametrize(
    ("spec", "on", "words"),
    [
        ("volts", "c", "no meter"),
        ("rapl:0", "c", "no meter"),
        ("rapl", "sim:cortex-m4", "emulated"),
        ("ppk2", "c", "Power Profiler"),
        ("ppk2:/dev/x?mv=9000", "c", "Power Profiler"),
        ("ppk2:/dev/x?trigger=9", "c", "Power Profiler"),
        ("ppk2:/dev/x?volts=3", "c", "Power Profiler"),
        ("joulescope:1", "c", "no port"),
        ("ppk2:/dev/x?trigger", "c", "Power Profiler"),
        ("ppk2:/dev/x", "sim:cortex-m4", "emulated"),
        ("rapl", "vela:ethos-u55-128", "emulated"),
        # This machine's processor, which was said to be the board's energy.
        ("rapl", "serial:/dev/ttyACM0", "measures this machine, not the board"),
        ("pmic", "serial:/dev/ttyACM0", "measures this machine, not the board"),
        ("battery", "serial:/dev/ttyACM0", "measures this machine, not the board"),
    ],
)
def test_wrong_meters(spec: str, on: str, words: str) -> None:
    with pytest.raises(UsageError, match=words), open_meter(spec, open_device(on)):
        pass


@pytest.fixture
def pmic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that draws the same at rest and at work: its power times the time of a call."""
    tool = tmp_path / "vcgencmd"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{PMIC}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("pmic")
def test_profile_measures(models: Path, monkeypatch: pytest.MonkeyPatch, cli: Any) -> None:
    """A device that was disturbed while the meter looked, and not before, was called left alone."""

    def disturbed(*given: Any) -> PowerReport:
        return replace(metered(*given), valid=False, warnings=("while the meter looked: a cat",))

    monkeypatch.setattr("edgeq.analysis.profiling.metered", disturbed)
    done = cli(
        "profile", models / "ad01_int8.tflite", "--on", "c", "--no-ops", "--power", "pmic",
        "--seconds", "1", "--every", "1s", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["kinds"]["energy_uj"] == "measured"
    assert done.json["busy_power_w"] == pytest.approx(2.17)
    assert done.json["idle_power_w"] == pytest.approx(2.17)
    assert done.json["power"]["meter"] == "pmic"
    assert done.json["energy_uj"] > 0
    assert not done.json["valid"]
    assert "while the meter looked: a cat" in done.json["warnings"]
    assert done.json["average_power_uw"] == pytest.approx(2.17e6, rel=0.01)


@pytest.mark.usefixtures("pmic")
def test_nothing_but_inferences_runs_while_a_meter_looks(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that measured memory ran within the window, and counted as inference."""
    device = open_device("local")
    with device.open(models / "ad01_int8.tflite", CompileOptions()) as session:
        found: list[Measurement] = []
        measure = session.profile

        def kept(how: ProfileOptions) -> Measurement:
            found.append(measure(how))
            left = {"environment": {"waited_s": 4.0}, "warnings": ["other processes"]}
            return replace(found[-1], valid=False, **left)

        monkeypatch.setattr(session, "profile", kept)
        report = metered(session, device, "pmic", ProfileOptions(seconds=1))
        assert not report.valid
        assert report.warnings == (
            "while the meter looked: other processes",
            "while the meter looked: somebody else measured on the device, which was waited for",
        )
        assert found[0].memory_bytes.peak_rss is None
        assert measure(ProfileOptions(seconds=0.1)).memory_bytes.peak_rss is not None


@pytest.mark.usefixtures("pmic")
def test_a_dead_meter_measures_no_energy_of_0(models: Path, tmp_path: Path, cli: Any) -> None:
    dead = re.sub(r"=\d\.\d+", "=0.00000000", PMIC)
    (tmp_path / "vcgencmd").write_text(f"#!/bin/sh\ncat <<'END'\n{dead}END\n")
    done = cli(
        "profile", models / "ad01_int8.tflite", "--on", "c", "--no-ops", "--power", "pmic",
        "--seconds", "1", "--every", "1s",
    )  # fmt: skip
    assert done.code == 1
    assert "The meter shows nothing: 0 W while inferences ran" in done.err


def test_a_chip_beside_several_boards_is_wired_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each board of the group got the power of the one that it is wired to."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("one", "two"):
        inventory.add(name, f"serial:/dev/{name}")
    inventory.set_group("desk", ["one", "two"])
    with pytest.raises(UsageError, match="read on this machine for 2 devices"):
        profile_group("model.tflite", "desk", power="hwmon")


@pytest.mark.slow
@pytest.mark.usefixtures("pmic")
def test_a_group_measures_each_of_its_devices(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Any
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inventory.add("one", "c")
    inventory.set_group("lab", ["one"])
    what = ("profile", models / "ad01_int8.tflite", "--on", "group:lab", "--no-ops")
    done = cli(*what, "--power", "pmic", "--seconds", "1", "--every", "1s", "--json")
    assert done.code == 0, done.err
    (found,) = (each["profile"] for each in done.json["results"])
    assert found["kinds"]["energy_uj"] == "measured"
    assert found["busy_power_w"] == pytest.approx(2.17)
    assert found["average_power_uw"] == pytest.approx(2.17e6, rel=0.01)
    wired = cli(*what, "--power", "ppk2:/dev/ttyACM0")
    assert wired.code == 2
    assert "one device, not a group" in wired.err


@pytest.mark.slow
@pytest.mark.usefixtures("pmic")
def test_deploy_holds_the_limit_against_the_meter(models: Path, tmp_path: Path, cli: Any) -> None:
    """This machine's energy is a stand-in's for a phone, so the limit is missed."""
    done = cli(
        "deploy", models / "ad01_int8.tflite", "-t", "generic-x86-64", "--on", "local",
        "--power", "pmic", "--max-energy", "1e9", "-n", "2", "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["kinds"]["energy_uj"] == "measured"
    assert done.json["energy_uj"] > 0
    phone = cli(
        "deploy", models / "ad01_int8.tflite", "-t", "generic-android", "--on", "local",
        "--power", "pmic", "--max-energy", "1e9", "-n", "2", "-o", tmp_path / "two", "--json",
    )  # fmt: skip
    assert phone.code == 3
    assert phone.json["kinds"]["energy_uj"] == "stand-in"
