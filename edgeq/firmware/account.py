"""The account of an image: flash and RAM by part, held against each memory of the board.

`linked_project` links the very image that `edgeq build` would make, with the same compiler,
options, linker script and order of files, but without CMake and with everything cached: so what
an image takes is known before there is a project, and it is known for boards that it is too large
for as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.boards.target import Region, Target
from edgeq.compiler.build.compiler import DoesNotFit, build
from edgeq.compiler.build.image import Section, read_image
from edgeq.compiler.build.toolchain import Toolchain, cross_toolchain
from edgeq.errors import MissingDependency
from edgeq.firmware.layout import bare_metal_options
from edgeq.firmware.linkmap import Share, read_shares
from edgeq.firmware.model import FirmwareModel
from edgeq.firmware.project import lay_out
from edgeq.firmware.rendering import render_file

TEMPLATE = "bare-metal"
_ROOM_BYTES = 64 << 20
_ELF, _MAP = "image.elf", "image.map"


@dataclass(frozen=True)
class RegionUse:
    """What an image takes of one memory of the board.

    Attributes:
        name: The region's name in the target file.
        kind: "flash" or "ram".
        size_bytes: Its size.
        used_bytes: What is taken, the reserve for the stack included.
    """

    name: str
    kind: str
    size_bytes: int
    used_bytes: int

    @property
    def left_bytes(self) -> int:
        """What is left over; negative is missing."""
        return self.size_bytes - self.used_bytes


@dataclass(frozen=True)
class ImageAccount:
    """What a linked image takes.

    Attributes:
        parts: By owner (`edgeq.firmware.linkmap.OWNERS`) and "alignment"; their sums are
            `flash_bytes` and `static_ram_bytes`.
        regions: Against each memory that it lies in.
        flash_bytes: All flash, initial values of RAM included.
        static_ram_bytes: All RAM but the stack.
        stack_bytes: RAM that the linker script keeps for the stack at least.
        golden: Whether known answers for the self-test are in it.
        compiler: What made it.
        flags: What the compiler was told.
        map: The linker's map.
    """

    parts: tuple[Share, ...]
    regions: tuple[RegionUse, ...]
    flash_bytes: int
    static_ram_bytes: int
    stack_bytes: int
    golden: bool
    compiler: str
    flags: tuple[str, ...]
    map: Path

    @property
    def ram_bytes(self) -> int:
        """All RAM, the reserve for the stack included."""
        return self.static_ram_bytes + self.stack_bytes

    @property
    def fits(self) -> bool:
        """Whether every memory holds its part."""
        return all(region.left_bytes >= 0 for region in self.regions)

    def to_json(self) -> dict[str, Any]:
        """The account as plain values; the map's place is the user's machine's own."""
        return {
            "template": TEMPLATE,
            "golden": self.golden,
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "static_ram_bytes": self.static_ram_bytes,
            "stack_bytes": self.stack_bytes,
            "parts": list(self.parts),
            "regions": [
                {
                    "name": region.name,
                    "kind": region.kind,
                    "size_bytes": region.size_bytes,
                    "used_bytes": region.used_bytes,
                    "left_bytes": region.left_bytes,
                }
                for region in self.regions
            ],
            "compiler": self.compiler,
            "compiler_flags": list(self.flags),
        }


def linked_project(models: Sequence[FirmwareModel], target: Target) -> ImageAccount:
    """The account of the bare-metal project around some models, linked now or before.

    Raises:
        MissingDependency: There is no GNU compiler for the board; zig has neither its C library nor
            a linker that writes a map.
        EdgeqError: The compiler fails, or the target has no bare-metal project.
    """
    toolchain = cross_toolchain(target)
    if "gcc" not in toolchain.name:
        what, package = "A GNU compiler for the board", "gcc-arm-none-eabi"
        if target.toolchain == "riscv":
            package = "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
        raise MissingDependency(what, "the account of an image", f"apt install {package}")
    layout, files = lay_out(models, target, TEMPLATE, models[0].name)
    try:
        elf = _link(toolchain, files, layout.context)
    except DoesNotFit:
        # Memory enough for any image; nothing else of the layout changes.
        room = tuple(replace(region, size_bytes=_ROOM_BYTES) for region in target.memory)
        context = {**layout.context, "target": replace(target, memory=room)}
        script = render_file(f"{TEMPLATE}/memory.ld", context)
        elf = _link(toolchain, {**files, "memory.ld": script}, context)
    account = account_of(elf, elf.with_name(_MAP), target, int(layout.context["stack_bytes"]))
    flags = (*toolchain.flags, models[0].optimization)
    golden = any(model.has_selftest for model in models)
    return replace(account, golden=golden, compiler=toolchain.version, flags=flags)


def account_of(elf: Path, map_file: Path, target: Target, stack_bytes: int) -> ImageAccount:
    """The account of a linked image.

    Args:
        elf: The image.
        map_file: The linker's map of it.
        target: The board.
        stack_bytes: What the linker script keeps for the stack.
    """
    sections = [section for section in read_image(elf).sections if section.end > section.start]
    regions = target.memory
    used = dict.fromkeys((region.name for region in regions), 0)
    flash = ram = 0
    for section in sections:
        home = _region_of(section, regions)
        size = section.end - section.start
        used[home.name] += size
        ram += size if home.kind == "ram" else 0
        flash += size if home.kind == "flash" else 0
        if home.kind == "ram" and section.content:
            flash += size  # its initial values
            used[target.regions("flash")[0].name] += size
    used[target.regions("ram")[0].name] += stack_bytes
    shares = [share for share in read_shares(map_file) if share.flash_bytes or share.ram_bytes]
    gaps = Share(
        "alignment",
        flash - sum(share.flash_bytes for share in shares),
        ram - sum(share.ram_bytes for share in shares),
    )
    return ImageAccount(
        parts=(*shares, gaps),
        regions=tuple(
            RegionUse(region.name, region.kind, region.size_bytes, used[region.name])
            for region in regions
            if used[region.name]
        ),
        flash_bytes=flash,
        static_ram_bytes=ram,
        stack_bytes=stack_bytes,
        golden=any(share.owner == "golden" for share in shares),
        compiler="",
        flags=(),
        map=map_file,
    )


def _region_of(section: Section, regions: Sequence[Region]) -> Region:
    """The memory that a section begins in: the last one that starts before it."""
    below = [region for region in regions if region.origin <= section.start]
    return max(below or regions, key=lambda region: region.origin)


def _link(toolchain: Toolchain, files: Mapping[str, str], context: Mapping[str, Any]) -> Path:
    options = bare_metal_options(context["target"], context["optimization"])
    defines = [f"-D{definition}" for definition in context["definitions"]]
    library = options.library if "gcc" in toolchain.name else ()
    link = [*library, *options.link, "-T", "memory.ld", f"-Wl,-Map={_MAP}", *options.libraries]
    return build(
        toolchain,
        {name: text for name, text in files.items() if name.endswith((".c", ".S", ".h", ".ld"))},
        ["-std=gnu99", *options.compile, *defines],
        link,
        _ELF,
        units=context["sources"],
        include=["src", *context["include_folders"]],
    )
