"""Firmware projects: rendered in memory out of firmware_templates/, written by the caller."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target
from edgeq.boards.target_schema import APP_TEMPLATES
from edgeq.errors import EdgeqError, UsageError, raise_problems
from edgeq.firmware import layout_apps as apps
from edgeq.firmware import layout_frameworks as frameworks
from edgeq.firmware.layout import (
    Layout,
    bare_metal,
    least_flash_bytes,
    least_ram_bytes,
    mlperf_tiny,
)
from edgeq.firmware.model import FirmwareModel
from edgeq.firmware.rendering import render_file

_WEB = "wasm32"
LAYOUTS: dict[str, Callable[[Sequence[FirmwareModel], Target, str], Layout]] = {
    "bare-metal": bare_metal,
    "arduino": frameworks.arduino,
    "platformio": frameworks.platformio,
    "zephyr": frameworks.zephyr,
    "esp-idf": frameworks.esp_idf,
    "pico-sdk": frameworks.pico_sdk,
    "sources": frameworks.plain_sources,
    "mlperf-tiny": mlperf_tiny,
    "linux": apps.linux,
    "android": apps.android,
    "swift": apps.swift,
    "web": apps.web,
}


def render_project(
    models: Sequence[FirmwareModel],
    target: Target,
    template: str,
    name: str,
    *,
    force: bool = False,
) -> dict[str, str]:
    """The files of a firmware project: path to text; nothing is written.

    Args:
        models: One or more compiled models; kernels that they have in common appear once.
        target: The board.
        template: A name of `edgeq.boards.target_schema.TEMPLATES`.
        name: Name of the project.
        force: Whether models that do not fit the board are accepted.

    Raises:
        UsageError: The target does not offer this template.
        EdgeqError: The target lacks facts that the template needs, or the models do not fit.
    """
    if not force:
        check_fit(models, target)
    return lay_out(models, target, template, name)[1]


def lay_out(
    models: Sequence[FirmwareModel], target: Target, template: str, name: str
) -> tuple[Layout, dict[str, str]]:
    """What a project is made of, and its files; see `render_project`."""
    check_target(target, template)
    layout = LAYOUTS[template](models, target, name)
    files = _model_files(models, layout.model_folder)
    for destination, source in layout.files.items():
        _put(files, destination, render_file(source, layout.context))
    for model in models:
        for destination, source in layout.each.items():
            context = {**layout.context, "model": model}
            _put(files, destination.format(model=model), render_file(source, context))
    _check_case(files)
    return layout, dict(sorted(files.items()))


def check_fit(models: Sequence[FirmwareModel], target: Target) -> None:
    """Refuse models that the board cannot hold, with the arithmetic.

    Raises:
        EdgeqError: Flash or RAM is too small.
    """
    problems = []
    if target.largest_ram_bytes is not None:
        needed = least_ram_bytes(models, target)
        taken = target.system.ram_bytes
        problems += _too_big("RAM", needed, target.largest_ram_bytes, taken, target.title)
    if target.flash_bytes is not None:
        needed = least_flash_bytes(models)
        taken = target.system.flash_bytes
        problems += _too_big("flash", needed, target.flash_bytes, taken, target.title)
    raise_problems(problems)


def _too_big(kind: str, needed: int, room: int, taken: int, title: str) -> list[EdgeqError]:
    free = room - taken
    if needed <= free:
        return []
    what = (
        f"The model needs {needed:,} bytes of {kind}, and {title} has {free:,} "
        f"({room:,} less {taken:,} for its usual system): {needed - free:,} too few."
    )
    hint = "edgeq targets --fits MODEL lists boards that hold it; --force makes it all the same"
    return [EdgeqError(what, hint=hint)]


def _templates_hint(target: Target) -> str:
    hint = f"its templates: {', '.join(target.templates) or 'none'}"
    return f"{hint}; a board's name as --target has others" if target.kind == "cpu" else hint


def check_target(target: Target, template: str) -> None:
    """Refuse a template that a target does not offer or has too few facts for.

    Raises:
        UsageError, EdgeqError: It is so.
    """
    if template in APP_TEMPLATES:
        ours = target.toolchain in ("host", "any")
        if not ours or (target.cpu != PORTABLE and (target.cpu == _WEB) != (template == "web")):
            what = "WebAssembly" if ours and template == "web" else "application processors"
            raise UsageError(
                f"A '{template}' project is for {what}; {target.title} is none.",
                where=f"target {target.name}",
                hint=f"leave out --target; {_templates_hint(target)}",
            )
        return
    if template not in target.templates:
        raise UsageError(
            f"There is no '{template}' project for {target.title}.",
            where=f"target {target.name}",
            hint=_templates_hint(target),
        )
    needs = []
    if template in ("bare-metal", "mlperf-tiny"):
        if target.uart is None:
            needs.append("[uart], how the serial port is started")
        if not target.regions("flash") or not target.regions("ram"):
            needs.append("[[memory]], at least one flash and one RAM region")
    where = f"target {target.name}"
    raise_problems([EdgeqError(f"A '{template}' project needs {need}.", where) for need in needs])


def _model_files(models: Sequence[FirmwareModel], folder: str) -> dict[str, str]:
    files: dict[str, str] = {}
    for model in models:
        for path, text in model.files.items():
            _put(files, f"{folder}{path}", text)
    return files


def _put(files: dict[str, str], path: str, text: str) -> None:
    """Add a file; a model's name may make it one that is there."""
    if files.setdefault(path, text) != text:
        raise EdgeqError(
            f"Two parts of this firmware have a file '{path}' with different text.",
            hint="give models other names with --name, and compile them for one target",
        )


def _check_case(files: Collection[str]) -> None:
    """Refuse files that are one where capital and small letters are the same, as on a Mac."""
    spelled: dict[str, str] = {}
    for path in files:
        other = spelled.setdefault(path.lower(), path)
        if other != path:
            raise EdgeqError(
                f"'{path}' and '{other}' would be one file on many systems.",
                hint="give models other names with --name",
            )
