import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.emulator import EmulatorSession
from edgeq.devices.qemu import BOARDS, QemuSession
from edgeq.devices.registry import open_device
from edgeq.devices.sim import plugin
from edgeq.devices.sim.machine import CORES
from edgeq.devices.sim.plugin import plugins
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.inputs import xorshift_input
from tests.devices.tiny import tiny_model
from tests.tools import need


@pytest.fixture(autouse=True)
def _programs():
    for program in ("qemu-system-arm", "qemu-system-riscv32"):
        need(shutil.which(program), program)


def _session(cpu, body=""):
    return QemuSession(f"qemu:{cpu}", load_target(cpu), tiny_model(body))


@pytest.mark.parametrize("cpu", BOARDS)
@pytest.mark.parametrize("toolchain", ["auto", "zig"])
def test_calls_are_a_stream_until_reset(cpu, toolchain, monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    values = np.arange(48, dtype=np.int8).reshape(3, 1, 16)
    halves = (values / 2).astype(np.int8)
    with _session(cpu) as session:
        (two,) = session.run([values[:2]])
        (third,) = session.run([values[2:]])
        session.reset()
        (anew,) = session.run([values[:1]])
        trace = session.trace([values[0]])
        found = session.profile(ProfileOptions())
    assert np.array_equal(two, halves[:2] + np.int8([[[1]], [[2]]]))
    assert np.array_equal(third[0], halves[2] + 3)
    assert np.array_equal(anew[0], halves[0] + 1)
    assert np.array_equal(trace[1], halves[0])
    assert np.array_equal(trace[2], halves[0] + 1)
    assert abs(found.instructions - sum(op.instructions for op in found.ops)) < 40


@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "rv32imc"])
def test_counts_agree_with_the_emulator(cpu):
    with _session(cpu) as session:
        there = session.profile(ProfileOptions(ops=False))
    with EmulatorSession(f"sim:{cpu}", load_target(cpu), tiny_model()) as session:
        here = session.profile(ProfileOptions())
    # The same code at other addresses: a jump may be encoded otherwise.
    assert abs(there.instructions - here.instructions) <= 2
    assert there.memory_bytes.stack == here.memory_bytes.stack
    assert abs(there.memory_bytes.flash_code - here.memory_bytes.flash_code) <= 8


@pytest.mark.parametrize("cpu", BOARDS)
def test_published_output_bytes_and_counts(models, shared, cpu):
    """The bytes that TFLM and CMSIS-NN gave on an emulated Cortex-M4."""
    published = json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())
    figures = published["configs"]["cortex-m4/cmsis-nn"]["kws_int8"]
    kws = models / "kws_int8.tflite"
    with open_device(f"qemu:{cpu}").open(kws, CompileOptions()) as session:
        batch = np.stack([xorshift_input((1, 49, 10, 1), "int8", i) for i in range(8)])
        (outputs,) = session.run([batch])
        found = session.profile(ProfileOptions())
    assert f"{zlib.crc32(outputs.tobytes()):08x}" == figures["output_crc32_8_inputs"]
    known = [count.cycles is not None for count in found.ops]
    assert found.cycles and all(known)
    assert sum(op.cycles for op in found.ops) == pytest.approx(found.cycles, abs=200)
    note = found.device["cycles_note"]
    assert note.startswith("unchecked") == (cpu in ("cortex-m3", "cortex-m55", "cortex-m85"))
    if cpu in CORES:
        with open_device(f"sim:{cpu}").open(kws, CompileOptions()) as session:
            here = session.profile(ProfileOptions())
        assert abs(found.instructions / here.instructions - 1) < 0.001
        for one, other in zip(found.ops, here.ops, strict=True):
            assert abs(one.instructions - other.instructions) <= 0.01 * other.instructions + 20
            assert abs(one.cycles - other.cycles) <= 0.01 * other.cycles + 20


@pytest.mark.parametrize("cpu", ["cortex-m55", "rv32imc"])
@pytest.mark.parametrize("toolchain", ["auto", "zig"])
def test_every_instruction_is_counted(cpu, toolchain, monkeypatch):
    """The plugin's counts against QEMU's own clock, which ticks once an instruction."""
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    with _session(cpu) as session:
        counted = session.profile(ProfileOptions())
        monkeypatch.setattr("edgeq.devices.qemu.plugins", lambda: iter(()))
        timed = session.profile(ProfileOptions())
    assert counted.instructions == timed.instructions
    assert counted.cycles and timed.cycles is None
    assert timed.device["cycles_note"].startswith("unknown")
    for one, other in zip(counted.ops, timed.ops, strict=True):
        # The clock's marks are calls, around which a compiler has to keep some values.
        assert abs(one.instructions - other.instructions) <= 40


def test_another_version_of_the_plugin_is_tried(monkeypatch, tmp_path):
    def offered():
        found = list(plugins())
        too_new = tmp_path / "plugin99.so"
        flags = ["-std=c99", "-fPIC", "-DEQ_PLUGIN_VERSION=99"]
        text = {"plugin.c": Path(plugin.__file__).with_suffix(".c").read_text()}
        too_new.write_bytes(build(host_toolchain(), text, flags, ["-shared"], "p.so").read_bytes())
        return iter([too_new, *found])

    monkeypatch.setattr("edgeq.devices.qemu.plugins", offered)
    with _session("cortex-m55") as session:
        assert session.profile(ProfileOptions(ops=False)).cycles


@pytest.mark.slow
def test_ops_in_loops_have_all_turns(gru):
    """As in the emulator, which counts the same way on a core that both have."""
    ops = {}
    for address in ("qemu:cortex-m4", "sim:cortex-m4"):
        with open_device(address).open(gru, CompileOptions()) as session:
            ops[address] = session.profile(ProfileOptions()).ops
    assert any(op.subgraph for op in ops["qemu:cortex-m4"])
    for one, other in zip(*ops.values(), strict=True):
        assert (one.subgraph, one.index) == (other.subgraph, other.index)
        assert abs(one.instructions - other.instructions) <= 0.01 * other.instructions + 4


def test_a_model_larger_than_the_boards_flash_runs_all_the_same():
    body = "static const uint8_t big[3 << 19] = {1}; model_arena[40] = big[model_arena[32]];"
    values = np.arange(16, dtype=np.int8).reshape(1, 1, 16)
    with _session("cortex-m55", body) as session:
        (found,) = session.run([values])
        assert session.profile(ProfileOptions(ops=False)).memory_bytes.flash_const >= 3 << 19
    assert np.array_equal(found[0], (values[0] / 2).astype(np.int8) + 1)


def test_a_fault_is_an_error():
    with (
        _session("cortex-m4", '__asm__ volatile("udf #1");') as session,
        pytest.raises(EdgeqError, match="fault"),
    ):
        session.run([np.zeros((1, 1, 16), np.int8)])


def test_unknown_cpu():
    with pytest.raises(UsageError):
        open_device("qemu:aarch64")
