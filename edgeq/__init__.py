"""edgeq: from a trained Keras model to a verified integer binary, measured where it will run.

What the commands do, as functions; heavy packages are imported only when a function that needs
them is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgeq.analysis.comparison.groups import compare_groups as compare_groups
    from edgeq.analysis.comparison.profiles import compare_profiles as compare_profiles
    from edgeq.analysis.delegation.take import delegates as delegates
    from edgeq.analysis.diagnosis.diagnose import diagnose as diagnose
    from edgeq.analysis.doctor import check_installation as check_installation
    from edgeq.analysis.drift.check import check_drift as check_drift
    from edgeq.analysis.drift.check import reference_profile as reference_profile
    from edgeq.analysis.evaluation.evaluate import evaluate as evaluate
    from edgeq.analysis.evaluation.recordings import evaluate_recordings as evaluate_recordings
    from edgeq.analysis.evaluation.robustness import robustness as robustness
    from edgeq.analysis.execution import run as run
    from edgeq.analysis.fit import fit as fit
    from edgeq.analysis.fit import fit_tflm as fit_tflm
    from edgeq.analysis.fit import fits as fits
    from edgeq.analysis.fleet.groups import evaluate_group as evaluate_group
    from edgeq.analysis.fleet.groups import probe_device as probe_device
    from edgeq.analysis.fleet.groups import probe_group as probe_group
    from edgeq.analysis.fleet.groups import profile_group as profile_group
    from edgeq.analysis.fleet.runtimes import evaluate_runtimes as evaluate_runtimes
    from edgeq.analysis.fleet.runtimes import profile_runtimes as profile_runtimes
    from edgeq.analysis.fleet.runtimes import verify_runtimes as verify_runtimes
    from edgeq.analysis.inspection import inspect as inspect
    from edgeq.analysis.limits import Limits as Limits
    from edgeq.analysis.op_table import op_table as op_table
    from edgeq.analysis.profiling import profile as profile
    from edgeq.analysis.verification import verify as verify
    from edgeq.boards.target import all_targets as all_targets
    from edgeq.boards.target import load_target as load_target
    from edgeq.compiler.options import CompileOptions as CompileOptions
    from edgeq.compress.clustering import cluster as cluster
    from edgeq.compress.distillation import distill as distill
    from edgeq.compress.equalization import equalize as equalize
    from edgeq.compress.factorization import factorize as factorize
    from edgeq.compress.pruning import prune as prune
    from edgeq.compress.pruning import prune_2_of_4 as prune_2_of_4
    from edgeq.compress.pruning import prune_blocks as prune_blocks
    from edgeq.compress.qat import qat as qat
    from edgeq.compress.structured import prune_channels as prune_channels
    from edgeq.compress.task import Task as Task
    from edgeq.compress.training import Training as Training
    from edgeq.data import DatasetOptions as DatasetOptions
    from edgeq.data import Normalization as Normalization
    from edgeq.devices.base import ProfileOptions as ProfileOptions
    from edgeq.devices.inventory import read_inventory as read_inventory
    from edgeq.devices.serial.monitor import monitor as monitor
    from edgeq.errors import EdgeqError as EdgeqError
    from edgeq.firmware.building import build_project as build_project
    from edgeq.firmware.flash import flash_project as flash_project
    from edgeq.frontend.build import front_end as front_end
    from edgeq.frontend.features import Extractor as Extractor
    from edgeq.frontend.features import features as features
    from edgeq.frontend.keras_layer import feature_layer as feature_layer
    from edgeq.frontend.keras_layer import feature_map as feature_map
    from edgeq.model.graph import Graph as Graph
    from edgeq.model.model_file import read_graph as read_graph
    from edgeq.report.write import write_report as write_report
    from edgeq.workflow.compile import compile as compile  # noqa: A004  (the command)
    from edgeq.workflow.config import DeployConfig as DeployConfig
    from edgeq.workflow.convert import convert as convert
    from edgeq.workflow.deployment import deploy as deploy
    from edgeq.workflow.manifest_check import check_manifest as check_manifest
    from edgeq.workflow.npu import compile_for_npu as compile_for_npu
    from edgeq.workflow.projects import create_project as create_project
    from edgeq.workflow.schemes import compare_schemes as compare_schemes
    from edgeq.workflow.tuning.front import TuneLimits as TuneLimits
    from edgeq.workflow.tuning.tune import tune as tune

_PUBLIC = {
    "EdgeqError": "edgeq.errors",
    "Graph": "edgeq.model.graph",
    "read_graph": "edgeq.model.model_file",
    "convert": "edgeq.workflow.convert",
    "compare_schemes": "edgeq.workflow.schemes",
    "inspect": "edgeq.analysis.inspection",
    "compile": "edgeq.workflow.compile",
    "run": "edgeq.analysis.execution",
    "verify": "edgeq.analysis.verification",
    "evaluate": "edgeq.analysis.evaluation.evaluate",
    "evaluate_recordings": "edgeq.analysis.evaluation.recordings",
    "profile": "edgeq.analysis.profiling",
    "front_end": "edgeq.frontend.build",
    "features": "edgeq.frontend.features",
    "Extractor": "edgeq.frontend.features",
    "feature_layer": "edgeq.frontend.keras_layer",
    "feature_map": "edgeq.frontend.keras_layer",
    "diagnose": "edgeq.analysis.diagnosis.diagnose",
    "tune": "edgeq.workflow.tuning.tune",
    "TuneLimits": "edgeq.workflow.tuning.front",
    "deploy": "edgeq.workflow.deployment",
    "DeployConfig": "edgeq.workflow.config",
    "Limits": "edgeq.analysis.limits",
    "CompileOptions": "edgeq.compiler.options",
    "ProfileOptions": "edgeq.devices.base",
    "DatasetOptions": "edgeq.data",
    "Normalization": "edgeq.data",
    "check_manifest": "edgeq.workflow.manifest_check",
    "reference_profile": "edgeq.analysis.drift.check",
    "check_drift": "edgeq.analysis.drift.check",
    "compare_profiles": "edgeq.analysis.comparison.profiles",
    "delegates": "edgeq.analysis.delegation.take",
    "compile_for_npu": "edgeq.workflow.npu",
    "fit": "edgeq.analysis.fit",
    "fit_tflm": "edgeq.analysis.fit",
    "fits": "edgeq.analysis.fit",
    "create_project": "edgeq.workflow.projects",
    "build_project": "edgeq.firmware.building",
    "flash_project": "edgeq.firmware.flash",
    "monitor": "edgeq.devices.serial.monitor",
    "write_report": "edgeq.report.write",
    "op_table": "edgeq.analysis.op_table",
    "all_targets": "edgeq.boards.target",
    "load_target": "edgeq.boards.target",
    "read_inventory": "edgeq.devices.inventory",
    "profile_group": "edgeq.analysis.fleet.groups",
    "profile_runtimes": "edgeq.analysis.fleet.runtimes",
    "evaluate_runtimes": "edgeq.analysis.fleet.runtimes",
    "verify_runtimes": "edgeq.analysis.fleet.runtimes",
    "evaluate_group": "edgeq.analysis.fleet.groups",
    "probe_device": "edgeq.analysis.fleet.groups",
    "probe_group": "edgeq.analysis.fleet.groups",
    "compare_groups": "edgeq.analysis.comparison.groups",
    "robustness": "edgeq.analysis.evaluation.robustness",
    "check_installation": "edgeq.analysis.doctor",
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


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public function on first use."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgeq' has no attribute '{name}'")
