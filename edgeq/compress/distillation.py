"""A small model learns from a large one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeq.compress.network import rebuild
from edgeq.compress.result import Compression
from edgeq.compress.task import Task, begin
from edgeq.compress.training import Training
from edgeq.errors import UsageError


def distill(student: Any, teacher: Any, task: Task) -> Compression:
    """The student, trained on the labels and on the teacher's outputs.

    Args:
        student: A `.keras` or `.h5` file, or a keras.Model; it may be untrained.
        teacher: The same, trained, with the same inputs and outputs.
        task: What they are for; `training.teach` is the teacher's share of the loss.

    Raises:
        EdgeqError: The teacher has another shape or is not trained, or the data does not fit.
    """
    work = begin(
        student,
        replace(task, teacher=teacher),
        Training(epochs=20, teach=0.7),
        trained=False,
    )
    if not work.training.teach:
        raise UsageError("With teach 0 the teacher has no say.", hint="a share such as 0.7")
    model = rebuild(work.original)
    work.fit(model)
    details = {"epochs": work.training.epochs, "teach": work.training.teach}
    return work.result("distill", model, details)
