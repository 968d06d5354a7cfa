"""An ELF file with a boot loader's two words in front: the stack and the entry of the image behind.

Boards whose flash begins with a boot loader hand over to the image behind it; an emulator that has
no boot loader begins at address 0, as the chip does.
"""

from __future__ import annotations

import struct
from pathlib import Path


def add_boot_stub(elf: Path, output: Path) -> None:
    """Write a copy of `elf` with a segment at 0 that holds the first two words of its vectors."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        parsed = ELFFile(file)
        segments = [
            (segment["p_paddr"], segment.data())
            for segment in parsed.iter_segments("PT_LOAD")
            if segment["p_filesz"]
        ]
        vectors = parsed.get_section_by_name(".text").data()[:8]
        entry = parsed.header["e_entry"]
    segments.insert(0, (0, vectors))
    header_bytes, entry_bytes = 52, 32
    offset = header_bytes + entry_bytes * len(segments)
    head = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        2,  # executable
        40,  # Arm
        1,
        entry,
        header_bytes,
        0,
        0x05000000,
        header_bytes,
        entry_bytes,
        len(segments),
        40,
        0,
        0,
    )
    table, body = b"", b""
    for address, data in segments:
        size = len(data)
        table += struct.pack("<8I", 1, offset + len(body), address, address, size, size, 5, 4)
        body += data
    output.write_bytes(head + table + body)
