"""What a program did, block by block, and what that comes to for each op of a model."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.boards.target import Target
from edgeq.compiler.build.image import Image
from edgeq.devices.sim.cycles import timing_of
from edgeq.devices.sim.helium import decode
from edgeq.devices.sim.isa import disassembler


@dataclass(frozen=True)
class Block:
    """How often one basic block was entered in one op.

    Attributes:
        start: Address.
        size: Bytes.
        op: In which it was entered: 0 before the first op, then its position and one.
        entries: How often.
        jumps: How often it ended in a jump.
    """

    start: int
    size: int
    op: int
    entries: int
    jumps: int


@dataclass(frozen=True)
class OpCount:
    """What one op did: instructions, and cycles where the core's timings are documented."""

    instructions: int
    cycles: int | None


class Program:
    """The code of an image and the ops in it.

    Attributes:
        start, end: Of its code.
        content: Its bytes.
        marks: (address, op): from here on that op runs, counted from 1.
        thumb: Whether it is Thumb code; else it is RISC-V.
    """

    def __init__(self, image: Image, target: Target) -> None:
        code = next(section for section in image.sections if section.name == ".text")
        self.start, self.end, self.content = code.start, code.end, code.content
        self.marks = [(a, op + 1) for a, op in image.marks if code.start <= a < code.end]
        self.thumb = target.toolchain != "riscv"
        self._timing = timing_of(target.cpu)
        self._engine = disassembler(target)
        # Capstone knows all instructions of the other cores.
        self._helium = "mve" in target.isa

    def instructions(self, start: int, size: int) -> list[Any]:
        """The instructions of a piece of code: capstone's, or `helium.Vector`."""
        offset = start - self.start
        raw = self.content[offset : offset + size]
        if self._helium:
            return decode(self._engine, raw, start)
        block = list(self._engine.disasm(raw, start))
        if sum(instruction.size for instruction in block) != size:
            raise AssertionError(f"capstone does not know the code at {start:#x}: {raw.hex()}")
        return block

    def owner(self, op: int, start: int, address: int) -> int:
        """The op of an instruction in a block that was entered in `op`."""
        first = bisect.bisect_left(self.marks, (start, 0))
        behind = bisect.bisect_right(self.marks, (address, 1 << 32))
        return self.marks[behind - 1][1] if behind > first else op

    def counts(self, blocks: Iterable[Block], ops: int, extra: Sequence[int] = ()) -> list[OpCount]:
        """What was done before the first op, then per op, then behind the last.

        Args:
            blocks: All that ran.
            ops: How many the model has.
            extra: Further cycles of each, as long as the result.
        """
        instructions = [0] * (ops + 2)
        cycles = [int(more) for more in extra] or [0] * (ops + 2)
        read = _remember(self._read)
        for block in blocks:
            code, times = read(block.start, block.size)
            for position, instruction in enumerate(code):
                owner = self.owner(block.op, block.start, instruction.address)
                instructions[owner] += block.entries
                if times:
                    cycles[owner] += block.entries * times.each[position]
            if times:
                falls = block.entries - block.jumps  # below 0 where an op began inside
                rarer = min(block.jumps, falls) if falls >= 0 else block.jumps
                cycles[block.op] += block.jumps * times.jump + rarer * times.surprise
        known = self._timing is not None
        return [OpCount(i, c if known else None) for i, c in zip(instructions, cycles, strict=True)]

    def _read(self, start: int, size: int) -> tuple[list[Any], Any]:
        code = self.instructions(start, size)
        return code, self._timing(code) if self._timing else None


def _remember(function: Callable[[int, int], Any]) -> Callable[[int, int], Any]:
    known: dict[tuple[int, int], Any] = {}

    def found(start: int, size: int) -> Any:
        if (start, size) not in known:
            known[start, size] = function(start, size)
        return known[start, size]

    return found
