"""The search's question, made of files: float models, samples, and which layers are sensitive."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.analysis.diagnosis.diagnose import Diagnosis, diagnose
from edgeq.analysis.evaluation.labelled import labelled_data
from edgeq.conversion.float_model import FloatModel, float_model
from edgeq.conversion.sources.formats import is_keras_file
from edgeq.data import Dataset, DatasetOptions, data_warnings, open_dataset
from edgeq.data.labels import label_array
from edgeq.devices.registry import address_of, open_device
from edgeq.devices.remote.device import RemoteDevice
from edgeq.errors import EdgeqError, UsageError
from edgeq.metrics.classification import answers
from edgeq.metrics.outputs import outputs_by_value
from edgeq.model.answer import find_outputs
from edgeq.model.arrays import check_finite, output_tensors
from edgeq.support.array import Array
from edgeq.support.output import write_whole
from edgeq.support.progress import stage
from edgeq.workflow.convert import convert
from edgeq.workflow.manifest import label_file, source_digest
from edgeq.workflow.tuning.identity import named_digest
from edgeq.workflow.tuning.space import Space
from edgeq.workflow.tuning.trial import Problem

_GENERATED = ("sim", "qemu", "c", "wasm")
_CALIBRATION_SAMPLES = 200
# Compressions that are tried where there is data to train on, and what they promise.
_TRAINED = ("qat-int8", "qat-int4", "channels-75%", "channels-50%")


def check_device(on: str) -> None:
    """See that trials can be measured on a device, before anything is trained for it.

    Raises:
        UsageError: They cannot be on such a device.
        EdgeqError: It cannot be reached.
    """
    device = open_device(on)
    if isinstance(device, RemoteDevice):
        device.probe()
    if address_of(on).scheme == "serial":
        raise UsageError(
            f"A search measures a new model in each trial, and the board on '{on}' has the models "
            "that it was flashed with.",
            hint="--on sim:CPU or sim:BOARD counts the chip's cycles",
        )


def pose(
    model: str | Path,
    *,
    data: Any,
    eval_data: Any,
    train_data: Any,
    on: str,
    metric: str,
    limit: int | None,
    options: DatasetOptions | None,
    trust: bool,
    cache: Path,
) -> Problem:
    """The problem of `edgeq.workflow.tuning.tune.tune`, with everything loaded.

    Raises:
        EdgeqError: Model or data cannot be used.
    """
    stage("reading model and data")
    source = float_model(model, trust=trust)
    most = min(limit or _CALIBRATION_SAMPLES, _CALIBRATION_SAMPLES)
    spread = not source.graph.is_stream
    read = [open_dataset(data, source.inputs, options=options, limit=most, spread=spread)]
    calibration, _ = _arrays(read[0])
    if eval_data is not None:
        # What came with the source's file is not in the float model that was made of it.
        graph = replace(source.graph, info=source.info or source.graph.info)
        read.append(labelled_data(graph, eval_data, options, limit, metric))
        samples, labels = _arrays(read[1])
    elif metric == "classification":
        samples, _ = _arrays(
            open_dataset(data, source.inputs, options=options, limit=limit, spread=spread)
        )
        labels = _own_labels(source, samples, options)
    else:
        raise UsageError(f"The metric '{metric}' needs labelled data.", hint="--eval test.npz")
    made, failed = _variants(model, train_data, options, trust, cache)
    variants = {"plain": source.data} | made
    stage("measuring how sensitive layers are")
    narrow, _ = _diagnosis(source, calibration, "int4")
    wide, warnings = _diagnosis(source, calibration, "int8")
    generated = address_of(on).scheme in _GENERATED
    space = Space(tuple(variants), tuple(_narrowable(narrow)), tuple(_widenable(wide)), generated)
    arithmetic = "c" if generated else on
    notes = (
        *data_warnings([one.understood for one in read]),
        *warnings,
        *(f"Left out {name}: {reason}" for name, reason in failed.items()),
    )
    # The samples are real numbers already; of the options only the one about outputs is left.
    reading = DatasetOptions(from_logits=None if options is None else options.from_logits)
    return Problem(
        variants,
        space,
        calibration,
        samples,
        labels,
        metric,
        on,
        arithmetic,
        notes,
        source.outputs,
        reading,
    )


def _arrays(dataset: Dataset) -> tuple[list[Array], Array]:
    """Inputs and labels of all samples; no labels where the data has none."""
    samples = list(dataset)
    arrays = [np.stack([s.inputs[i] for s in samples]) for i in range(len(dataset.inputs))]
    labelled = dataset.labels is not None
    return arrays, label_array([sample.label for sample in samples]) if labelled else np.empty(0)


def _own_labels(source: FloatModel, samples: list[Array], options: DatasetOptions | None) -> Array:
    """What the float model itself makes of the samples."""
    from edgeq.analysis.execution import run

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(source.data)
        inputs = {str(position): array for position, array in enumerate(samples)}
        output = run(path, inputs=inputs)[0]
    first = output_tensors(source.graph.main)[0]
    check_finite([output], [first.name])
    said = None if options is None else options.from_logits
    kind = find_outputs(source.graph, from_logits=said, loss=source.outputs)
    return answers(output, kind or outputs_by_value(output))


def _variants(
    model: str | Path, train: Any, options: DatasetOptions | None, trust: bool, cache: Path
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Float models other than the plain one, where the model is a Keras file; and what failed.

    Trained ones are kept in the search's folder, so that a search taken up again has the same.

    Raises:
        EdgeqError: There is data to train on, and nothing can be trained with it.
    """
    if not is_keras_file(model):
        if train is not None:
            raise UsageError(
                "Compressions need a Keras file; this model has no Keras layers to train.",
                str(model),
            )
        return {}, {}
    found: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    # Named after what they were made of, so that other data makes others.
    origin = _origin(model, train, options)[:12]
    for name in ("equalize", *(_TRAINED if train is not None else ())):
        path = cache / f"{name}-{origin}.tflite"
        if not path.exists():
            stage(f"making the variant {name}")
            try:
                made = _variant(name, model, train, options, trust)
            except EdgeqError as error:
                failed[name] = error.what
                if set(_TRAINED) <= set(failed):
                    raise
                continue
            write_whole(path, float_model(made).data)
        found[name] = path.read_bytes()
    return found, failed


def _origin(model: str | Path, train: Any, options: DatasetOptions | None) -> str:
    """Digest of what a variant is made of."""
    total = hashlib.sha256(f"{__version__} {source_digest(str(model))} {options}".encode())
    if isinstance(train, str | Path):
        files = (str(train), label_file(str(train), options.label if options else None))
        found = [None if file is None else named_digest(file) for file in files]
        total.update(f"{train} {found}".encode())
    elif isinstance(train, tuple | list):
        for array in _flat(train):
            total.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    elif train is not None:  # a function: nobody knows whether it yields the same again
        total.update(os.urandom(16))
    return total.hexdigest()


def _flat(given: Any) -> list[Array]:
    """The arrays in lists and mappings of such, in order."""
    if isinstance(given, Mapping):
        given = list(given.values())
    lists = (tuple, list, Mapping)
    if isinstance(given, tuple | list) and any(
        isinstance(each, lists) or np.ndim(each) for each in given
    ):
        return [array for each in given for array in _flat(each)]
    return [np.ascontiguousarray(given)]


def _variant(
    name: str, model: str | Path, train: Any, options: DatasetOptions | None, trust: bool
) -> Any:
    """The Keras model of a variant."""
    from edgeq.compress.task import Task

    if name == "equalize":
        from edgeq.compress.equalization import equalize

        return equalize(model, trust=trust).model
    task = Task(train, dataset_options=options, trust=trust)
    method, _, amount = name.partition("-")
    if method == "qat":
        from edgeq.compress.qat import qat

        return qat(model, task, scheme=amount).model
    from edgeq.compress.structured import prune_channels

    return prune_channels(model, task, macs=int(amount.rstrip("%")) / 100).model


def _narrowable(found: Diagnosis) -> list[str]:
    """Layers whose weights can be int4, the one that this hurts least first."""
    layers = [x for x in found.layers if x.weights is not None and x.weights.dtype == "int4"]
    return [_layer_name(x.name) for x in reversed(layers)]


def _widenable(found: Diagnosis) -> list[str]:
    """Layers that cause most of the error of the int8 model, the worst first."""
    return [_layer_name(x.name) for x in found.layers if x.weights is not None]


def _layer_name(name: str) -> str:
    """The first of the layers in a tensor's name, which all variants of the model have."""
    return name.split(";")[0].split("/")[0].replace("[", "[[]")


def _diagnosis(
    source: FloatModel, calibration: list[Array], scheme: str
) -> tuple[Diagnosis, tuple[str, ...]]:
    """The diagnosis of a scheme, and what calibration has to say about the data."""
    with tempfile.TemporaryDirectory() as folder:
        real, integer = Path(folder) / "float.tflite", Path(folder) / "integer.tflite"
        real.write_bytes(source.data)
        made = convert(real, data=calibration, output=integer, scheme=scheme, quality_check=False)
        return diagnose(integer, real, data=calibration, limit=8), made.warnings
