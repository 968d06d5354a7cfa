"""edgeq: from a trained Keras model to a verified integer binary, measured where it will run.

Every command of the command line is also a function here; heavy packages are imported only
when a function that needs them is called.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "EdgeqError": "edgeq.errors",
    "Graph": "edgeq.graph",
    "read_graph": "edgeq.model_file",
    "convert": "edgeq.conversion.convert",
    "inspect": "edgeq.inspection",
    "compile": "edgeq.compilation",
    "run": "edgeq.execution",
    "verify": "edgeq.verification",
    "evaluate": "edgeq.evaluation.evaluate",
    "profile": "edgeq.profiling",
    "diagnose": "edgeq.diagnosis.diagnose",
    "tune": "edgeq.tuning.tune",
    "deploy": "edgeq.deployment",
    "DeployConfig": "edgeq.config",
    "Limits": "edgeq.config",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  (strings, but only at run time)


def __getattr__(name: str) -> Any:
    """Import a public function on first use."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgeq' has no attribute '{name}'")
