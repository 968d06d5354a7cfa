"""Bare-metal images of generated C: linked, taken apart, every section measured."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import Toolchain
from edgeq.errors import EdgeqError, MissingDependency

_HERE = Path(__file__).resolve().parent
_BOOT_BYTES = 64 << 10


@dataclass(frozen=True)
class MemoryMap:
    """Where an image is linked to: origins and lengths in bytes.

    Attributes:
        boot: Where the core starts, if that is not the flash; the test harness goes there.
    """

    flash: int
    flash_bytes: int
    ram: int
    ram_bytes: int
    boot: int | None = None

    def linker_text(self) -> str:
        """The MEMORY command of a linker script."""
        boot = 'REGION_ALIAS("BOOT", FLASH)\n'
        regions = [
            f"    FLASH (rx) : ORIGIN = {self.flash:#x}, LENGTH = {self.flash_bytes:#x}\n",
            f"    RAM (rw) : ORIGIN = {self.ram:#x}, LENGTH = {self.ram_bytes:#x}\n",
        ]
        if self.boot is not None:
            boot = ""
            regions.append(f"    BOOT (rx) : ORIGIN = {self.boot:#x}, LENGTH = {_BOOT_BYTES:#x}\n")
        return "MEMORY\n{\n" + "".join(regions) + "}\n" + boot


@dataclass(frozen=True)
class Sizes:
    """Bytes that a model takes, without start-up code, harness and stack.

    Attributes:
        flash_code: Kernels, generated code, and the library functions that they pull in.
        flash_const: Weights and tables, and the initial values of static data.
        arena: Activations, scratch, inputs, outputs and state.
        static: All other RAM.
    """

    flash_code: int
    flash_const: int
    arena: int
    static: int


@dataclass(frozen=True)
class Section:
    """A piece of memory that the program owns: [start, end), and its initial content."""

    name: str
    start: int
    end: int
    writable: bool
    content: bytes


@dataclass(frozen=True)
class Image:
    """A linked program.

    Attributes:
        path: The ELF file.
        sections: What is in memory when it runs.
        symbols: Address and size by name; the Thumb bit is removed.
        marks: (address, op): from this address on, op number `op` runs.
    """

    path: Path
    sections: tuple[Section, ...]
    symbols: Mapping[str, tuple[int, int]]
    marks: tuple[tuple[int, int], ...]

    def sizes(self, *arena_symbols: str) -> Sizes:
        """The bytes that the model takes.

        Args:
            arena_symbols: The objects that are its arena, those of them that there are.
        """
        length = {section.name: section.end - section.start for section in self.sections}
        arena = sum(self.symbols[name][1] for name in arena_symbols if name in self.symbols)
        data = length.get(".data", 0)
        return Sizes(
            flash_code=length.get(".text", 0),
            flash_const=length.get(".rodata", 0) + data,
            arena=arena,
            static=data + length.get(".bss", 0) + length.get(".arena", 0) - arena,
        )

    def symbol_at(self, address: int) -> str:
        """The name of the function or object that holds an address; "?" if there is none."""
        for name, (start, size) in self.symbols.items():
            if start <= address < start + size:
                return name
        return "?"


def shipped_text(name: str) -> str:
    """The text of a C file or linker script that ships beside this module."""
    return (_HERE / name).read_text()


def link_image(
    toolchain: Toolchain,
    files: Mapping[str, str],
    memory: MemoryMap,
    *,
    flags: Sequence[str],
    roots: Sequence[str],
    entry: str,
) -> Image:
    """A linked image of generated C, with or without a harness "eq_harness.c".

    Args:
        toolchain: A cross compiler.
        files: Text by file name, besides the linker script.
        memory: Where to link to.
        flags: Options for compiling.
        roots: Functions to keep where they exist, with all that they reach; the rest goes.
        entry: The function where the image begins.

    Raises:
        EdgeqError: The compiler fails, or the model does not fit into `memory`.
    """
    scripts = {"model.ld": shipped_text("baremetal/model.ld"), "memory.ld": memory.linker_text()}
    keep = [f"-Wl,-u,{name}" for name in roots]
    link_with = ["-nostartfiles", "-Wl,--gc-sections", f"-Wl,-e,{entry}", *keep, "-T", "model.ld"]
    if any("#include <math.h>" in text for text in files.values()):
        link_with.append("-lm")
    return read_image(build(toolchain, {**files, **scripts}, flags, link_with, "image.elf"))


def read_image(path: Path) -> Image:
    """What stands in an ELF file.

    Raises:
        MissingDependency: pyelftools is not installed.
    """
    try:
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise MissingDependency("pyelftools", "measuring images", _INSTALL) from None
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = []
        for section in elf.iter_sections():
            flags = section["sh_flags"]
            if flags & 2 and section["sh_size"]:  # SHF_ALLOC
                start, size = section["sh_addr"], section["sh_size"]
                writable = bool(flags & 1) or section["sh_type"] == "SHT_NOBITS"
                content = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()
                sections.append(Section(section.name, start, start + size, writable, content))
        thumb = elf["e_machine"] == "EM_ARM"
        table = elf.get_section_by_name(".symtab")
        if table is None:
            raise EdgeqError("The linked image has no symbols.", str(path))
        symbols = {
            symbol.name: (_address(symbol, thumb=thumb), symbol["st_size"])
            for symbol in table.iter_symbols()
            if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"
        }
        noted = elf.get_section_by_name(".eq_marks")
        raw = b"" if noted is None else noted.data()
    marks = sorted((address & ~1, op) for op, address in struct.iter_unpack("<II", raw))
    # A table of addresses calls itself writable to be filled in by a loader; in flash it is not.
    ram, _ = symbols.get("eq_model_ram", (0, 0))
    placed = tuple(replace(s, writable=s.writable and s.start >= ram) for s in sections)
    return Image(path, placed, symbols, tuple(marks))


_INSTALL = "pip install 'edgeq[firmware]'"


def _address(symbol: object, *, thumb: bool) -> int:
    value: int = symbol["st_value"]  # type: ignore[index]
    is_function = symbol["st_info"]["type"] == "STT_FUNC"  # type: ignore[index]
    return value & ~1 if thumb and is_function else value
