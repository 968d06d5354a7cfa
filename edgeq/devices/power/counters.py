"""Meters that a machine has in itself, read through its shell: here, over SSH or over adb.

RAPL counters of PCs, INA219, INA226 and INA3221 chips behind Linux's hwmon, the power chip of a
Raspberry Pi 5, and the battery of a phone. Each is one shell command and what its output means.

Sources:
    Linux, Documentation/power/powercap/powercap.rst, Documentation/hwmon/ina2xx.rst and ina3221.rst
    (power1_input in microwatts, in[123]_input in millivolts, curr[123]_input in milliamperes).
    Raspberry Pi documentation, vcgencmd pmic_read_adc: currents and voltages of the rails; what is
    drawn from the 5 V input directly (USB, HATs) is in none of them.
    Linux, Documentation/ABI/testing/sysfs-class-power (current_now in microamperes, voltage_now in
    microvolts).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgeq.devices.power.meter import Reading
from edgeq.errors import EdgeqError

Shell = Callable[[str], str]
"""Runs a shell command on the machine that is measured, and gives its output."""


@dataclass(frozen=True)
class Counter:
    """One kind of meter.

    Attributes:
        name: What `--power` takes.
        covers: What it measures.
        command: What prints its state; "{root}" is "" or a folder in place of /.
        parse: Its state out of that text, by source: joules with the number after which they
            begin at 0 again, or watts with 0.
        counts: Whether it is joules.
        adds_up: Whether its sources are parts of one machine; else the user names those that count.
        missing: What to do where it is not there.
    """

    name: str
    covers: str
    command: str
    parse: Callable[[str], dict[str, tuple[float, float]]]
    counts: bool
    missing: str
    adds_up: bool = True


class CounterMeter:
    """A meter read through a shell."""

    def __init__(
        self,
        counter: Counter,
        shell: Shell,
        *,
        root: str = "",
        far: bool = False,
        only: tuple[str, ...] = (),
    ) -> None:
        self.name = counter.name
        self.covers = counter.covers
        self.interval_s = 0.5 if far else 0.1
        self._counter = counter
        self._shell = shell
        self._only = only
        self._command = counter.command.replace("{root}", root)
        self._sources: set[str] = set()
        self._last: dict[str, float] = {}
        self._joules = 0.0

    def read(self) -> Reading:
        """What it shows now."""
        before = time.monotonic()
        text = self._shell(self._command)
        now = (before + time.monotonic()) / 2
        found = self._counter.parse(text)
        if not found:
            raise EdgeqError(
                f"There is no {self.name} meter that can be read.", hint=self._counter.missing
            )
        found = self._chosen(found)
        self._sources = self._sources or set(found)
        if changed := sorted(self._sources ^ set(found)):
            raise EdgeqError(
                f"The {self.name} meter shows {changed[0]} in one reading and not in another: "
                "their sums cannot be compared.",
                hint=self._counter.missing,
            )
        if not self._counter.counts:
            return Reading(now, power_w=sum(value for value, _ in found.values()))
        for name, (joules, behind) in found.items():
            step = joules - self._last.get(name, joules)
            self._joules += step + behind if step < 0 else step
            self._last[name] = joules
        return Reading(now, energy_j=self._joules)

    def _chosen(self, found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """The sources that were named; all, where they add up or there is one."""
        there = ", ".join(sorted(found))
        if not self._only:
            if len(found) > 1 and not self._counter.adds_up:
                raise EdgeqError(
                    f"There are several: {there}. What feeds the device, and none of it twice, "
                    "is not known.",
                    hint=f"name it: --power {self.name}:{min(found).split()[0]}; several, with "
                    "commas, add up",
                )
            return found
        named = {each: [key for key in found if _is_of(key, each)] for each in self._only}
        if missing := [each for each, keys in named.items() if not keys]:
            raise EdgeqError(f"The {self.name} meter has no {missing[0]}; it has {there}.")
        return {key: found[key] for keys in named.values() for key in keys}

    def close(self) -> None:
        """Nothing to let go of: the shell is its owner's."""


def _is_of(source: str, name: str) -> bool:
    """Whether a source, such as "hwmon3/2 ina3221", is called so: by its chip, or its channel."""
    place = source.split()[0]
    return name in (place, place.partition("/")[0])


def _rapl(text: str) -> dict[str, tuple[float, float]]:
    """Lines "package-0 123456 262143328850": microjoules, and where the counter begins anew.

    Source: Linux, drivers/powercap/intel_rapl_common.c: "package-0-die-1" where packages have dies.
    """
    found = {}
    for number, line in enumerate(text.splitlines()):
        match = re.fullmatch(r"(package-\d+(?:-die-\d+)?) (\d{1,20}) (\d{1,20})", line.strip())
        if match:  # psys is the whole platform, with the packages in it
            found[f"{number} {match[1]}"] = (int(match[2]) / 1e6, int(match[3]) / 1e6)
    return found


def _hwmon(text: str) -> dict[str, tuple[float, float]]:
    """Lines "hwmon3/1 ina219 POWER MILLIAMPERES MILLIVOLTS"; "-" where a driver has none."""
    found = {}
    for line in text.splitlines():
        number = r"(-|-?\d{1,18})"
        match = re.fullmatch(rf"(hwmon\d+/\d ina\d+\w*) {number} {number} {number}", line.strip())
        if not match:
            continue
        if match[2] != "-":
            found[match[1]] = (int(match[2]) / 1e6, 0.0)
        elif match[3] != "-" and match[4] != "-":
            found[match[1]] = (int(match[3]) * int(match[4]) / 1e6, 0.0)
    return found


def _pmic(text: str) -> dict[str, tuple[float, float]]:
    """Lines "VDD_CORE_A current(7)=1.02A" and "VDD_CORE_V volt(15)=0.87V" of the same rail.

    Some voltages stand alone (of the input, of the battery); every current is of a rail.
    """
    amperes: dict[str, float] = {}
    volts: dict[str, float] = {}
    number = r"\d{1,9}\.?\d{0,12}"
    for rail, unit, value in re.findall(
        rf"\b(\w+)_([AV]) (?:current|volt)\(\d{{1,3}}\)=({number})\2\b", text
    ):
        (amperes if unit == "A" else volts)[rail] = float(value)
    if alone := [rail for rail in amperes if rail not in volts]:
        raise EdgeqError(f"The pmic meter gives no voltage of {alone[0]}: its power is not known.")
    if amperes and len(amperes) != text.count("current("):
        raise EdgeqError("The pmic meter gives a current that is no number of amperes.")
    return {rail: (amperes[rail] * volts[rail], 0.0) for rail in amperes if rail in volts}


def _battery(text: str) -> dict[str, tuple[float, float]]:
    """Lines "status Discharging", "current_now -350000", "voltage_now 3850000", "charger usb"."""
    found = re.findall(r"^(status|current_now|voltage_now|charger) (.{1,40})$", text, re.MULTILINE)
    state = {key: value.strip() for key, value in found}
    status = state.get("status", _OUT)
    if status != _OUT or "charger" in state:
        why = f"is {status.lower()}" if status != _OUT else f"has a charger ({state['charger']})"
        raise EdgeqError(
            f"The battery {why}: what flows is not what is used.",
            hint="unplug it: adb over Wi-Fi (adb tcpip 5555, adb connect HOST)",
        )
    try:
        current, volts = abs(int(state["current_now"])), int(state["voltage_now"]) / 1e6
    except (KeyError, ValueError):
        return {}
    if not 0 < volts <= _MOST_PHONE_V:
        return {}
    # Some phones count what flows out as positive; a few in milliamperes, which is what they must
    # mean where a phone could draw that much. The name tells the readings of either kind apart.
    if (watts := current / 1e3 * volts) <= _MOST_PHONE_W:
        return {"a current in milliamperes": (watts, 0.0)}
    if (watts := current / 1e6 * volts) <= _MOST_PHONE_W:
        return {"a current in microamperes": (watts, 0.0)}
    raise EdgeqError(f"The battery shows {watts:.3g} W, more than a phone draws.")


_OUT = "Discharging"
_MOST_PHONE_V = 30.0
_MOST_PHONE_W = 20.0

COUNTERS: dict[str, Counter] = {
    counter.name: counter
    for counter in (
        Counter(
            "rapl",
            "the CPU packages",
            "cd {root}/sys/class/powercap && for d in intel-rapl:[0-9] intel-rapl:[0-9][0-9]; do "
            'echo "$(cat $d/name) $(cat $d/energy_uj) $(cat $d/max_energy_range_uj)"; '
            "done 2>/dev/null",
            _rapl,
            counts=True,
            missing="only root may read it: sudo chmod a+r /sys/class/powercap/*/energy_uj",
        ),
        Counter(
            "hwmon",
            "what its shunt carries",
            "for d in {root}/sys/class/hwmon/hwmon*; do n=$(cat $d/name); case $n in ina*) "
            # Three channels: what an INA3221 calls the fourth is the sum of all, at no voltage.
            'for k in 1 2 3; do v="${d##*/}/$k $n"; for f in power$k curr$k in$k; do '
            'v="$v $(cat $d/${f}_input 2>/dev/null || echo -)"; done; echo "$v"; done;; esac; '
            "done 2>/dev/null",
            _hwmon,
            counts=False,
            missing="an INA219 or INA226 with its driver: dtoverlay=i2c-sensor,ina219",
            adds_up=False,
        ),
        Counter(
            "pmic",
            "the rails of the Raspberry Pi 5, without its 5 V outputs",
            "vcgencmd pmic_read_adc 2>/dev/null",
            _pmic,
            counts=False,
            missing="a Raspberry Pi 5 with vcgencmd, and a user of the group video",
        ),
        Counter(
            "battery",
            "the whole phone",
            "cd {root}/sys/class/power_supply/battery && for f in status current_now voltage_now; "
            'do echo "$f $(cat $f)"; done 2>/dev/null; for d in ../*; do '
            '[ "$(cat $d/type)" = Battery ] || { [ "$(cat $d/online)" -gt 0 ] && '
            'echo "charger ${d##*/}"; }; done 2>/dev/null',
            _battery,
            counts=False,
            missing="the phone does not let the shell read its battery's current",
        ),
    )
}
