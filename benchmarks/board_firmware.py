"""Published firmware images of MLPerf Tiny in the emulator: the instructions of one inference.

A submitter's image is started as on its board, with just enough of the chip around it: memory,
registers that hold what is written and say "ready", a UART that types the benchmark's commands, and
a system tick. Between the two time stamps that the firmware itself prints around `infer 1`, the
code is counted as edgeq counts its own.

Nothing here is of any chip in particular but the addresses of STM32 UARTs and of the field that
echoes which clock is selected.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import unicorn
from unicorn import arm_const as arm

from edgeq.boards.target import Target
from edgeq.compiler.build.image import Section
from edgeq.devices.sim.blocks import OpCount
from edgeq.devices.sim.machine import CORES
from edgeq.devices.sim.watch import Watch

FLASH = 0x08000000
_RAM = ((0x00000000, 1 << 17), (0x20000000, 1 << 22), (0x24000000, 1 << 21), (0x30000000, 1 << 19))
_PERIPHERALS = ((0x40000000, 0x20000000), (0xE0000000, 0x00200000))
_RETURN = 0x1F000000
_UARTS = (
    0x40004400, 0x40004800, 0x40004C00, 0x40005000, 0x40008000, 0x40011000, 0x40011400, 0x40013800,
    0x40042400, 0x46002400,
)  # fmt: skip
# USART: ISR, RDR, TDR; in ISR: TXE, TC, TEACK, REACK, and RXNE when there is something.
_CR1, _ISR, _RDR, _TDR = 0x00, 0x1C, 0x24, 0x28
_IDLE, _RECEIVED = 0x006000C0, 0x20
_TICK_BLOCKS = 20_000


@dataclass(frozen=True)
class Chip:
    """What the emulator has to know of a chip.

    Attributes:
        clock_echo: Address of the register in which the selected clock is echoed, how many bits
            left of it the echo stands, and the field's mask.
        reset: Registers whose value after reset is needed: which oscillators are on.
        oscillators: The bits that turn them on; each is ready one or two bits further left.
    """

    clock_echo: tuple[int, int, int]
    reset: tuple[tuple[int, int], ...] = ()
    oscillators: int = 0x01010101


CHIPS = {
    "stm32g0": Chip((0x40021008, 3, 0x7)),
    "stm32l4": Chip((0x40021008, 2, 0x3)),
    "stm32f7": Chip((0x40023808, 2, 0x3)),
    "stm32h7": Chip((0x58024410, 3, 0x7)),
    "stm32u5": Chip((0x46020C1C, 2, 0x3), ((0x46020C00, 0x11),), 0x01011111),
    "stm32u3": Chip((0x40030C1C, 2, 0x3), ((0x40030C00, 0x11),), 0x01011111),
}


class Board:
    """One image on its board."""

    def __init__(
        self,
        content: bytes,
        target: Target,
        chip: Chip,
    ) -> None:
        self.engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self.engine.ctl_set_cpu_model(getattr(arm, CORES[target.cpu].model))
        self.text = ""
        self.lines: list[str] = []
        self._chip = chip
        self._typed: list[int] = []
        self._registers: dict[int, int] = dict(chip.reset)
        self._written: set[int] = set()
        self._last_read: tuple[int, int] = (0, 0)
        self._random = random.Random(1)
        self._blocks = 0
        self._enabled: set[int] = set()
        self._vectors = FLASH
        self._watching = False
        flash = -(-len(content) // 4096) * 4096
        self.engine.mem_map(FLASH, max(flash, 1 << 21))
        self.engine.mem_write(FLASH, content)
        for start, size in _RAM:
            self.engine.mem_map(start, size)
        self.engine.mem_map(_RETURN, 4096)
        for start, size in _PERIPHERALS:
            self.engine.mmio_map(start, size, self._read, start, self._write, start)
        sections = [Section(".text", FLASH, FLASH + len(content), False, content)]
        sections += [Section(f"ram{a:x}", a, a + n, True, b"") for a, n in (*_RAM, *_PERIPHERALS)]
        machine: Any = SimpleNamespace(
            engine=self.engine,
            image=SimpleNamespace(sections=sections, marks=()),
            pc_register=arm.UC_ARM_REG_PC,
            status_register=arm.UC_ARM_REG_CPSR,
        )
        self._watch = Watch(machine, target, 0, always_aligned=False, memory=target.memory_timing)
        self.counts: list[OpCount] = []
        stack, start = struct.unpack("<II", content[:8])
        self.engine.reg_write(arm.UC_ARM_REG_SP, stack)
        self._pc = start
        self.engine.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)

    # -- the chip ------------------------------------------------------------------------------

    def _read(self, engine: Any, offset: int, size: int, start: int) -> int:
        del engine, size
        address = start + offset
        value = self._registers.get(address & ~3, 0) >> 8 * (address & 3)
        uart = next((u for u in _UARTS if u <= (address & ~0x10000000) < u + 0x400), None)
        where = address & 0x3FF
        if uart is not None and where == _ISR:
            return _IDLE | (_RECEIVED if self._typed else 0)
        if uart is not None and where == _RDR:
            return self._typed.pop(0) if self._typed else 0
        last, times = self._last_read
        self._last_read = (address, times + 1 if last == address else 1)
        register, left, mask = self._chip.clock_echo
        if address & ~0x10000000 == register & ~0x10000000:
            selected = self._registers.get(address, 0) & mask
            return value & ~(mask << left) | selected << left
        if address & ~0x10000000 == register & ~0x100000FF:  # oscillators: ready when on
            on = value & self._chip.oscillators
            ready = self._chip.oscillators * 6
            return value & ~ready | on * 6
        if self._last_read[1] > 3:  # somebody waits for it
            value = self._random.getrandbits(32)
            if address not in self._written:
                self._registers[address] = value  # a status, which stays
        return value

    def _write(self, engine: Any, offset: int, size: int, value: int, start: int) -> None:
        del engine
        address = start + offset
        old = self._registers.get(address & ~3, 0)
        shift = 8 * (address & 3)
        mask = ((1 << 8 * size) - 1) << shift
        self._written.add(address & ~3)
        self._registers[address & ~3] = old & ~mask | value << shift & mask
        self._last_read = (0, 0)
        if any(u <= (address & ~0x10000000) < u + 0x400 for u in _UARTS):
            if address & 0x3FF == _TDR:
                self._sent(chr(value & 0xFF))
        elif 0xE000E100 <= address < 0xE000E140:
            first = (address - 0xE000E100) * 8
            self._enabled |= {first + bit for bit in range(32) if value >> bit & 1}
        elif 0xE000E180 <= address < 0xE000E1C0:
            first = (address - 0xE000E180) * 8
            self._enabled -= {first + bit for bit in range(32) if value >> bit & 1}
        elif address == 0xE000ED08:
            self._vectors = value

    def _sent(self, character: str) -> None:
        if self._watching and len(self.text) == 0 and character == "m":
            self.counts = self._watch.counts()
            self._watching = False
        if character == "\n":
            line = self.text.strip()
            self.lines.append(line)
            self.text = ""
            if line.startswith("m-lap-us") and "m-infer-start-1" in self.lines[-2]:
                self._watch.restart()
                self._watching = True
            return
        self.text += character

    def _on_block(self, engine: Any, address: int, size: int, user: Any) -> None:
        del address, size, user
        self._blocks += 1
        if self._blocks % _TICK_BLOCKS == 0 and not self._watching:
            engine.emu_stop()

    # -- running -------------------------------------------------------------------------------

    def _interrupt(self, number: int) -> None:
        """Run the handler of an exception to its end."""
        handler = struct.unpack("<I", self.engine.mem_read(self._vectors + 4 * number, 4))[0]
        kept = self.engine.context_save()
        stack = self.engine.reg_read(arm.UC_ARM_REG_SP)
        self.engine.reg_write(arm.UC_ARM_REG_SP, stack - 64 & ~7)
        self.engine.reg_write(arm.UC_ARM_REG_LR, _RETURN | 1)
        pc = handler | 1
        for _ in range(10_000_000):
            self.engine.emu_start(pc, _RETURN)
            pc = self.engine.reg_read(arm.UC_ARM_REG_PC) | 1
            if pc & ~1 == _RETURN:
                break
        self.engine.context_restore(kept)

    def run(self, until: str, most_ticks: int = 600) -> None:
        """Go on until a line begins with `until`."""
        seen = len(self.lines)
        for _ in range(most_ticks):
            self.engine.emu_start(self._pc | 1, _RETURN)
            self._pc = self.engine.reg_read(arm.UC_ARM_REG_PC)
            self._interrupt(15)
            if self._typed:
                for irq in sorted(self._enabled):
                    if self._typed:
                        self._interrupt(16 + irq)
            if any(until in line for line in self.lines[seen:]):
                return
        raise TimeoutError(f"no '{until}'; last lines: {self.lines[-5:]} {self.text!r}")

    def type(self, command: str) -> None:
        """Send a command over the UART, which the firmware fetches by and by."""
        self._typed += list(command.encode())


def count_inference(image: Path, target: Target, chip: str) -> tuple[int, int]:
    """Instructions and estimated cycles between the firmware's two time stamps, second inference.

    Raises:
        TimeoutError: The image does not get that far here.
    """
    board = Board(image_of(image), target, CHIPS[chip])
    board.run("m-ready")
    board.type("infer 1 1%")
    board.run("m-infer-done", most_ticks=100_000)
    return sum(c.instructions for c in board.counts), sum(c.cycles or 0 for c in board.counts)


def image_of(path: Path) -> bytes:
    """The bytes from the beginning of flash on, of a .bin or Intel .hex file."""
    if path.suffix == ".bin":
        return path.read_bytes()
    content = bytearray()
    high = 0
    for line in path.read_text().split():
        raw = bytes.fromhex(line[1:])
        count, kind = raw[0], raw[3]
        if kind == 4:
            high = int.from_bytes(raw[4:6], "big") << 16
        elif kind == 0:
            offset = high + int.from_bytes(raw[1:3], "big") - FLASH
            content.extend(b"\xff" * (offset + count - len(content)))
            content[offset : offset + count] = raw[4 : 4 + count]
    return bytes(content)
