"""Options and small things that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from edgeq.boards.levels import NAMES as LEVELS
from edgeq.cli.shared.guard import IMPORTED
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.model.joining import FrontEnd
from edgeq.support.jsontext import json_text
from edgeq.support.sizes import parse_bytes
from edgeq.support.terminal import say

# Addresses that run generated C and nothing else, made for the command.
_MOST_MODEL_BYTES = 4 << 30
_GENERATED = {"c", "wasm", "sim", "qemu"}

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
force_option = click.option("--force", is_flag=True, help="Overwrite existing output.")
runtime_option = click.option(
    "--runtime",
    metavar="LIST",
    help="c, litert or others: each is asked, side by side (ssh:, adb:).",
)
try_it_option = click.option(
    "--try-it/--no-try-it",
    default=True,
    show_default=True,
    help="Put the model into the HTML report as WebAssembly, so that people can try it there.",
)
tflm_kernels_option = click.option(
    "--tflm-kernels",
    type=click.Choice(["reference", "cmsis-nn"]),
    default="cmsis-nn",
    show_default=True,
    help="Which kernels of TensorFlow Lite Micro the arena is for.",
)


def was_given(name: str) -> bool:
    """Whether the user gave an option of the command that runs; by its name in Python."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def names_of(*decorators: Callable[[Callable[..., Any]], Callable[..., Any]]) -> frozenset[str]:
    """The parameters that decorators of commands add, by their names in Python."""

    def command() -> None: ...

    decorated: Callable[..., Any] = command
    for decorator in decorators:
        decorated = decorator(decorated)
    found: list[click.Parameter] = getattr(decorated, "__click_params__", [])
    return frozenset(param.name for param in found if param.name)


def runtimes_of(given: str | None, on: str) -> list[str]:
    """The words of --runtime; empty without it.

    Raises:
        UsageError: It is no list, or `on` is no one device.
    """
    if given is None:
        return []
    if on.startswith("group:"):
        hint = "its devices can have their own: edgeq devices add NAME 'ssh://HOST?runtime=c'"
        raise UsageError(f"--runtime is for one device, not for {on}.", hint=hint)
    found = [word.strip() for word in given.split(",")]
    if "" in found or len(set(found)) < len(found):
        raise UsageError(f"--runtime {given} is no list of runtimes.", hint="--runtime c,litert")
    return found


def takes_only(what: str, *names: str, hint: str = "") -> None:
    """Refuse options of the command that runs which mean nothing to a form of it.

    Args:
        what: The form, such as "--npu".
        names: The parameters that it takes, by their names in Python.
        hint: What to do.

    Raises:
        UsageError: Others were given; they would be ignored without a word.
    """
    given = [
        max(param.opts, key=len)
        for param in click.get_current_context().command.params
        if param.name and param.name not in names and was_given(param.name)
    ]
    if given:
        raise UsageError(f"{what} takes no {', '.join(given)}.", hint=hint or "leave it out")


def _register(context: click.Context, _option: click.Parameter, modules: tuple[str, ...]) -> None:
    if modules and not context.resilient_parsing:  # a shell that completes a line runs nothing
        context.meta[IMPORTED] = modules
        from edgeq.conversion.sources.custom_objects import register_custom_objects

        for module in modules:
            register_custom_objects(module)


import_option = click.option(
    "--import",
    multiple=True,
    metavar="MODULE",
    expose_value=False,
    callback=_register,
    help="Python module (or file.py), which is run, with the model's own layers and functions.",
)


class Whole(click.IntRange):
    """A whole number within bounds; at most `most` where `high` names none to the user."""

    def __init__(self, low: int, high: int | None = None, *, most: int = 2**32 - 1) -> None:
        super().__init__(low, high)
        self.most = most  # what seeds, counts in protocols and libraries take

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number.

        Raises:
            click.BadParameter: It is none, or out of range.
        """
        number = int(super().convert(value, param, ctx))
        if number > self.most:
            self.fail(f"{number} is more than {self.most}.", param, ctx)
        return number


class Number(click.FloatRange):
    """A finite number, within bounds where there are some; NaN would let every limit pass."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            click.BadParameter: It is none, or not finite.
        """
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


def refuse_budgets(options: CompileOptions, runtime: str) -> None:
    """Refuse budgets of a program that is no generated C.

    Raises:
        UsageError: There are some.
    """
    if runtime == "tflm" and options.budgets:
        raise UsageError(
            "Budgets are of generated C.", hint="leave --runtime tflm out, or the budgets"
        )


def print_json(value: Any) -> None:
    """Print a result on stdout as JSON; dataclasses and numpy values are understood."""
    say(json_text(value))


def _front_end(source: str | None, precision: str | None) -> FrontEnd | None:
    if source is None or source == "none":
        if precision is not None:
            raise UsageError("--frontend-precision is of a front end.", hint="--frontend NAME")
        return None
    from edgeq.frontend.build import front_end

    return front_end(source, precision)


def _beside(given: Mapping[str, Any]) -> str | None:
    """The front end that `convert` has written beside a model, where nothing but C runs it."""
    from edgeq.devices.registry import address_of
    from edgeq.frontend.stamp import is_of_another
    from edgeq.support.foreign import read_bytes

    model, on = given.get("model"), given.get("on")
    if not isinstance(model, Path) or model.suffix != ".tflite" or given.get("robustness"):
        return None
    file = model.with_suffix(".frontend.toml")
    others = [given.get("against"), given.get("also_on")]
    files = [other for other in others if isinstance(other, Path)]
    # Beside a model that takes features, this one must take them too.
    if on is None or not file.is_file() or not all(_whole(f, model, file) for f in files):
        return None
    addresses = [*_members(on), *(other for other in others if isinstance(other, str))]
    schemes = {address_of(address).scheme for address in addresses}
    if not schemes <= _GENERATED:
        return None
    if model.is_file() and is_of_another(
        read_bytes(file, "front end"), read_bytes(model, "model", _MOST_MODEL_BYTES)
    ):
        raise UsageError(
            f"{file} was written for another model than {model}.",
            hint=f"--frontend {file} takes it all the same, --frontend none leaves it out",
        )
    say(f"{file} stands before the model (--frontend none: it takes features).", err=True)
    return str(file)


def _members(on: str) -> list[str]:
    """The addresses that --on stands for: those of a group, or itself."""
    from edgeq.devices import inventory

    group = on.removeprefix("group:")
    return [on] if group == on else [address for _, address in inventory.members(group)]


def _whole(other: Path, model: Path, file: Path) -> bool:
    """Whether a model that one is held against takes recordings: what was split is in it still."""
    from edgeq.conversion.sources.keras_front_ends import may_have_front_end
    from edgeq.frontend.stamp import is_stamped
    from edgeq.model.model_file import read_graph
    from edgeq.support.foreign import read_bytes

    if may_have_front_end(other):
        return True
    if not is_stamped(read_bytes(file, "front end")):
        return False
    if other.suffix != ".tflite":
        return True
    ours, theirs = (read_graph(path).main for path in (model, other))
    return ours.tensors[ours.inputs[0]].elements != theirs.tensors[theirs.inputs[0]].elements


precision_option = click.option(
    "--frontend-precision",
    type=click.Choice(["int16", "float32"]),
    help="Of the front end; by default float32 where the core has an FPU.",
)


def frontend_options(command: Command) -> Command:
    """Add what stands before the model; below `compile_options`, to whose options it is added."""

    @click.option(
        "--frontend",
        metavar="NAME|FILE",
        help="What turns samples into the model's input: a built-in name or a TOML file. By "
        "default MODEL.frontend.toml, if convert wrote it (not for compile); none for none.",
    )
    @precision_option
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        frontend: str | None,
        frontend_precision: str | None,
        options: CompileOptions,
        **kwargs: Any,
    ) -> Any:
        frontend = _beside(kwargs) if frontend is None else frontend
        found = _front_end(frontend, frontend_precision)
        return command(*args, options=replace(options, frontend=found), **kwargs)

    return wrapper  # type: ignore[return-value]


def compile_options(command: Command) -> Command:
    """Add what chooses the generated C's form, collected as `options: CompileOptions`."""

    def wrapper(
        *args: Any, options: CompileOptions, isa: str | None, dispatch: bool, **kwargs: Any
    ) -> Any:
        return command(*args, options=replace(options, isa=isa or "", dispatch=dispatch), **kwargs)

    return form_options(
        _with_options(
            command,
            wrapper,
            click.option(
                "--dispatch",
                is_flag=True,
                help="For hosts: the program holds all levels and takes the best when it runs.",
            ),
            click.option(
                "--isa",
                type=click.Choice(LEVELS),
                help="Level of a host's instruction set; on `c` the best of this machine by "
                "default.",
            ),
        )
    )


def form_options(command: Command) -> Command:
    """Add the same without the levels of hosts, where nobody chooses one."""

    def wrapper(
        *args: Any,
        optimize: str,
        ram: str | None,
        flash: str | None,
        cycles: int | None,
        accept_stand_in: bool,
        **kwargs: Any,
    ) -> Any:
        options = CompileOptions(
            optimize, parse_bytes(ram), parse_bytes(flash), cycles, accept_stand_in
        )
        return command(*args, options=options, **kwargs)

    return _with_options(
        command,
        wrapper,
        click.option(
            "--accept-stand-in",
            is_flag=True,
            help="Let figures of another core keep a budget, where the target's own is not here.",
        ),
        click.option("--cycles", type=Whole(1, most=2**53), help="Budget: cycles per inference."),
        click.option(
            "--flash", help="Budget: all flash of the program (code, weights, tables), e.g. 128K."
        ),
        click.option(
            "--ram",
            help="Budget: all RAM that the program needs (arena, state, statics, stack), e.g. 32K.",
        ),
        click.option(
            "--optimize",
            type=click.Choice(["balanced", "speed", "ram", "size"]),
            default="balanced",
            show_default=True,
            help="What the generated C is made for.",
        ),
    )


def _with_options(command: Command, wrapper: Any, *options: Any) -> Command:
    """A wrapper in a command's place, with more options, the last one first."""
    wrapper.__name__ = command.__name__
    wrapper.__doc__ = command.__doc__
    wrapper.__dict__.update(command.__dict__)
    for option in options:
        wrapper = option(wrapper)
    return wrapper  # type: ignore[no-any-return]
