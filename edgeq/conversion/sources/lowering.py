"""What Keras layers do differently while they are traced for a device."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from edgeq.conversion.layer_kinds import HALF, kind_of
from edgeq.conversion.sources.categories import categories


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


_MOST_TRIED = 1 << 24
"""Numbers of a picture that a layer is tried on: a file may say any size."""


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
        spread = _spread_angle(tf, keras.src.backend.numpy.arctan2)
        stack.enter_context(_replaced(keras.src.backend.numpy, "arctan2", spread))
        turned_ones: list[Any] = []
        plain = _plain_sum(tf, keras, keras.src.backend.numpy.add, turned_ones)
        stack.enter_context(_replaced(keras.src.backend.numpy, "add", plain))
        for name in ("conv", "conv_transpose", "depthwise_conv", "separable_conv"):
            noted = turned_ones if name == "conv" else []
            turned = _turned_conv(tf, getattr(keras.src.backend.nn, name), noted)
            stack.enter_context(_replaced(keras.src.backend.nn, name, turned))
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
            if getattr(part, "compute_dtype", "float32") in HALF:
                # For training; the converter knows float32 alone. Weights may be of 16 bits, too:
                # with a type that is not that of the computation, Keras casts them.
                policy = keras.DTypePolicy("float32")
                policy._variable_dtype = part.variable_dtype
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
    if kind_of(layer) == "UpSampling2D" and layer.interpolation == "nearest":
        return _nearest(tf, layer)
    if kind_of(layer) == "Embedding":
        return _lookup(tf, layer)
    made = categories(tf, layer)
    if made is not None:
        return made
    # Some draw what they do to pictures in training for inference too, and drop it.
    return _handed_on if _is_idle(tf, layer) else None


def _is_idle(tf: Any, layer: Any) -> bool:
    """Whether a layer that augments pictures leaves them alone outside of training."""
    bases = {base.__name__ for base in type(layer).__mro__}
    if "BaseImagePreprocessingLayer" not in bases:
        return False
    try:
        shape = (1, *layer.input.shape[1:])
        if layer.output.shape[1:] != shape[1:] or math.prod(shape) > _MOST_TRIED:
            return False
        picture = tf.random.stateless_uniform(shape, (1, 2), maxval=255.0)
        made = layer(picture, training=False)
        # One pixel is equal to all that are made of it.
        return bool(made.shape == picture.shape and tf.reduce_all(tf.equal(made, picture)))
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


def _spread_angle(tf: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The angle of two tensors made one shape: the op of TensorFlow Lite takes no other."""

    def call(x1: Any, x2: Any) -> Any:
        x1, x2 = tf.convert_to_tensor(x1), tf.convert_to_tensor(x2)
        shape = tf.broadcast_static_shape(x1.shape, x2.shape)
        if not shape.is_fully_defined():
            return function(x1, x2)
        return function(*(x if x.shape == shape else tf.broadcast_to(x, shape) for x in (x1, x2)))

    return call


def _plain_sum(
    tf: Any, keras: Any, function: Callable[..., Any], turned: Sequence[Any]
) -> Callable[..., Any]:
    """A sum of two tensors as Keras computes it for a batch of any size.

    Keras takes a second tensor with one axis longer than 1 for a bias, and adds it along the last
    axis if that has this length, else along the first. With a batch of 1 a sample of (4, 1) looks
    so too, and one of (4,) loses its batch, a reshape that LiteRT adds in place of what it is of.

    Args:
        turned: Results of convolutions whose bias is of channels; see `gated.turn_biases`.
    """

    def call(x1: Any, x2: Any) -> Any:
        first, second = (tuple(getattr(x, "shape", ())) for x in (x1, x2))
        lengths = [length for length in second if length != 1]
        alike = math.prod(first) == math.prod(second) and len(second) > 1
        if len(lengths) != 1 or not (alike or second[-1] == 1):
            return function(x1, x2)
        of_conv = len(first) == len(second) and any(x1 is each for each in turned)
        if not of_conv and lengths[0] in (*first[1:2], *first[-1:]) and not _is_fed(x2):
            if first[-1] == lengths[0]:
                return function(x1, x2)
            x2 = tf.reshape(x2, (1, *lengths, *[1] * (len(first) - 2)))
        dtype = keras.backend.result_type(getattr(x1, "dtype", type(x1)), x2.dtype)
        return tf.add(*(keras.ops.convert_to_tensor(x, dtype) for x in (x1, x2)))

    return call


def _is_fed(tensor: Any) -> bool:
    """Whether a traced tensor depends on what the model is given, as no bias does."""
    ops = [op for op in [getattr(tensor, "op", None)] if op is not None]
    seen = set(ops)
    while ops:
        op = ops.pop()
        if op.type == "Placeholder" and op.outputs[0].dtype.name != "resource":
            return True
        new = {source.op for source in op.inputs} - seen
        seen |= new
        ops.extend(new)
    return False


def _turned_conv(tf: Any, function: Callable[..., Any], noted: list[Any]) -> Callable[..., Any]:
    """A convolution of sequences with channels first, its axes in the order of devices.

    TensorFlow's converter turns those of pictures; it gets sequences wrong.

    Args:
        noted: Where the results of those that it turns are put.
    """
    signature = inspect.signature(function)

    def call(inputs: Any, *arguments: Any, **options: Any) -> Any:
        given = signature.bind(inputs, *arguments, **options).arguments
        if given.get("data_format") != "channels_first" or len(inputs.shape) != 3:
            return function(**given)
        inputs = tf.transpose(inputs, (0, 2, 1))
        made = function(**{**given, "inputs": inputs, "data_format": "channels_last"})
        noted.append(tf.transpose(made, (0, 2, 1)))
        return noted[-1]

    return call


def _lookup(tf: Any, layer: Any) -> Callable[..., Any]:
    """An embedding as one GATHER; Keras adds three ops that let negative indices count back."""

    def call(inputs: Any, **_: Any) -> Any:
        return tf.gather(layer.embeddings, tf.cast(inputs, tf.int32))

    return call
