"""Instructions of cores with MVE (Helium): the vector ones by their bits, all others by capstone.

Capstone 5 does not know Armv8.1-M. What timings need of a vector instruction stands in few bits.

Source: Armv8-M Architecture Reference Manual (DDI 0553), C2.2 "Instruction encoding"; the pipeline
of each kind and its latency: LLVM's scheduling model of the Cortex-M55 (ARMScheduleM55.td), which
Arm's own engineers wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Pipe = Literal["load", "store", "integer", "multiply", "control", "loop"]
_LONG = (0b11101, 0b11110, 0b11111)  # the first five bits of a 32-bit instruction
_VECTOR_COPROCESSORS = (14, 15)
# Pipeline and latency of what makes one number of a vector.
_TOTAL: tuple[Pipe, int] = ("multiply", 2)
_EXTREME: tuple[Pipe, int] = ("integer", 3)
_FLOAT_EXTREME: tuple[Pipe, int] = ("multiply", 1)


@dataclass(frozen=True)
class Vector:
    """A vector instruction, a low-overhead branch, or a scalar one that only Armv8.1-M has.

    Attributes:
        address, size: Where it stands, and its bytes.
        pipe: The part of the core that works on it.
        beats: Cycles for which that part is busy.
        latency: Cycles until its result can be read.
        reads, writes: Vector registers.
        scalar_reads, scalar_writes: General-purpose registers.
        address_reads: Vector registers that hold addresses.
        target: Where a low-overhead branch goes back to.
    """

    address: int
    size: int
    pipe: Pipe
    beats: int = 2
    latency: int = 1
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    scalar_reads: frozenset[int] = frozenset()
    scalar_writes: frozenset[int] = frozenset()
    address_reads: frozenset[int] = frozenset()
    target: int = 0


def decode(engine: Any, code: bytes, address: int) -> list[Any]:
    """The instructions of a piece of code: `Vector`, or what capstone makes of them.

    Args:
        engine: A capstone disassembler for Thumb, with details.
        code: Whole instructions.
        address: Of the first one.
    """
    found: list[Any] = []
    offset = 0
    while offset < len(code):
        first = int.from_bytes(code[offset : offset + 2], "little")
        size = 4 if first >> 11 in _LONG else 2
        second = int.from_bytes(code[offset + 2 : offset + 4], "little") if size == 4 else 0
        one = vector(first, second, address + offset) if size == 4 else None
        if one is None:
            raw = code[offset : offset + size]
            one = next(engine.disasm(raw, address + offset, 1), None)
        # A scalar instruction of Armv8.1-M (conditional selects, long shifts): one cycle.
        found.append(one or Vector(address + offset, size, "control", beats=1))
        offset += size
    return found


def vector(first: int, second: int, address: int = 0) -> Vector | None:
    """The vector instruction or low-overhead branch of two halfwords; None if it is another."""
    if first & 0xEC00 != 0xEC00:
        return _loop(first, second, address)
    coprocessor = second >> 8 & 15
    if first & 0xFFE0 == 0xEC00 and coprocessor == 15:
        return _two_lanes(first, second, address)
    if first & 0xEE00 == 0xEC00:
        if coprocessor in _VECTOR_COPROCESSORS:
            return _memory(first, second, address)
        if first & 0xFC00 == 0xFC00 and coprocessor == 8:  # VCMLA, VCADD of floats
            return _plain(first, second, address, "multiply", 2)
        return None
    if first & 0xEF00 == 0xEF00:
        pipe, latency = _same_length(first, second)
        return _plain(first, second, address, pipe, latency)
    return _other(first, second, address)


def _other(first: int, second: int, address: int) -> Vector | None:
    """Where the first byte is EE or FE: all but lanes of one width."""
    if first & 0xFF90 == 0xEE80 and second & 0x0F5F == 0x0B10:  # VDUP
        read = frozenset({second >> 12})
        written = frozenset({first >> 1 & 7})
        return Vector(address, 4, "integer", writes=written, scalar_reads=read)
    if second >> 8 & 15 not in _VECTOR_COPROCESSORS:
        return None
    if (first, second) in ((0xFE71, 0x0F4D), (0xFE31, 0x0F4D)):  # VPST, VPNOT
        return Vector(address, 4, "control", beats=1)
    if first & 0x80:
        return _across(first, second, address)
    if first & 0xFF81 == 0xEE01 and second & 0x0F60 == 0x0F60:  # VIDUP, VDDUP and with wrapping
        count = frozenset({first & 0xE})
        made = frozenset({second >> 13})
        return Vector(address, 4, "integer", writes=made, scalar_reads=count, scalar_writes=count)
    pipe, latency = _different(first, second)
    return _plain(first, second, address, pipe, latency)


def _loop(first: int, second: int, address: int) -> Vector | None:
    """LE, LETP, WLS, DLS and their like; VCTP."""
    if first & 0xFFC0 == 0xF000 and second & 0xF801 == 0xE801:
        return Vector(address, 4, "control", beats=1, scalar_reads=frozenset({first & 15}))
    if first & 0xFF80 != 0xF000 or second & 0xD001 != 0xC001:
        return None
    is_end = first & 0xFFCF == 0xF00F and second & 0xF001 == 0xC001
    if not is_end:
        return Vector(address, 4, "control", beats=1, scalar_reads=frozenset({first & 15}))
    back = (second >> 1 & 0x3FF) << 2 | (second >> 11 & 1) << 1
    return Vector(address, 4, "loop", beats=0, target=address + 4 - back)


def _two_lanes(first: int, second: int, address: int) -> Vector:
    """VMOV between two lanes and two general-purpose registers."""
    scalar = frozenset({first & 15, second & 15})
    lanes = frozenset({second >> 13})
    if first & 0x10:
        return Vector(address, 4, "integer", reads=lanes, writes=lanes, scalar_reads=scalar)
    return Vector(address, 4, "multiply", reads=lanes, scalar_writes=scalar)


def _memory(first: int, second: int, address: int) -> Vector:
    """VLDR, VSTR, VLD2, VLD4, VST2, VST4, gathers and scatters.

    A gather of four words takes as long as any load; where it has more elements, two of them are
    fetched a cycle.
    """
    is_load = bool(first & 0x10)
    register = frozenset({second >> 13})
    # Where the address is not added to and not written back, an offset of zero says one of these.
    special = first & 0x0120 == 0
    by_vector = first & 0xFF00 == 0xFD00 and bool(second & 0x1000)
    scattered = special and not second & 0x1000
    interleaved = first & 0xFF00 == 0xFC00 and bool(second & 0x1000)
    beats, latency, vectors = 2, 1, frozenset[int]()
    if by_vector:
        vectors, latency = frozenset({first >> 1 & 7}), 2
    elif scattered:
        vectors, latency = frozenset({second >> 1 & 7}), 2
        beats = max(2, 8 >> (second >> 7 & 3))
    elif interleaved:
        latency = 2
        register = frozenset((second >> 13) + i for i in range(4 if second & 1 else 2))
    widens = not scattered and not second & 0x1000  # then there are three bits for the base
    bases = frozenset() if by_vector else frozenset({first & (7 if widens else 15)})
    return Vector(
        address,
        4,
        "load" if is_load else "store",
        beats,
        latency,
        reads=frozenset() if is_load else register,
        writes=register if is_load else frozenset(),
        scalar_reads=bases,
        scalar_writes=bases if first & 0x20 else frozenset(),
        address_reads=vectors,
    )


def _plain(first: int, second: int, address: int, pipe: Pipe, latency: int) -> Vector:
    """Lanes by lanes, or by a general-purpose register."""
    is_scalar = first & 0xEF80 == 0xEE00 and bool(second & 0x40)
    destination, one, other = second >> 13, first >> 1 & 7, second >> 1 & 7
    reads = {one} if is_scalar else {one, other}
    if first & 0xEF80 == 0xEF80:  # shifts by constants, and operations of one vector
        reads = {other}
    elif (
        first & 0xEFB1 == 0xEE31
        and second & 0x0F00 == 0x0E00
        and pipe == "integer"
        and second & 0x41
    ):
        reads = {destination} if is_scalar else {destination, other}  # shifts, VQMOVN
    accumulates = pipe == "multiply" and first & 0xEF80 == 0xEE00
    return Vector(
        address,
        4,
        pipe,
        latency=latency,
        reads=frozenset(reads | ({destination} if accumulates else set())),
        writes=frozenset({destination}),
        scalar_reads=frozenset({second & 15}) if is_scalar else frozenset(),
    )


def _same_length(first: int, second: int) -> tuple[Pipe, int]:
    """Pipeline and latency where the first byte is EF or FF: lanes of one width."""
    what, odd = second >> 8 & 15, bool(second & 0x10)
    if not first & 0x80:
        if what >= 12:  # floats
            is_sum = (what == 13 and not odd) or what == 15
            return "multiply", 1 if is_sum else 2
        if what in (9, 11):
            return "multiply", 2
        return "integer", 2 if what == 5 or (what == 4 and odd) else 1
    if first & 0xFFB0 == 0xFFB0 and not odd:
        is_float = first & 2 or (first & 1 and second & 0x400)
        return ("multiply", 2) if is_float else ("integer", 1)
    if first & 0x38 == 0 and odd and not second & 0x80:  # VMOV, VORR ... of a constant
        return ("integer", 1) if what < 12 and what & 1 else ("multiply", 2)
    if what >= 12:
        return "multiply", 2
    return "integer", 2 if what in (2, 6, 7) else 1


def _across(first: int, second: int, address: int) -> Vector:
    """Sums, products and extremes over a whole vector, narrowing shifts, VMOVL."""
    own, reads = frozenset({second >> 13}), frozenset({second >> 1 & 7})
    last = second >> 8 & 15 == 15
    if last and first & 0xEFF0 == 0xEEE0:  # VMAXV and its like, of floats too
        total = frozenset({second >> 12})
        pipe, latency = _FLOAT_EXTREME if first & 0xC == 0xC else _EXTREME
        return Vector(address, 4, pipe, 2, latency, reads, scalar_reads=total, scalar_writes=total)
    if second & 0xC0:  # VSHRN and its like, VSHLL, VMOVL, VSHLC
        narrows = second & 0x0FC1 == 0x0FC1 or first & 0x20 == 0
        return Vector(address, 4, "integer", 2, 3 if narrows else 1, reads=reads | own, writes=own)
    total = frozenset({second >> 13 << 1})
    pipe, latency = _TOTAL
    differences = last and second & 1 and not first & 0x40  # VABAV
    if differences:
        pipe, latency = _EXTREME
    if not (last and first & 0xEFF3 == 0xEEF1):  # all but VADDV have two vectors
        reads |= {first >> 1 & 7}
    added = total if second & 0x20 or differences else frozenset[int]()
    return Vector(address, 4, pipe, 2, latency, reads, scalar_reads=added, scalar_writes=total)


def _different(first: int, second: int) -> tuple[Pipe, int]:
    """Pipeline and latency where the first byte is EE or FE: other widths, scalars, predicates."""
    full, low = first >> 4 & 3 == 3, bool(first & 1)
    is_scalar = bool(second & 0x40)
    if second >> 8 & 15 == 15:
        if full:
            if low and not is_scalar:  # VCMP of floats, or VPSEL
                is_select = first & 0xFF00 == 0xFE00 and second & 0x1081 == 1
                return ("integer", 1) if is_select else ("multiply", 1)
            return ("multiply", 2) if is_scalar or second & 1 else ("integer", 2)
        compares = low and (first & 0xFF00 == 0xFE00 or not is_scalar)
        return ("multiply", 1) if compares else ("integer", 1)
    if full and low:
        shifts = second & 0x1060 == 0x1060 and first & 0x10 and second & 0x40
        if shifts:
            return "integer", 2
        if is_scalar or first & 0xEFFF == 0xEE3F:
            return "multiply", 2
        if first & 2 and second & 0x80:  # VMAXA, VMINA
            return "integer", 1
        return "integer", 3 if second & 1 else 2
    if first & 0xFF81 == 0xFE01 and second & 0x1F60 == 0x1E60:  # VBRSR
        return "integer", 1
    return "multiply", 2
