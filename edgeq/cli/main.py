"""The `edgeq` command: finds the subcommand's module, runs it, turns errors into exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from pathlib import Path

import click

from edgeq import __version__
from edgeq.cli.shared.guard import guarded
from edgeq.cli.shared.interrupt import (
    EXIT_CODE,
    always_interruptible,
    command_is_over,
    was_interrupted,
)
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.terminal import say
from edgeq.support.text import visible_line

# name -> (module, attribute, one-line help). Modules are imported only when the command runs.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "convert": ("edgeq.cli.convert", "convert", "Keras, ONNX, PyTorch or TensorFlow to integer."),
    "inspect": ("edgeq.cli.inspect", "inspect", "Graph, MACs, sizes, quantization; does it fit?"),
    "compile": ("edgeq.cli.compile", "compile_", "An integer .tflite to C for a microcontroller."),
    "run": ("edgeq.cli.run", "run", "Run a model on any device, arrays in, arrays out."),
    "verify": ("edgeq.cli.verify", "verify", "Equal bytes on two devices? Else the first op."),
    "evaluate": ("edgeq.cli.evaluate", "evaluate", "Accuracy with a device's own arithmetic."),
    "profile": ("edgeq.cli.profile", "profile", "Latency or cycles, memory, per op."),
    "features": ("edgeq.cli.features", "features", "Recordings to features, by the device's C."),
    "deploy": ("edgeq.cli.deploy", "deploy", "The whole chain, a report, the limits checked."),
    "build": ("edgeq.cli.build", "build", "Build a firmware project."),
    "flash": ("edgeq.cli.flash", "flash", "Flash a board with its usual tool."),
    "monitor": ("edgeq.cli.flash", "monitor", "Show what a board says on its serial port."),
    "compress": ("edgeq.cli.compress", "compress", "Quantization-aware training, pruning, ..."),
    "tune": ("edgeq.cli.tune", "tune", "Search schemes and precisions under limits."),
    "diagnose": ("edgeq.cli.diagnose", "diagnose", "Which layer loses the accuracy, and why."),
    "compare": ("edgeq.cli.compare", "compare", "Two profiles: is the difference real?"),
    "ops": ("edgeq.cli.ops", "ops", "The ops edgeq compiles, by type."),
    "targets": ("edgeq.cli.targets", "targets", "Boards and hosts edgeq knows."),
    "devices": ("edgeq.cli.devices", "devices", "The inventory of devices; probe, trust."),
    "doctor": ("edgeq.cli.doctor", "doctor", "What is installed, what is missing."),
    "report": ("edgeq.cli.report", "report", "An HTML report from saved JSON results."),
    "drift": ("edgeq.cli.drift", "drift", "New data against the profile saved at deployment."),
    "verify-manifest": ("edgeq.cli.manifest", "verify_manifest", "Check a signed manifest."),
}


_NO_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
# What a system says of a file that is another user's, or lies on a disk or network that fails.
_REFUSED = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EIO", "ESTALE", "ETIMEDOUT", "EBUSY", "EHOSTDOWN", "EREMOTEIO")
    if hasattr(errno, name)
)


class LazyGroup(click.Group):
    """A command group that imports a command's module when it is called, not before."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, after what holds nothing was refused.

        Raises:
            UsageError: A text is empty, such as "$BOARD" of a script that never set it.
        """
        if not ctx.resilient_parsing:  # a shell that completes a line
            _refuse_empty(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every command whose module is there, in the order of the table."""
        return [name for name, (module, _, _) in COMMANDS.items() if _exists(module)]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """The command, imported now; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        if not _exists(module):
            return None
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return guarded(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands for --help, without importing any of them."""
        rows = [(name, COMMANDS[name][2]) for name in self.list_commands(ctx)]
        if not rows:
            return
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _refuse_empty(args: list[str]) -> None:
    for before, text in zip(["", *args], args, strict=False):
        option, equals, value = text.partition("=")
        empty = option if equals and not value and option.startswith("--") else ""
        if not text:
            empty = before if before.startswith("-") else "an argument"
        if empty:
            raise UsageError(f"{empty.lstrip('-')} is empty.", hint="leave it out")


def _exists(module: str) -> bool:
    name = module.rpartition(".")[2]
    folder = os.path.dirname(__file__)  # noqa: PTH120  (pathlib costs start-up time here)
    return os.path.exists(os.path.join(folder, name + ".py"))  # noqa: PTH110, PTH118


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: edgeq deploy model.keras --data calibration.npz --eval test.npz "
    "--target nucleo-f446re",
)
@click.version_option(__version__, prog_name="edgeq")
def cli() -> None:
    """Quantize a Keras model, prove it, compile it to C, and measure it where it will run."""


def _at_home(argument: str) -> str:
    """An argument with `~/` expanded where the shell leaves it: in quotes, and in --option=~/..."""
    option, equals, value = argument.partition("=")
    if equals and option.startswith("--") and value.startswith("~/"):
        return option + equals + os.path.expanduser(value)  # noqa: PTH111  (start-up time)
    if argument.startswith("~/"):
        return os.path.expanduser(argument)  # noqa: PTH111
    return argument


def _prepare() -> None:
    """Streams that print anything, and signals that end whatever runs."""
    for name in ("stdin", "stdout", "stderr"):
        # Closed by whoever started it (`>&-`): what is printed there is for nobody. Opened in this
        # order, each gets the number of the closed one, and no file of ours does.
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows what it cannot print as \uXXXX.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _look_for_programs_at_home()
    always_interruptible()


def _look_for_programs_at_home() -> None:
    """Programs are looked for in the folders of PATH, and never in the current one.

    That is what an empty or relative part of PATH means, and what Windows does by itself. A model
    that was unpacked there may have come with a `gcc`.
    """
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = os.pathsep.join(part for part in parts if os.path.isabs(part))  # noqa: PTH117
    os.environ["PATH"] = kept or os.devnull  # a PATH of nothing would be the current folder again
    if os.name == "nt":
        os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code (0, 1, 2, 3; 130 after Ctrl-C)."""
    given = sys.argv[1:] if args is None else args
    try:
        _prepare()
        code = _run([_at_home(argument) for argument in given])
    except BaseException as error:
        aborted = isinstance(error, click.exceptions.Abort) or was_interrupted(error)
        if isinstance(error, SystemExit) or not aborted:
            raise
        say("Interrupted; nothing half-written was left behind.", err=True)
        code = EXIT_CODE
    finally:
        command_is_over()
    sys.exit(code)


def _run(args: list[str]) -> int:
    """The exit code of a command that was not interrupted."""
    try:
        code = cli.main(args=args, prog_name="edgeq", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        words = io.StringIO()
        error.show(words)
        say(words.getvalue().rstrip("\n"), err=True)
        code = error.exit_code
    except EdgeqError as error:
        if was_interrupted(error):
            raise
        say(f"Error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        say(f"Error: {_said(error)}", err=True)
        code = 1
    return code if isinstance(code, int) else 0


def _said(error: OSError) -> str:
    """A full disk, a path that cannot be or must not be used; anything else is raised again."""
    from edgeq.support.output import NO_ROOM, is_full

    if "No usable temporary directory" in str(error.strerror):  # no errno of its own
        return "no folder takes temporary files; set TMPDIR to one that does, with room."
    name = error.filename2 or error.filename  # of a copy, the second is what is written
    if name and error.errno in _REFUSED - NO_ROOM:
        names = dict.fromkeys(str(each) for each in (error.filename, name) if each)
        shown = "', '".join(visible_line(each) for each in names)
        return f"cannot read or write: {error.strerror} ('{shown}')."
    if error.errno not in NO_ROOM | _NO_PATH:
        raise error
    if error.errno not in NO_ROOM:
        return f"there is no such path: {error.strerror}" + (f" ('{name}')." if name else ".")
    # Of a write to an open file the system does not say where it was.
    places = [] if name else [*_temporary(), Path.cwd()]
    found = [str(name)] if name else [str(place) for place in places if is_full(place)]
    return f"cannot write: {error.strerror}" + (f" ('{', '.join(found)}')." if found else ".")


def _temporary() -> list[Path]:
    """The folder for temporary files, if one takes any."""
    import tempfile

    try:
        return [Path(tempfile.gettempdir())]
    except OSError:
        return []
