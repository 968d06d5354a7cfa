"""UF2 and Intel HEX against other people's readers."""

import io
import shutil
import struct
import subprocess

import pytest

from edgeq.boards.target import all_targets
from edgeq.firmware.formats import Segment, intel_hex, read_segments, uf2
from tests.firmware.boards import build
from tests.tools import need

SEGMENTS = [
    Segment(0x10000000, bytes(range(200))),
    Segment(0x100000C8, b"\x55" * 300),
    Segment(0x1000FFF8, b"\xaa" * 16),
]


def test_intel_hex_is_read_back_by_the_intelhex_package():
    intelhex = pytest.importorskip("intelhex")
    image = intelhex.IntelHex(io.StringIO(intel_hex(SEGMENTS)))
    for segment in SEGMENTS:
        assert image.tobinstr(segment.address, size=len(segment.data)) == segment.data


def test_intel_hex_equals_objcopys_content(models, tmp_path):
    need(shutil.which("arm-none-eabi-objcopy"), "arm-none-eabi-objcopy")
    elf = build([models / "sww_int8.tflite"], tmp_path / "sww", "nucleo-f446re", name="sww")
    ours = tmp_path / "ours.hex"
    ours.write_text(intel_hex(read_segments(elf)))
    binary = tmp_path / "back.bin"
    command = ["arm-none-eabi-objcopy", "-I", "ihex", "-O", "binary", ours, binary]
    subprocess.run(command, check=True)
    assert binary.read_bytes() == elf.with_suffix(".bin").read_bytes()


def test_uf2_blocks_are_whole_and_numbered():
    data = uf2(SEGMENTS, 0xE48BFF56)
    blocks = [data[start : start + 512] for start in range(0, len(data), 512)]
    memory = {}
    for number, block in enumerate(blocks):
        first, second, flags, address, size, index, count, family = struct.unpack("<8I", block[:32])
        assert (first, second) == (0x0A324655, 0x9E5D5157)
        assert (flags, size, index, count) == (0x2000, 256, number, len(blocks))
        assert family == 0xE48BFF56
        assert struct.unpack("<I", block[508:])[0] == 0x0AB16F30
        assert address % 256 == 0
        memory.update({address + offset: block[32 + offset] for offset in range(256)})
    for segment in SEGMENTS:
        found = bytes(memory[segment.address + offset] for offset in range(len(segment.data)))
        assert found == segment.data


def test_uf2_is_read_back_by_microsofts_converter():
    converter = pytest.importorskip("adafruit_uf2.uf2conv")
    whole = bytearray(b"\xff" * 512 + b"\0" * (0x1000FF00 - 0x10000200) + b"\xff" * 512)
    for segment in SEGMENTS:
        start = segment.address - 0x10000000
        whole[start : start + len(segment.data)] = segment.data
    data = uf2(SEGMENTS, 0xE48BFF56)
    assert converter.is_uf2(data)
    assert converter.convert_from_uf2(data) == bytes(whole)


def test_uf2_families_are_those_of_microsofts_list():
    converter = pytest.importorskip("adafruit_uf2.uf2conv")
    listed = set(converter.load_families().values())
    families = {
        target.name: int(target.flash_tools["uf2"].partition(":")[0], 16)
        for target in all_targets()
        if "uf2" in target.flash_tools
    }
    assert families
    assert {name for name, family in families.items() if family not in listed} == set()


def test_intel_hex_is_read_back_by_bincopy():
    bincopy = pytest.importorskip("bincopy")
    file = bincopy.BinFile()
    file.add_ihex(intel_hex(SEGMENTS))
    found = {segment.minimum_address: bytes(segment.data) for segment in file.segments}
    assert found == {
        0x10000000: SEGMENTS[0].data + SEGMENTS[1].data,
        SEGMENTS[2].address: SEGMENTS[2].data,
    }
