"""What a journal of trials belongs to: a search that is taken up again must be the same one."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.boards.target import load_target
from edgeq.compiler.build.toolchain import cross_toolchain, host_toolchain
from edgeq.devices.address import is_emulated
from edgeq.devices.registry import address_of
from edgeq.errors import EdgeqError
from edgeq.metrics.base import Score
from edgeq.support.output import file_digest
from edgeq.support.user_code import user_file
from edgeq.workflow.manifest import source_digest
from edgeq.workflow.tuning.trial import Problem


def identity_of(problem: Problem, metric: str, real: Score) -> dict[str, Any]:
    """What makes one search the same as another, as plain values.

    Args:
        problem: What is searched for.
        metric: Name of the metric.
        real: The float model's score.
    """
    digest = hashlib.sha256(problem.variants["plain"])
    for array in (*problem.calibration, *problem.samples, problem.labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "edgeq": __version__,
        "model_and_data": digest.hexdigest(),
        "device": problem.on,
        **board_of(problem.on),
        "made_by": _made_by(problem.on),
        "outputs": f"{problem.reading.from_logits} {problem.outputs}",
        "metric": metric,
        **_own_metric(metric, real),
        "variants": {
            name: hashlib.sha256(data).hexdigest() for name, data in problem.variants.items()
        },
    }


def _own_metric(metric: str, real: Score) -> dict[str, str]:
    """What tells a metric of the user's own from what it was: its file, and a score.

    The score is another one where a module changed that the file imports.
    """
    if ":" not in metric:
        return {}
    return {"metric_file": str(named_digest(metric)), "metric_of_float": f"{real.value:.6g}"}


def named_digest(text: str) -> str | None:
    """SHA-256 of what a text names: a file, a folder, or the module that a function is in."""
    digest = source_digest(text)
    if digest is None and ":" in text and (file := user_file(text)) is not None:
        return file_digest(file)
    return digest


def _made_by(on: str) -> str:
    """What makes or runs programs here, whose sizes, times and numbers are its own.

    Of devices behind a link it is not known before they are reached.
    """
    address = address_of(on)
    try:
        if is_emulated(on):
            return cross_toolchain(load_target(address.rest)).version
        if address.text.partition("?")[0] == "c":
            return host_toolchain().version
        if address.text.partition("?")[0] == "local":
            return f"ai-edge-litert {version('ai-edge-litert')}"
    except (EdgeqError, PackageNotFoundError):
        return ""
    return ""


def board_of(on: str) -> dict[str, str]:
    """The digest of the user's own file of a board, where one is emulated."""
    path = Path(address_of(on).rest)
    if not is_emulated(on) or not path.is_file():
        return {}
    return {"board": file_digest(path)}
