"""Firmware projects in the form that the user's budgets choose."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.analysis.budget import within_budgets
from edgeq.boards.target import load_target
from edgeq.compiler.options import MODES, CompileOptions
from edgeq.errors import LimitError, UsageError
from edgeq.firmware import create
from edgeq.firmware.create import Project

# MLPerf Tiny's runner knows tensors, no samples.
_NO_FRONT_ENDS = ("mlperf-tiny",)


def create_project(
    models: Sequence[str | Path],
    output: str | Path,
    *,
    target: str,
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
    options = options or CompileOptions()
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
    # What a model misses alone, an image of several misses as well.
    alone = [within_budgets(Path(model), board, options) for model in models]
    try:
        return made(alone)
    except LimitError as error:
        for mode in MODES if len(models) > 1 else ():
            why = "the first form of all models in which the image keeps to its budget"
            asked = replace(options, optimize=mode, why=why, ram_bytes=None, flash_bytes=None)
            with suppress(LimitError):
                return made([within_budgets(Path(model), board, asked) for model in models])
        raise error from None
