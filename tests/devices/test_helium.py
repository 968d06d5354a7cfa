"""Vector instructions: told apart by their bits as the assembler makes them, and what they take."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from itertools import product

import pytest

from edgeq.boards.target import load_target
from edgeq.devices.sim.cycles import timing_of
from edgeq.devices.sim.helium import Vector, decode, vector
from edgeq.devices.sim.isa import disassembler
from tests.tools import need

_LANES = ("8", "16", "32")
_PLAIN = {
    "integer": ("vadd.i{w} {qqq}|vadd.i{w} {qqr}|vsub.i{w} {qqr}|vhadd.s{w} {qqr}|vqadd.u{w} {qqq}"
        "|vrhadd.u{w} {qqq}|vmax.s{w} {qqq}|vabd.u{w} {qqq}|vabs.s{w} {qq}|vneg.s{w} {qq}"
        "|vshl.s{w} {qqq}|vrshl.s{w} q1, r3|vqrshl.u{w} q1, r3|vshr.u{w} {qq}, #3"
        "|vrshr.s{w} {qq}, #3|vshl.i{w} {qq}, #3|vsri.{w} {qq}, #3|vmaxv.s{w} r3, q1"
        "|vminv.u{w} r3, q1|vabav.s{w} r2, q1, q2|vdup.{w} q5, r11|vclz.i{w} {qq}|vcls.s{w} {qq}"
        "|vqabs.s{w} {qq}|vcadd.i{w} {qqq}, #90|vhcadd.s{w} {qqq}, #90|vbrsr.{w} {qqr}"
        "|vidup.u{w} q1, r2, #1|vmaxa.s{w} {qq}|viwdup.u{w} q1, r2, r3, #1"),
    "multiply": ("vmul.i{w} {qqq}|vmul.i{w} {qqr}|vmulh.s{w} {qqq}|vrmulh.u{w} {qqq}"
        "|vmullb.s{w} {qqq}|vmladav.s{w} r2, q1, q3|vmladava.u{w} r4, q1, q3|vaddv.s{w} r2, q1"
        "|vaddva.u{w} r2, q1|vmlsdav.s{w} r2, q1, q3|vmla.s{w} {qqr}|vmlas.u{w} {qqr}"
        "|vqdmulh.s{w} {qqq}|vqrdmulh.s{w} {qqr}|vqdmladh.s{w} {qqq}|vqdmlah.s{w} {qqr}"
        "|vcmp.s{w} ge, q1, q2|vcmp.u{w} hi, q1, r2|vcmp.i{w} eq, q1, q2"),
    "load": "vld20.{w} {{{{q0, q1}}}}, [r2]|vld43.{w} {{{{q0, q1, q2, q3}}}}, [r2]!",
    "store": "vst21.{w} {{{{q0, q1}}}}, [r2]!|vst40.{w} {{{{q0, q1, q2, q3}}}}, [r2]",
    "control": "vctp.{w} r1",
}  # fmt: skip
_ONCE = {
    "integer": "vand {qqq}|vorr {qqq}|veor {qqq}|vbic {qqq}|vmvn {qq}|vmov {qq}|vorr.i32 q1, #4"
    "|vbic.i16 q1, #4|vrev64.8 {qq}|vrev16.8 {qq}|vpsel {qqq}|vadc.i32 {qqq}|vsbci.i32 {qqq}"
    "|vshlc q1, r2, #5|vmov q0[2], q0[0], r0, r4|vqmovnb.s16 {qq}|vqmovnt.u32 {qq}|vmovnb.i32 {qq}"
    "|vqmovunb.s16 {qq}|vshrnb.i16 {qq}, #3|vqrshrunt.s32 {qq}, #3|vmovlb.s8 {qq}|vmovlt.u16 {qq}"
    "|vshllb.s8 {qq}, #3|vmullb.p8 {qqq}",
    "multiply": "vmlaldav.s16 r2, r3, q1, q3|vmlaldava.u32 r2, r3, q1, q3|vaddlv.s32 r2, r3, q1"
    "|vrmlaldavha.s32 r2, r3, q1, q3|vrmlsldavh.s32 r2, r3, q1, q3|vqdmullb.s16 {qqq}"
    "|vqdmullt.s32 {qqr}|vmov.i32 q1, #0|vmvn.i16 q1, #5|vmov.f32 q1, #1.0|vadd.f32 {qqq}"
    "|vsub.f16 {qqr}|vmul.f32 {qqq}|vfma.f32 {qqq}|vfmas.f16 {qqr}|vabs.f32 {qq}|vneg.f16 {qq}"
    "|vmaxnm.f32 {qqq}|vcmp.f32 ge, q1, q2|vcmp.f16 lt, q1, r2|vcvt.s32.f32 {qq}"
    "|vcvta.u16.f16 {qq}|vrinta.f32 {qq}|vcmul.f32 {qqq}, #90|vcmla.f16 {qqq}, #90"
    "|vcadd.f32 {qqq}, #90|vmaxnmv.f32 r2, q1|vcvtb.f16.f32 {qq}|vmov r0, r4, q0[2], q0[0]",
    "control": "vpst|vaddt.i32 {qqq}|vpnot|dls lr, r2|dlstp.8 lr, r2",
    "loop": "le lr, x|letp lr, x",
    "none": "vldr s0, [r1]|vpush {{d8-d13}}|vadd.f32 s0, s1, s2|vmov s0, r0|csel r0, r1, r2, eq"
    "|lsrl r0, r1, #3|smlad r0, r1, r2, r3|bfi r0, r1, #3, #4|add.w r0, r1, r2",
}
_ADDRESSES = ("[r2]", "[r2, #16]", "[r2], #16", "[r2, #16]!", "[r2, q3]")
_KINDS = ("b.{}8", "b.{}16", "b.{}32", "h.{}16", "h.{}32", "w.{}32")


def _cases():
    words = {"qqq": "q1, q2, q3", "qqr": "q1, q2, r3", "qq": "q1, q2"}
    for pipe, texts in _PLAIN.items():
        for text, lanes in product(texts.split("|"), _LANES):
            yield pipe, text.format(w=lanes, **words).replace("{{", "{").replace("}}", "}")
    for pipe, texts in _ONCE.items():
        for text in texts.split("|"):
            yield ("integer" if text.startswith("vaddt") else pipe), text.format(**words)
    for kind, address in product(_KINDS, _ADDRESSES):
        yield "load", f"vldr{kind.format('u')} q1, {address}"
        yield "store", f"vstr{kind.format('')} q1, {address}"
    yield from (("load", "vldrw.u32 q1, [q3, #4]"), ("store", "vstrd.64 q1, [q3]"))


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    """(pipe, text, first halfword, second) of many instructions, by binutils' assembler."""
    need(shutil.which("arm-none-eabi-as"), "arm-none-eabi-as")
    folder = tmp_path_factory.mktemp("helium")
    cases = list(_cases())
    source = ".syntax unified\n.thumb\nx:\n" + "\n".join(text for _, text in cases) + "\n"
    (folder / "all.s").write_text(source)
    march = "-march=armv8.1-m.main+mve.fp+fp.dp"
    command = ["arm-none-eabi-as", march, "all.s", "-o", "all.o"]
    subprocess.run(command, cwd=folder, check=True)
    command = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", "all.o", "all.bin"]
    subprocess.run(command, cwd=folder, check=True)
    halves = struct.iter_unpack("<2H", (folder / "all.bin").read_bytes())  # all have 32 bits
    return [(*case, *pair) for case, pair in zip(cases, halves, strict=True)]


def test_pipelines_are_told_by_the_bits(assembled):
    for pipe, text, first, second in assembled:
        found = vector(first, second)
        assert (found.pipe if found else "none") == pipe, text


def test_registers_are_told_by_the_bits(assembled):
    for _, text, first, second in assembled:
        found = vector(first, second)
        if found is None or found.pipe in ("control", "loop"):
            continue
        if text.startswith("vcvtb"):  # for which binutils 2.40 writes down other registers
            continue
        named = [int(name) for name in re.findall(r"\bq(\d)", text)]
        assert set(named) <= found.reads | found.writes | found.address_reads, text
        used = {int(name) for name in re.findall(r"\br(\d+)", text)}
        known = found.scalar_reads | found.scalar_writes
        pairs = re.match(r"v(r?ml[as]ldav|addlv|idup|iwdup|shlc)", text)
        assert known <= used and (pairs or known == used), text
        if text.startswith(("vldr", "vstr")):
            assert bool(found.scalar_writes) == ("!" in text or "]," in text), text
            assert found.address_reads == ({3} if "q3" in text else frozenset()), text


def test_a_loop_s_end_knows_its_start(assembled):
    end = next(row for row in assembled if row[1].startswith("le "))
    position = 4 * assembled.index(end)
    assert vector(*end[2:], position).target == 0


# As binutils 2.40 makes them.
LOAD, LOAD_NEXT = "b9ec101e", "b1ec103e"  # vldrb.u8 q0, [r9], #16; vldrb.u8 q1, [r1], #16
MAC, MAC_LOADED = "f4ee260f", "f4ee202f"  # vmladava.s8 r0, q2, q3; vmladava.s8 r2, q2, q0
SUM, USE_SUM = "2aef4c88", "28ef4ca8"  # vadd.i32 q4, q5, q6; vadd.i32 q5, q4, q6
PRODUCT = "2aef5c89"  # vmul.i32 q4, q5, q6
STORE = "82ed009f"  # vstrw.32 q4, [r2]
GATHER, INDEX = "92fc4a8f", "aaee100b"  # vldrw.u32 q4, [r2, q5]; vdup.32 q5, r0
ADD, ADD_ONE = "8818", "0133"  # adds r0, r1, r2; adds r3, #1
ADD_WIDE, ADD_WIDE_NEXT = "01eb0200", "01eb0203"  # add.w r0, r1, r2; add.w r3, r1, r2
WORD, USE_WORD = "0868", "00eb0203"  # ldr r0, [r1]; add.w r3, r0, r2
# One step of the inner product: 6 loads and 8 multiplications of 16 values each.
TILE = LOAD + LOAD_NEXT + LOAD + MAC + LOAD_NEXT + MAC + LOAD + MAC * 2 + LOAD_NEXT + MAC * 4


def _times(cpu, code):
    raw = bytes.fromhex(code)
    return timing_of(cpu)(decode(disassembler(load_target(cpu)), raw, 0x1000))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (LOAD + LOAD_NEXT, 3),  # one port; the second beat of the last overlaps what follows
        (LOAD + MAC, 2),  # two pipelines: one beat apart
        (LOAD + MAC_LOADED, 2),  # beat by beat, the load is in time
        (LOAD + MAC + SUM + STORE, 4),
        (SUM + USE_SUM, 3),  # one pipeline
        (PRODUCT + USE_SUM, 3),  # a product takes two cycles
        (PRODUCT + STORE, 2),  # but is handed on to a store
        (INDEX + GATHER, 6),  # addresses are wanted four cycles before
        (TILE, 20),
        (ADD + ADD_ONE, 1),  # two small ones, of which one adds a constant
        (ADD + ADD, 2),
        (ADD_WIDE + ADD_WIDE_NEXT, 2),
        (WORD + USE_WORD, 3),
    ],
)
def test_m55(code, expected):
    assert sum(_times("cortex-m55", code).each) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ADD_WIDE + ADD_WIDE_NEXT, 1),  # two a cycle
        (WORD + USE_WORD, 3),
        (LOAD + LOAD_NEXT, 3),
        (SUM + STORE, 2),
    ],
)
def test_m85(code, expected):
    assert sum(_times("cortex-m85", code).each) == expected


def test_low_overhead_loops_cost_their_turns_alone():
    back = "0ff007c0"  # le lr, 8 bytes before it
    found = _times("cortex-m55", LOAD + LOAD_NEXT + back)
    assert (sum(found.each), found.jump, found.surprise) == (4, 0, 3)
    assert isinstance(decode(None, bytes.fromhex(back), 0)[0], Vector)
    found = _times("cortex-m55", LOAD + MAC + back)
    assert sum(found.each) == 2  # each pipeline is busy all the time
    assert _times("cortex-m55", ADD + "dfd1").jump == 3  # bne
