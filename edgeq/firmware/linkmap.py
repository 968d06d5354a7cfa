"""Flash and RAM of a linked image by who owns them, read from the linker's map file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError

OWNERS = (
    "model",
    "kernels",
    "golden",
    "runtime",
    "harness",
    "start-up",
    "libc",
    "application",
)
"""Model: weights, tables, arena and state. Kernels: them and the generated calls. Golden: the known
input, its checks. Runtime: TensorFlow Lite Micro with resolver and interpreter. Harness: serial
protocol and self-test. Start-up: vectors, clocks, serial port. Application: the rest."""


@dataclass(frozen=True)
class Share:
    """What one owner takes of an image."""

    owner: str
    flash_bytes: int
    ram_bytes: int


# A section of an object file: name (perhaps on a line of its own), address, size, file.
_ENTRY = re.compile(r"^ (\.\S+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$", re.MULTILINE)
_ZEROED = (".bss", ".sbss", "COMMON", ".eq_arena", ".noinit")
_INITIALISED = (".data", ".sdata")
_UNLOADED = (".debug", ".comment", ".ARM.attributes", ".riscv.attributes", ".eh_frame", ".stab")
_GOLDEN = re.compile(r"\.\w+\.\w+_(golden_(?:in|out)put_\d+|selftest|crc)\b")
_HELD = re.compile(r"\.\w+\.\w+_(arena|state)\b|\.eq_arena|\.bss\.shared_arena")
# The same in C++, for TensorFlow Lite Micro (firmware_templates/tflm/model.cc).
_GOLDEN_CC = re.compile(r"_selftestE\d+input_\d+|_GLOBAL__N_1(5knownE|5crc32E)")
_HELD_CC = re.compile(r"_GLOBAL__N_15arenaE")
_RUNTIME_CC = re.compile(r"_GLOBAL__N_1(8resolver|11interpreter|7watcher)Ev")
_HARNESS = ("eq_app", "eq_listen", "eq_models", "eq_ops", "eq_serial")
_START_UP = re.compile(r"(startup|crt|board|uart_|cycles_|idle_|boot_|clock_)")
# C's libraries, as gcc, newlib, picolibc and Zephyr name them; libmodel.a is none.
_LIBC = re.compile(r"(^|[/\\_])lib(c|m|g|gcc|nosys|stdc\+\+|supc\+\+)(_nano|__\w+)?\.a\(")
_TFLM = re.compile(r"(tensorflow|tflite|tflm)[^/\\]*\.a\(", re.IGNORECASE)


def read_shares(map_file: Path, library: str = "") -> list[Share]:
    """Flash and RAM by owner, without the gaps between sections.

    Args:
        map_file: What `-Wl,-Map` of GNU ld wrote.
        library: Of models and harness, such as "libkws.a", where a build system makes one of them.

    Raises:
        EdgeqError: The file cannot be read.
    """
    try:
        text = map_file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise EdgeqError(f"The link map cannot be read: {error}.", str(map_file)) from error
    flash = dict.fromkeys(OWNERS, 0)
    ram = dict.fromkeys(OWNERS, 0)
    for section, size, file in _entries(text):
        owner = _owner(section, file, library)
        if section.startswith(_ZEROED):
            ram[owner] += size
            continue
        flash[owner] += size
        if section.startswith(_INITIALISED):
            ram[owner] += size
    return [Share(owner, flash[owner], ram[owner]) for owner in OWNERS]


def _entries(text: str) -> Iterator[tuple[str, int, str]]:
    """(section, size, object file) of everything that was linked."""
    linked = text.partition("\nLinker script and memory map")[2]
    # The linker puts long section names on a line of their own.
    joined = re.sub(r"\n (\.\S+)\n\s+0x", r"\n \1 0x", linked)
    for match in _ENTRY.finditer(joined):
        size = int(match[3], 16)
        if size and not match[1].startswith(_UNLOADED):
            yield match[1], size, match[4]


def _owner(section: str, file: str, library: str) -> str:
    *folders, name = re.split(r"[/\\(]", file.replace(")", ""))
    if _LIBC.search(file):
        return "libc"
    if name.startswith(_HARNESS):
        # One arena for several models stands in a file of the harness.
        return "model" if _HELD.match(section) else "harness"
    if "model" in folders or (library and library in folders):
        return _owner_in_model(section, name)
    if _TFLM.search(file) or "tensorflow" in folders:
        return "runtime"
    return "start-up" if _START_UP.match(name) else "application"


def _owner_in_model(section: str, name: str) -> str:
    if _GOLDEN.match(section) or _GOLDEN_CC.search(section):
        return "golden"
    if "_weights" in name or "_model_data" in name:
        return "model"
    if _HELD.match(section) or _HELD_CC.search(section):
        return "model"
    if _RUNTIME_CC.search(section):
        return "runtime"
    return "kernels"
