"""Keras 3 `.keras` files and Keras 2 or 3 `.h5` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import HALF, kind_of
from edgeq.conversion.sources.answers import keras_answers, traced_answers
from edgeq.conversion.sources.custom_objects import missing_object
from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.sources.keras_2 import as_keras_2_meant
from edgeq.conversion.sources.keras_contents import check_contents
from edgeq.conversion.sources.lowering import for_export, layers_by_path, operations_by_path
from edgeq.conversion.sources.structures import leaves, with_leaves
from edgeq.conversion.tensorflow import first_line, freeze_and_convert, import_tensorflow, quiet
from edgeq.errors import EdgeqError
from edgeq.support.foreign import unpacked_limit
from edgeq.support.sizes import element_count


def load_keras(path: Path, *, trust: bool = False) -> Any:
    """The keras.Model in a `.keras` or `.h5` file.

    Raises:
        EdgeqError: Damaged, no whole model, made to do harm, or it holds code and is not trusted.
    """
    check_contents(path, trust=trust)
    _, keras = import_tensorflow()
    try:
        with quiet(), as_keras_2_meant(path), _bounded_weights(keras, unpacked_limit(path)):
            return keras.models.load_model(path, compile=False, safe_mode=not trust)
    except EdgeqError:
        raise
    except Exception as error:
        missing = missing_object(error, str(path))
        if missing is not None:
            raise missing from error
        raise EdgeqError(
            f"Keras cannot load the model: {first_line(error)}",
            str(path),
            "where layers are your own, export a SavedModel (model.export) and convert that",
        ) from error


@contextmanager
def _bounded_weights(keras: Any, most: int) -> Iterator[None]:
    """Layers make no more weights than their file can hold: it may say any number of units.

    Args:
        keras: The module.
        most: How many numbers all layers together may have.
    """
    layer = keras.layers.Layer
    before, left = layer.add_weight, most

    def add_weight(self: Any, *args: Any, shape: Any = None, **more: Any) -> Any:
        nonlocal left
        given = shape if shape is not None or not args else args[0]
        left -= element_count(given) if isinstance(given, list | tuple) else int(given or 1)
        if left < 0:
            raise ValueError(
                f"the layer '{self.name}' has weights of shape {given}, and the file holds far less"
            )
        return before(self, *args, shape=shape, **more)

    layer.add_weight = add_weight
    try:
        yield
    finally:
        layer.add_weight = before


def export_keras(model: Any, where: str, silent: frozenset[str] = frozenset()) -> Exported:
    """The float .tflite of a keras.Model, batch 1.

    Args:
        model: A functional or sequential one.
        where: What to blame.
        silent: Layers that ops are not called after.

    Raises:
        EdgeqError: Its inputs are not known or have open axes, or a layer cannot be converted.
    """
    tf, keras = import_tensorflow()
    taken = getattr(model, "_inputs_struct", None)
    taken = getattr(model, "inputs", None) or [] if taken is None else taken
    inputs = _known_inputs(taken, where)
    names = [key or tensor.name for key, tensor in leaves(taken)]
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), _whole_type(tensor.dtype), _plain(name))
        for name, tensor in zip(names, inputs, strict=True)
    ]
    given = getattr(model, "_outputs_struct", None)
    given = model.outputs if given is None else given

    layers = layers_by_path(model)
    _check_masking(layers, where)
    kept = _states(keras, layers, where)
    states = [pair for _, _, pairs in kept for pair in pairs]
    specs += [
        tf.TensorSpec((1, *state.shape[1:]), state.dtype, _plain(name)) for name, state in states
    ]

    def call(*tensors: Any) -> Any:
        packed = with_leaves(taken, iter(tensors[: len(names)]))
        if isinstance(packed, list | tuple) and len(packed) == 1:
            packed = packed[0]
        now = [
            (state, value) for (_, state), value in zip(states, tensors[len(names) :], strict=True)
        ]
        with _scope(keras, now) as scope:
            made = model(packed, training=False)
            found = [_held(keras, value) for _, value in leaves(made, given)]
        return [*found, *(scope.get_current_value(state) for _, state in states)]

    try:
        with for_export(tf, keras, model, layers, [(part, fresh) for part, fresh, _ in kept]):
            data, traced = freeze_and_convert(call, specs)
    except Exception as error:
        what, hint = (
            f"The model cannot be converted: {first_line(error)}",
            getattr(error, "hint", ""),
        )
        raise EdgeqError(what, where, hint) from error
    outputs = [key or _layer_of(output) for key, output in leaves(given)]
    known = dict.fromkeys((*layers, *operations_by_path(model)))
    spoken = tuple(name for name in known if name not in silent)
    called = tuple(name for name, _ in states)
    if states:
        answers = None
    elif _any_batch(inputs) and not _is_half(layers):
        answers = keras_answers(model, taken, given, inputs)
    else:
        answers = traced_answers(traced, specs)
    return Exported(data, tuple(names), tuple(outputs), spoken, states=called, answers=answers)


def _known_inputs(taken: Any, where: str) -> list[Any]:
    """The inputs of a model, whose shapes are fixed.

    Raises:
        EdgeqError: There are none, or they have open axes.
    """
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
        raise EdgeqError(f"Inputs have open axes: {listed}.", where, _with_lengths(taken))
    return inputs


def _with_lengths(taken: Any) -> str:
    """The lines of Keras that give a model's open axes a length."""

    def made(key: str, tensor: Any) -> str:
        sizes = ["LENGTH" if size is None else str(size) for size in tensor.shape[1:]]
        dtype = "" if tensor.dtype == "float32" else f", dtype='{tensor.dtype}'"
        name = f", name='{key}'" if isinstance(taken, dict) else ""
        return f"keras.Input(({', '.join(sizes)},){dtype}{name})"

    given = [(key, made(key, tensor)) for key, tensor in leaves(taken)]
    if isinstance(taken, dict):
        inputs = "{" + ", ".join(f"'{key}': {words}" for key, words in given) + "}"
    else:
        inputs = ", ".join(words for _, words in given)
        inputs = f"[{inputs}]" if len(given) > 1 else inputs
    return (
        f"give them the length of a call: fixed = keras.models.clone_model(model, "
        f"input_tensors={inputs}); fixed.set_weights(model.get_weights())"
    )


def _whole_type(dtype: str) -> str:
    """The type of what is computed in 16 bits in training alone."""
    return "float32" if dtype in HALF else dtype


def _any_batch(inputs: list[Any]) -> bool:
    """Whether a model takes several samples at once."""
    return all(tensor.shape[0] is None for tensor in inputs)


def _is_half(layers: Mapping[str, Any]) -> bool:
    """Whether layers compute in 16 bits, as they do in training alone."""
    parts = (part for layer in layers.values() for part in layer._flatten_layers())
    return any("16" in str(getattr(part, "compute_dtype", "")) for part in parts)


def _check_masking(layers: Mapping[str, Any], where: str) -> None:
    """Refuse a Masking layer in front of recurrent layers: integers cannot do what it does.

    Raises:
        EdgeqError: With the layers.
    """
    masking = [path for path, layer in layers.items() if kind_of(layer) == "Masking"]
    steps = [
        path
        for path, layer in layers.items()
        if any(hasattr(part, "return_sequences") for part in layer._flatten_layers())
    ]
    if masking and steps:
        raise EdgeqError(
            f"Masking in front of recurrent layers cannot be converted: {', '.join(masking)} "
            "leaves out the steps whose values all equal a float, and integers cannot tell these "
            "from steps that are nearly so.",
            where,
            "train without Masking on sequences of one length, padded in front; or mask indices "
            "with Embedding(mask_zero=True), which are exact",
        )


def _states(
    keras: Any, layers: Mapping[str, Any], where: str
) -> list[tuple[Any, Any, list[tuple[str, Any]]]]:
    """What recurrent layers keep from call to call: layer, variables of batch 1, those by name.

    Raises:
        EdgeqError: A layer keeps something of another kind.
    """
    found: list[tuple[Any, Any, list[tuple[str, Any]]]] = []
    unknown = []
    for path, layer in layers.items():
        for part in layer._flatten_layers():
            if getattr(part, "stateful", False) is not True:
                continue
            if any(part is known for known, _, _ in found):
                continue
            kept = getattr(part, "states", None)
            if not kept:
                unknown.append(path)
                continue
            fresh = keras.tree.map_structure(
                lambda state: keras.Variable(
                    np.zeros((1, *state.shape[1:]), state.dtype), trainable=False
                ),
                kept,
            )
            named = [
                (f"{path}/{part.name}/state_{number}", state)
                for number, state in enumerate(keras.tree.flatten(fresh))
            ]
            found.append((part, fresh, named))
    if unknown:
        raise EdgeqError(
            f"Layers keep their state from one call to the next: {', '.join(unknown)}.",
            where,
            "build the model with stateful=False; then a call takes a whole sequence",
        )
    return found


def _scope(keras: Any, now: Sequence[tuple[Any, Any]]) -> Any:
    """Keras's scope without state, where a variable assigned to another is what it holds then."""

    class Scope(keras.StatelessScope):  # type: ignore[misc]
        def add_update(self, update: tuple[Any, Any]) -> None:
            variable, value = update
            super().add_update((variable, _held(keras, value)))

    return Scope(state_mapping=now)


def _held(keras: Any, value: Any) -> Any:
    return value.value if isinstance(value, keras.Variable) else value


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_." else "_" for c in name)


def _layer_of(tensor: Any) -> str:
    """Name of the layer that makes a KerasTensor."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history else tensor.name)
