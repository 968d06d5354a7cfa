"""Cycles of instruction sequences on each core, against what was published of them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from edgeq.boards.memory_timing import Cache, FlashTiming
from edgeq.boards.target import load_target
from edgeq.devices.sim.accuracy import ACCURACY, accuracy_note
from edgeq.devices.sim.cycles import timing_of
from edgeq.devices.sim.isa import disassembler
from edgeq.devices.sim.timing import BlockCycles

ROOT = Path(__file__).parents[2]

# Thumb, as the assembler of binutils 2.40 makes it.
ADD = "8818"  # adds r0, r1, r2
ADD_OTHER = "6b19"  # adds r3, r5, r5
USE = "8318"  # adds r3, r0, r2
LOAD = "0868"  # ldr r0, [r1]
LOAD_OTHER = "1d68"  # ldr r5, [r3]
STORE = "1660"  # str r6, [r2]
SMLAD = "24fb0140"  # smlad r0, r4, r1, r4
SMLAD_NEXT = "20fb0146"  # smlad r6, r0, r1, r4
ACCUMULATE = "25fb0100"  # smlad r0, r5, r1, r0
BRANCH_BACK = "fcd1"  # bne


def cycles(cpu: str, code: str) -> BlockCycles:
    block = list(disassembler(load_target(cpu)).disasm(bytes.fromhex(code), 0x1000))
    timing = timing_of(cpu)
    assert timing is not None
    assert sum(i.size for i in block) == len(code) // 2
    return timing(block)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ADD + ADD_OTHER, 1),  # two sums together
        (ADD + USE, 2),  # the second needs the first
        (LOAD + LOAD_OTHER, 1),  # two loads together
        (LOAD + USE, 3),  # a load's result comes a cycle late
        (STORE + STORE, 2),
        (SMLAD + SMLAD_NEXT, 3),  # one multiplier, and its result comes a cycle late
        (SMLAD + ACCUMULATE, 2),  # but sums are handed on
        (SMLAD + ADD_OTHER, 1),
    ],
)
def test_m7_issues_in_pairs(code: str, expected: int) -> None:
    assert sum(cycles("cortex-m7", code).each) == expected


def test_m7_pays_for_surprises() -> None:
    found = cycles("cortex-m7", ADD + BRANCH_BACK)
    assert (found.jump, found.surprise) == (1, 8)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ADD + ADD_OTHER, 2),
        (LOAD + LOAD_OTHER, 2),
        (LOAD + USE, 3),
        (LOAD + ADD_OTHER + USE, 3),
        (SMLAD + ACCUMULATE, 2),
    ],
)
def test_m33_issues_one_by_one(code: str, expected: int) -> None:
    assert sum(cycles("cortex-m33", code).each) == expected


FLOAT_SUM = "30ee200a"  # vadd.f32 s0, s0, s1
DIVISION, WIDE_DIVISION = "80ee200a", "80ee010b"  # vdiv.f32 s0, s0, s1; vdiv.f64 d0, d0, d1
FLOAT_ROOT = "b1eec00a"  # vsqrt.f32 s0, s0
PUSH = "2ded108b"  # vpush {d8-d15}
LOADS = "bbec020a"  # vldmia r11!, {s0, s1}


@pytest.mark.parametrize(
    ("cpu", "code", "expected"),
    [
        ("cortex-m33", FLOAT_SUM, 1), ("cortex-m33", DIVISION, 14), ("cortex-m33", FLOAT_ROOT, 14),
        ("cortex-m33", PUSH, 16), ("cortex-m33", LOADS, 2),
        ("cortex-m7", FLOAT_SUM, 1), ("cortex-m7", DIVISION, 16), ("cortex-m7", FLOAT_ROOT, 16),
        ("cortex-m7", WIDE_DIVISION, 30), ("cortex-m7", PUSH, 8), ("cortex-m7", DIVISION * 2, 32),
        ("cortex-m4", DIVISION, 14), ("cortex-m4", PUSH, 17), ("cortex-m4", LOADS, 3),
    ],
)  # fmt: skip
def test_floats_that_take_longer_than_a_sum(cpu: str, code: str, expected: int) -> None:
    """Divisions and roots were sums on M33 and M7; a base r10 or r11 was a word on the M4."""
    assert sum(cycles(cpu, code).each) == expected


def test_riscv_waits_for_loads() -> None:
    load, use, other = "03a50500", "33056600", "b3066600"  # lw a0,0(a1); add a0,a2,t1; add a3,..
    uses = "b3066500"  # add a3, a0, t1
    assert sum(cycles("rv32imc", load + uses).each) == 3
    assert sum(cycles("rv32imc", load + other + use).each) == 3
    assert sum(cycles("rv32imc", "33c5c502").each) == 33  # div a0, a1, a2


def test_riscv_branches() -> None:
    branch = "e31ef5fe"  # bne a0, a5, back
    assert (cycles("rv32imc", branch).jump, cycles("rv32imc", branch).surprise) == (2, 0)
    assert (cycles("rv32imac", branch).jump, cycles("rv32imac", branch).surprise) == (0, 2)


def test_flash_waits_by_clock() -> None:
    flash = FlashTiming(
        ((24_000_000, 0), (48_000_000, 1), (64_000_000, 2)),
        Cache(8, 2, 2),
        Cache(),
        next_reads=0,
        bus_cycles=3,
    )
    slow, fast = flash.at(24_000_000), flash.at(64_000_000)
    assert (slow.fetch_cycles, slow.constant_cycles) == (0, 0)
    assert (fast.fetch_cycles, fast.next_cycles, fast.constant_cycles) == (5, 0, 5)
    assert flash.waits_at(25_000_000) == 1


def test_accuracy_is_that_of_the_published_boards() -> None:
    rows = json.loads((ROOT / "benchmarks/published_boards.json").read_text())["rows"]
    by_core: dict[str, list[float]] = {}
    for row in rows:
        error = abs(row["estimated_cycles"] / row["published_cycles"] - 1)
        by_core.setdefault(row["core"], []).append(error)
    assert set(ACCURACY) == set(by_core)
    for core, errors in by_core.items():
        found = ACCURACY[core]
        assert found.count == len(errors)
        assert found.median == pytest.approx(statistics.median(errors), abs=5e-4)
        assert found.worst == pytest.approx(max(errors), abs=5e-4)
        assert found.worst <= 0.35
    every = [error for errors in by_core.values() for error in errors]
    assert statistics.median(every) <= 0.15
    boards = {row["board"] for row in rows}
    assert len(boards) >= 8


def test_what_nobody_measured_is_unchecked() -> None:
    assert accuracy_note("cortex-m3").startswith("unchecked")
    assert "unchecked" not in accuracy_note("cortex-m4")
