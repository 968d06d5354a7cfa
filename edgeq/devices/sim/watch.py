"""Counting and checking what an emulated program does, block by block and access by access."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.boards.memory_timing import MemoryTiming
from edgeq.boards.target import Target
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.image import Image
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.devices.sim.blocks import Block, OpCount, Program
from edgeq.devices.sim.isa import allows, disassembler
from edgeq.devices.sim.machine import STACK_BYTES, STACK_TOP, Machine

_SOURCE = Path(__file__).with_name("hooks.c")
_u32, _pointer = ctypes.c_uint32, ctypes.c_void_p
OUTSIDE, MISALIGNED = 1, 2


class _Watch(ctypes.Structure):
    """`eq_watch` of hooks.c."""

    _fields_ = (
        ("code_start", _u32),
        ("slots", _u32),
        ("code", _pointer),
        ("next_mark", _pointer),
        ("mark_op", _pointer),
        ("entries", _pointer),
        ("jumps", _pointer),
        ("block_bytes", _pointer),
        ("extra_cycles", _pointer),
        ("code_cache", _pointer),
        ("data_cache", _pointer),
        ("fetch_cycles", _u32),
        ("next_cycles", _u32),
        ("constant_cycles", _u32),
        ("last_line", _u32),
        ("ranges", _pointer),
        ("range_count", _u32),
        ("always_aligned", _u32),
        ("op", _u32),
        ("last_slot", _u32),
        ("last_end", _u32),
        ("fault", _u32),
        ("fault_op", _u32),
        ("fault_address", _u32),
        ("fault_bytes", _u32),
        ("fault_writes", _u32),
        ("fault_pc", _u32),
        ("pc_register", ctypes.c_int32),
        ("status_register", ctypes.c_int32),
        ("stop", _pointer),
        ("read_register", _pointer),
        ("write_register", _pointer),
    )


class _Cache(ctypes.Structure):
    """`eq_cache` of hooks.c."""

    _fields_ = (("line_shift", _u32), ("sets", _u32), ("ways", _u32), ("lines", _pointer))


@dataclass(frozen=True)
class Fault:
    """The first access that was not allowed.

    Attributes:
        kind: OUTSIDE or MISALIGNED.
        op: What ran: 0 before the first op, then one more than the op's position.
    """

    kind: int
    op: int
    pc: int
    address: int
    size_bytes: int
    writes: bool


@dataclass(frozen=True)
class Forbidden:
    """An executed instruction that the CPU does not have; `op` as in Fault."""

    op: int
    pc: int
    text: str


class Watch:
    """Counters and checks on one machine, from its creation on."""

    def __init__(
        self,
        machine: Machine,
        target: Target,
        ops: int,
        *,
        always_aligned: bool,
        memory: MemoryTiming | None = None,
    ) -> None:
        self._target = target
        self._disassembler = disassembler(target)
        self._program = Program(machine.image, target)
        self._ops = ops
        code = self._program
        slots = (code.end - code.start + 1) // 2
        next_mark, mark_op = _mark_tables(code.marks, code.start, slots)
        self._entries = np.zeros((ops + 2, slots), np.uint64)
        self._jumps = np.zeros((ops + 2, slots), np.uint64)
        self._extra = np.zeros(ops + 2, np.uint64)
        self._block_bytes = np.zeros(slots, np.uint32)
        ranges = _ranges(machine.image)
        text = np.frombuffer(code.content + b"\0", np.uint8)
        self._kept = (next_mark, mark_op, ranges, text)  # hooks.c holds their addresses
        state = _Watch(code.start, slots)
        for name, array in (
            ("code", text),
            ("next_mark", next_mark),
            ("mark_op", mark_op),
            ("entries", self._entries),
            ("jumps", self._jumps),
            ("block_bytes", self._block_bytes),
            ("extra_cycles", self._extra),
            ("ranges", ranges),
        ):
            setattr(state, name, array.ctypes.data)
        state.range_count = len(ranges)
        state.always_aligned = always_aligned
        state.last_slot = slots
        state.pc_register = machine.pc_register
        state.status_register = machine.status_register
        self._caches = _memory(state, memory) if memory else ()
        self._state = state
        _install(machine, state)

    def restart(self) -> None:
        """Forget what has been counted; a new call begins."""
        for array in (self._entries, self._jumps, self._extra):
            array.fill(0)
        self._state.op = 0
        self._state.last_slot = self._state.slots
        self._state.fault = 0

    def fault(self) -> Fault | None:
        """The first access that was not allowed, if there was one."""
        state = self._state
        if not state.fault:
            return None
        op = self.op_at(state.fault_op, state.fault_pc)
        return Fault(
            state.fault,
            op,
            state.fault_pc,
            state.fault_address,
            state.fault_bytes,
            bool(state.fault_writes),
        )

    @property
    def op(self) -> int:
        """What runs now, or ran last: 0 before the first op, then its position and one."""
        return int(self._state.op)

    def op_at(self, op: int, pc: int) -> int:
        """The op at `pc` in the last block, at whose end `op` was running."""
        end = self._state.last_end
        not_yet = [number for address, number in self._program.marks if pc < address < end]
        return min(not_yet) - 1 if op in not_yet else op

    def forbidden(self) -> Forbidden | None:
        """An executed instruction that the CPU does not have, if there is one."""
        allowed = allows(self._target)
        for slot in np.flatnonzero(self._entries.sum(axis=0)).tolist():
            op = int(np.flatnonzero(self._entries[:, slot])[0])
            found = self._first_forbidden(slot, op, allowed)
            if found:
                return found
        return None

    def instruction_at(self, address: int) -> Any:
        """The (capstone) instruction at an address; None if there is none."""
        offset = address - self._program.start
        raw = self._program.content[offset : offset + 4]
        return next(self._disassembler.disasm(raw, address), None)

    def accesses_memory(self, address: int) -> bool:
        """Whether the instruction at an address loads or stores."""
        from capstone import CS_OP_MEM

        instruction = self.instruction_at(address)
        operands = instruction.operands if instruction else ()
        return any(operand.type == CS_OP_MEM for operand in operands)

    def counts(self) -> list[OpCount]:
        """What was counted: before the first op, then per op, then behind the last."""
        if self._state.last_slot < self._state.slots:
            # The return to the caller is a jump too, but no block follows it.
            self._jumps[self._state.op, self._state.last_slot] += np.uint64(1)
            self._state.last_slot = self._state.slots
        slots = self._entries.shape[1]
        ran = np.union1d(np.flatnonzero(self._entries), np.flatnonzero(self._jumps))
        blocks = [
            Block(
                self._program.start + 2 * slot,
                int(self._block_bytes[slot]),
                op,
                int(self._entries[op, slot]),
                int(self._jumps[op, slot]),
            )
            for op, slot in (divmod(place, slots) for place in ran.tolist())
        ]
        return self._program.counts(blocks, self._ops, self._extra.tolist())

    def _first_forbidden(self, slot: int, op: int, allowed: Any) -> Forbidden | None:
        start = self._program.start + 2 * slot
        for instruction in self._program.instructions(start, int(self._block_bytes[slot])):
            if not allowed(instruction):
                owner = self._program.owner(op, start, instruction.address)
                text = f"{instruction.mnemonic} {instruction.op_str}".strip()
                return Forbidden(owner, instruction.address, text)
        return None


def _mark_tables(
    marks: Sequence[tuple[int, int]], start: int, slots: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """`next_mark` and `mark_op` of hooks.c."""
    mark_op = np.zeros(slots + 1, np.uint32)
    for address, op in marks:
        mark_op[(address - start) // 2] = op
    next_mark = np.full(slots + 2, 0xFFFFFFFF, np.uint32)
    following = 0xFFFFFFFF
    for slot in range(slots, -1, -1):
        following = slot if mark_op[slot] else following
        next_mark[slot] = following
    return next_mark, mark_op


def _memory(state: _Watch, memory: MemoryTiming) -> tuple[Any, ...]:
    """Set up the caches; what is returned has to live as long as the state."""
    kept: list[Any] = []
    for name, size in (("code_cache", memory.code), ("data_cache", memory.data)):
        sets = max(1, size.lines // max(1, size.ways))
        lines = np.zeros(sets * size.ways, np.uint32)
        found = _Cache(size.line_bytes.bit_length() - 1, sets, size.ways, lines.ctypes.data)
        setattr(state, name, ctypes.addressof(found))
        kept += [lines, found]
    for name in ("fetch_cycles", "next_cycles", "constant_cycles"):
        setattr(state, name, getattr(memory, name))
    return tuple(kept)


def _ranges(image: Image) -> np.ndarray[Any, Any]:
    """What the program may touch: RAM first, where most accesses go."""
    parts = [(STACK_TOP - STACK_BYTES, STACK_TOP, 1)]
    parts += [(s.start, s.end, int(s.writable)) for s in image.sections]
    return np.array(sorted(parts, key=lambda part: -part[2]), np.uint32)


@cache
def _hooks() -> ctypes.CDLL:
    suffix = ".dll" if sys.platform == "win32" else ".so"
    flags = ["-std=c99", "-O2", "-fPIC"]
    files = {"hooks.c": _SOURCE.read_text()}
    return ctypes.CDLL(str(build(host_toolchain(), files, flags, ["-shared"], f"hooks{suffix}")))


def _install(machine: Machine, state: _Watch) -> None:
    """Let Unicorn call hooks.c itself, without Python in between."""
    import unicorn
    from unicorn.unicorn_py3.unicorn import uclib

    state.stop = ctypes.cast(uclib.uc_emu_stop, _pointer).value
    state.read_register = ctypes.cast(uclib.uc_reg_read, _pointer).value
    state.write_register = ctypes.cast(uclib.uc_reg_write, _pointer).value
    hooks = _hooks()
    everywhere = (ctypes.c_uint64(1), ctypes.c_uint64(0))
    for kind, function in (
        (unicorn.UC_HOOK_BLOCK, hooks.eq_on_block),
        (unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, hooks.eq_on_access),
    ):
        handle = ctypes.c_size_t()
        callback = ctypes.cast(function, _pointer)
        status = uclib.uc_hook_add(
            machine.engine._uch,
            ctypes.byref(handle),
            kind,
            callback,
            ctypes.byref(state),
            *everywhere,
        )
        if status:
            raise unicorn.UcError(status)
