"""What a probe found out about a device, from the device's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeq.devices.numbers import core_list, whole
from edgeq.errors import UsageError

_ARCHITECTURES = {
    "x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64",
    "armv8l": "armv7l", "armv7l": "armv7l", "armv6l": "armv6l", "riscv64": "riscv64",
    "i686": "i686", "i386": "i686",
}  # fmt: skip
_BITS = {32: 32, 64: 64, 1: 32, 2: 64}  # as getconf tells, or the class of an ELF file
# CPU implementer and part -> name. Source: Arm's MIDR_EL1 documentation; util-linux lscpu-arm.c.
_ARM_PARTS = {
    "0x41/0xb76": "Arm1176", "0x41/0xc07": "Cortex-A7", "0x41/0xc08": "Cortex-A8",
    "0x41/0xc09": "Cortex-A9", "0x41/0xc0f": "Cortex-A15", "0x41/0xd03": "Cortex-A53",
    "0x41/0xd04": "Cortex-A35", "0x41/0xd05": "Cortex-A55", "0x41/0xd07": "Cortex-A57",
    "0x41/0xd08": "Cortex-A72", "0x41/0xd09": "Cortex-A73", "0x41/0xd0a": "Cortex-A75",
    "0x41/0xd0b": "Cortex-A76", "0x41/0xd0c": "Neoverse-N1", "0x41/0xd0d": "Cortex-A77",
    "0x41/0xd40": "Neoverse-V1", "0x41/0xd41": "Cortex-A78", "0x41/0xd44": "Cortex-X1",
    "0x41/0xd46": "Cortex-A510", "0x41/0xd47": "Cortex-A710", "0x41/0xd48": "Cortex-X2",
    "0x41/0xd49": "Neoverse-N2", "0x41/0xd4d": "Cortex-A715", "0x41/0xd4e": "Cortex-X3",
}  # fmt: skip


@dataclass(frozen=True)
class PythonFacts:
    """The Python that a device has.

    Attributes:
        version: Such as (3, 11, 2).
        modules: Those that the agent and the runtimes need and that are there.
        bits: 32 or 64.
    """

    path: str
    version: tuple[int, ...]
    modules: frozenset[str]
    bits: int


@dataclass(frozen=True)
class HostFacts:
    """A device as it describes itself; None where it does not know.

    Attributes:
        architecture: "x86_64", "aarch64", "armv7l", "armv6l", "riscv64", "i686", or as told.
        system: "linux", "android" or "termux".
        soc: Its chip, where Android tells it.
        bits: Of its programs: 32 under a kernel of 64 too.
        online: Numbers of its cores that are switched on; empty where it does not tell.
        glibc: Version, such as (2, 36); None without glibc.
        root: The folder for what is pushed; None if there is none that can be written to.
        executable: Whether programs may run from `root`.
        refused: The folders that were tried and why they would not do.
        cached: What lies in `root`: size in bytes by name.
        temperatures: Files with thousandths of a degree, by the zone's type.
        frequency_folders: cpufreq folders, one per group of cores.
    """

    architecture: str
    kernel: str
    system: str
    os_name: str
    board: str | None
    soc: str | None
    cpu: str
    cpu_features: tuple[str, ...]
    bits: int | None
    online: tuple[int, ...]
    memory_bytes: int | None
    available_bytes: int | None
    glibc: tuple[int, ...] | None
    libc: str
    python: PythonFacts | None
    root: str | None
    executable: bool
    refused: tuple[str, ...]
    free_bytes: int | None
    cached: Mapping[str, int]
    machine_id: str | None
    home: str
    temperatures: Mapping[str, str] = field(default_factory=dict)
    frequency_folders: tuple[str, ...] = ()
    throttled_source: str | None = None
    governor: str | None = None

    @property
    def cores(self) -> int:
        """Number of cores that are switched on."""
        return max(1, len(self.online))

    def to_json(self) -> dict[str, Any]:
        """What `edgeq devices probe --json` prints."""
        python = None
        if self.python:
            python = {
                "path": self.python.path,
                "version": ".".join(map(str, self.python.version)),
                "modules": sorted(self.python.modules),
                "bits": self.python.bits,
            }
        return {
            "architecture": self.architecture, "kernel": self.kernel, "system": self.system,
            "os": self.os_name, "board": self.board, "soc": self.soc,
            "cpu": self.cpu, "cores": self.cores,
            "bits": self.bits, "cpu_features": list(self.cpu_features),
            "memory_bytes": self.memory_bytes, "available_bytes": self.available_bytes,
            "libc": self.libc, "python": python,
            "folder": self.root, "folder_executable": self.executable,
            "folders_refused": list(self.refused), "free_bytes": self.free_bytes,
            "governor": self.governor, "temperature_sources": dict(self.temperatures),
            "frequency_sources": list(self.frequency_folders),
            "throttling_source": self.throttled_source,
        }  # fmt: skip


def read_facts(sections: Mapping[str, str]) -> HostFacts:
    """The facts in the sections that the probe printed (see far/bootstrap.sh)."""
    words = sections.get("uname", "").split() or ["unknown"]
    machine = words[-1].lower()
    environment = dict(
        line.split("=", 1) for line in sections.get("env", "").splitlines() if "=" in line
    )
    cpuinfo = _file(sections, "/proc/cpuinfo")
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", _file(sections, "/proc/meminfo"), re.M))
    os_release = dict(re.findall(r'^(\w+)="?([^"\n]*)', _file(sections, "/etc/os-release"), re.M))
    android = sections.get("android", "").split("\n")
    glibc, libc = _libc(sections)
    folders = [line.split(" ", 1) for line in sections.get("folders", "").splitlines() if line]
    root = sections.get("root", "").strip("\n") or None
    python = _python(sections.get("python", ""))
    bits = _BITS.get(whole(sections.get("bits", "")) or 0, python.bits if python else None)
    if bits == 32 and machine == "aarch64":
        machine = "armv7l"  # a 32-bit userland on a 64-bit kernel, as Raspberry Pi OS ships
    system = "linux"
    if environment.get("termux") or "com.termux" in environment.get("prefix", ""):
        system = "termux"
    elif android[0]:
        system = "android"
    return HostFacts(
        architecture=_ARCHITECTURES.get(machine, machine),
        kernel=" ".join(words[:2]),
        system=system,
        os_name=os_release.get("PRETTY_NAME") or f"Android {android[0]}".strip(),
        board=(_file(sections, "/proc/device-tree/model").strip("\0\n ") or None)
        or (android[1].strip() if len(android) > 1 else None),
        soc=(android[2].strip() or None) if len(android) > 2 else None,
        cpu=_cpu_name(cpuinfo, machine),
        cpu_features=_features(cpuinfo),
        bits=bits,
        online=core_list(_file(sections, "/sys/devices/system/cpu/online")) or (),
        memory_bytes=_kilobytes(memory.get("MemTotal")),
        available_bytes=_kilobytes(memory.get("MemAvailable")),
        glibc=glibc,
        libc=libc,
        python=python,
        root=root,
        executable=any(kind == "exec" for kind, *_ in folders),
        refused=tuple(" ".join(each) for each in folders if each[0] != "exec"),
        free_bytes=read_free(sections.get("free", "")),
        cached=_listing(sections.get("cached", "")),
        machine_id=_file(sections, "/etc/machine-id").strip() or None,
        home=environment.get("home", ""),
        temperatures=_temperatures(sections),
        frequency_folders=tuple(
            dict.fromkeys(
                name.split()[1].rpartition("/")[0]
                for name in sections
                if name.startswith("cpufreq ")
            )
        ),
        throttled_source=_throttled(sections),
        governor=next(
            (text.strip() for name, text in sections.items() if name.endswith("/scaling_governor")),
            None,
        ),
    )


def check_cores(wanted: str, facts: HostFacts, where: str) -> None:
    """Refuse cores that a device does not have, or has switched off.

    Args:
        wanted: Numbers separated by commas; "" for any.
        facts: The device.
        where: Its name, for the message.

    Raises:
        UsageError: There is no such core.
    """
    online = set(facts.online)
    missing = [each for each in wanted.split(",") if online and each and int(each) not in online]
    if missing:
        raise UsageError(
            f"The device has no core {', '.join(missing)} that is switched on.", where,
            f"it has {', '.join(map(str, facts.online))}",
        )  # fmt: skip


def _file(sections: Mapping[str, str], path: str) -> str:
    return next((text for name, text in sections.items() if name.endswith(" " + path)), "")


def _kilobytes(text: str | None) -> int | None:
    kilobytes = whole(text) if text else None
    return None if kilobytes is None else kilobytes * 1024


def _cpu_name(cpuinfo: str, machine: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)", cpuinfo, re.M)
    implementer = re.search(r"^CPU implementer\s*:\s*(\w+)", cpuinfo, re.M)
    parts = dict.fromkeys(re.findall(r"^CPU part\s*:\s*(\w+)", cpuinfo, re.M))
    if implementer and parts:
        keys = [f"{implementer[1]}/{part}" for part in parts]
        return " + ".join(_ARM_PARTS.get(key, key) for key in keys)
    return found[1].strip() if found else machine


def _features(cpuinfo: str) -> tuple[str, ...]:
    found = re.search(r"^(?:Features|flags|isa)\s*:\s*(.+)", cpuinfo, re.M)
    return tuple(found[1].split()) if found else ()


def _libc(sections: Mapping[str, str]) -> tuple[tuple[int, ...] | None, str]:
    text = sections.get("libc", "") + sections.get("python", "")
    found = re.search(r"glibc (\d{1,4})\.(\d{1,4})\b", text)
    if found:
        return (int(found[1]), int(found[2])), f"glibc {found[1]}.{found[2]}"
    if "ld-musl" in text:
        return None, "musl"
    return None, "bionic" if "/system/lib" in text else "unknown"


def _python(text: str) -> PythonFacts | None:
    found = re.search(r"^version (\d{1,4})\.(\d{1,4})\.(\d{1,4})\b", text, re.M)
    path = re.findall(r"^path (.+)", text, re.M)
    if not found or not path:
        return None
    bits = re.search(r"^bits (\d{1,3})\b", text, re.M)
    return PythonFacts(
        path[-1].strip(),
        tuple(int(each) for each in found.groups()),
        frozenset(re.findall(r"^module (\w+)", text, re.M)),
        int(bits[1]) if bits else 64,
    )


def read_free(text: str) -> int | None:
    """Free bytes, from what `df -kP FOLDER` prints."""
    words = text.strip().splitlines()[-1].split() if text.strip() else []
    numbers = [value for word in words if (value := whole(word)) is not None]
    return numbers[2] * 1024 if len(numbers) >= 3 else None


def _listing(text: str) -> dict[str, int]:
    """Sizes by name; only plain files with names as edgeq makes them count."""
    sizes = {}
    for line in text.splitlines():
        words = line.split()
        name = words[-1] if words else ""
        size = whole(words[4]) if len(words) > 5 and line.startswith("-") else None
        if size is not None and re.fullmatch(r"[0-9a-f]{64}[.\w-]*", name):
            sizes[name] = size
    return sizes


def _temperatures(sections: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sections:
        if name.startswith("temperature "):
            path = name.split(" ", 1)[1]
            kind = _file(sections, path.rpartition("/")[0] + "/type").strip()
            found.setdefault(kind or path, path)
    return found


def _throttled(sections: Mapping[str, str]) -> str | None:
    for name in sections:
        if name.startswith("throttled "):
            return name.split(" ", 1)[1]
    return "!vcgencmd get_throttled" if sections.get("vcgencmd", "").strip() else None
