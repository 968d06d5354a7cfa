"""What Keras 2 wrote in its files, and Keras 3 refuses or takes for something else."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.keras_2_ops import OP_OF_KERAS_2, calls_as_layers, op_layer
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.support.foreign import parse_json

HARD_SIGMOID = "edgeq>hard_sigmoid_of_keras_2"
"""What Keras calls that function in files."""

_SPATIAL = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
# Options that layers had, the one meaning of each that Keras 3 knows (... where none is of use for
# inference), what to do about others, and the layers.
_GONE: tuple[tuple[str, Any, str, tuple[str, ...]], ...] = (
    (
        "time_major",
        False,
        "put the batch first",
        ("GRU", "LSTM", "RNN", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    ),
    (
        "groups",
        1,
        "Keras 3 has one",
        (
            "DepthwiseConv1D",
            "DepthwiseConv2D",
            "Conv1DTranspose",
            "Conv2DTranspose",
            "Conv3DTranspose",
            *_SEPARABLE,
        ),
    ),
    # Its weights have initializers, regularizers and constraints of other names.
    *(
        (f"kernel_{kind}", ..., "", _SEPARABLE)
        for kind in ("initializer", "regularizer", "constraint")
    ),
    ("noise_shape", None, "", _SPATIAL),
    ("trainable", ..., "", _SPATIAL),
    (
        "rng_type",
        ...,
        "",
        (
            "RandomBrightness",
            "RandomContrast",
            "RandomCrop",
            "RandomFlip",
            "RandomRotation",
            "RandomTranslation",
            "RandomZoom",
        ),
    ),
    *((f"{what}_shape", ..., "", ("MultiHeadAttention",)) for what in ("query", "key", "value")),
    ("softmax_robust_masking", False, "train without it", ("MultiHeadAttention",)),
)
# Layers that took the states they start from as further inputs.
_RECURRENT = frozenset({"Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM",
                        "RNN", "SimpleRNN"})  # fmt: skip
_OF_SEVERAL = _RECURRENT | {"MultiHeadAttention"}


@contextmanager
def as_keras_2_meant(path: Path) -> Iterator[None]:
    """A file that Keras 2 wrote is loaded as what it was; one of Keras 3 as ever.

    Options that Keras 3 has no more are left out, and several axes of a layer are kept, which Keras
    3 drops. In Keras 2, `hard_sigmoid` was another function (0.2 x + 0.5, where it is x / 6 + 0.5
    now): the default in the LSTMs and GRUs of many files.

    Args:
        path: A sound `.keras` or `.h5` file.
    """
    _, keras = import_tensorflow()
    old = hard_sigmoid_of_keras_2()
    # Keras forgets them where a program empties its list of custom objects.
    keras.saving.get_custom_objects().update({HARD_SIGMOID: old, OP_OF_KERAS_2: op_layer()})
    with ExitStack() as stack:
        saving = keras.src.legacy.saving.saving_utils
        stack.enter_context(_replaced(saving, "model_from_config", _keeping_axes))
        stack.enter_context(_from_config(keras.layers.Attention, _with_named_score))
        for option, plain, otherwise, layers in _GONE:
            for name in layers:
                layer = getattr(keras.layers, name)
                stack.enter_context(_without(layer, option, plain, otherwise))
        if _is_of_keras_2(path):
            known = keras.src.activations.ALL_OBJECTS_DICT
            stack.callback(known.update, hard_sigmoid=known["hard_sigmoid"])
            known["hard_sigmoid"] = old
            stack.enter_context(_from_config(keras.layers.Discretization, _of_old_boundaries))
            for layer in (keras.layers.GRU, keras.layers.GRUCell):
                stack.enter_context(_from_config(layer, _with_old_reset))
            functional = keras.src.models.functional
            stack.enter_context(
                _replaced(functional, "functional_from_config", _of_old_calls(str(path)))
            )
            stack.enter_context(_replaced(functional, "deserialize_node", _with_named_tensors))
            plain = keras.src.saving.serialization_lib
            stack.enter_context(_replaced(plain, "deserialize_keras_object", _as_written_now))
            # In .keras files it lies in a module that is no more.
            stack.enter_context(keras.saving.custom_object_scope({"Functional": keras.Model}))
        yield


@cache
def hard_sigmoid_of_keras_2() -> Any:
    """The function; Keras finds it in files that are made of such a model from now on."""
    _, keras = import_tensorflow()

    @keras.saving.register_keras_serializable("edgeq")  # type: ignore[untyped-decorator]
    def hard_sigmoid_of_keras_2(x: Any) -> Any:
        return keras.ops.relu6(1.2 * x + 3.0) / 6.0

    return hard_sigmoid_of_keras_2


def _is_of_keras_2(path: Path) -> bool:
    """Whether a file says so; .h5 files so old that they say nothing are."""
    if path.name.endswith(".keras"):
        with zipfile.ZipFile(path) as archive:
            if "metadata.json" not in archive.namelist():
                return False
            said = parse_json(archive.read("metadata.json"), str(path))
        version = said.get("keras_version") if isinstance(said, dict) else None
        return isinstance(version, str) and version.startswith("2.")
    import h5py  # type: ignore[import-untyped]

    with h5py.File(path) as opened:
        version = opened.attrs.get("keras_version", "2.")
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    return text.startswith(("1.", "2."))


def _without(layer: Any, option: str, plain: Any, otherwise: str) -> AbstractContextManager[None]:
    """A class of layers loads without an option, which must have its plain meaning."""

    def change(config: dict[str, Any]) -> dict[str, Any]:
        config = dict(config)
        value = config.pop(option, plain)
        if plain is not ... and value not in (plain, None):
            raise ValueError(f"{layer.__name__} has {option}={value!r:.40}; {otherwise}")
        return config

    return _from_config(layer, change)


@contextmanager
def _from_config(layer: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
    """A class of layers loads from its options as they are after a change."""
    own = vars(layer).get("from_config")
    load = layer.from_config.__func__

    def from_config(cls: Any, /, config: dict[str, Any], **more: Any) -> Any:
        return load(cls, change(config), **more)

    layer.from_config = classmethod(from_config)
    try:
        yield
    finally:
        if own is None:
            del layer.from_config
        else:
            layer.from_config = own


@contextmanager
def _replaced(module: Any, function: str, by: Callable[[Any], Any]) -> Iterator[None]:
    """A function of Keras is another one, which is made of it."""
    own = getattr(module, function)
    setattr(module, function, by(own))
    try:
        yield
    finally:
        setattr(module, function, own)


def _with_named_score(config: dict[str, Any]) -> dict[str, Any]:
    """Of .h5 files Keras takes the word "dot" for its function of that name."""
    score = config.get("score_mode")
    return {**config, "score_mode": score.__name__} if callable(score) else config


def _of_old_boundaries(config: dict[str, Any]) -> dict[str, Any]:
    """Keras 2 named the type of what a Discretization gives; Keras 3 rounds what it takes to that.

    Raises:
        ValueError: Its boundaries are elsewhere.
    """
    if config.get("bin_boundaries") is None:
        raise ValueError(
            f"the boundaries that '{config.get('name')}' (Discretization) was adapted to are where "
            "Keras 3 does not look; give them as bin_boundaries"
        )
    gone = ("batch_input_shape", "dtype", "input_shape", "trainable")
    return {name: value for name, value in config.items() if name not in gone}


def _with_old_reset(config: dict[str, Any]) -> dict[str, Any]:
    """Before it was an option, a GRU was reset before the product; Keras 3 does so after it."""
    return {"reset_after": False, **config}


def _as_written_now(own: Any) -> Any:
    """What stands in `.keras` files, as Keras 3 writes it."""

    def deserialize_keras_object(config: Any, *arguments: Any, **more: Any) -> Any:
        inner = config.get("config") if isinstance(config, dict) else None
        if isinstance(inner, dict):
            kind = config.get("class_name")
            gone = {"batch_input_shape"} if kind != "InputLayer" else set()
            inner = {name: value for name, value in inner.items() if name not in gone}
            inner = _with_plain_type(inner)
            axis = inner.get("axis")
            if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
                inner["axis"] = axis[0]
            config = {**config, "config": inner}
            if kind in _OF_SEVERAL:  # its build takes a shape for each input now; its calls do that
                config.pop("build_config", None)
        return own(config, *arguments, **more)

    return deserialize_keras_object


class _AllAxes(dict[str, Any]):
    """Options of a layer of which Keras takes no axis out but a single one."""

    def pop(self, key: str, *default: Any) -> Any:
        """As a dictionary does, but for several axes, or None for all of them."""
        axes = self.get(key) if key == "axis" else 0
        several = axes is None or (isinstance(axes, list | tuple) and len(axes) != 1)
        return None if several else super().pop(key, *default)


def _with_plain_type(config: dict[str, Any]) -> dict[str, Any]:
    """Keras 2 wrote what layers compute in mixed precision as an object of a class of its own."""
    policy = config.get("dtype")
    if not isinstance(policy, dict) or policy.get("class_name") != "Policy":
        return config
    named = policy.get("config")
    return {**config, "dtype": named.get("name") if isinstance(named, dict) else None}


def _keeping_axes(own: Any) -> Any:
    def model_from_config(config: Any, **more: Any) -> Any:
        inner = config.get("config") if isinstance(config, dict) else None
        if isinstance(inner, dict):
            config = {**config, "config": _AllAxes(_with_plain_type(inner))}
        return own(config, **more)

    return model_from_config


def _of_old_calls(where: str) -> Callable[[Any], Any]:
    """Functional models whose calls are as Keras 3 writes them."""

    def by(own: Any) -> Any:
        def functional_from_config(cls: Any, config: dict[str, Any], **more: Any) -> Any:
            config = calls_as_layers(config, where)
            config = {**config, "layers": [*map(_with_states_apart, config["layers"])]}
            return own(cls, _counted_anew(config), **more)

        return functional_from_config

    return by


def _with_states_apart(layer: dict[str, Any]) -> dict[str, Any]:
    """A recurrent layer takes what it starts from by name."""
    if layer["class_name"] not in _RECURRENT:
        return layer
    calls = []
    for first, *states in layer["inbound_nodes"]:
        options = {name: value for name, value in dict(*first[3:]).items() if value is not None}
        if states:
            options["initial_state"] = [state[:3] for state in states]
        calls.append([[*first[:3], options]])
    return {**layer, "inbound_nodes": calls}


def _counted_anew(config: dict[str, Any]) -> dict[str, Any]:
    """A functional model whose calls of models inside it have the numbers that Keras 3 gives them.

    Keras 2 counted the call first that such a model is made of, for most of them.
    """
    layers, outputs = config["layers"], config["output_layers"]
    inside = {layer["name"]: layer for layer in layers if "layers" in layer["config"]}
    read = [layer["inbound_nodes"] for layer in layers]
    first: dict[str, int] = {}
    for name, number in _calls_in([read, outputs], inside):
        first[name] = min(number, first.get(name, number))
    # Among the outputs Keras 3 counts that call too, where it is no Sequential.
    own = {name: first[name] - (inside[name]["class_name"] != "Sequential") for name in first}
    layers = [
        {**layer, "inbound_nodes": _less(nodes, first)}
        for layer, nodes in zip(layers, read, strict=True)
    ]
    return {**config, "layers": layers, "output_layers": _less(outputs, own)}


def _with_named_tensors(own: Any) -> Any:
    """Calls whose arguments by name may be what another call gives."""

    def deserialize_node(node_data: Any, created_layers: dict[str, Any]) -> Any:
        def found(value: Any) -> Any:
            if _is_call(value, created_layers):
                name, number, output = value[:3]
                # Keras comes back to calls of what is not there yet, by IndexError.
                return created_layers[name]._inbound_nodes[number].output_tensors[output]
            if isinstance(value, dict):
                return {key: found(part) for key, part in value.items()}
            return [found(part) for part in value] if isinstance(value, list) else value

        arguments, options = own(node_data, created_layers)
        return arguments, found(options)

    return deserialize_node


def _is_call(value: Any, names: Mapping[str, Any]) -> bool:
    """Whether this is what a call of one of these gives: its name, number, output."""
    called = isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)
    return called and value[0] in names and isinstance(value[1], int)


def _calls_in(value: Any, names: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if _is_call(value, names):
        yield value[0], value[1]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _calls_in(part, names)


def _less(value: Any, by: Mapping[str, int]) -> Any:
    """The same with the numbers of some calls made smaller."""
    if isinstance(value, dict):
        return {key: _less(part, by) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    if _is_call(value, by):
        value = [value[0], value[1] - by[value[0]], *value[2:]]
    return [_less(part, by) for part in value]
