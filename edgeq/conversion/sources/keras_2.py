"""What Keras 2 wrote in its files, and Keras 3 refuses or takes for something else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.support.foreign import parse_json

HARD_SIGMOID = "edgeq>hard_sigmoid_of_keras_2"
"""What Keras calls that function in files."""

_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
# Options that layers had, the one meaning of each that Keras 3 knows (... where none is of use for
# inference), what to do about others, and the layers.
_GONE: tuple[tuple[str, Any, str, tuple[str, ...]], ...] = (
    (
        "time_major", False, "put the batch first",
        ("GRU", "LSTM", "RNN", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    ),
    (
        "groups", 1, "Keras 3 has one",
        ("DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose",
         "Conv3DTranspose", *_SEPARABLE),
    ),
    # Its weights have initializers, regularizers and constraints of other names.
    *((f"kernel_{kind}", ..., "", _SEPARABLE)
      for kind in ("initializer", "regularizer", "constraint")),
)  # fmt: skip


@contextmanager
def as_keras_2_meant(path: Path) -> Iterator[None]:
    """A file that Keras 2 wrote is loaded as what it was; one of Keras 3 as ever.

    Options that Keras 3 has no more are left out. In Keras 2, `hard_sigmoid` was another function
    (0.2 x + 0.5, where it is x / 6 + 0.5 now): the default in the LSTMs and GRUs of many files.

    Args:
        path: A sound `.keras` or `.h5` file.
    """
    _, keras = import_tensorflow()
    old = hard_sigmoid_of_keras_2()
    with ExitStack() as stack:
        for option, plain, otherwise, layers in _GONE:
            for name in layers:
                layer = getattr(keras.layers, name)
                stack.enter_context(_without(layer, option, plain, otherwise))
        if _is_of_keras_2(path):
            known = keras.src.activations.ALL_OBJECTS_DICT
            stack.callback(known.update, hard_sigmoid=known["hard_sigmoid"])
            known["hard_sigmoid"] = old
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


@contextmanager
def _without(layer: Any, option: str, plain: Any, otherwise: str) -> Iterator[None]:
    """A class of layers loads without an option, which must have its plain meaning."""
    own = vars(layer).get("from_config")
    load = layer.from_config.__func__

    def from_config(cls: Any, /, config: dict[str, Any], **more: Any) -> Any:
        config = dict(config)
        value = config.pop(option, plain)
        if plain is not ... and value not in (plain, None):
            raise ValueError(f"{layer.__name__} has {option}={value!r:.40}; {otherwise}")
        return load(cls, config, **more)

    layer.from_config = classmethod(from_config)
    try:
        yield
    finally:
        if own is None:
            del layer.from_config
        else:
            layer.from_config = own
