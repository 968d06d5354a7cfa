"""The form of a target file: which tables and keys there are, and what they may hold.

Every problem in a file is reported at once, with the key, the value found and what is allowed. What
each key means stands with the classes of `edgeq.boards.target`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgeq.boards.cpu import CPUS, ISA_FEATURES
from edgeq.errors import EdgeqError, raise_problems
from edgeq.support.foreign import parse_toml, read_bytes
from edgeq.support.resources import resource_dir
from edgeq.support.text import kind_of_value, line_problem

KINDS = ("board", "host", "emulator")
TEMPLATES = (
    "bare-metal",
    "arduino",
    "platformio",
    "zephyr",
    "esp-idf",
    "pico-sdk",
    "sources",
    "mlperf-tiny",
    "linux",
    "android",
    "swift",
    "web",
)
LIBRARY_TEMPLATES = ("sources", "arduino", "zephyr", "esp-idf")
"""What can be made without a board: its models are a library, to be built for one later."""

APP_TEMPLATES = ("linux", "android", "swift", "web")
"""Libraries for application processors, whose callers are written in other languages than C."""

DISPATCHED_TEMPLATES = ("linux", "android")
"""Those for CPUs that are not known yet: they choose the kernels' level when they run."""

FLASH_TOOLS = (
    "openocd", "pyocd", "probe-rs", "stm32cubeprogrammer", "esptool", "picotool", "uf2", "nrfutil",
    "bossac", "avrdude", "dfu-util", "teensy-loader", "jlink",
)  # fmt: skip
EMULATORS = ("sim", "qemu", "labwired")
FRAMEWORKS = ("arduino", "platformio", "zephyr", "esp-idf", "pico-sdk", "cmsis-device")
CYCLE_COUNTERS = ("dwt", "systick", "mcycle", "ccount", "clock", "none")

_MOST_TEXT = 300
_MOST_BYTES = 1 << 20
_MOST_WAITS = 100
_MOST = 1e6
_MOST_LINES = 1 << 16

# Words that GNU ld (2.40) takes as its own where a script names a memory region.
_LINKER_WORDS = """
    ABSOLUTE ADDR AFTER ALIGN ALIGNOF ALIGN_WITH_INPUT ASSERT AT BEFORE BIND BLOCK CONSTANT COPY
    DATA_SEGMENT_ALIGN DATA_SEGMENT_END DATA_SEGMENT_RELRO_END DEFINED DSECT ENTRY EXTERN FLOAT
    FORCE_COMMON_ALLOCATION FORCE_GROUP_ALLOCATION GROUP HIDDEN HLL INCLUDE INFO
    INHIBIT_COMMON_ALLOCATION INPUT INSERT LD_FEATURE LENGTH LOADADDR LOG2CEIL MAP MAX MEMORY MIN
    NEXT NOCROSSREFS NOCROSSREFS_TO NOFLOAT NOLOAD ONLY_IF_RO ONLY_IF_RW ORIGIN OUTPUT OUTPUT_ARCH
    OUTPUT_FORMAT OVERLAY PHDRS PROVIDE PROVIDE_HIDDEN READONLY REGION_ALIAS SEARCH_DIR SECTIONS
    SEGMENT_START SIZEOF SIZEOF_HEADERS SPECIAL STARTUP SUBALIGN SYSLIB TARGET TYPE
    VERSION"""
# Facts of these tables must say where they were read, under the same key of [sources].
_NEED_SOURCE = ("cpu", "memory", "uart", "flash", "system", "host", "flash_timing", "power")

Check = Callable[[Any], str]
"""Returns what is allowed, if the value is not; else an empty string."""


@dataclass(frozen=True)
class TargetFile:
    """A target file that has passed the check."""

    path: Path
    data: Mapping[str, Any]


@dataclass(frozen=True)
class _Key:
    check: Check
    required: bool = False


def _text(value: Any) -> str:
    return line_problem(value, _MOST_TEXT)


def _word(pattern: str, example: str) -> Check:
    """A text that other programs read: build systems, flashing tools, emulators."""

    def check(value: Any) -> str:
        short = isinstance(value, str) and len(value) <= _MOST_TEXT
        good = short and re.fullmatch(pattern, value, re.ASCII)
        return "" if good else f"of a form such as {example}"

    return check


def _shipped(folder: str) -> Check:
    """The name of a C file of the bare-metal template, without its extension."""

    def check(value: Any) -> str:
        files = (resource_dir("firmware_templates") / "bare-metal" / folder).glob("*.c")
        return _one_of(*sorted(file.stem for file in files))(value)

    return check


def _count(value: Any) -> str:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return "" if good else "a whole number, 0 or more, of 63 bits"


def _address(value: Any) -> str:
    return "" if not _count(value) and value < 1 << 32 else "an address of 32 bits"


def _aligned(value: Any) -> str:
    """An address that words of 32 bits may lie at."""
    return _address(value) or ("" if value % 4 == 0 else "an address that is a multiple of 4")


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        return "" if value in allowed else f"one of {', '.join(allowed)}"

    return check


def _list_of(check_item: Check) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, list):
            return "a list"
        problems = {check_item(item) for item in value} - {""}
        return f"a list; each is {problems.pop()}" if problems else ""

    return check


def _wait_states(value: Any) -> str:
    """`[[24_000_000, 0], [48_000_000, 1]]`."""
    wanted = "a list of [highest clock in Hz, wait states], the clocks rising"
    if not isinstance(value, list) or not value:
        return wanted
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or any(_count(n) for n in pair):
            return wanted
        if pair[1] > _MOST_WAITS:
            return f"wait states of at most {_MOST_WAITS}"
    clocks = [pair[0] for pair in value]
    return "" if clocks == sorted(set(clocks)) else wanted


def _cache(value: Any) -> str:
    """`[32, 64, 4]`."""
    wanted = "[bytes of a line, lines, ways], the first a power of two, the last a divisor of lines"
    if not isinstance(value, list) or len(value) != 3 or any(_count(n) for n in value):
        return wanted
    line, lines, ways = value
    good = 4 <= line <= 256 and line & (line - 1) == 0 and 1 <= ways <= lines <= _MOST_LINES
    sets = lines // ways if good else 0
    return "" if good and lines % ways == 0 and sets & (sets - 1) == 0 else wanted


def _few(value: Any) -> str:
    return "" if not _count(value) and value <= _MOST_WAITS else f"0 to {_MOST_WAITS}"


def _positive(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _MOST
    return "" if good else "a number above 0"


def _register_step(value: Any) -> str:
    """`{ write = A, clear = B, set = C, width = 8 }` or `{ wait = A, set = C }`."""
    wanted = (
        "{ write or wait = address, clear = bits, set = bits, width = 8, 16 or 32 }, the address"
        " a multiple of the width's bytes, the bits within the width"
    )
    if not isinstance(value, dict) or ("write" in value) == ("wait" in value):
        return wanted
    if not set(value) <= {"write", "wait", "clear", "set", "width"}:
        return wanted
    width = value.get("width", 32)
    if any(_address(number) for number in value.values()) or width not in (8, 16, 32):
        return wanted
    place = value.get("write", value.get("wait"))
    fits = all(value.get(bits, 0) >> width == 0 for bits in ("clear", "set"))
    return "" if fits and place % (width // 8) == 0 else wanted


def _identifier(value: Any) -> str:
    good = isinstance(value, str) and re.fullmatch(r"[A-Z][A-Z0-9_]*", value)
    if good and value in _LINKER_WORDS.split():
        return "a name that is no word of the linker's own language"
    return "" if good else "a linker name such as FLASH or RAM_D1"


def _positive_count(value: Any) -> str:
    return "" if not _count(value) and value > 0 else "a whole number, 1 or more, of 63 bits"


def _target_name(value: Any) -> str:
    good = isinstance(value, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value)
    return "" if good else "lower-case words joined by hyphens"


_CHIP = _word(r"\w[\w.-]*", "STM32F446RETx")
_FLASH_WORDS = {
    # OpenOCD runs its scripts: only its own ones are named, never a file beside the board's.
    "openocd": _word(
        r"(board|interface|target)/[\w-][\w.-]*\.cfg( (board|interface|target)/[\w-][\w.-]*\.cfg)*",
        "board/st_nucleo_f4.cfg",
    ),
    "uf2": _word(r"0x[0-9A-Fa-f]{8}:[\w-]+", "0xE48BFF56:RPI-RP2"),
    "avrdude": _word(r"\w[\w-]*:\w[\w-]*(:[0-9]+)?", "atmega2560:wiring:115200"),
    "dfu-util": _word(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(:0x[0-9A-Fa-f]+)?", "2341:0069"),
}
_FRAMEWORK_WORDS = {
    "arduino": _word(r"\w[\w.-]*:\w[\w.-]*:\w[\w.-]*(:[\w=,.-]+)?", "arduino:samd:mkrzero"),
    "platformio": _word(r"\w[\w.-]*/\w[\w.-]*", "ststm32/nucleo_f446re"),
    "zephyr": _word(r"\w[\w-]*(@[\w.]+)?(/[\w-]+)*", "nucleo_f446re"),
    "esp-idf": _word(r"[a-z0-9]+", "esp32s3"),
    "pico-sdk": _word(r"\w[\w-]*", "pico2"),
    "cmsis-device": _CHIP,
}

_TOP = {
    "name": _Key(_target_name, required=True),
    "title": _Key(_text, required=True),
    "kind": _Key(_one_of(*KINDS), required=True),
    "templates": _Key(_list_of(_one_of(*TEMPLATES))),
    "boot": _Key(_shipped("boot")),
    "serial": _Key(_text),
}
_TABLES: dict[str, dict[str, _Key]] = {
    "cpu": {
        "core": _Key(_one_of(*CPUS), required=True),
        "isa": _Key(_list_of(_one_of(*ISA_FEATURES))),
        "clock_hz": _Key(_positive_count),
        "cycle_counter": _Key(_one_of(*CYCLE_COUNTERS)),
    },
    "system": {
        "name": _Key(_text, required=True),
        "flash_bytes": _Key(_count),
        "ram_bytes": _Key(_count),
    },
    "uart": {
        "driver": _Key(_shipped("uart"), required=True),
        "base": _Key(_aligned, required=True),
        "clock_hz": _Key(_positive_count),
        "core_clock_hz": _Key(_positive_count),
        "baud": _Key(_positive_count),
        "config": _Key(_count),
        "setup": _Key(_list_of(_register_step)),
        "pins": _Key(_text),
    },
    "flash_timing": {
        "wait_states": _Key(_wait_states, required=True),
        "code_cache": _Key(_cache),
        "data_cache": _Key(_cache),
        "fetch_reads": _Key(_few),
        "next_reads": _Key(_few),
        "data_reads": _Key(_few),
        "bus_cycles": _Key(_few),
    },
    "power": {
        "supply_v": _Key(_positive, required=True),
        "run_ua_per_mhz": _Key(_positive, required=True),
        "sleep_ua": _Key(_positive),
        "sleep_mode": _Key(_text),
        "regulator": _Key(_one_of("LDO", "SMPS")),
        "load": _Key(_text),
    },
    "host": {
        "os": _Key(_one_of("linux", "android"), required=True),
        "soc": _Key(_text),
        "board": _Key(_text),
        "cores": _Key(_text),
        "ram": _Key(_count),
    },
    "flash": {tool: _Key(_FLASH_WORDS.get(tool, _CHIP)) for tool in FLASH_TOOLS},
    "emulator": {emulator: _Key(_word(r"\w[\w-]*(:\w+)?", "mps2-an386")) for emulator in EMULATORS},
    "framework": {framework: _Key(_FRAMEWORK_WORDS[framework]) for framework in FRAMEWORKS},
}
_MEMORY = {
    "name": _Key(_identifier, required=True),
    "kind": _Key(_one_of("flash", "ram"), required=True),
    "origin": _Key(_aligned, required=True),
    "size": _Key(_count, required=True),
}


def read_target_file(path: Path) -> TargetFile:
    """The contents of a target file, checked.

    Raises:
        EdgeqError: It cannot be read or is not correct; every problem is listed.
    """
    data = parse_toml(read_bytes(path, "target file", _MOST_BYTES), str(path))
    raise_problems([EdgeqError(problem, where=str(path)) for problem in _problems(data)])
    return TargetFile(path, data)


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    known = (*_TABLES, "memory", "sources")
    tables = {key for key, value in data.items() if isinstance(value, dict) and key not in _TOP}
    plain = {key: value for key, value in data.items() if key not in known and key not in tables}
    yield from _table_problems("", plain, _TOP)
    if "cpu" not in data:
        yield "The table [cpu] is missing."
    for name, table in data.items():
        if name in (*_TABLES, "sources") and name not in tables:
            yield f"'{name}' is {kind_of_value(table)}, and must be a table, [{name}]."
        elif name in _TABLES:
            yield from _table_problems(f"{name}.", table, _TABLES[name])
        elif name in tables and name not in known:
            yield f"There is no table [{name}]; allowed: {', '.join(known)}."
    yield from _memory_problems(data)
    yield from _source_problems(data)


def _table_problems(
    prefix: str, table: Mapping[str, Any], keys: Mapping[str, _Key]
) -> Iterator[str]:
    for key, value in table.items():
        if key not in keys:
            yield f"There is no key '{prefix}{key}'; allowed: {', '.join(keys)}."
        elif wanted := keys[key].check(value):
            yield f"'{prefix}{key}' is {value!r}, and must be {wanted}."
    for key, rule in keys.items():
        if rule.required and key not in table:
            yield f"'{prefix}{key}' is missing."


def _memory_problems(data: Mapping[str, Any]) -> Iterator[str]:
    regions = data.get("memory", [])
    if not isinstance(regions, list) or not all(isinstance(region, dict) for region in regions):
        yield f"'memory' is {kind_of_value(regions)}, and must be a list of tables, [[memory]]."
        return
    found = [text for region in regions for text in _table_problems("memory.", region, _MEMORY)]
    yield from found or _layout_problems(data.get("kind"), regions)
    if not found:
        yield from _share_problems(data.get("system"), regions)


def _share_problems(system: Any, regions: list[dict[str, Any]]) -> Iterator[str]:
    """A usual system that leaves the user's firmware nothing, or takes more than there is."""
    for kind in ("flash", "ram"):
        there = sum(region["size"] for region in regions if region["kind"] == kind)
        taken = system.get(f"{kind}_bytes", 0) if isinstance(system, dict) else 0
        if there and not _count(taken) and taken >= there:
            yield f"'system.{kind}_bytes' is {taken}, and must be less than the board's {there}."


def _layout_problems(kind: Any, regions: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with regions that are each of the right form."""
    needed = ("flash", "ram") if kind in ("board", "emulator") else ()
    for wanted in needed:
        if not any(region["kind"] == wanted for region in regions):
            yield f"There is no [[memory]] of kind '{wanted}'."
    names = [region["name"] for region in regions]
    if len(set(names)) != len(names):
        yield f"The names of the memory regions are not all different: {', '.join(names)}."
    ordered = sorted(regions, key=lambda region: int(region["origin"]))
    for low, high in pairwise(ordered):
        if low["origin"] + low["size"] > high["origin"]:
            yield f"The memory regions {low['name']} and {high['name']} overlap."
    for region in regions:
        if region["size"] == 0 or region["origin"] + region["size"] > 1 << 32:
            yield f"The memory region {region['name']} is empty or ends beyond 32 bits."


def _source_problems(data: Mapping[str, Any]) -> Iterator[str]:
    sources = data.get("sources")
    if sources is None:
        yield "The table [sources] is missing: every fact says where it was read."
    if not isinstance(sources, dict):
        return
    for key, value in sources.items():
        if wanted := _text(value):
            yield f"'sources.{key}' is {value!r}, and must be {wanted}."
    for table in _NEED_SOURCE:
        if data.get(table) and table not in sources:
            yield f"'sources.{table}' is missing: where were the facts of [{table}] read?"
