"""From .tflite files to a firmware project in a folder, and back to what a folder holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.boards.target_schema import APP_TEMPLATES, DISPATCHED_TEMPLATES, TEMPLATES
from edgeq.compiler.codegen.literals import check_identifier, identifier
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.options import CompileOptions
from edgeq.errors import EdgeqError, LimitError, MissingDependency, UsageError, raise_problems
from edgeq.firmware.account import TEMPLATE, ImageAccount, linked_project
from edgeq.firmware.app_binaries import check_app, compile_binaries
from edgeq.firmware.golden import oracle_golden
from edgeq.firmware.layout import OPS_HEADER, least_flash_bytes, least_ram_bytes
from edgeq.firmware.model import FirmwareModel, firmware_model
from edgeq.firmware.names import project_name
from edgeq.firmware.project import check_target, render_project
from edgeq.model.model_file import read_graph
from edgeq.support.foreign import parse_json, read_bytes
from edgeq.support.output import check_writable, digests, whole_directory, write_whole
from edgeq.support.text import line_problem, visible_line

PROJECT_FILE = "edgeq-project.json"
_TARGET_FILE = "edgeq-target.toml"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Project:
    """A firmware project in a folder.

    Attributes:
        folder: Where it lies.
        name: Its name, and that of its image.
        template: Kind of project.
        runtime: "c" or "tflm".
        target: The board.
        models: SHA-256 of each model's .tflite file, by name, in the firmware's order.
        notes: What the user should know about it, a line each.
        account: What its image takes, where that is known before it is built.
    """

    folder: Path
    name: str
    template: str
    runtime: str
    target: Target
    models: dict[str, str]
    notes: tuple[str, ...] = ()
    account: ImageAccount | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The project as plain data, as it is kept in its folder."""
        return {
            "edgeq": __version__,
            "name": self.name,
            "template": self.template,
            "runtime": self.runtime,
            "target": self.target.name,
            "models": self.models,
            "notes": list(self.notes),
        }


def create_project(
    models: Sequence[str | Path],
    output: str | Path,
    *,
    target: str | Path | Target,
    template: str,
    name: str | None = None,
    names: Mapping[str, str] | None = None,
    options: CompileOptions | Sequence[CompileOptions] | None = None,
    budgets: Mapping[str, int] | None = None,
    runtime: str = "c",
    tflm_kernels: str = "cmsis-nn",
    golden: bool = True,
    force: bool = False,
) -> Project:
    """Write a firmware project around one or more integer models; all of it or nothing.

    Args:
        models: .tflite files. Several share one arena, since they do not run at once.
        output: The folder to make.
        target: Name of a board, or a target file.
        template: A name of `edgeq.boards.target_schema.TEMPLATES`.
        name: Name of the project and, of a single model, prefix of its C symbols.
        names: Prefix of the C symbols of some of the models, by path as in `models`; the others
            have one from their file's name.
        options: What to optimise for; one for all models, or one for each.
        budgets: Most "flash" and "ram" in bytes of the whole image, not of each model.
        runtime: "c" for generated C, "tflm" for TensorFlow Lite Micro.
        tflm_kernels: "reference" or "cmsis-nn", which differ in the arena they need.
        golden: Put a known input and the results of every op into the image.
        force: Replace an existing folder, and accept models that do not fit the board.

    Raises:
        EdgeqError: A model cannot be compiled, does not fit, or the output cannot be written.
        LimitError: The image does not keep to a budget.
        UsageError: No such target or template.
    """
    board = _board(target, template)
    if not models:
        raise UsageError("No model was given.")
    if name is not None:
        check_identifier(name)
    prefixes = _prefixes(models, name, names or {})
    check_target(board, template)
    folder = Path(output)
    check_writable(folder, force=force, folder=True, inputs=models)
    # MLPerf Tiny's firmware has no serial protocol that could ask for the times of ops.
    app = template in APP_TEMPLATES
    options = _forms(options, len(models), template)
    hook = "" if app or template == "mlperf-tiny" else OPS_HEADER
    if app:
        check_app(template, runtime, options)
    if runtime == "tflm":
        from edgeq.firmware.tflm import tflm_model

        made = [
            tflm_model(Path(model), prefix, kernels=tflm_kernels, hook=hook, golden=golden)
            for model, prefix in zip(models, prefixes, strict=True)
        ]
    else:
        memory = Memory.STATIC if len(models) == 1 else Memory.EXTERNAL
        memory = Memory.REENTRANT if app else memory
        made = _generated(
            models, board, prefixes, options,
            golden=golden, hook=hook, memory=memory, replay=not app,
        )  # fmt: skip
    title = project_name(name or made[0].name, template)
    account = None
    if runtime == "c" and template == TEMPLATE:
        account = _account(made, board)
    _check_budgets(made, board, account, budgets or {})
    if account is not None and not force:
        _check_memories(account, board)
    check = force or account is not None
    files = render_project(made, board, template, title, force=check)
    project = Project(
        folder=folder,
        name=title,
        template=template,
        runtime=runtime,
        target=board,
        models={model.name: model.sha256 for model in made},
        notes=(*(note for model in made for note in model.notes), *_entries(models, made)),
        account=account,
    )
    with whole_directory(folder, force=force) as work:
        for path, text in files.items():
            write_whole(work / path, text)
        if board.file is not None:
            write_whole(work / _TARGET_FILE, board.file.read_text(encoding="utf-8"))
        if app:
            compile_binaries(template, title, work)
        record = {**project.record, "digests": digests(work)}
        write_whole(work / PROJECT_FILE, json.dumps(record, indent=2) + "\n")
    return project


def _entries(models: Sequence[str | Path], made: Sequence[FirmwareModel]) -> list[str]:
    """A note for each model with several signatures: firmware runs one, as all devices do."""
    notes = []
    for path, model in zip(models, made, strict=True):
        signatures = read_graph(path).signatures
        if len({each.subgraph for each in signatures}) > 1:
            here = [visible_line(each.key)[:100] for each in signatures if each.subgraph == 0]
            what = f"signature {here[0]}" if here else "subgraph 0"
            notes.append(
                f"{model.name}: {what} of {len(signatures)}; edgeq compile --signature makes C of "
                "another one, without --project"
            )
    return notes


def _forms(
    options: CompileOptions | Sequence[CompileOptions] | None, models: int, template: str
) -> list[CompileOptions]:
    """What each model is optimised for; libraries for unknown hosts choose their level there."""
    if options is None or isinstance(options, CompileOptions):
        options = [options or CompileOptions()] * models
    unknown = template in DISPATCHED_TEMPLATES
    return [replace(form, dispatch=form.dispatch or (unknown and not form.isa)) for form in options]


def _board(target: str | Path | Target, template: str) -> Target:
    """The target; in a browser no core but WebAssembly's, whose kernels have a form for vectors."""
    board = load_target(target)
    return load_target("wasm32") if template == "web" and board.cpu == PORTABLE else board


def _account(models: Sequence[FirmwareModel], board: Target) -> ImageAccount | None:
    """What the image will take; None without a compiler for the board."""
    try:
        return linked_project(models, board)
    except MissingDependency:
        return None


def _check_memories(account: ImageAccount, board: Target) -> None:
    """Refuse an image that is larger than the board, which nobody had to ask for.

    Raises:
        EdgeqError: A memory of the board is too small.
    """
    parts = {part.owner: part for part in account.parts}
    problems = []
    for region in account.regions:
        if region.left_bytes >= 0:
            continue
        golden = parts["golden"].flash_bytes if "golden" in parts else 0
        less = region.kind == "flash" and golden > 0
        what = (
            f"The image needs {region.used_bytes:,} bytes of {region.name}, and {board.title} has "
            f"{region.size_bytes:,}: {-region.left_bytes:,} too few."
        )
        hint = "edgeq targets --fits MODEL lists boards that hold it; --force makes it all the same"
        without = f"--no-golden saves {golden:,} bytes of it; " if less else ""
        problems.append(EdgeqError(what, hint=without + hint))
    raise_problems(problems)


def _check_budgets(
    models: Sequence[FirmwareModel],
    board: Target,
    account: ImageAccount | None,
    budgets: Mapping[str, int],
) -> None:
    """Refuse an image that is above a budget, with the sum.

    Raises:
        LimitError: It is; where only a build tells the size of the code, what is known is.
    """
    if account is not None:
        needed = {"flash": account.flash_bytes, "ram": account.ram_bytes}
        parts = "start-up, serial protocol, stack and self-test included"
    else:
        needed = {"flash": least_flash_bytes(models), "ram": least_ram_bytes(models, board)}
        parts = "in constants, arena and state alone, without any code"
    misses = [
        f"{needed[name]:,} bytes of {name}, {needed[name] - budgets[name]:,} over {budgets[name]:,}"
        for name in needed
        if needed[name] > budgets.get(name, needed[name])
    ]
    if misses:
        of_each = ", ".join(f"{m.name} {m.flash_bytes:,} and {m.arena_bytes:,}" for m in models)
        raise LimitError(
            f"The image needs {' and '.join(misses)} ({parts}).",
            where=f"constants and arena of each model: {of_each}",
            hint="a larger budget, smaller models, or fewer of them",
        )


def _generated(
    models: Sequence[str | Path],
    board: Target,
    prefixes: Sequence[str],
    options: Sequence[CompileOptions],
    *,
    golden: bool,
    hook: str,
    memory: Memory,
    replay: bool,
) -> list[FirmwareModel]:
    from edgeq.compiler.compilation import generate

    return [
        firmware_model(
            generate(
                model,
                name=prefix,
                target=board,
                options=form,
                memory=memory,
                known_answers=partial(oracle_golden, model) if golden else None,
                hook=hook,
            ),
            replay=replay,
        )
        for model, prefix, form in zip(models, prefixes, options, strict=True)
    ]


def _prefixes(
    models: Sequence[str | Path], name: str | None, names: Mapping[str, str]
) -> list[str]:
    """The prefix of each model's C symbols.

    Raises:
        UsageError: A name is for none of the models, cannot be one, or stands twice.
    """
    paths = [str(model) for model in models]
    if unknown := sorted(set(names) - set(paths)):
        raise UsageError(
            f"There is no model '{unknown[0]}' to be named.", hint=f"models: {', '.join(paths)}"
        )
    given = {path: check_identifier(prefix) for path, prefix in names.items()}
    if name is not None and len(paths) == 1:
        given.setdefault(paths[0], name)
    prefixes = [given.get(path) or identifier(Path(path).stem) for path in paths]
    # Files of names that differ in case only are one on many systems, and so are their macros.
    counts = Counter(prefix.lower() for prefix in prefixes)
    for path, prefix in zip(paths, prefixes, strict=True):
        if counts[prefix.lower()] > 1:
            raise UsageError(
                f"Two models would have the name '{prefix}'.", path, f"--name OTHER={path}"
            )
    return prefixes


def read_project(folder: str | Path) -> Project:
    """What the firmware project in a folder is.

    Raises:
        EdgeqError: The folder holds no project of edgeq's.
    """
    folder = Path(folder)
    file = folder / PROJECT_FILE
    try:
        record = parse_json(read_bytes(file, "project", _MOST_BYTES), str(file))
        record = record if isinstance(record, dict) else {}
        checked = (check(record.get(name)) for name, check in _RECORD.items())
        if problems := list(filter(None, checked)):
            raise ValueError(problems[0])
        target_file = folder / _TARGET_FILE
        return Project(
            folder=folder,
            name=record["name"],
            template=record["template"],
            runtime=record["runtime"],
            target=load_target(target_file if target_file.is_file() else record["target"]),
            models=dict(record["models"]),
            notes=tuple(record["notes"]),
        )
    except (EdgeqError, ValueError) as error:
        raise EdgeqError(
            f"'{folder}' is no firmware project: {error}",
            where=str(file),
            hint="edgeq compile MODEL.tflite -o DIR --target BOARD --project bare-metal",
        ) from error


def _matching(pattern: str, what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        good = isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII)
        return "" if good else f"{value!r:.80} is no {what}"

    return check


def _models(value: Any) -> str:
    good = isinstance(value, dict) and all(
        not _NAME(name) and not _matching("[0-9a-f]{64}", "digest")(digest)
        for name, digest in value.items()
    )
    return "" if good else "its models have no names with digests"


def _notes(value: Any) -> str:
    good = isinstance(value, list) and all(not line_problem(note, 1000) for note in value)
    return "" if good else "its notes are no lines"


# What a project file may hold: the names become paths and arguments of build systems.
_NAME = _matching(r"[A-Za-z_][A-Za-z0-9_]{0,59}", "name")
_RECORD: dict[str, Callable[[Any], str]] = {
    "name": _NAME,
    "template": _matching("|".join(TEMPLATES), "kind of project"),
    "runtime": _matching("c|tflm", "runtime"),
    "target": _matching(r"[a-z0-9]+(-[a-z0-9]+)*", "target"),
    "models": _models,
    "notes": _notes,
}
