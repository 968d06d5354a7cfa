"""One account: the same figures wherever a program is spoken of, each with its kind."""

import json
import shutil

import numpy as np
import pytest

import edgeq
from edgeq.analysis.account import account_for, address_for
from edgeq.analysis.fit import fits
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.host_c import host_target
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

pytest.importorskip("unicorn")

PATHS = [
    f"memory_bytes.{name}"
    for name in (
        "arena",
        "static",
        "stack",
        "ram_total",
        "flash_code",
        "flash_const",
        "flash_total",
    )
]


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A dense layer with more weights than the memory that QEMU's Cortex-M55 has."""
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (1024, 1024)).astype(np.int8)
    raw = single_op(
        "FULLY_CONNECTED",
        [
            TensorSpec((1, 1024), scale=0.1),
            TensorSpec((1024, 1024), scale=0.01, data=weights),
            TensorSpec((1024,), "int32", scale=0.001, data=np.zeros(1024, np.int32)),
        ],
        [TensorSpec((1, 1024), scale=0.5)],
    )
    path = tmp_path_factory.mktemp("big") / "big.tflite"
    path.write_bytes(raw)
    return path


def test_a_target_whose_image_overflows_is_a_row_that_says_by_how_much(cli, big):
    need(shutil.which("qemu-system-arm"), "qemu-system-arm")
    names = ["qemu-mps3-an547", "nucleo-f103rb", "corstone-310", "nucleo-f429zi"]
    found = {fit.target: fit for fit in fits(big, [load_target(name) for name in names])}
    assert [found[name].fits for name in names] == [False, False, True, True]
    for name in names:
        image, board = found[name].account.image, load_target(name)
        assert image.flash_bytes > 1 << 20
        assert found[name].flash_margin_bytes == board.flash_bytes - image.flash_bytes
    assert "too few" in found["qemu-mps3-an547"].advice[0]
    rows = cli("targets", "qemu-mps3-an547", "--fits", big)
    assert rows.code == 0, rows.err
    assert rows.out.startswith("no ")
    missing = -found["qemu-mps3-an547"].flash_margin_bytes
    assert f"{missing:,} flash bytes too few" in rows.out
    # The core's own code is measured all the same, in an emulator that has the memory for it.
    kinds = {path: f.kind for path, f in found["qemu-mps3-an547"].account.figures.items()}
    assert kinds["memory_bytes.flash_total"] == "measured"
    assert kinds["memory_bytes.stack"] == "emulated"
    assert kinds["cycles"] == "estimated"


def test_a_target_that_cannot_be_judged_does_not_hold_up_the_others(models, monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    monkeypatch.setenv("PATH", "/nonexistent")
    boards = [load_target("nucleo-f446re"), load_target("longan-nano")]
    found = fits(models / "sww_int8.tflite", boards)
    assert [(fit.fits, fit.account) for fit in found] == [(False, None)] * 2
    assert "compiler" in found[0].error


@pytest.mark.parametrize("board", ["nucleo-f446re", "esp32-s3-devkitc-1", "qemu-microbit"])
def test_one_figure_per_model_target_and_options(board, cli, models, tmp_path):
    """Inspect, compile, targets, profile and deploy: one arena, one flash, one RAM."""
    model = models / "sww_int8.tflite"
    inspected = cli("inspect", model, "-t", board, "--json").json
    compiled = cli("compile", model, "-o", tmp_path / "c", "-t", board, "--json").json
    listed = cli("targets", board, "--fits", model, "--json").json["targets"][0]
    deployed = cli("deploy", model, "-t", board, "-n", "1", "-o", tmp_path / "d", "--json").json
    fit, account = inspected["fit"], deployed["account"]
    arena = compiled["arena_bytes"] + compiled["state_bytes"]
    assert inspected["arena_bytes"] == arena == fit["memory_bytes"]["arena"]
    assert fit["memory_bytes"] == listed["memory_bytes"] == account["memory_bytes"]
    for key in ("image", "latency_ms", "kinds", "provenance", "on", "cycles"):
        assert fit[key] == listed[key] == account[key], key
    checks = [check for check in deployed["limits"] if check["source"] == board]
    assert checks == fit["checks"] == listed["checks"]
    if board == "nucleo-f446re":
        profiled = cli("profile", model, "--on", f"sim:{board}", "--no-ops", "--json").json
        assert profiled["memory_bytes"] == fit["memory_bytes"]
        assert {path: profiled["kinds"][path] for path in PATHS} == {
            path: fit["kinds"][path] for path in PATHS
        }
    assert json.loads((tmp_path / "d" / "deploy.json").read_text())["account"] == account


def test_a_stand_in_is_named_in_text_and_json(cli, models):
    model = models / "sww_int8.tflite"
    words = cli("inspect", model, "-t", "esp32-s3-devkitc-1").out
    assert "stand-in: rv32imc" in words
    assert "rv32imc stands in for xtensa-lx7" in words
    found = cli("inspect", model, "-t", "esp32-s3-devkitc-1", "--json").json["fit"]
    assert found["kinds"]["memory_bytes.stack"] == "stand-in"
    assert found["kinds"]["memory_bytes.arena"] == "measured"
    assert found["provenance"]["note"] == "rv32imc stands in for xtensa-lx7"
    assert cli("targets", "esp32-s3-devkitc-1", "--fits", model).out.count("stand-in") >= 2


@pytest.mark.parametrize(("more", "code"), [([], 3), (["--accept-stand-in"], 0)])
def test_a_limit_on_a_stand_in_s_figure(more, code, cli, models, tmp_path):
    arguments = ["deploy", models / "sww_int8.tflite", "-t", "esp32-s3-devkitc-1", "-n", "1"]
    done = cli(*arguments, "--ram", "64K", "-o", tmp_path / "d", *more)
    assert done.code == code, done.err
    assert ("MISSED" in done.out) == (code == 3)
    assert "rv32imc stands in for xtensa-lx7" in done.out
    assert ("--accept-stand-in" in done.out) == (code == 3)


def test_this_machine_does_not_judge_a_phone_s_latency(cli, models, tmp_path):
    arguments = ["deploy", models / "sww_int8.tflite", "-t", "android-helio-g99", "-n", "1"]
    done = cli(*arguments, "--max-latency", "1000", "-o", tmp_path / "a", "--accept-stand-in")
    assert done.code == 3, done.err
    assert "latency ms: unknown, limit 1,000 (asked for): MISSED" in done.out
    assert "adb:SERIAL" in done.out
    found = json.loads((tmp_path / "a" / "deploy.json").read_text())
    assert found["latency_ms"] is None
    assert not found["met"]
    assert found["kinds"]["latency_ms"] == "unknown"
    # What this machine took is there to be looked at, as what it is.
    assert found["profile"]["kinds"]["latency_us"] == "stand-in"
    limit = next(check for check in found["limits"] if check["name"] == "latency ms")
    assert (limit["value"], limit["kind"], limit["met"]) == (None, "unknown", False)


@pytest.mark.parametrize("toolchain", ["gcc", "zig"])
def test_each_figure_says_its_compiler(toolchain, models, monkeypatch, cli):
    if toolchain == "gcc":
        need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    else:
        pytest.importorskip("ziglang")
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    found = edgeq.profile(models / "sww_int8.tflite", on="sim:cortex-m4").to_json()
    source = found["provenance"]
    assert ("gcc" if toolchain == "gcc" else "clang") in source["compiler"]
    assert source["core"] == "cortex-m4"
    assert source["arithmetic"] == "generated C"
    assert "-O2" in source["flags"]
    assert any(flag.startswith("-mcpu=") for flag in source["flags"])
    assert source["compiler"] == found["device"]["compiler"]
    words = cli("profile", models / "sww_int8.tflite", "--on", "sim:cortex-m4", "--no-ops").out
    assert source["compiler"] in words


def test_the_host_s_ram_is_measured_too(models):
    """`c` knows its stack, which once was left out: all RAM is arena, statics and stack."""
    found = edgeq.profile(models / "kws_int8.tflite", on="c").measurement.memory_bytes
    assert 0 < found.stack < 1 << 16
    assert found.ram_total == found.arena + found.static + found.stack


def test_where_a_target_is_seen_at_work():
    where = {
        name: address_for(load_target(name))
        for name in ("nucleo-f446re", "corstone-300", "esp32-devkitc", "raspberry-pi-5", "x86-64")
    }
    assert where == {
        "nucleo-f446re": "sim:nucleo-f446re",
        "corstone-300": "qemu:corstone-300",
        "esp32-devkitc": "sim:rv32imc",
        "raspberry-pi-5": "local",
        "x86-64": "c",
    }


def test_a_user_s_own_board(models, tmp_path):
    text = load_target("nucleo-f446re").file.read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"nucleo-f446re"', '"mine"', 1))
    board = load_target(tmp_path / "mine.toml")
    mine = account_for(models / "sww_int8.tflite", board, CompileOptions(), golden=False)
    theirs = account_for(
        models / "sww_int8.tflite", load_target("nucleo-f446re"), CompileOptions(), golden=False
    )
    assert mine.target == "mine"
    assert mine.memory == theirs.memory
    parts = [{part.owner: part for part in found.image.parts} for found in (mine, theirs)]
    assert parts[0]["model"] == parts[1]["model"]
    assert parts[0]["kernels"] == parts[1]["kernels"]


@pytest.mark.parametrize("kind", ["SVDF int8", "LSTM int16"])
def test_the_arena_holds_what_outlives_a_call(kind, tmp_path):
    """In every figure: inspect, the emulator and this machine count state as docs say."""
    from edgeq.compiler.compilation import generate
    from tests.oracle.generators.recurrent import GENERATORS

    model = tmp_path / "model.tflite"
    model.write_bytes(GENERATORS[kind](np.random.default_rng(3), 3).model)
    # Forms differ from core to core, and with them what they keep.
    for address, target in (("sim:cortex-m4", "cortex-m4"), ("c", host_target())):
        manifest = generate(model, target=target).manifest
        assert manifest["state_bytes"] > 0
        both = manifest["arena_bytes"] + manifest["state_bytes"]
        assert edgeq.profile(model, on=address).measurement.memory_bytes.arena == both
        if target == "cortex-m4":
            assert edgeq.inspect(model, target=target).arena_bytes == both
