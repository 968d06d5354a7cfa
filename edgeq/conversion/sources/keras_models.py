"""Keras 3 `.keras` files and Keras 2 or 3 `.h5` files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.sources.lowering import for_export, layers_by_path
from edgeq.conversion.tensorflow import first_line, freeze_and_convert, import_tensorflow, quiet
from edgeq.errors import EdgeqError


def load_keras(path: Path, *, trust: bool = False) -> Any:
    """The keras.Model in a `.keras` or `.h5` file.

    Raises:
        EdgeqError: Damaged, no whole model, or it holds code (Lambda) and is not trusted.
    """
    lambdas = _lambda_layers(_config(path))
    if lambdas and not trust:
        raise EdgeqError(
            f"The file holds Python code in the Lambda layers {', '.join(lambdas)}; it is not run.",
            str(path),
            "--trust runs it, if you know where the file comes from",
        )
    _, keras = import_tensorflow()
    try:
        with quiet():
            return keras.models.load_model(
                path,
                compile=False,
                safe_mode=not trust,
                custom_objects={"DepthwiseConv2D": _depthwise_class(keras)},
            )
    except Exception as error:
        raise EdgeqError(
            f"Keras cannot load the model: {first_line(error)}",
            str(path),
            "where layers are your own, export a SavedModel (model.export) and convert that",
        ) from error


def _config(path: Path) -> Any:
    """The model's architecture as stored in the file.

    Raises:
        EdgeqError: There is none.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        import_tensorflow()  # says what to install where h5py, which comes with it, is missing
        import h5py  # type: ignore[import-untyped]

        with h5py.File(path) as file:
            if "model_config" not in file.attrs:
                raise EdgeqError(
                    "The file holds weights only, no model.",
                    str(path),
                    "save the whole model: model.save('model.keras')",
                )
            return json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EdgeqError(f"This is no sound Keras file: {first_line(error)}", str(path)) from error


def _lambda_layers(config: Any) -> list[str]:
    """Names of the Lambda layers anywhere in a model's configuration."""
    if isinstance(config, list):
        return [name for item in config for name in _lambda_layers(item)]
    if not isinstance(config, dict):
        return []
    found = []
    if config.get("class_name") == "Lambda":
        inner = config.get("config")
        found.append(str(inner.get("name", "lambda") if isinstance(inner, dict) else "lambda"))
    elif "__lambda__" in (config.get("class_name"), config.get("type")):
        found.append("__lambda__")
    for value in config.values():
        found += _lambda_layers(value)
    return found


def _depthwise_class(keras: Any) -> Any:
    """DepthwiseConv2D that ignores `groups`, which Keras 2 wrote and Keras 3 refuses."""

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
        def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:  # noqa: ARG002
            super().__init__(*args, **kwargs)

    return DepthwiseConv2D


def export_keras(model: Any, where: str) -> Exported:
    """The float .tflite of a keras.Model, batch 1.

    Raises:
        EdgeqError: Its inputs are not known or have open axes, or a layer cannot be converted.
    """
    tf, keras = import_tensorflow()
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if not inputs:
        raise EdgeqError(
            "The model's inputs are not known (it is subclassed, or was never built).",
            where,
            "call it once on data, then model.export() a SavedModel and convert that",
        )
    open_axes = [i for i in inputs if None in i.shape[1:]]
    if open_axes:
        listed = ", ".join(f"'{i.name}' {tuple(i.shape)}" for i in open_axes)
        raise EdgeqError(
            f"Inputs have open axes: {listed}.", where, "build the model with a fixed input shape"
        )
    specs = [tf.TensorSpec((1, *i.shape[1:]), i.dtype, _plain(i.name)) for i in inputs]

    def call(*tensors: Any) -> Any:
        packed = keras.tree.pack_sequence_as(model.inputs, list(tensors))
        if isinstance(packed, list) and len(packed) == 1:
            packed = packed[0]
        return keras.tree.flatten(model(packed, training=False))

    layers = layers_by_path(model)
    try:
        with for_export(tf, keras, model, layers):
            data = freeze_and_convert(call, specs)
    except Exception as error:
        raise EdgeqError(f"The model cannot be converted: {first_line(error)}", where) from error
    outputs = [_layer_of(output) for output in keras.tree.flatten(model.outputs)]
    return Exported(data, tuple(i.name for i in inputs), tuple(outputs), tuple(layers))


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_." else "_" for c in name)


def _layer_of(tensor: Any) -> str:
    """Name of the layer that makes a KerasTensor."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history else tensor.name)
