"""The whole conversion: load, calibrate, quantize, prove, write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.analysis.app_runtimes import AppRuntime, app_runtimes
from edgeq.analysis.evaluation.evaluate import Evaluation
from edgeq.analysis.runs_on import RunsOn, runs_on
from edgeq.boards.target import Target, load_target
from edgeq.conversion.calibration.calibrate import Calibration
from edgeq.conversion.calibration.suspicions import suspicions
from edgeq.conversion.describe import describe, labelled_output
from edgeq.conversion.explain import explained
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.pass_log import PassLog
from edgeq.conversion.proof.integer import Proof, prove_integer, prove_runs
from edgeq.conversion.proof.passes import check_passes as prove_passes
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.adaptive_rounding import (
    usual_rounding,
)
from edgeq.conversion.quantization.few_weights import kept_at_eight_bits
from edgeq.conversion.quantization.layer_precision import without_effect
from edgeq.conversion.quantization.quantize import Recipe, quantize
from edgeq.conversion.quantization.schemes import Scheme, check_target, find_scheme
from edgeq.data import DatasetOptions, Understood, data_warnings
from edgeq.devices.faults import misdivisions
from edgeq.model.model_file import parse_graph
from edgeq.support.output import check_writable
from edgeq.workflow.conversion import Conversion
from edgeq.workflow.convert_options import (
    check_form,
    check_io,
    check_use,
    layer_schemes,
    usual_calibration,
)
from edgeq.workflow.front_ends import SplitFrontEnd, heard, place_for, written
from edgeq.workflow.labelled import compared
from edgeq.workflow.phones import usual_io
from edgeq.workflow.quality import QualityCheck
from edgeq.workflow.ranges import ranged
from edgeq.workflow.repairs import Repairs
from edgeq.workflow.streams import FloatModels, Streamed, float_models, is_apart, streamed


def convert(
    model: str | Path | Any,
    *,
    data: Any = None,
    output: str | Path | None = None,
    scheme: str = "int8",
    io: str | None = None,
    calibration: str | None = None,
    symmetric: bool = False,
    precision: Mapping[str, str] | None = None,
    limit: int | None = None,
    dataset_options: DatasetOptions | None = None,
    signature: str | None = None,
    trust: bool = False,
    force: bool = False,
    eval_data: Any = None,
    metric: str = "classification",
    target: str | Path | Target | None = None,
    rounding: str | None = None,
    bias_correction: bool = False,
    quality_check: bool = True,
    accept_loss: bool = False,
    split_outputs: bool = False,
    explain: bool = False,
    check_passes: bool | None = None,
    head: str = "scores",
    stream: int | None = None,
    stream_step: int | None = None,
    image_front_end: bool = False,
) -> Conversion:
    """A quantized .tflite of a model, proven to be what was asked for.

    Args:
        model: `.keras`, `.h5`, SavedModel folder, float `.tflite`, `.onnx`, `.pt2`,
            `module:function` that returns a torch.nn.Module and example inputs, or a keras.Model.
        data: Representative data (see `edgeq.data.open_dataset`); schemes that keep float
            activations need none.
        output: The .tflite to write; None to write nothing.
        scheme: A name of `edgeq.conversion.quantization.schemes.SCHEMES`.
        io: Type of inputs and outputs; the activations' type if None, and uint8 for a phone.
        calibration: How ranges are chosen, a name of
            `edgeq.conversion.calibration.calibrate.METHODS`. None is mse for int4 and minmax for
            others.
        symmetric: Whether the zero point of int8 activations is always 0.
        precision: For the scheme "mixed": layer names (may hold * and ?) and the schemes for
            them ("int4", "int16x8", ...); other layers are int8. Without it, layers whose
            outputs hardly change get int4 weights.
        limit: Calibrate on at most so many samples, spread over the set.
        dataset_options: How the data is read; its class names and its normalization go into the
            model as TFLite metadata.
        signature: Which signature of a SavedModel.
        trust: Whether code inside the model file may run.
        force: Whether an existing output is replaced.
        eval_data: Labelled data to compare the float and the converted model on.
        metric: What to compute on it (see `edgeq.evaluate`).
        target: Where it shall run (see `edgeq targets`); a scheme that cannot is refused.
        rounding: "nearest"; "adaptive": weights go up or down by what that does to the layer's
            output on the data, where it pays; "sequential": layer after layer, each for the
            inputs that the rounded ones before it give, with scales chosen for that and biases
            that make up for the rest. None is sequential for int4 and nearest for others.
            Integer schemes only.
        bias_correction: Whether biases make up for what rounding of weights adds on average;
            integer schemes only.
        quality_check: Whether the result runs beside the float model on up to 100 samples (those
            of `eval_data` where given), for 3 seconds at most, and that beside the model on 3.
        accept_loss: Whether a result whose outputs differ much from the float model's passes.
        split_outputs: Whether an output that is joined of parts (boxes and scores) becomes an
            output with a scale of its own for each part.
        explain: Whether the result says which passes changed which layers.
        check_passes: Whether each graph pass is held against the graph before it, on random and
            real inputs; None asks the environment variable EDGEQ_CHECK_PASSES.
        head: What the outputs give: "scores" as the model has them; "logits", without a softmax or
            sigmoid at the end; "class", the number of the largest score.
        stream: Axis of time in the input of a Keras model of windows, 1 being the first behind the
            batch: the result takes steps along it and keeps in variables what has gone by.
        stream_step: Frames that a step has; 1 if None.
        image_front_end: Whether Resizing, CenterCrop and Rescaling at the head of a Keras model
            become a front end for cameras; else they are ops of the result. Integer schemes only.

    Raises:
        LimitError: The result does not compute what the float model does, or that not what the
            model does; nothing is written.
        EdgeqError: The model or the data is not usable, the output exists, or the result is not
            what was asked for (all reasons at once).
    """
    chosen = find_scheme(scheme)
    place = _able(chosen, target)
    io_type = check_io(chosen, io or usual_io(chosen, place))
    recipe = Recipe(chosen, io_type, symmetric, layer_schemes(chosen, precision))
    rounding, calibration = _usually(chosen, rounding, calibration)
    options = dataset_options or DatasetOptions()
    path = _free(output, (model, data, eval_data), force=force)
    check_use(recipe, data, calibration, rounding, bias_correction=bias_correction)
    check_form(chosen, stream, stream_step, eval_data, image=image_front_end)
    check_passes = chosen.integer and _wanted(check_passes)
    log = PassLog() if explain or check_passes else None
    models = float_models(
        model, stream, stream_step, signature=signature, trust=trust, split=split_outputs,
        head=head, log=log, options=options, front_ends=chosen.integer, image=image_front_end,
    ).fitted(data, options, limit)  # fmt: skip
    beside = _beside(path, models.source, (model, data, eval_data), force=force)
    recipe = _as_they_come(recipe, models.source, io)
    ready = ranged(
        models.source, recipe, data, options, limit, calibration=calibration, rounding=rounding,
        bias_correction=bias_correction, accept_loss=accept_loss, log=log,
    )  # fmt: skip
    source, found, real = ready.source, ready.calibration, models.source
    made = quantize(source, ready.recipe, ready.ranges, repair=ready.repairs, log=log)
    if log is not None and check_passes and ready.dataset is not None:
        prove_passes(log, ready.dataset, source.data, source.source)
    result = describe(made, source, options, found, ready.pixels)
    real = replace(real, data=describe(real.network(), source, options, found), own=None)
    proof, on_zeros = _proven(result, source, ready.recipe)
    where = runs_on(parse_graph(result, source.source)) if chosen.integer else None
    check = QualityCheck(
        quality_check, data, eval_data, options, accept_loss, metric,
        labelled_output(real, options.classes), ready.left_out, models.source.front,
    )  # fmt: skip
    beheld = _beheld(check, models, source, chosen, result)
    judged = () if eval_data is None else compared(models, real, result, eval_data, metric, options)
    understood = {**ready.understood, **_understood(judged)}
    warnings = _of_data(found, source, understood) + _in_vain(ready.recipe, result)
    warnings += (*ready.left_out, *_remarks(judged, where), *beheld.words, *on_zeros)
    output, front = written(path, result, beside, beheld.front, force=force)
    return Conversion(
        model=source.source,
        scheme=chosen,
        precision=_by_layer(ready.recipe, result),
        data=result,
        sha256=hashlib.sha256(result).hexdigest(),
        output=output,
        float_bytes=len(source.data),
        proof=proof,
        calibration=found,
        warnings=warnings,
        float_model=real,
        understood=understood,
        quality=beheld.quality,
        runs_on=where,
        app_runtimes=_in_apps(result, place),
        passes=explained(log, source.graph) if log is not None and explain else (),
        stream=beheld.stream,
        frontend=front,
        **(_scores(judged) | _mended(ready.repairs)),
    )


@dataclass(frozen=True)
class _Beheld:
    """How the result computes beside the float model: whole, behind its front end, step by step."""

    quality: Quality | None
    front: SplitFrontEnd | None
    stream: Streamed | None
    words: tuple[str, ...]


def _beheld(
    check: QualityCheck, models: FloatModels, source: FloatModel, scheme: Scheme, result: bytes
) -> _Beheld:
    of_source = check.of_source(models.whole or models.windows)
    front, of_front = heard(
        check, models.whole, models.alone, models.windows, source.stream, scheme
    )
    steps, of_steps = streamed(check, models.windows, source, scheme)
    apart = is_apart(steps) or is_apart(front)
    quality, remarks = check.run(models.given, scheme, result, source.stream, apart=apart)
    return _Beheld(
        quality, front, steps, (*of_source, *remarks, *models.words, *of_front, *of_steps)
    )


def _beside(
    path: Path | None, source: FloatModel, inputs: tuple[Any, ...], *, force: bool
) -> Path | None:
    """Where the description of a front end that was split off is written."""
    return None if source.front is None else place_for(path, force=force, inputs=inputs)


def _of_data(
    found: Calibration | None, source: FloatModel, understood: Mapping[str, Understood]
) -> tuple[str, ...]:
    """What may be a mistake in the data, or too little of it, in sentences."""
    ranges = found.warnings() if found else ()
    return (*ranges, *suspicions(source, found), *data_warnings(tuple(understood.values())))


def _usually(scheme: Scheme, rounding: str | None, calibration: str | None) -> tuple[str, str]:
    """How weights are rounded and ranges chosen: as asked for, else as the scheme wants it."""
    return rounding or usual_rounding(scheme.name), calibration or usual_calibration(scheme)


def _by_layer(recipe: Recipe, result: bytes) -> dict[str, str]:
    """The layers with a scheme of their own: those that were named, and what 4 bits leave at 8."""
    made = parse_graph(result, "")
    small = kept_at_eight_bits(made) if recipe.scheme.name == "int4" else {}
    vain = without_effect(made, recipe.precision)
    return {**small, **{k: v for k, v in recipe.precision if k not in vain}}


def _in_vain(recipe: Recipe, result: bytes) -> tuple[str, ...]:
    """What was asked for and changes nothing, in sentences."""
    schemes = dict(recipe.precision)
    words = [
        f'"{layer}" {why} --precision {layer}={schemes[layer]} does nothing.'
        for layer, why in without_effect(parse_graph(result, ""), recipe.precision).items()
    ]
    name = recipe.scheme.name
    if recipe.scheme.storage_only and name.encode() not in result:
        words.append(f"{name} saves nothing here: no layer has enough weights to be stored in it.")
    return tuple(words)


def _mended(repairs: Repairs | None) -> dict[str, Any]:
    """What corrections did to which layers, as fields of the result."""
    return {} if repairs is None else {"corrected": repairs.corrected, "rounded": repairs.rounded}


def _scores(judged: Sequence[Evaluation]) -> dict[str, Any]:
    """What labelled data say of both models, as fields of the result."""
    if not judged:
        return {}
    return {"accuracy": (judged[0].score, judged[1].score), "outputs": judged[0].outputs}


def _wanted(check_passes: bool | None) -> bool:
    """Whether passes are checked: as the caller says, else as the environment does."""
    if check_passes is None:
        return os.environ.get("EDGEQ_CHECK_PASSES", "") not in ("", "0")
    return check_passes


def _able(scheme: Scheme, target: str | Path | Target | None) -> Target | None:
    """The target, which can run the scheme."""
    if target is None:
        return None
    found = load_target(target)
    check_target(scheme, found)
    return found


def _in_apps(result: bytes, target: Target | None) -> tuple[AppRuntime, ...]:
    """What the runtimes of apps say of a model for a phone."""
    if target is None or not target.phone:
        return ()
    return app_runtimes(parse_graph(result, "the converted model"))


def _as_they_come(recipe: Recipe, source: FloatModel, io: str | None) -> Recipe:
    """The recipe with inputs of the types that the model takes, where nobody asks for another."""
    if io is not None or recipe.scheme.activations != "int8":
        return recipe
    return replace(recipe, inputs=tuple(source.integer_inputs.items()))


def _proven(
    result: bytes, source: FloatModel, recipe: Recipe
) -> tuple[Proof | None, tuple[str, ...]]:
    """The integer proof, where the scheme asks for one, and warnings; every model must run."""
    places = {spec.name: position for position, spec in enumerate(source.inputs)}
    kept = {places[name]: dtype for name, dtype in recipe.inputs}
    proof = None
    if recipe.scheme.integer:
        proof = prove_integer(result, recipe.io, source.source, kept)
    wrong = misdivisions(parse_graph(result, source.source))
    return proof, (*prove_runs(result, source.source), *wrong)


def _remarks(judged: tuple[Evaluation, ...], where: RunsOn | None) -> Iterator[str]:
    """What looks wrong about the figures, said once for both models, and where it will not run."""
    seen: set[str] = set()
    for name, found in zip(("float", "converted"), judged, strict=False):
        for words in (suspicion.words for suspicion in found.suspicions):
            if words not in seen:
                yield f"The {name} model on --eval: {words}"
            seen.add(words)
    if where is not None:
        yield from where.warnings()


def _understood(judged: tuple[Evaluation, ...]) -> dict[str, Understood]:
    """What was understood of labelled data: as they were given, not as features of them."""
    found = judged[0].data if judged else None
    return {} if found is None else {"eval": found}


def _free(output: str | Path | None, inputs: tuple[Any, ...], *, force: bool) -> Path | None:
    """Where to write, after it is certain that one may."""
    if output is None:
        return None
    check_writable(Path(output), force=force, inputs=inputs)
    return Path(output)
