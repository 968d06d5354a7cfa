"""Keras 3 `.keras` files and Keras 2 or 3 `.h5` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.custom_objects import missing_object
from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.sources.keras_contents import check_contents
from edgeq.conversion.sources.lowering import for_export, layers_by_path, operations_by_path
from edgeq.conversion.sources.structures import leaves, with_leaves
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
        missing = missing_object(error, str(path))
        if missing is not None:
            raise missing from error
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
    taken = getattr(model, "_inputs_struct", None)
    taken = getattr(model, "inputs", None) or [] if taken is None else taken
    inputs = [tensor for _, tensor in leaves(taken)]
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
    names = [key or tensor.name for key, tensor in leaves(taken)]
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, _plain(name))
        for name, tensor in zip(names, inputs, strict=True)
    ]
    given = getattr(model, "_outputs_struct", None)
    given = model.outputs if given is None else given

    def call(*tensors: Any) -> Any:
        packed = with_leaves(taken, iter(tensors))
        if isinstance(packed, list | tuple) and len(packed) == 1:
            packed = packed[0]
        return [value for _, value in leaves(model(packed, training=False), given)]

    layers = layers_by_path(model)
    _check_state(layers, where)
    try:
        with for_export(tf, keras, model, layers):
            data = freeze_and_convert(call, specs)
    except Exception as error:
        raise EdgeqError(f"The model cannot be converted: {first_line(error)}", where) from error
    outputs = [key or _layer_of(output) for key, output in leaves(given)]
    known = dict.fromkeys((*layers, *operations_by_path(model)))
    return Exported(data, tuple(names), tuple(outputs), tuple(known))


def _check_state(layers: Mapping[str, Any], where: str) -> None:
    """Refuse layers that keep something from call to call.

    Raises:
        EdgeqError: With the layers.
    """
    keeping = [
        path
        for path, layer in layers.items()
        if any(getattr(part, "stateful", False) is True for part in layer._flatten_layers())
    ]
    if keeping:
        raise EdgeqError(
            f"Layers keep their state from one call to the next: {', '.join(keeping)}.",
            where,
            "build the model with stateful=False; then a call takes a whole sequence",
        )


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_." else "_" for c in name)


def _layer_of(tensor: Any) -> str:
    """Name of the layer that makes a KerasTensor."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history else tensor.name)
