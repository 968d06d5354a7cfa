"""Images for flashing out of an ELF file: UF2 and Intel HEX."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError, MissingDependency

_UF2_PAYLOAD = 256
_UF2_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_UF2_HAS_FAMILY = 0x2000


@dataclass(frozen=True)
class Segment:
    """Bytes that belong at one address of the flash."""

    address: int
    data: bytes


def read_segments(elf: Path) -> list[Segment]:
    """What an ELF file loads, by physical address, in order.

    Raises:
        EdgeqError: The file is no ELF file, or loads nothing.
    """
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise MissingDependency(
            "pyelftools", "reading images", 'pip install "edgeq[firmware]"'
        ) from None
    try:
        with elf.open("rb") as file:
            found = [
                Segment(segment["p_paddr"], segment.data())
                for segment in ELFFile(file).iter_segments("PT_LOAD")
                if segment["p_filesz"]
            ]
    except (OSError, ELFError) as error:
        raise EdgeqError(f"The image cannot be read: {error}.", where=str(elf)) from error
    if not found:
        raise EdgeqError("The image holds nothing to flash.", where=str(elf))
    return sorted(found, key=lambda segment: segment.address)


def uf2(segments: Sequence[Segment], family: int) -> bytes:
    """The segments as a UF2 file.

    Args:
        segments: By address.
        family: The family number that the boot loader accepts.

    Source: Microsoft, "USB Flashing Format (UF2)".
    """
    pages = _pages(segments)
    blocks = []
    for number, (address, data) in enumerate(sorted(pages.items())):
        head = struct.pack(
            "<8I",
            *_UF2_MAGIC[:2],
            _UF2_HAS_FAMILY,
            address,
            _UF2_PAYLOAD,
            number,
            len(pages),
            family,
        )
        blocks.append((head + bytes(data)).ljust(508, b"\0") + struct.pack("<I", _UF2_MAGIC[2]))
    return b"".join(blocks)


def _pages(segments: Sequence[Segment]) -> dict[int, bytearray]:
    """Whole pages of flash, so that two segments in one page become one block."""
    pages: dict[int, bytearray] = {}
    for segment in segments:
        for offset, byte in enumerate(segment.data):
            page, within = divmod(segment.address + offset, _UF2_PAYLOAD)
            pages.setdefault(page * _UF2_PAYLOAD, bytearray(b"\xff" * _UF2_PAYLOAD))[within] = byte
    return pages


def intel_hex(segments: Sequence[Segment]) -> str:
    """The segments as an Intel HEX file with 32-bit addresses.

    Source: Intel, "Hexadecimal Object File Format Specification", revision A.
    """
    lines, high = [], -1
    for segment in segments:
        position = 0
        while position < len(segment.data):
            address = segment.address + position
            if address >> 16 != high:
                high = address >> 16
                lines.append(_hex_record(4, 0, struct.pack(">H", high)))
            # A record must not run over the end of its 64 KB.
            count = min(16, len(segment.data) - position, 0x10000 - (address & 0xFFFF))
            part = segment.data[position : position + count]
            lines.append(_hex_record(0, address & 0xFFFF, part))
            position += count
    return "\n".join([*lines, _hex_record(1, 0, b"")]) + "\n"


def _hex_record(kind: int, address: int, data: bytes) -> str:
    raw = struct.pack(">BHB", len(data), address, kind) + data
    return f":{raw.hex().upper()}{-sum(raw) & 0xFF:02X}"
