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

from edgeq.analysis.account import Account, account_of, address_for, image_account
from edgeq.analysis.delegation.take import takes_on
from edgeq.analysis.drift.check import reference_profile
from edgeq.analysis.energy.figures import duty_of
from edgeq.analysis.evaluation.evaluate import Evaluation, evaluate, refuse_chance
from edgeq.analysis.evaluation.layers import LayerError, layer_errors
from edgeq.analysis.evaluation.metric import find_metric
from edgeq.analysis.evaluation.recorded import listed_recordings
from edgeq.analysis.evaluation.recordings import EventEvaluation, evaluate_recordings
from edgeq.analysis.limits import check_limits
from edgeq.analysis.models import is_integer, is_tflite
from edgeq.analysis.profiling import Profile, profile
from edgeq.analysis.verification import Verification, verify
from edgeq.boards.target import Target, load_target
from edgeq.compiler.compilation import Sources
from edgeq.compiler.options import CompileOptions
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.sources.formats import model_name
from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.data import Understood, check_source, open_dataset, warnings_between
from edgeq.devices.address import is_emulated
from edgeq.devices.power.opening import check_meter
from edgeq.devices.registry import address_of
from edgeq.errors import EdgeqError, LimitError, UsageError
from edgeq.frontend.silent import silent_bands
from edgeq.model.joining import FrontEnd
from edgeq.model.model_file import read_graph
from edgeq.model.samples import sample_specs
from edgeq.report.html import render
from edgeq.report.trial import trial_beside
from edgeq.support.jsontext import json_text
from edgeq.support.output import check_writable, whole_directory, write_whole
from edgeq.support.progress import stage
from edgeq.support.signature import sign_bytes
from edgeq.workflow.compile import compile as compile_model
from edgeq.workflow.config import DeployConfig
from edgeq.workflow.conversion import Conversion
from edgeq.workflow.convert_options import check_stream
from edgeq.workflow.deployed import C_FOLDER, REFERENCE, REPORT, Deployment, result_of, warnings_of
from edgeq.workflow.front_ends import front_end_for
from edgeq.workflow.manifest import MANIFEST, RESULT, write_manifest
from edgeq.workflow.manifest_form import read_manifest

__all__ = ["C_FOLDER", "REFERENCE", "REPORT", "Deployment", "deploy"]

_LAYER_SAMPLES = 8
# An emulated inference takes about a second for a large model; the host has tried many inputs.
_EMULATED_INPUTS = 3


@dataclass(frozen=True)
class _Models:
    """The integer .tflite, the float one that it was made from, and what it was made with.

    Where the source began with a front end, that stands here, as C will have it and as data need
    it.
    """

    integer: Path
    real: Path | None
    conversion: Mapping[str, Any] | None
    calibration: Understood | None = None
    front: FrontEnd | None = None
    hearing: Hearing | None = None


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
    address = address_of(config.on).text if config.on else address_for(target)
    _check(config, address, force=force)
    with (
        whole_directory(Path(config.output), force=force) as folder,
        tempfile.TemporaryDirectory(prefix="edgeq-") as scratch,
    ):
        front = None
        if config.frontend is not None:
            front = front_end_for(target, config.frontend, config.frontend_precision)
        deployment = _Steps(config, target, address, folder, Path(scratch), front).run()
        write_whole(folder / RESULT, json_text(deployment.result) + "\n")
        write_whole(folder / REPORT, _page(config, deployment, folder, front))
        _write_reference(config, folder)
        key = None if config.sign is None else Path(config.sign)
        write_manifest(folder, config, key, _sequence(Path(config.output)))
    return deployment


def _page(config: DeployConfig, found: Deployment, folder: Path, front: FrontEnd | None) -> str:
    """The report, with the model inside it."""
    trials, model = {}, found.result["model"]
    if config.try_it:
        stage("building the model for the report")
        trials[model["sha256"]] = trial_beside(folder / model["path"], front)
    return render(found.result, trials)


def _sequence(output: Path) -> int:
    """Number of this deployment: one more than that of the one it replaces, if there is one."""
    if not (output / MANIFEST).is_file():
        return 1
    with contextlib.suppress(EdgeqError):
        return int(read_manifest(output / MANIFEST)["manifest"]["sequence"]) + 1
    return 1


def _write_reference(config: DeployConfig, folder: Path) -> None:
    """Save what inputs and outputs look like now, for `edgeq drift check` later."""
    # The data of windows and of recordings are not what the model takes.
    if config.data is None or config.stream is not None or any(folder.glob("*.frontend.toml")):
        return
    stage("saving the reference profile for drift")
    model = next(folder.glob("*.tflite"))
    profile_now = reference_profile(model, config.data, reading=config.reading)
    write_whole(folder / REFERENCE, json_text(profile_now) + "\n")


def _check(config: DeployConfig, address: str, *, force: bool) -> None:
    """Refuse what cannot end well before any work is done."""
    inputs = (
        config.model, config.data, config.eval, config.sign, config.recordings, config.frontend,
    )  # fmt: skip
    check_writable(Path(config.output), force=force, folder=True, inputs=inputs)
    find_metric(config.metric)
    duty_of(config.every, config.battery)
    if config.sign is not None:
        sign_bytes(b"", Path(config.sign))
    check_stream(config.stream, config.stream_step, config.eval)
    config.check_together()
    if config.power is not None:
        check_meter(config.power, address)
    if config.recordings is not None:
        listed_recordings(Path(config.recordings))
    for source in (config.data, config.eval):
        if source is not None:
            check_source(source)


@dataclass(frozen=True)
class _Steps:
    """The steps of one deployment."""

    config: DeployConfig
    target: Target
    address: str
    folder: Path
    scratch: Path
    front: FrontEnd | None = None

    def run(self) -> Deployment:
        """All steps in order."""
        models = self._convert()
        return (self if models.front is None else replace(self, front=models.front))._judged(models)

    def _judged(self, models: _Models) -> Deployment:
        """What was converted, compiled and measured."""
        sources = None if self.target.kind == "host" else self._compile(models.integer)
        # The form that compile has chosen for the budgets, so that nobody has to search again.
        options = CompileOptions(sources.manifest["optimize"] if sources else self.config.optimize)
        # Data for the model is its own input; what is measured begins with samples.
        heard = replace(options, frontend=self.front)
        verifications = self._verify(models.integer, options) if sources is not None else ()
        real, accuracy = self._evaluate(models, options)
        layers = tuple(self._layers(models))
        stage(f"profiling on {self.address}")
        config, duty = self.config, duty_of(self.config.every, self.config.battery)
        found = profile(
            models.integer, on=self.address, options=heard, duty=duty, power=config.power
        )
        found = replace(found, path=models.integer.name)
        account = self._account(models.integer, found, heard)
        judged = (config.limits, self.target, account, accuracy, real, verifications)
        limits = check_limits(*judged, accept_stand_in=config.accept_stand_in)
        graph = read_graph(models.integer)
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
            (*_warnings(self.config, models, accuracy, self.front), *warnings_of(found)),
            {},
            self._hear(models.integer, heard),
            takes_on(graph, self.target),
        )
        return replace(
            deployment, result=result_of(deployment, graph, sources, self.front, self.target)
        )

    def _convert(self) -> _Models:
        """The integer model: converted, or as it was given."""
        stage("converting")
        source = Path(self.config.model)
        integer = self.folder / f"{model_name(source)}.tflite"
        if is_tflite(source) and is_integer(read_graph(source)):
            if self.config.stream is not None or self.config.image_front_end:
                option = "--stream" if self.config.stream is not None else "--image-front-end"
                raise UsageError(f"{option} takes a Keras model; this one is integer.")
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
            stream=self.config.stream,
            stream_step=self.config.stream_step,
            image_front_end=self.config.image_front_end,
        )
        front = self._own_front_end(conversion)
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
        if conversion.frontend is not None:
            beside = {"output": Path(str(conversion.frontend.output)).name}
            summary["frontend"] = {**conversion.frontend.to_json(), **beside}
        return _Models(
            integer, real, summary, conversion.understood.get("calibration"),
            front, None if conversion.float_model is None else conversion.float_model.front,
        )  # fmt: skip

    def _own_front_end(self, conversion: Conversion) -> FrontEnd | None:
        """The front end that the model began with, if there was one.

        Raises:
            UsageError: Another one is asked for.
        """
        if conversion.frontend is None:
            self.config.check_precision(there=self.front is not None)
            return None
        if self.front is not None:
            raise UsageError(
                f"--frontend: the model begins with one, the layer {conversion.frontend.layer}.",
                hint="leave it out",
            )
        values = conversion.frontend.values
        return front_end_for(self.target, values, self.config.frontend_precision)

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
            frontend=self.front,
        )
        output = self.folder / C_FOLDER
        try:
            return compile_model(model, output, target=self.target, options=budgets)
        except LimitError:
            # The limits are checked at the end, where the report can show by how much.
            options = CompileOptions(optimize, frontend=self.front)
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
        forms = [(on, n, options) for on, n in counts.items()]
        if self.front is not None and is_emulated(self.address):
            # No oracle has front ends: this machine's C is what data for training came from.
            forms.append((self.address, _EMULATED_INPUTS, replace(options, frontend=self.front)))
        return tuple(
            replace(verify(model, on=on, n=n, options=form), model=model.name)
            for on, n, form in forms
        )

    def _hear(self, model: Path, heard: CompileOptions) -> EventEvaluation | None:
        """Events of whole recordings."""
        if self.config.recordings is None:
            return None
        stage("evaluating recordings")
        found = evaluate_recordings(
            model,
            recordings=self.config.recordings,
            options=heard,
            resample=self.config.reading.resample,
        )
        return replace(found, model=model.name)

    def _evaluate(
        self, models: _Models, options: CompileOptions
    ) -> tuple[Evaluation | None, Evaluation | None]:
        """Accuracy of the float and of the integer model."""
        stage("evaluating")
        if self.config.eval is None:
            return None, None
        device = self.address if self.target.kind == "host" else "c"

        def measure(model: Path, on: str, front: FrontEnd | None) -> Evaluation:
            asked = self.config
            found = evaluate(
                model, data=asked.eval, on=on, metric=asked.metric, limit=asked.limit,
                dataset_options=asked.reading, options=replace(options, frontend=front),
                outputs=outputs_by_loss(asked.model),
            )  # fmt: skip
            data = None if found.data is None else found.data.without_folder()
            return replace(found, model=model.name, data=data)

        first = "local" if models.front is None else "c"
        # With a front end of its own the data are recordings, for the float model too.
        exact = models.front and replace(models.front, precision=None)
        real = None if models.real is None else measure(models.real, first, exact)
        integer = measure(models.integer, device, models.front)
        refuse_chance(integer if real is None else real, str(self.config.eval))
        return real, integer

    def _layers(self, models: _Models) -> list[LayerError]:
        """Error of each layer on a few samples of the representative data."""
        if models.real is None or self.config.data is None or self.config.stream is not None:
            return []
        stage("comparing layers")
        hearing = models.hearing
        data = open_dataset(
            self.config.data,
            sample_specs(read_graph(models.real)) if hearing is None else [hearing.spec],
            options=self.config.reading,
            limit=_LAYER_SAMPLES,
        )
        data = data if hearing is None else data.cut(hearing)
        return layer_errors(models.real, models.integer, (sample.inputs for sample in data))


def _warnings(
    config: DeployConfig, models: _Models, accuracy: Evaluation | None, front: FrontEnd | None
) -> tuple[str, ...]:
    """What conversion, evaluation and the front end warn of, each thing once."""
    found = [*(models.conversion or {}).get("warnings", ()), *silent_bands(front)]
    asked = {"scheme": config.scheme != DeployConfig.scheme, "io": config.io is not None}
    if models.conversion is None and any(asked.values()):
        names = " and ".join(name for name, given in asked.items() if given)
        found.append(f"the model is integer already; {names} would say how to convert one")
    if accuracy is not None:
        found += accuracy.warnings
        if models.calibration is not None and accuracy.data is not None:
            found += warnings_between(models.calibration, accuracy.data)
    return tuple(dict.fromkeys(warning for warning in found if warning))
