import json
import os
import shutil
import subprocess
import sys
import zlib

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import cross_toolchain
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.emulator import EmulatorSession
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.inputs import xorshift_input
from tests.devices.tiny import tiny_model
from tests.tools import need

CPUS = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "rv32imc")


def _session(cpu, body=""):
    return EmulatorSession(f"sim:{cpu}", load_target(cpu), tiny_model(body))


def _tiny_inputs(count):
    return np.arange(16 * count, dtype=np.int8).reshape(count, 1, 16)


@pytest.mark.parametrize("cpu", CPUS)
def test_calls_are_a_stream_until_reset(cpu):
    values = _tiny_inputs(3)
    halves = (values / 2).astype(np.int8)  # C truncates towards zero, as numpy's cast does
    with _session(cpu) as session:
        (two,) = session.run([values[:2]])
        (third,) = session.run([values[2:]])
        session.profile(ProfileOptions())
        (fourth,) = session.run([values[2:]])
        session.reset()
        (anew,) = session.run([values[:1]])
        trace = session.trace([values[0]])
    assert np.array_equal(two, halves[:2] + np.int8([[[1]], [[2]]]))
    assert np.array_equal(third[0], halves[2] + 3)
    assert np.array_equal(fourth[0], halves[2] + 4)
    assert np.array_equal(anew[0], halves[0] + 1)
    assert np.array_equal(trace[1], halves[0])
    assert np.array_equal(trace[2], halves[0] + 1)


def test_counts_are_those_of_every_instruction():
    """Against Unicorn's own hook on every single instruction."""
    import unicorn

    with _session("cortex-m4") as session:
        found = session.profile(ProfileOptions())
        machine = session._new_machine()
        executed = []
        machine.engine.hook_add(unicorn.UC_HOOK_CODE, lambda *args: executed.append(args[1]))
        for _ in range(2):
            executed.clear()
            machine.call("model_invoke")
    assert found.instructions == len(executed)
    assert sum(op.instructions for op in found.ops) in range(len(executed) - 8, len(executed))
    assert 0 < found.memory_bytes.stack <= 64
    assert found.memory_bytes.arena == 64


FAULTS = {
    "smlad": '__asm__ volatile(".inst.w 0xfb200000" ::: "r0");',  # r0 = r0 * r0 + r0
    "sdiv": '__asm__ volatile(".inst.w 0xfb90f0f0" ::: "r0");',  # r0 = r0 / r0
    "float": '__asm__ volatile(".inst.w 0xee100a10" ::: "r0");',  # vmov r0, s0
    "misaligned": "volatile uintptr_t a = (uintptr_t)model_arena + 1; *(volatile uint32_t *)a = 1;",
    "pair": '__asm__ volatile("ldrd r0, r1, [%0]" : : "r"(model_arena + 2) : "r0", "r1");',
    "behind": "((volatile uint8_t *)model_arena)[MODEL_ARENA_BYTES] = 1;",
    "before": "(void)*((volatile uint8_t *)model_arena - 1);",
    "null": "(void)*(volatile uint8_t *)4;",
    "flash": "*(volatile uint8_t *)(uintptr_t)&model_invoke = 1;",
    "undefined": '__asm__ volatile("udf #1");',
}


@pytest.mark.parametrize(
    ("cpu", "fault", "words"),
    [
        ("cortex-m0plus", "sdiv", "sdiv"),
        ("cortex-m0plus", "misaligned", "misaligned"),
        ("rv32imc", "misaligned", "misaligned"),
        ("cortex-m4", "pair", "misaligned"),
        ("cortex-m4", "behind", "writes 1 bytes at 0x20000"),
        ("cortex-m0plus", "behind", "outside"),
        ("rv32imc", "behind", "outside"),
        ("cortex-m4", "before", "reads 1 bytes"),
        ("cortex-m4", "null", "0x00000004"),
        ("cortex-m4", "flash", "writes"),
        ("cortex-m3", "smlad", "smlad"),
        ("cortex-m4", "undefined", "udf"),
        ("cortex-m4", "float", "vmov"),
    ],
)
def test_what_a_cpu_does_not_allow_is_an_error_that_names_the_op(cpu, fault, words):
    with _session(cpu, FAULTS[fault]) as session:
        with pytest.raises(EdgeqError) as caught:
            session.run([_tiny_inputs(1)])
        with pytest.raises(EdgeqError):
            session.profile(ProfileOptions())
    text = str(caught.value)
    assert text.startswith('Op 1 COUNT "b"')
    assert words in text


@pytest.mark.parametrize(("cpu", "fault"), [("cortex-m4", "misaligned"), ("cortex-m4", "smlad")])
def test_what_a_cpu_allows_runs(cpu, fault):
    with _session(cpu, FAULTS[fault]) as session:
        session.run([_tiny_inputs(1)])
        session.profile(ProfileOptions())


def test_two_words_need_the_alignment_of_one():
    body = """__asm__ volatile("sub sp, #4\\n vpush {d8}\\n vpop {d8}\\n add sp, #4" ::: "memory");
              __asm__ volatile("vpush {d8}\\n vpop {d8}" ::: "memory");"""
    with EmulatorSession("sim:x", load_target("nucleo-f446re"), tiny_model(body)) as session:
        session.run([_tiny_inputs(1)])


def test_a_fault_at_full_speed_is_explained():
    body = "if (model_arena[32] == 3) { *(volatile uint8_t *)4 = 1; }"
    with _session("cortex-m4", body) as session:
        session.run([_tiny_inputs(2)])
        with pytest.raises(EdgeqError, match="0x00000004"):
            session.run([_tiny_inputs(1)])


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus", "rv32imc"])
def test_published_output_bytes(int8_model, shared, cpu):
    """The bytes that TFLM and CMSIS-NN gave on an emulated Cortex-M4."""
    published = json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())
    figures = published["configs"]["cortex-m4/cmsis-nn"][int8_model.stem]
    with open_device(f"sim:{cpu}").open(int8_model, CompileOptions()) as session:
        shape = session._inputs[0].shape
        batch = np.stack([xorshift_input(shape, "int8", i) for i in range(8)])
        (outputs,) = session.run([batch])
    assert f"{zlib.crc32(outputs.tobytes()):08x}" == figures["output_crc32_8_inputs"]


def test_zig_gives_the_same_bytes(models, monkeypatch):
    kws = models / "kws_int8.tflite"
    batch = xorshift_input((1, 49, 10, 1), "int8")[np.newaxis]
    for cpu in CPUS:
        monkeypatch.setenv("EDGEQ_TOOLCHAIN", "zig")
        with open_device(f"sim:{cpu}").open(kws, CompileOptions()) as session:
            assert session._toolchain.name == "zig"
            (zig,) = session.run([batch])
        monkeypatch.delenv("EDGEQ_TOOLCHAIN")
        with open_device("c").open(kws, CompileOptions()) as session:
            assert np.array_equal(zig, session.run([batch])[0])


def test_profile_of_a_model(models):
    with open_device("sim:cortex-m4").open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions())
    assert [op.index for op in found.ops] == list(range(13))
    inside = sum(op.instructions for op in found.ops)
    assert 0 <= found.instructions - inside < 20
    assert found.cycles > found.instructions
    memory = found.memory_bytes
    assert memory.ram_total == memory.arena + memory.static + memory.stack
    assert memory.flash_total == memory.flash_code + memory.flash_const
    # The weights alone: 22,000 parameters and 4 bytes for each of 500 channels.
    assert 22_000 < memory.flash_const < 40_000


def test_a_board_with_an_fpu():
    body = """{
        volatile float half = 0.5f;
        at(16)[0] = (int8_t)(half * (float)at(16)[0]);
        __asm__ volatile("vpush {d8-d9}\\n\\tvpop {d8-d9}");
    }"""
    board = load_target("nucleo-f446re")
    assert "fpu" in board.isa
    with EmulatorSession("sim:nucleo-f446re", board, tiny_model(body)) as session:
        (outputs,) = session.run([np.full((1, 1, 16), 42, np.int8)])
        found = session.profile(ProfileOptions())
    assert outputs[0, 0, 0] == 11  # (42 / 2 + 1) / 2
    assert found.cycles > found.instructions


def test_unknown_cpu():
    with pytest.raises(UsageError):
        open_device("sim:cortex-m55")
    with pytest.raises(UsageError):
        open_device("sim:z80")


def test_compiler_errors_are_quoted():
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    assert cross_toolchain(load_target("cortex-m4")).name == "arm-none-eabi-gcc"
    with pytest.raises(EdgeqError, match="nonsense"):
        _session("cortex-m4", "nonsense;")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_where_address_space_is_limited(models):
    """Unicorn reserved 1 GiB, and ended the process where there was none."""
    command = 'ulimit -v 1400000 && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "edgeq", "profile",
         str(models / "ad01_int8.tflite"), "--on", "sim:cortex-m4", "--no-ops", "--json"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["instructions"] > 0
