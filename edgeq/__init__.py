"""edgeq: from a trained Keras model to a verified integer binary, measured where it will run.

What the commands do, as functions; heavy packages are imported only when a function that needs
them is called.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "EdgeqError": "edgeq.errors",
    "Graph": "edgeq.model.graph",
    "read_graph": "edgeq.model.model_file",
    "convert": "edgeq.workflow.convert",
    "inspect": "edgeq.analysis.inspection",
    "compile": "edgeq.workflow.compile",
    "run": "edgeq.analysis.execution",
    "verify": "edgeq.analysis.verification",
    "evaluate": "edgeq.analysis.evaluation.evaluate",
    "profile": "edgeq.analysis.profiling",
    "diagnose": "edgeq.analysis.diagnosis.diagnose",
    "tune": "edgeq.workflow.tuning.tune",
    "deploy": "edgeq.workflow.deployment",
    "DeployConfig": "edgeq.workflow.config",
    "Limits": "edgeq.analysis.limits",
    "check_manifest": "edgeq.workflow.manifest_check",
    "reference_profile": "edgeq.analysis.drift.check",
    "check_drift": "edgeq.analysis.drift.check",
    "compare_profiles": "edgeq.analysis.compare",
    "fits": "edgeq.analysis.fit",
    "create_project": "edgeq.workflow.projects",
    "build_project": "edgeq.firmware.building",
    # `edgeq compress`; Task and Training say what to train on and how.
    "Task": "edgeq.compress.task",
    "Training": "edgeq.compress.training",
    "qat": "edgeq.compress.qat",
    "prune": "edgeq.compress.pruning",
    "prune_2_of_4": "edgeq.compress.pruning",
    "prune_blocks": "edgeq.compress.pruning",
    "prune_channels": "edgeq.compress.structured",
    "cluster": "edgeq.compress.clustering",
    "factorize": "edgeq.compress.factorization",
    "distill": "edgeq.compress.distillation",
    "equalize": "edgeq.compress.equalization",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  (strings, but only at run time)


def __getattr__(name: str) -> Any:
    """Import a public function on first use."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgeq' has no attribute '{name}'")
