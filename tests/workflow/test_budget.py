"""Budgets pick the first form of a program that fits, or say which comes nearest."""

from itertools import count

import numpy as np
import pytest

import edgeq
from edgeq.analysis.account import account_for
from edgeq.analysis.budget import within_budgets
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import MODES, CompileOptions
from edgeq.devices import inventory
from edgeq.errors import LimitError, UsageError

pytest.importorskip("unicorn")


@pytest.fixture
def compiled(models, tmp_path):
    """Compiles a model under budgets; gives the manifest."""

    folders = (tmp_path / str(number) for number in count())

    def compile_model(name="vww", target="cortex-m4", **budgets):
        options = CompileOptions(**budgets)
        model = models / f"{name}_int8.tflite"
        return edgeq.compile(model, next(folders), target=target, options=options).manifest

    return compile_model


def test_the_mode_asked_for_is_kept_when_it_fits(compiled):
    manifest = compiled(ram_bytes=60_000)
    assert manifest["optimize"] == "balanced"
    assert manifest["arena_bytes"] <= 60_000


def test_less_ram_makes_stripes(compiled):
    manifest = compiled(ram_bytes=32 * 1024)
    assert manifest["optimize"] == "ram"
    assert manifest["arena_bytes"] <= 32 * 1024
    assert "within budget" in manifest["why"]


def test_a_budget_that_nothing_meets_says_what_comes_nearest(compiled):
    words = r"nearest is --optimize ram: ram at least 2\d,\d+ .arena and state alone., .* over 10,0"
    with pytest.raises(LimitError, match=words):
        compiled(ram_bytes=10_000)


def test_cycles_and_flash_are_measured(compiled):
    manifest = compiled(cycles=13_000_000, flash_bytes=270_000)
    assert manifest["optimize"] == "balanced"


def test_ram_is_all_ram_that_the_program_needs(models, compiled):
    """Arena alone would keep to the budget; with the stack of a call it does not."""
    found = account_for(
        models / "sww_int8.tflite", load_target("cortex-m4"), CompileOptions()
    ).memory
    assert found.stack > 0
    assert found.ram_total == found.arena + found.static + found.stack
    limit = {"name": "sww", "ram_bytes": found.ram_total}
    assert f"ram {found.ram_total:,}" in compiled(**limit)["why"]
    # Forms differ in their stacks by a few words.
    least = min(
        account_for(
            models / "sww_int8.tflite", load_target("cortex-m4"), CompileOptions(mode)
        ).memory.ram_total
        for mode in MODES
    )
    between = least - 1
    assert found.arena < between
    with pytest.raises(LimitError):
        compiled(**{**limit, "ram_bytes": between, "optimize": "ram"})


def test_commands_and_profile_count_the_same_ram(cli, models, tmp_path):
    """One meaning of --ram: what profile prints as all RAM is the least budget that is kept."""
    model = models / "sww_int8.tflite"
    found = cli("profile", model, "--on", "sim:cortex-m4", "--no-ops", "--json").json
    ram = found["memory_bytes"]["ram_total"]
    enough = ["--ram", ram, "--optimize", "balanced"]
    for command in (
        ["compile", model, "-o", tmp_path / "c", "-t", "cortex-m4", *enough],
        ["inspect", model, "-t", "cortex-m4", *enough],
        ["profile", model, "--on", "sim:cortex-m4", "--no-ops", *enough],
    ):
        assert cli(*command).code == 0, command
    for command in (
        ["compile", model, "-o", tmp_path / "d", "-t", "cortex-m4", "--ram", 1000],
        ["inspect", model, "-t", "cortex-m4", "--ram", 1000],
        ["profile", model, "--on", "sim:cortex-m4", "--no-ops", "--ram", 1000],
    ):
        done = cli(*command)
        assert done.code == 3, command
        assert "over 1,000" in done.err
    # C for every core is judged on a usual one, which is said.
    portable = cli("inspect", model, "--ram", "32K", "--json")
    assert (portable.code, portable.json["target"]) == (0, "portable")
    missed = cli("inspect", model, "--flash", "1K")
    assert missed.code == 3
    assert "(stand-in: cortex-m4), " in missed.err
    made = edgeq.compile(model, tmp_path / "e", options=CompileOptions(flash_bytes=1 << 20))
    assert "(stand-in: cortex-m4)" in made.manifest["why"]


@pytest.mark.parametrize("address", ["local", "tflm", "ssh://nobody@127.0.0.1:1", "adb:none"])
@pytest.mark.parametrize("command", ["profile", "verify", "run"])
def test_a_budget_that_cannot_be_judged_is_not_met(cli, models, tmp_path, address, command):
    words = [command, models / "ad01_int8.tflite", "--on", address]
    if command == "run":
        np.save(tmp_path / "x.npy", np.zeros((1, 640), np.int8))
        words += ["--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"]
    for budget in (["--ram", "1M"], ["--flash", "1M"], ["--cycles", "1000000000"]):
        done = cli(*words, *budget)
        assert done.code == 3
        assert f"{budget[0]} cannot be judged on {address}: " in done.err


def test_an_oracle_keeps_to_no_budget(cli, models):
    words = ["verify", models / "ad01_int8.tflite", "--on", "c", "--against", "local", "-n", "2"]
    assert "cannot be judged" not in cli(*words, "--ram", "1M").err


def test_a_group_in_which_limits_alone_are_missed_exits_with_3(cli, models, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    inventory.add("here", "c")
    inventory.add("interpreted", "local")
    inventory.add("gone", "serial:/dev/none")
    inventory.set_group("two", ["here", "interpreted"])
    inventory.set_group("three", ["here", "interpreted", "gone"])
    words = ["profile", models / "ad01_int8.tflite", "--no-ops", "-n", "2", "--on"]
    for budget in (["--ram", "100"], ["--ram", "1M"]):
        done = cli(*words, "group:two", *budget)
        assert done.code == 3, done.err
        assert "cannot be judged on local" in done.out
    assert cli(*words, "group:three", "--cycles", "1").code == 1


def test_a_stand_in_s_figures_keep_no_budget_unless_accepted(models):
    model, board = models / "sww_int8.tflite", load_target("esp32-s3-devkitc-1")
    budget = CompileOptions(flash_bytes=1 << 20, ram_bytes=1 << 20)
    with pytest.raises(
        LimitError, match=r"(?s)rv32imc stands in for xtensa-lx7.*--accept-stand-in"
    ):
        within_budgets(model, board, budget)
    accepted = CompileOptions(flash_bytes=1 << 20, ram_bytes=1 << 20, accept_stand_in=True)
    assert within_budgets(model, board, accepted).optimize == "balanced"


def test_nothing_is_generated_under_a_budget_by_which_nobody_has_chosen(models):
    with pytest.raises(UsageError, match="--ram"):
        generate(models / "sww_int8.tflite", options=CompileOptions(ram_bytes=100_000))
