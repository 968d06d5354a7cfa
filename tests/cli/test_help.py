"""Every command explains itself, and asking for help is quick."""

import resource
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete

from edgeq.cli.main import COMMANDS, cli
from edgeq.cli.shared.common import Number, Whole

HEAVY = (
    "numpy", "tensorflow", "keras", "ai_edge_litert", "litert_quantizer", "paramiko", "unicorn",
    "capstone", "elftools", "PIL", "scipy", "sklearn", "rich", "jinja2", "optuna", "distributed",
)  # fmt: skip
HEAVY_FOR_A_COMMAND = tuple(set(HEAVY) - {"numpy", "rich"})


def leaves(command, path=()):
    """Every command and subcommand with its path."""
    context = click.Context(command)
    if not isinstance(command, click.Group):
        return [(path, command)]
    return [
        leaf
        for name in command.list_commands(context)
        for leaf in leaves(command.get_command(context, name), (*path, name))
    ]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*leaf, id="-".join(leaf[0])) for leaf in leaves(cli)]
)
def test_every_command_has_help_that_ends_in_an_example(path, command):
    assert command.help
    assert command.epilog
    assert f"edgeq {' '.join(path)}" in command.epilog
    assert "--help" in command.get_help(click.Context(command, info_name=" ".join(path)))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path}: {parameter.opts} has no help"


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*leaf, id="-".join(leaf[0])) for leaf in leaves(cli)]
)
def test_every_number_has_its_range(path, command):
    """No number is so small or large that a library has to refuse it, and none is NaN."""
    for parameter in command.params:
        kind = parameter.type
        if isinstance(kind, click.types.IntParamType):
            assert isinstance(kind, Whole), f"{path}: {parameter.opts}"
            for value in (kind.min - 1, kind.most + 1, 10**30):
                with pytest.raises(click.BadParameter):
                    kind.convert(str(value), parameter, None)
            assert kind.convert(str(kind.min), parameter, None) == kind.min
        elif isinstance(kind, click.types.FloatParamType):
            assert isinstance(kind, Number), f"{path}: {parameter.opts}"


def test_the_list_of_commands_names_each_one():
    result = subprocess.run(
        [sys.executable, "-m", "edgeq", "--help"], capture_output=True, text=True, check=True
    )
    for name in cli.list_commands(click.Context(cli)):
        assert f"  {name} " in result.stdout
        assert COMMANDS[name][2]


def modules_after(*args):
    """The names of all modules loaded by `edgeq ARGS`."""
    script = (
        "import sys\n"
        "from edgeq.cli.main import main\n"
        f"try:\n    main({list(args)!r})\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stderr.split())


def test_help_imports_nothing_heavy():
    assert not modules_after("--help") & set(HEAVY)


@pytest.mark.parametrize("path", [path for path, _ in leaves(cli)], ids="-".join)
def test_help_of_a_command_imports_no_framework(path):
    assert not modules_after(*path, "--help") & set(HEAVY_FOR_A_COMMAND)


def test_help_takes_less_than_0_3_seconds_of_processor_time():
    # Processor time, which is the whole time on a machine that has nothing else to do.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "edgeq", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_a_line_that_a_shell_completes_runs_nothing_of_the_user_s(tmp_path):
    """The module of --import was run, and TensorFlow with it, when TAB was pressed."""
    module = tmp_path / "mine.py"
    module.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    shell = BashComplete(cli, {}, "edgeq", "_EDGEQ_COMPLETE")
    found = shell.get_completions(["convert", "--import", str(module), "m.keras"], "--sche")
    assert [each.value for each in found] == ["--scheme"]
    assert not (tmp_path / "ran").exists()
