"""Keras 3 `.keras` files and Keras 2 or 3 `.h5` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.sources.keras_contents import check_contents
from edgeq.conversion.sources.lowering import for_export, layers_by_path
from edgeq.conversion.tensorflow import first_line, freeze_and_convert, import_tensorflow, quiet
from edgeq.errors import EdgeqError


def load_keras(path: Path, *, trust: bool = False) -> Any:
    """The keras.Model in a `.keras` or `.h5` file.

    Raises:
        EdgeqError: Damaged, no whole model, made to do harm, or it holds code and is not trusted.
    """
    check_contents(path, trust=trust)
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
