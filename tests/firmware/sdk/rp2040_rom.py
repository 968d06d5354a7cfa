"""A small boot ROM for emulated RP2040s, which come without the chip's own.

Images made with the Pico SDK take memcpy, memset and counting of bits from the ROM (RP2040
datasheet, 2.8.3). Here they are as C; the tables of float functions are empty.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROM_BYTES = 16 << 10
_SOURCE = """
#include <stdint.h>

static void *copy(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = from[i];
    }
    return to;
}

static void *fill(uint8_t *to, uint32_t byte, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)byte;
    }
    return to;
}

static uint32_t ones(uint32_t x)
{
    uint32_t count = 0;
    for (; x != 0; x &= x - 1) {
        count++;
    }
    return count;
}

static uint32_t zeros_below(uint32_t x)
{
    return x == 0 ? 32 : ones((x & -x) - 1);
}

static uint32_t reversed(uint32_t x)
{
    uint32_t result = 0;
    for (int i = 0; i < 32; i++) {
        result = result << 1 | (x >> i & 1);
    }
    return result;
}

static uint32_t zeros_above(uint32_t x)
{
    return zeros_below(reversed(x));
}

static void *look_up(const uint16_t *table, uint32_t code)
{
    for (; table[0] != 0; table += 2) {
        if (table[0] == code) {
            return (void *)(uint32_t)table[1];
        }
    }
    return 0;
}

__attribute__((used)) static uint8_t no_floats[256];
__attribute__((used)) static void *const keep[] = {
    copy, fill, ones, zeros_below, zeros_above, reversed, look_up,
};

/* Version 2, and halfwords that point at the tables. */
__asm__(".section .head, \\"a\\"\\n"
        ".space 16\\n"
        ".byte 'M', 'u', 1, 2\\n"
        ".hword functions, data, look_up + 1\\n"
        ".p2align 2\\n"
        "functions:\\n"
        ".ascii \\"MC\\"\\n.hword copy + 1\\n"
        ".ascii \\"C4\\"\\n.hword copy + 1\\n"
        ".ascii \\"MS\\"\\n.hword fill + 1\\n"
        ".ascii \\"S4\\"\\n.hword fill + 1\\n"
        ".ascii \\"P3\\"\\n.hword ones + 1\\n"
        ".ascii \\"L3\\"\\n.hword zeros_above + 1\\n"
        ".ascii \\"T3\\"\\n.hword zeros_below + 1\\n"
        ".ascii \\"R3\\"\\n.hword reversed + 1\\n"
        ".hword 0\\n"
        ".p2align 2\\n"
        "data:\\n"
        ".ascii \\"SF\\"\\n.hword no_floats\\n"
        ".ascii \\"SD\\"\\n.hword no_floats\\n"
        ".hword 0\\n"
        ".previous\\n");
"""
_SCRIPT = "SECTIONS { .rom 0 : { *(.head) *(.text*) *(.rodata*) *(.bss*) *(.data*) } }\n"


def write_rom(folder: Path) -> Path:
    """The ROM's image, for the emulator."""
    source, script, elf, rom = (folder / name for name in ("rom.c", "rom.ld", "rom.elf", "rom.bin"))
    source.write_text(_SOURCE)
    script.write_text(_SCRIPT)
    flags = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-ffreestanding", "-fno-builtin", "-nostdlib"]
    flags += ["-fno-toplevel-reorder", "-fno-tree-loop-distribute-patterns"]
    command = ["arm-none-eabi-gcc", *flags, "-T", str(script), str(source), "-o", str(elf)]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(rom)], check=True)
    rom.write_bytes(rom.read_bytes().ljust(ROM_BYTES, b"\0"))
    return rom
