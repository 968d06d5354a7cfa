"""A Keras model as a graph that can be read and built anew with other layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.compress.kernels import take_weights
from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.sources.formats import is_keras_file
from edgeq.conversion.sources.tf_keras_models import from_tf_keras, is_tf_keras
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError

Replace = Callable[[Any, tuple[int | None, ...]], Callable[..., Any] | None]
"""Given a layer and its first input's shape: what to call instead; None keeps a copy of it."""


@dataclass(frozen=True)
class Step:
    """One call of a layer.

    Attributes:
        layer: The layer (or keras.ops operation).
        inputs, outputs: Ids of the symbolic tensors it reads and makes.
        input_shapes: Shapes of the inputs, batch axis included.
        output_shape: Shape of the first output.
        arrays: Whether an operation also computes with an array of its own, which has channels too.
    """

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[tuple[int | None, ...], ...]
    output_shape: tuple[int | None, ...]
    arrays: bool = False

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the first input."""
        return self.input_shapes[0]

    @property
    def kind(self) -> str:
        """What `kind_by_last_axis` says of the layer."""
        return kind_by_last_axis(self.layer)


@dataclass(frozen=True)
class Network:
    """The calls of a model in the order of execution.

    Attributes:
        steps: Every call.
        inputs, outputs: Ids of the model's own tensors.
    """

    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def readers(self, tensor: int) -> list[Step]:
        """The calls that read a tensor."""
        return [step for step in self.steps if tensor in step.inputs]

    def maker(self, tensor: int) -> Step | None:
        """The call that makes a tensor; None for an input."""
        return next((step for step in self.steps if tensor in step.outputs), None)

    def only_reader(self, step: Step) -> Step | None:
        """The one call that reads a step's result; None if several do, or if it is an output."""
        if step.outputs[0] in self.outputs:
            return None
        readers = self.readers(step.outputs[0])
        return readers[0] if len(readers) == 1 else None

    def calls(self, layer: Any) -> int:
        """How often a layer is called; more than once means that its weights are shared."""
        return sum(step.layer is layer for step in self.steps)


def kind_by_last_axis(layer: Any) -> str:
    """The name of a layer's class, if the last axis is that of its channels.

    Others stand between marks, as `kind_of` has classes of the user's: no method follows them.
    """
    kind = kind_of(layer)
    return f"<{kind}>" if getattr(layer, "data_format", "") == "channels_first" else kind


def load_network(model: str | Path | Any, *, trust: bool = False) -> Any:
    """A copy of a Keras model, flat: layers of nested models stand in line with the others.

    Args:
        model: A `.keras` or `.h5` file, or a model of Keras 3 or tf_keras.
        trust: Whether code inside the file (Lambda layers) may run.

    Raises:
        EdgeqError: No such file, no Keras model, or a subclassed one.
    """
    if isinstance(model, str | Path):
        from edgeq.conversion.sources.keras_models import load_keras

        path = Path(model)
        if not path.exists():
            raise EdgeqError(f"There is no '{path}'.")
        if not path.is_file() or not is_keras_file(path):
            raise EdgeqError(
                "Compression needs a Keras model with its layers.",
                str(path),
                "a .keras or .h5 file; .tflite, SavedModel, ONNX and PyTorch files hold no Keras "
                "layers: train where the model was made, and convert that",
            )
        model = load_keras(path, trust=trust)
    elif is_tf_keras(model):
        model = from_tf_keras(model)
    flat = rebuild(model)
    for layer in flat.layers:
        # What was frozen to train a head alone must adapt now.
        layer.trainable = True
    return flat


def rebuild(model: Any, replace: Replace | None = None) -> Any:
    """A functional copy of a model, its weights included, with some layers replaced.

    A layer that is called several times stays shared; so does what replaces it.

    Args:
        model: A functional or sequential keras.Model.
        replace: What to call instead of a layer.

    Raises:
        EdgeqError: The model is subclassed or was never built.
    """
    _, keras = import_tensorflow()
    name = model.name
    model = _functional(model)
    builder = _Builder(keras, replace or _keep)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=_input_name(tensor))
        for tensor in model.inputs
    ]
    outputs = keras.tree.flatten(builder.run(model, inputs))
    pack = keras.tree.pack_sequence_as
    copy = keras.Model(
        pack(model._inputs_struct, inputs), pack(model._outputs_struct, outputs), name=name
    )
    builder.copy_weights()
    return copy


def _keep(layer: Any, shape: tuple[int | None, ...]) -> None:
    """Replace nothing."""


class _Builder:
    """Calls the layers of a model once more, with other layers."""

    def __init__(self, keras: Any, replace: Replace) -> None:
        self._keras = keras
        self._replace = replace
        self._made: dict[int, Any] = {}
        self._copied: list[tuple[Any, Any]] = []
        self._names: set[str] = set()

    def run(self, model: Any, inputs: list[Any]) -> Any:
        values = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
        for node in _nodes(model):
            args, kwargs = node.arguments.fill_in(values)
            result = self._call(node.operation, node.input_tensors[0].shape, args, kwargs)
            flat = self._keras.tree.flatten(result)
            values.update({id(o): n for o, n in zip(node.outputs, flat, strict=True)})
        outputs = [values[id(tensor)] for tensor in model.outputs]
        return outputs[0] if len(outputs) == 1 else outputs

    def _call(self, old: Any, shape: Any, args: Any, kwargs: Any) -> Any:
        if isinstance(old, self._keras.Model):
            return self.run(_functional(old), self._keras.tree.flatten(args))
        if id(old) not in self._made:
            made = self._replace(old, tuple(shape))
            self._made[id(old)] = self._copy(old) if made is None else made
        new = self._made[id(old)]
        # Other replacements take the layer's input and nothing else.
        known = isinstance(new, self._keras.Operation) or getattr(new, "takes_all", False)
        return new(*args, **kwargs) if known else new(*args)

    def _copy(self, old: Any) -> Any:
        if not isinstance(old, self._keras.layers.Layer):
            return old
        config = old.get_config()
        name = config.get("name", old.name)
        while name in self._names:
            name += "_copy"
        self._names.add(name)
        new = type(old).from_config({**config, "name": name})
        # The rounding of rules is that of float32 arithmetic, so mixed precision goes.
        for part in new._flatten_layers():
            if part.compute_dtype in ("float16", "bfloat16"):
                part.dtype_policy = "float32"
        self._copied.append((old, new))
        return new

    def copy_weights(self) -> None:
        """Give the copies the weights of their originals."""
        for old, new in self._copied:
            take_weights(new, old)


def read_network(model: Any) -> Network:
    """The calls of a flat model (see `load_network`)."""
    steps = tuple(
        Step(
            node.operation,
            tuple(id(tensor) for tensor in node.input_tensors),
            tuple(id(tensor) for tensor in node.outputs),
            tuple(tuple(tensor.shape) for tensor in node.input_tensors),
            tuple(node.outputs[0].shape),
            any(len(shape) > 0 for shape in _own_shapes(node)),
        )
        for node in _nodes(model)
    )
    return Network(steps, tuple(map(id, model.inputs)), tuple(map(id, model.outputs)))


def _own_shapes(node: Any) -> list[tuple[int, ...]]:
    """Shapes of the arrays among a call's arguments that no other call makes."""
    _, keras = import_tensorflow()
    given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return [
        tuple(value.shape)
        for value in given
        if hasattr(value, "shape") and not isinstance(value, keras.KerasTensor)
    ]


def _nodes(model: Any) -> list[Any]:
    """Keras's record of every call, in the order of execution."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth]]
    return [node for node in nodes if not node.is_input]


def _functional(model: Any) -> Any:
    """The model as a graph of calls.

    Raises:
        EdgeqError: It keeps none.
    """
    if type(model).__name__ == "Sequential" and model.built:
        model = model._functional
    if not hasattr(model, "_nodes_by_depth"):
        name = getattr(model, "name", type(model).__name__)
        raise EdgeqError(
            "The model is subclassed, or was never built; its layers cannot be followed.",
            str(name),
            "make it functional: x = keras.Input(shape); keras.Model(x, model.call(x))",
        )
    return model


def _input_name(tensor: Any) -> str:
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history else tensor.name)
