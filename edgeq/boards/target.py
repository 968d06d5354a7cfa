"""Targets: the kinds of board, chip and host that edgeq knows, read from targets/*.toml.

A target is a kind of thing (a NUCLEO-F446RE); a device is one unit of it with an address. No host
names and no credentials ever enter a target file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.boards.cpu import CPUS, WITH_FPU, gcc_flags
from edgeq.boards.memory_timing import FlashTiming, MemoryTiming, flash_timing
from edgeq.boards.power import Power, power_of
from edgeq.boards.target_schema import LIBRARY_TEMPLATES, TargetFile, read_target_file
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.resources import resource_dir


@dataclass(frozen=True)
class Region:
    """One block of memory.

    Attributes:
        name: Linker name, such as "FLASH" or "DTCM".
        kind: "flash" (code and constants, may be a chip outside) or "ram".
        origin: First address.
        size_bytes: Length.
    """

    name: str
    kind: str
    origin: int
    size_bytes: int


@dataclass(frozen=True)
class RegisterStep:
    """One step of a chip's set-up: a register write, or waiting for bits.

    Attributes:
        address: Of the register.
        clear, set: Bits that are cleared and then set; a wait is over when the `set` bits are 1.
        width: Bits of the access.
        wait: Whether this step only waits.
    """

    address: int
    clear: int
    set: int
    width: int
    wait: bool

    @property
    def full(self) -> int:
        """A `clear` of this value means that nothing of the old contents stays."""
        return (1 << self.width) - 1


@dataclass(frozen=True)
class Uart:
    """The serial port that reaches the user's computer, and how a bare-metal image starts it.

    Attributes:
        driver: File of firmware_templates/bare-metal/uart/, without its extension.
        base: Address of the peripheral.
        clock_hz: Clock of the baud-rate generator after `setup`.
        core_clock_hz: Clock of the CPU after `setup`, which a bare-metal image runs at.
        baud: Symbols per second.
        config: Bits that the driver needs to know, such as the pads of a SERCOM.
        setup: What is done before the driver starts: clocks, pins.
        pins: For people.
    """

    driver: str
    base: int
    clock_hz: int
    core_clock_hz: int
    baud: int = 115200
    config: int = 0
    setup: tuple[RegisterStep, ...] = ()
    pins: str = ""


@dataclass(frozen=True)
class System:
    """What the usual system of a board takes before the user's firmware gets anything."""

    name: str = ""
    flash_bytes: int = 0
    ram_bytes: int = 0


@dataclass(frozen=True)
class Target:
    """One kind of board, host or emulated machine.

    Attributes:
        name: What `--target` takes.
        title: What the maker calls it.
        kind: "board", "host", "emulator" or "cpu" (a bare CPU name, without any memory).
        cpu: A name of `edgeq.boards.cpu.CPUS`.
        isa: What this chip has of `edgeq.boards.cpu.ISA_FEATURES`.
        clock_hz: Highest core clock; None for a CPU alone.
        cycle_counter: "dwt", "systick", "mcycle", "ccount", "clock" (a host's) or "none".
        toolchain: "arm-none-eabi", "riscv", "xtensa", "avr", "host" or "any".
        memory: Flash and RAM regions; the first of each kind is where code and data go.
        ram_bytes: All RAM a program can use; of a host, its main memory.
        system: The usual system's share of flash and RAM.
        templates: Names for `compile --project`, the most usual first.
        boot: File of firmware_templates/bare-metal/boot/ that the chip's ROM asks for, or "".
        uart: The port of bare-metal images, if edgeq can start it.
        flash_timing: What its flash adds to the core's cycles; None if nobody wrote it down.
        power: What its chip draws; None if nobody wrote it down.
        flash_tools: What can flash it, in order of preference, each with its argument.
        emulators: "sim", "qemu" or "labwired", each with the name the emulator knows it by.
        frameworks: Board names in "arduino", "platformio", "zephyr", "esp-idf", "pico-sdk", ...
        host: Of hosts: "os", "soc", "cores", and "board", what one of them calls itself where that
            is not what the title begins with.
        serial: How its serial port shows up, for people.
        sources: Where each group of facts was read: a document and its section.
        file: Where the target was read from; None of a bare CPU name.
    """

    name: str
    title: str
    kind: str
    cpu: str
    isa: tuple[str, ...] = ()
    clock_hz: int | None = None
    cycle_counter: str = "clock"
    toolchain: str = "host"
    memory: tuple[Region, ...] = ()
    ram_bytes: int | None = None
    system: System = field(default_factory=System)
    templates: tuple[str, ...] = ()
    boot: str = ""
    uart: Uart | None = None
    flash_timing: FlashTiming | None = None
    power: Power | None = None
    flash_tools: Mapping[str, str] = field(default_factory=dict)
    emulators: Mapping[str, str] = field(default_factory=dict)
    frameworks: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)
    serial: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    def regions(self, kind: str) -> tuple[Region, ...]:
        """The regions of one kind ("flash" or "ram"), in the file's order."""
        return tuple(region for region in self.memory if region.kind == kind)

    @property
    def phone(self) -> bool:
        """Whether apps run models there, through runtimes that want inputs of their own kind."""
        return self.host.get("os") == "android"

    @property
    def flash_bytes(self) -> int | None:
        """Size of the flash that programs are linked to; None if there is none to speak of."""
        flash = self.regions("flash")
        return flash[0].size_bytes if flash else None

    @property
    def running_clock_hz(self) -> int | None:
        """Clock that the firmware of edgeq's usual project for it runs at; None if unknown.

        A bare-metal project runs at the clock that its set-up leaves; the SDKs of other projects
        set the highest one.
        """
        if self.uart is not None and "bare-metal" in self.templates:
            return self.uart.core_clock_hz
        return self.clock_hz

    @property
    def memory_timing(self) -> MemoryTiming | None:
        """What its flash adds at the clock that firmware runs at; None where that is unknown."""
        clock_hz = self.running_clock_hz
        return self.flash_timing.at(clock_hz) if self.flash_timing and clock_hz else None

    @property
    def clock_note(self) -> str:
        """What a reader of a time has to know about its clock; empty on hosts and CPUs."""
        running, highest = self.running_clock_hz, self.clock_hz
        if not running or not highest or self.kind == "host":
            return ""
        if self.uart is None or "bare-metal" not in self.templates:
            return "the highest clock, which its SDK sets"
        return "the clock that the bare-metal project runs at"

    @property
    def largest_ram_bytes(self) -> int | None:
        """Size of the largest block of RAM, which bounds an arena; None if unknown."""
        blocks = [region.size_bytes for region in self.regions("ram")]
        return max(blocks) if blocks else self.ram_bytes

    @property
    def constants_in_ram(self) -> bool:
        """Whether weights and tables take RAM as well: on AVR, loads cannot read flash."""
        return self.toolchain == "avr"

    @property
    def gcc_flags(self) -> tuple[str, ...]:
        """Compiler options for this CPU; empty on hosts and where the SDK brings its own."""
        if self.toolchain in ("host", "xtensa", "avr", "any"):
            return ()
        return gcc_flags(self.cpu, self.isa)


def load_target(name_or_path: str | Path | Target) -> Target:
    """The target of a name ("nucleo-f446re", "cortex-m4") or of a user's own TOML file.

    One that is loaded already is given back.

    Raises:
        UsageError: There is no such target; near names are suggested.
        EdgeqError: The file is not a correct target file; every problem is listed.
    """
    if isinstance(name_or_path, Target):
        return name_or_path
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text)
        if not path.is_file():
            raise UsageError(f"There is no target file '{text}'.", hint="edgeq targets lists names")
        return _target(read_target_file(path))
    if re.fullmatch(r"[a-z0-9-]{1,100}", text):
        shipped = resource_dir("targets") / f"{text}.toml"
        if shipped.is_file():
            return _shipped(shipped)
    if text in CPUS or text in WITH_FPU:
        return _cpu_target(text)
    raise _unknown(text)


def target_called(name: str) -> Target | None:
    """The target of a name that a device has told: None where it is none, or that of a file."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", name):
        return None
    try:
        return load_target(name)
    except EdgeqError:
        return None


def all_targets() -> list[Target]:
    """Every target that ships with edgeq, by name; bare CPU names are not among them."""
    return [_shipped(path) for path in sorted(resource_dir("targets").glob("*.toml"))]


@cache
def _shipped(path: Path) -> Target:
    return _target(read_target_file(path))


def _cpu_target(name: str) -> Target:
    cpu = CPUS[WITH_FPU.get(name, name)]
    fpu = name in WITH_FPU
    return Target(
        name=name,
        title=f"{cpu.title} with FPU" if fpu else cpu.title,
        kind="cpu",
        cpu=cpu.name,
        isa=(*cpu.isa, "fpu") if fpu else cpu.isa,
        cycle_counter=cpu.cycle_counter,
        toolchain=cpu.toolchain,
        templates=LIBRARY_TEMPLATES,
    )


def _unknown(name: str) -> UsageError:
    names = [path.stem for path in resource_dir("targets").glob("*.toml")] + [*CPUS, *WITH_FPU]
    wanted = name.lower().replace("_", "-")
    near = difflib.get_close_matches(wanted, names, n=4, cutoff=0.5)
    near += [other for other in sorted(names) if wanted and wanted in other and other not in near]
    hint = f"did you mean {', '.join(near[:6])}?" if near else "edgeq targets lists them all"
    return UsageError(f"There is no target '{name}'.", hint=hint)


def _target(file: TargetFile) -> Target:
    """A Target out of a file that has passed the schema check."""
    data: Mapping[str, Any] = file.data
    cpu = CPUS[data["cpu"]["core"]]
    memory = tuple(
        Region(entry["name"], entry["kind"], entry.get("origin", 0), entry["size"])
        for entry in data.get("memory", ())
    )
    ram = sum(region.size_bytes for region in memory if region.kind == "ram")
    host = dict(data.get("host", {}))
    ram_bytes = host.pop("ram", None) or ram or None
    return Target(
        name=data["name"],
        title=data["title"],
        kind=data["kind"],
        cpu=cpu.name,
        isa=tuple(data["cpu"].get("isa", ())),
        clock_hz=data["cpu"].get("clock_hz"),
        cycle_counter=data["cpu"].get("cycle_counter", cpu.cycle_counter),
        toolchain=cpu.toolchain,
        memory=memory,
        ram_bytes=ram_bytes,
        system=System(**data.get("system", {})),
        templates=tuple(data.get("templates", ())),
        boot=data.get("boot", ""),
        uart=_uart(data.get("uart")),
        power=power_of(data["power"]) if "power" in data else None,
        flash_timing=flash_timing(data["flash_timing"]) if "flash_timing" in data else None,
        flash_tools=data.get("flash", {}),
        emulators=data.get("emulator", {}),
        frameworks=data.get("framework", {}),
        host={key: str(value) for key, value in host.items()},
        serial=data.get("serial", ""),
        sources=data["sources"],
        file=file.path,
    )


def _uart(table: Mapping[str, Any] | None) -> Uart | None:
    if table is None:
        return None
    setup = tuple(
        RegisterStep(
            address=step.get("write", step.get("wait")),
            clear=step.get("clear", 0),
            set=step.get("set", 0),
            width=step.get("width", 32),
            wait="wait" in step,
        )
        for step in table.get("setup", ())
    )
    core_clock_hz = table.get("core_clock_hz", table["clock_hz"])
    return Uart(**{**table, "setup": setup, "core_clock_hz": core_clock_hz})
