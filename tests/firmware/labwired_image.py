"""An image as `edgeq build` leaves it, with what labwired 0.25 cannot do put right.

Some instructions labwired stops at or carries out wrongly (found by running each instruction of the
kernels with five sets of operands and comparing with QEMU):

    SSAT, and USAT with a shift     it stops
    SXTB16                          as if it were not there
    VLDR with a literal             reads another address

Each of them is overwritten by a branch to instructions behind the image that do the same, and a
branch back. All other bytes are the image's own.
"""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

# As objdump writes them. What stands in an IT block has a condition in its name, and is not found.
_SSAT = re.compile(r"ssat\t(\w+), #(\d+), (\w+)(?:, (asr|lsl) #(\d+))?$")
_SXTB16 = re.compile(r"sxtb16\t(\w+), (\w+)(?:, ror #(8))?$")
_VLDR = re.compile(r"vldr\td(\d+), \[pc, #(-?\d+)\]$")
# Wrong in labwired too, but in none of our images.
_UNKNOWN = re.compile(
    r"(usat\t.*(asr|lsl)|[su]xta?b16|pkh(bt|tb)|[su]sat16|q(d?add|d?sub)|uq|uh|usad)"
)


@dataclass(frozen=True)
class Instruction:
    """One 4-byte instruction: where it lies, and its text."""

    address: int
    text: str


def labwired_image(elf: Path, output: Path, *, boots_at_0: bool) -> int:
    """Write an ELF file that labwired can run; returns how many instructions were replaced.

    Args:
        elf: The image.
        output: Where the copy goes.
        boots_at_0: Add the vectors' first two words at address 0, where labwired starts chips whose
            image lies behind a boot loader, or in a memory with two addresses.
    """
    from edgeq.firmware.formats import Segment, read_segments

    segments = [Segment(s.address, bytearray(s.data)) for s in read_segments(elf)]
    sites = _sites(elf)
    if sites:
        _patch(segments, sites, output.with_suffix(".s"))
    if boots_at_0:
        segments.insert(0, Segment(0, bytearray(segments[0].data[:8])))
    output.write_bytes(_elf(segments))
    return len(sites)


def _sites(elf: Path) -> list[Instruction]:
    command = ["arm-none-eabi-objdump", "-d", str(elf)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for line in listing.splitlines():
        address, _, rest = line.partition(":\t")
        text = rest.partition("\t")[2].partition("@")[0].strip()
        if any(known.match(text) for known in (_SSAT, _SXTB16, _VLDR)):
            found.append(Instruction(int(address, 16), text))
        else:
            assert not _UNKNOWN.match(text), f"labwired does not know {text}"
    return found


def _patch(segments, sites, source: Path) -> None:
    """Branches over the sites, and what they lead to as one more segment."""
    texts = [_same(site, segments) for site in sites]
    lines = [f"t{k}:\n{text}\nb{k}: .word 0" for k, text in enumerate(texts)]
    source.write_text("\n".join([".syntax unified", ".thumb", *lines, ""]))
    code, labels = _assemble(source)
    last = max(segments, key=lambda segment: segment.address + len(segment.data))
    base = (last.address + len(last.data) + 15) & ~15
    for k, site in enumerate(sites):
        segment = next(s for s in segments if 0 <= site.address - s.address < len(s.data))
        at = site.address - segment.address
        segment.data[at : at + 4] = _branch(site.address, base + labels[f"t{k}"])
        back = labels[f"b{k}"]
        code[back : back + 4] = _branch(base + back, site.address + 4)
    segments.append(type(last)(base, code))


def _same(site: Instruction, segments) -> str:
    """Other instructions that do what `site` does; no flag and no other register changes."""
    if found := _SSAT.match(site.text):
        target, bits, source, shift, count = found.groups()
        half = 1 << (int(bits) - 1)
        # Wrong near the ends of 32 bits; were that to happen, the self-test would fail.
        return (
            f"mov.w {target}, {source}{f', {shift} #{count}' if shift else ''}\n"
            f"add.w {target}, {target}, #{half}\nusat {target}, #{bits}, {target}\n"
            f"sub.w {target}, {target}, #{half}"
        )
    if found := _SXTB16.match(site.text):
        target, source, rotation = found.groups()
        low = 1 if rotation else 0
        return (
            f"str {source}, [sp, #-4]!\n"
            f"ldrsb.w {target}, [sp, #{low + 2}]\nstrh.w {target}, [sp, #2]\n"
            f"ldrsb.w {target}, [sp, #{low}]\nstrh.w {target}, [sp]\n"
            f"ldr.w {target}, [sp], #4"
        )
    number, offset = (int(text) for text in _VLDR.match(site.text).groups())
    literal = ((site.address + 4) & ~3) + offset
    segment = next(s for s in segments if 0 <= literal - s.address < len(s.data))
    words = struct.unpack_from("<2I", segment.data, literal - segment.address)
    moves = [
        f"movw r0, #{word & 0xFFFF}\nmovt r0, #{word >> 16}\nvmov s{2 * number + k}, r0"
        for k, word in enumerate(words)
    ]
    return "\n".join(["push {r0}", *moves, "pop {r0}"])


def _assemble(source: Path) -> tuple[bytearray, dict[str, int]]:
    from elftools.elf.elffile import ELFFile

    compiled = source.with_suffix(".o")
    command = ["arm-none-eabi-as", "-mcpu=cortex-m7", "-mfpu=fpv4-sp-d16"]
    subprocess.run([*command, str(source), "-o", str(compiled)], check=True)
    with compiled.open("rb") as file:
        parsed = ELFFile(file)
        code = bytearray(parsed.get_section_by_name(".text").data())
        symbols = parsed.get_section_by_name(".symtab").iter_symbols()
        return code, {symbol.name: symbol["st_value"] for symbol in symbols}


def _branch(here: int, there: int) -> bytes:
    """B.W, encoding T4 (Armv7-M ARM, A7.7.12)."""
    offset = there - here - 4
    assert -(1 << 24) <= offset < 1 << 24
    sign = offset >> 24 & 1
    first, second = (1 ^ (offset >> bit & 1) ^ sign for bit in (23, 22))
    high = 0xF000 | sign << 10 | (offset >> 12 & 0x3FF)
    low = 0x9000 | first << 13 | second << 11 | (offset >> 1 & 0x7FF)
    return struct.pack("<HH", high, low)


def _elf(segments) -> bytes:
    """An ELF file for Arm that loads the segments."""
    header_bytes, entry_bytes = 52, 32
    start = header_bytes + entry_bytes * len(segments)
    entry = struct.unpack_from("<I", segments[0].data, 4)[0]
    head = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        *(2, 40, 1),  # executable, Arm, version
        entry,
        *(header_bytes, 0, 0x05000000),  # program headers, no sections, EABI 5
        *(header_bytes, entry_bytes, len(segments), 40, 0, 0),
    )
    table, body = b"", b""
    for segment in segments:
        size = len(segment.data)
        offset = start + len(body)
        address = segment.address
        table += struct.pack("<8I", 1, offset, address, address, size, size, 5, 4)
        body += segment.data
    return head + table + body
