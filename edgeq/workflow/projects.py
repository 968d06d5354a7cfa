"""Firmware projects in the form that the user's budgets choose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeq.analysis.budget import within_budgets
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.firmware import create
from edgeq.firmware.create import Project


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

    As `edgeq.firmware.create.create_project`, and the budgets of `options` choose the form of each
    model's C.

    Raises:
        LimitError: No form of a model's program keeps to the budgets.
    """
    options = options or CompileOptions()
    forms = [options] * len(models)
    if options.budgets and runtime == "c":
        board = load_target(target)
        forms = [within_budgets(Path(model), board, options) for model in models]
    return create.create_project(
        models, output, target=target, template=template, options=forms, runtime=runtime, **others
    )
