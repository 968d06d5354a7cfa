"""What Keras layers do differently while they are traced for a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any


def layers_by_path(model: Any, prefix: str = "") -> dict[str, Any]:
    """Every layer by path, in model order; a nested model's layers stand below its name."""
    found: dict[str, Any] = {}
    for layer in getattr(model, "layers", ()):
        path = prefix + layer.name
        found[path] = layer
        found.update(layers_by_path(layer, path + "/"))
    return found


def operations_by_path(model: Any, prefix: str = "") -> dict[str, Any]:
    """Functions of keras.ops that a functional model calls, by path as in `layers_by_path`."""
    found: dict[str, Any] = {}
    for operation in getattr(model, "operations", ()):
        if hasattr(operation, "operations"):
            found.update(operations_by_path(operation, f"{prefix}{operation.name}/"))
        elif not hasattr(operation, "trainable_weights"):
            found[prefix + operation.name] = operation
    return found


@contextmanager
def for_export(
    tf: Any,
    keras: Any,
    model: Any,
    layers: Mapping[str, Any],
    states: Sequence[tuple[Any, Any]] = (),
) -> Iterator[None]:
    """The model traces into ops that carry its layers' names and that devices have.

    Args:
        states: Layers that keep something from call to call, and the variables to keep it in.
    """
    with ExitStack() as stack:
        for layer, variables in states:
            stack.enter_context(_replaced(layer, "states", variables))
        for name in ("argmax", "argmin"):
            plain = _plain_index(tf, getattr(tf, name))
            stack.enter_context(_replaced(keras.src.backend.numpy, name, plain))
        for layer in (model, *layers.values()):
            stack.enter_context(
                _replaced(layer, "_open_name_scope", _exact_scope(tf, layer, layer is model))
            )
            plainer = _plainer(tf, layer)
            if plainer is not None:
                stack.enter_context(_replaced(layer, "call", plainer))
        for operation in operations_by_path(model).values():
            stack.enter_context(_replaced(operation, "call", _scoped(tf, operation)))
        # Wrappers such as Bidirectional hold recurrent layers that the model does not list.
        parts = {id(part): part for layer in layers.values() for part in layer._flatten_layers()}
        for part in parts.values():
            if getattr(part, "compute_dtype", "float32") in ("float16", "bfloat16"):
                # Mixed precision is for training; the converter knows float32 alone.
                policy = keras.DTypePolicy("float32")
                stack.enter_context(_replaced(part, "_dtype_policy", policy))
            _recurrent(stack, part)
        yield


def _recurrent(stack: ExitStack, part: Any) -> None:
    """A recurrent layer or cell is traced as one body for all steps, without chance."""
    if getattr(part, "unroll", None) is True:
        # `keep_recurrent` takes the loop from there.
        stack.enter_context(_replaced(part, "unroll", False))
    if getattr(part, "_expected_batch_size", None) is not None:
        stack.enter_context(_replaced(part, "_expected_batch_size", 1))
    if hasattr(part, "get_dropout_mask"):
        # Cells draw random masks, with a counter that is written, for inference too; constants
        # cannot replace a variable that is written.
        stack.enter_context(_replaced(part, "dropout", 0.0))
        stack.enter_context(_replaced(part, "recurrent_dropout", 0.0))


@contextmanager
def _replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of one layer has another value; Keras's own bookkeeping is not bothered."""
    before = vars(layer).get(name)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        object.__delattr__(layer, name)
        if before is not None:
            object.__setattr__(layer, name, before)


def _plainer(tf: Any, layer: Any) -> Callable[..., Any] | None:
    """What computes the same as a layer in fewer ops; None where nothing better is known."""
    if type(layer).__name__ == "UpSampling2D" and layer.interpolation == "nearest":
        return _nearest(tf, layer)
    if type(layer).__name__ == "Embedding":
        return _lookup(tf, layer)
    # Some draw what they do to pictures in training for inference too, and drop it.
    return _handed_on if _is_idle(tf, layer) else None


def _is_idle(tf: Any, layer: Any) -> bool:
    """Whether a layer that augments pictures leaves them alone outside of training."""
    bases = {base.__name__ for base in type(layer).__mro__}
    if "BaseImagePreprocessingLayer" not in bases:
        return False
    try:
        shape = (1, *layer.input.shape[1:])
        picture = tf.random.stateless_uniform(shape, (1, 2), maxval=255.0)
        return bool(tf.reduce_all(tf.equal(layer(picture, training=False), picture)))
    except Exception:  # noqa: BLE001  (what it takes is another thing; it is traced as it is)
        return False


def _handed_on(inputs: Any, **_: Any) -> Any:
    return inputs


def _exact_scope(tf: Any, layer: Any, top: bool) -> Callable[[], Any]:
    """The layer's own name as the name scope of its ops.

    Keras opens a layer's scope twice, and TensorFlow numbers the second, so the ops of "conv2d"
    would be called "conv2d_1", which is another layer. A scope name that ends in "/" is taken as
    it is.
    """

    def scope() -> Any:
        outer = tf.get_current_name_scope()
        inner = f"{outer}/{layer.name}/" if outer else f"{layer.name}/"
        return tf.name_scope("" if top else inner)

    return scope


def _scoped(tf: Any, operation: Any) -> Callable[..., Any]:
    """What an operation does, in a scope of its name, which only layers have by themselves."""
    plain = operation.call

    def call(*arguments: Any, **options: Any) -> Any:
        with _exact_scope(tf, operation, False)():
            return plain(*arguments, **options)

    return call


def _nearest(tf: Any, layer: Any) -> Callable[[Any], Any]:
    """Nearest-neighbour upsampling as one RESIZE_NEAREST_NEIGHBOR; Keras traces five reshapes."""

    def call(inputs: Any) -> Any:
        first = layer.data_format == "channels_first"
        image = tf.transpose(inputs, (0, 2, 3, 1)) if first else inputs
        height, width = image.shape[1:3]
        size = (height * layer.size[0], width * layer.size[1])
        image = tf.image.resize(image, size, "nearest")
        return tf.transpose(image, (0, 3, 1, 2)) if first else image

    return call


def _plain_index(tf: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The place of an extreme as one op; Keras tells -0.0 from 0.0 with bits besides."""

    def call(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        x = tf.convert_to_tensor(x)
        rank = x.shape.rank
        if axis is None:
            x, axis = tf.reshape(x, [-1]), 0
            shape = [1] * rank
        else:
            shape = [1 if i == axis % rank else n for i, n in enumerate(x.shape)]
        found = function(x, axis=axis, output_type=tf.int32)
        return tf.reshape(found, shape) if keepdims else found

    return call


def _lookup(tf: Any, layer: Any) -> Callable[..., Any]:
    """An embedding as one GATHER; Keras adds three ops that let negative indices count back."""

    def call(inputs: Any, **_: Any) -> Any:
        return tf.gather(layer.embeddings, tf.cast(inputs, tf.int32))

    return call
