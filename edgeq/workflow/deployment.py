"""The whole chain on one model: convert, prove, verify, evaluate, compile, profile, check, report.

Everything lands in one folder, which appears only when the chain has come to its end.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.account import Account, account_of, address_for, image_account
from edgeq.analysis.drift.check import reference_profile
from edgeq.analysis.energy.figures import duty_of, energy_values, split
from edgeq.analysis.evaluation.evaluate import (
    Evaluation,
    evaluate,
    find_metric,
    refuse_chance,
)
from edgeq.analysis.evaluation.layers import LayerError, layer_errors
from edgeq.analysis.limits import LimitCheck, check_limits
from edgeq.analysis.models import is_integer, is_tflite
from edgeq.analysis.profiling import Profile, profile
from edgeq.analysis.verification import Verification, verify
from edgeq.boards.target import Target, load_target
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.sources.formats import model_name
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.data import Understood, duplicates_warning, open_dataset
from edgeq.devices.address import is_emulated
from edgeq.errors import EdgeqError, LimitError, UsageError
from edgeq.metrics.paired import Paired, compare_scores
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.model.samples import sample_specs
from edgeq.report.html import render
from edgeq.support.figures import beside
from edgeq.support.jsontext import json_text
from edgeq.support.output import check_writable, whole_directory, write_whole
from edgeq.support.progress import stage
from edgeq.support.result import Result
from edgeq.support.signature import sign_bytes
from edgeq.workflow.compile import compile as compile_model
from edgeq.workflow.config import DeployConfig
from edgeq.workflow.manifest import MANIFEST, RESULT, write_manifest
from edgeq.workflow.manifest_form import read_manifest

REPORT, REFERENCE, C_FOLDER = "report.html", "reference.json", "c"
_LAYER_SAMPLES = 8
# An emulated inference takes about a second for a large model; the host has tried many inputs.
_EMULATED_INPUTS = 3


@dataclass(frozen=True, repr=False)
class Deployment(Result):
    """What a deployment found and made.

    Attributes:
        output: The folder: the .tflite, C sources in `c/`, deploy.json, report.html,
            reference.json (for drift) and manifest.json.
        conversion: The JSON of the conversion; None if the model was integer already.
        verifications: Bytes compared with the oracle.
        accuracy: Of the integer model; None without labelled data.
        float_accuracy: Of the float model, where there is one.
        account: What the program takes on the target, each figure with its kind.
        layers: Error of each layer, where there is a float model.
        limits: Every limit with the value found.
        warnings: What may be wrong with model or data, in sentences.
        result: All of it as in deploy.json.
    """

    output: Path
    target: str
    conversion: Mapping[str, Any] | None
    verifications: tuple[Verification, ...]
    accuracy: Evaluation | None
    float_accuracy: Evaluation | None
    profile: Profile
    account: Account
    layers: tuple[LayerError, ...]
    limits: tuple[LimitCheck, ...]
    warnings: tuple[str, ...]
    result: Mapping[str, Any]

    @property
    def latency_ms(self) -> float | None:
        """Of one inference; from the cycles and the target's clock where not timed."""
        return self.account.latency_ms.value

    @property
    def compared(self) -> Paired | None:
        """Whether the integer model is worse than the float one, or noise; None if not known."""
        if self.accuracy is None or self.float_accuracy is None:
            return None
        return compare_scores(self.float_accuracy.score, self.accuracy.score)

    @property
    def met(self) -> bool:
        """Whether all limits are met and all bytes are equal."""
        return all(check.met for check in self.limits)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.output / REPORT


@dataclass(frozen=True)
class _Models:
    """The integer .tflite, the float one that it was made from, and what it was made with."""

    integer: Path
    real: Path | None
    conversion: Mapping[str, Any] | None
    calibration: Understood | None = None


def deploy(config: DeployConfig, *, force: bool = False) -> Deployment:
    """The whole chain on one model, with a report; see `edgeq deploy`.

    Args:
        config: What is wanted.
        force: Whether an existing output folder is replaced.

    Raises:
        EdgeqError: A step failed; nothing is left behind. Limits that are missed raise nothing:
            see `Deployment.met`.
    """
    target = load_target(config.target)
    address = config.on or address_for(target)
    _check(config, force=force)
    with (
        whole_directory(Path(config.output), force=force) as folder,
        tempfile.TemporaryDirectory(prefix="edgeq-") as scratch,
    ):
        deployment = _Steps(config, target, address, folder, Path(scratch)).run()
        write_whole(folder / RESULT, json_text(deployment.result) + "\n")
        write_whole(folder / REPORT, render(deployment.result))
        _write_reference(config, folder)
        key = None if config.sign is None else Path(config.sign)
        write_manifest(folder, config, key, _sequence(Path(config.output)))
    return deployment


def _sequence(output: Path) -> int:
    """Number of this deployment: one more than that of the one it replaces, if there is one."""
    if not (output / MANIFEST).is_file():
        return 1
    with contextlib.suppress(EdgeqError):
        return int(read_manifest(output / MANIFEST)["manifest"]["sequence"]) + 1
    return 1


def _write_reference(config: DeployConfig, folder: Path) -> None:
    """Save what inputs and outputs look like now, for `edgeq drift check` later."""
    if config.data is None:
        return
    stage("saving the reference profile for drift")
    model = next(folder.glob("*.tflite"))
    profile_now = reference_profile(model, config.data, reading=config.reading)
    write_whole(folder / REFERENCE, json_text(profile_now) + "\n")


def _check(config: DeployConfig, *, force: bool) -> None:
    """Refuse what cannot end well before any work is done."""
    inputs = (config.model, config.data, config.eval, config.sign)
    check_writable(Path(config.output), force=force, folder=True, inputs=inputs)
    find_metric(config.metric)
    duty_of(config.every, config.battery)
    if config.sign is not None:
        sign_bytes(b"", Path(config.sign))
    limits = config.limits
    if config.eval is None and (limits.accuracy is not None or limits.accuracy_drop is not None):
        raise UsageError("A limit on accuracy needs labelled data.", hint="--eval test.npz")


@dataclass(frozen=True)
class _Steps:
    """The steps of one deployment."""

    config: DeployConfig
    target: Target
    address: str
    folder: Path
    scratch: Path

    def run(self) -> Deployment:
        """All steps in order."""
        models = self._convert()
        sources = None if self.target.kind == "host" else self._compile(models.integer)
        # The form that compile has chosen for the budgets, so that nobody has to search again.
        options = CompileOptions(sources.manifest["optimize"] if sources else self.config.optimize)
        verifications = self._verify(models.integer, options) if sources is not None else ()
        real, accuracy = self._evaluate(models, options)
        layers = tuple(self._layers(models))
        stage(f"profiling on {self.address}")
        config, duty = self.config, duty_of(self.config.every, self.config.battery)
        found = profile(
            models.integer, on=self.address, options=options, duty=duty, power=config.power
        )
        found = replace(found, path=models.integer.name)
        account = self._account(models.integer, found, options)
        judged = (config.limits, self.target, account, accuracy, real, verifications)
        limits = check_limits(*judged, accept_stand_in=config.accept_stand_in)
        deployment = Deployment(
            Path(self.config.output),
            self.target.name,
            models.conversion,
            verifications,
            accuracy,
            real,
            found,
            account,
            layers,
            limits,
            _warnings(models, accuracy),
            {},
        )
        graph = read_graph(models.integer)
        return replace(deployment, result=_result(deployment, graph, sources))

    def _convert(self) -> _Models:
        """The integer model: converted, or as it was given."""
        stage("converting")
        source = Path(self.config.model)
        integer = self.folder / f"{model_name(source)}.tflite"
        if is_tflite(source) and is_integer(read_graph(source)):
            shutil.copyfile(source, integer)
            return _Models(integer, None, None)
        from edgeq.conversion.quantization.schemes import check_target, find_scheme
        from edgeq.workflow.convert import convert

        check_target(find_scheme(self.config.scheme), self.target)
        conversion = convert(
            source,
            data=self.config.data,
            output=integer,
            scheme=self.config.scheme,
            io=self.config.io,
            target=self.config.target,
            dataset_options=self.config.reading,
            trust=self.config.trust,
            accept_loss=self.config.accept_loss,
        )
        real = None
        if conversion.float_model is not None:
            real = self.scratch / "float.tflite"
            real.write_bytes(conversion.float_model.data)
        read = {
            name: found.without_folder().to_json() for name, found in conversion.understood.items()
        }
        summary = {
            **conversion.to_json(), "model": source.name, "output": integer.name, "data": read,
        }  # fmt: skip
        return _Models(integer, real, summary, conversion.understood.get("calibration"))

    def _compile(self, model: Path) -> Sources:
        """The C in the form that keeps to the budgets, or the plain one if none does."""
        stage("compiling")
        limits, optimize = self.config.limits, self.config.optimize
        budgets = CompileOptions(
            optimize,
            limits.ram_bytes,
            limits.flash_bytes,
            limits.cycles,
            accept_stand_in=self.config.accept_stand_in,
        )
        output = self.folder / C_FOLDER
        try:
            return compile_model(model, output, target=self.target, options=budgets)
        except LimitError:
            # The limits are checked at the end, where the report can show by how much.
            options = CompileOptions(optimize)
            return compile_model(model, output, target=self.target, options=options)

    def _account(self, model: Path, found: Profile, options: CompileOptions) -> Account:
        """What the program takes on the target, the image of its usual project included."""
        duty = duty_of(self.config.every, self.config.battery)
        by_meter = found.energy if found.power is not None else None
        account = account_of(
            found.measurement, model, self.target, options, duty, measured=by_meter
        )
        if self.target.kind == "host":
            return account
        image = image_account(model, self.target, options, golden=True)
        return replace(account, image=image)

    def _verify(self, model: Path, options: CompileOptions) -> tuple[Verification, ...]:
        """Bytes against the oracle, on this machine and in the emulator."""
        stage("verifying")
        counts = {"c": self.config.verify}
        if is_emulated(self.address):
            counts[self.address] = min(self.config.verify, _EMULATED_INPUTS)
        return tuple(
            replace(verify(model, on=on, n=n, options=options), model=model.name)
            for on, n in counts.items()
        )

    def _evaluate(
        self, models: _Models, options: CompileOptions
    ) -> tuple[Evaluation | None, Evaluation | None]:
        """Accuracy of the float and of the integer model."""
        stage("evaluating")
        if self.config.eval is None:
            return None, None
        device = self.address if self.target.kind == "host" else "c"

        def measure(model: Path, on: str) -> Evaluation:
            found = evaluate(
                model,
                data=self.config.eval,
                on=on,
                metric=self.config.metric,
                limit=self.config.limit,
                dataset_options=self.config.reading,
                options=options,
                outputs=outputs_by_loss(self.config.model),
            )
            data = None if found.data is None else found.data.without_folder()
            return replace(found, model=model.name, data=data)

        real = None if models.real is None else measure(models.real, "local")
        integer = measure(models.integer, device)
        refuse_chance(integer if real is None else real, str(self.config.eval))
        return real, integer

    def _layers(self, models: _Models) -> list[LayerError]:
        """Error of each layer on a few samples of the representative data."""
        if models.real is None or self.config.data is None:
            return []
        stage("comparing layers")
        data = open_dataset(
            self.config.data,
            sample_specs(read_graph(models.real)),
            options=self.config.reading,
            limit=_LAYER_SAMPLES,
        )
        return layer_errors(models.real, models.integer, (sample.inputs for sample in data))


def _warnings(models: _Models, accuracy: Evaluation | None) -> tuple[str, ...]:
    """What conversion and evaluation warn of, each thing once."""
    found = [*(models.conversion or {}).get("warnings", ())]
    if accuracy is not None:
        found += accuracy.warnings
        if models.calibration is not None and accuracy.data is not None:
            found.append(duplicates_warning(models.calibration, accuracy.data))
    return tuple(dict.fromkeys(warning for warning in found if warning))


def _result(found: Deployment, graph: Graph, sources: Sources | None) -> dict[str, Any]:
    """The content of deploy.json."""
    return {
        "edgeq": __version__,
        "model": {
            "path": Path(graph.path).name,
            "sha256": graph.sha256,
            "file_bytes": graph.file_bytes,
        },
        "target": found.target,
        "conversion": found.conversion,
        "verify": [check.to_json() for check in found.verifications],
        "evaluation": {
            "float": found.float_accuracy and found.float_accuracy.to_json(),
            "integer": found.accuracy and found.accuracy.to_json(),
            "paired": found.compared,
        },
        # Kinds as seen from the target, which is not always what was measured.
        "profile": {**found.profile.to_json(), **beside(split(found.account.figures)[1])},
        "latency_ms": found.latency_ms,
        **energy_values(found.account.figures),
        "account": found.account.to_json(),
        "memory": None if sources is None else _memory(sources.manifest),
        "layers": found.layers,
        "limits": found.limits,
        "warnings": found.warnings,
        "met": found.met,
        **beside(split(found.account.figures)[0]),
    }


def _memory(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The arena over time."""
    return {
        "arena_bytes": manifest["arena_bytes"],
        "state_bytes": manifest["state_bytes"],
        "lower_bound_bytes": manifest["arena_bound_bytes"],
        "steps": len(manifest["ops"]),
        "blocks": manifest["arena"],
    }
