"""Firmware projects in the form that the user's budgets choose."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.analysis.budget import within_budgets
from edgeq.boards.target import Target, load_target
from edgeq.compiler.options import MODES, CompileOptions
from edgeq.errors import LimitError, UsageError
from edgeq.firmware import create
from edgeq.firmware.create import Project
from edgeq.support.listing import several

# MLPerf Tiny's runner knows tensors, no samples.
_NO_FRONT_ENDS = ("mlperf-tiny",)


def create_project(
    models: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    target: str | Path | Target,
    template: str,
    options: CompileOptions | None = None,
    runtime: str = "c",
    **others: Any,
) -> Project:
    """Write a firmware project around one or more integer models; all of it or nothing.

    As `edgeq.firmware.create.create_project`, and the budgets of `options` choose the form of the
    models' C: of each as if it were alone, then of all alike until the whole image keeps to them.

    Raises:
        LimitError: No form of a model's program, or of the image, keeps to the budgets.
        UsageError: A front end is asked for where none runs.
    """
    models, options = several(models), options or CompileOptions()
    limits = {name: limit for name, limit in options.budgets.items() if name != "cycles"}

    if runtime == "tflm" and options.cycles is not None:
        raise UsageError(
            "Nobody knows the cycles of TensorFlow Lite Micro before it is built.",
            hint="leave --cycles out, or --runtime tflm",
        )
    if options.frontend is not None and (runtime != "c" or template in _NO_FRONT_ENDS):
        raise UsageError(
            f"No front ends run in a project for {template if runtime == 'c' else runtime}.",
            hint="another --project" if runtime == "c" else "--runtime c",
        )

    def made(forms: Sequence[CompileOptions]) -> Project:
        return create.create_project(
            models,
            output,
            target=target,
            template=template,
            options=forms,
            budgets=limits,
            runtime=runtime,
            **others,
        )

    if not options.budgets or runtime != "c":
        return made([options] * len(models))
    board = load_target(target)
    forms = [within_budgets(Path(model), board, options) for model in models]
    try:
        return made(forms)
    except LimitError as error:
        for mode in MODES if len(models) > 1 else ():
            with suppress(LimitError):
                return made(_alike(models, board, options, mode))
        raise error from None


def _alike(
    models: Sequence[str | Path], board: Target, options: CompileOptions, mode: str
) -> list[CompileOptions]:
    """All models in one mode, if each keeps to the cycles; flash and RAM are the image's.

    Raises:
        LimitError: One takes more cycles in this mode.
    """
    alone = replace(options, optimize=mode, flash_bytes=None, ram_bytes=None)
    why = "the first form of all models in which the image keeps to its budget"
    return [
        replace(within_budgets(Path(model), board, alone, modes=(mode,)), why=why)
        for model in models
    ]
