"""Budgets pick the first form of a program that fits, or say which comes nearest."""

import pytest

import edgeq
from edgeq.analysis.account import account_for
from edgeq.analysis.budget import within_budgets
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.errors import LimitError, UsageError

pytest.importorskip("unicorn")


@pytest.fixture
def compiled(models, tmp_path):
    """Compiles a model under budgets; gives the manifest."""

    def compile_model(name="vww", target="cortex-m4", **budgets):
        options = CompileOptions(**budgets)
        model = models / f"{name}_int8.tflite"
        return edgeq.compile(model, tmp_path / "c", target=target, options=options).manifest

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
    with pytest.raises(LimitError, match=r"nearest is --optimize ram: ram 2\d,\d+, .* over 10,000"):
        compiled(ram_bytes=10_000)


def test_cycles_and_flash_are_measured(compiled):
    manifest = compiled(cycles=14_000_000, flash_bytes=256_000)
    assert manifest["optimize"] == "balanced"


def test_ram_is_all_ram_that_the_program_needs(models, compiled):
    """Arena alone would keep to the budget; with the stack of a call it does not."""
    found = account_for(
        models / "sww_int8.tflite", load_target("cortex-m4"), CompileOptions()
    ).memory
    assert found.stack > 0
    assert found.ram_total == found.arena + found.static + found.stack
    between = found.ram_total - 1
    assert found.arena < between
    limit = {"name": "sww", "ram_bytes": found.ram_total}
    assert f"ram {found.ram_total:,}" in compiled(**limit)["why"]
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
    # C for every core is judged on a usual one: it has none of its own to stand in for.
    portable = cli("inspect", model, "--ram", "32K", "--json")
    assert (portable.code, portable.json["target"]) == (0, "portable")
    assert cli("inspect", model, "--ram", "1K").code == 3


def test_a_stand_in_s_figures_keep_no_budget_unless_accepted(models):
    model, board = models / "sww_int8.tflite", load_target("esp32-s3-devkitc-1")
    budget = CompileOptions(flash_bytes=1 << 20, ram_bytes=1 << 20)
    with pytest.raises(LimitError, match=r"rv32imc stands in for xtensa-lx7.*--accept-stand-in"):
        within_budgets(model, board, budget)
    accepted = CompileOptions(flash_bytes=1 << 20, ram_bytes=1 << 20, accept_stand_in=True)
    assert within_budgets(model, board, accepted).optimize == "balanced"


def test_nothing_is_generated_under_a_budget_by_which_nobody_has_chosen(models):
    with pytest.raises(UsageError, match="--ram"):
        generate(models / "sww_int8.tflite", options=CompileOptions(ram_bytes=100_000))
