"""The one door to TensorFlow and Keras: imported late, kept quiet, missed politely."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgeq.conversion.constant_room import check_room, check_sizes, known_results
from edgeq.conversion.gated import keep_apart
from edgeq.errors import MissingDependency
from edgeq.support.quiet import redirected, without_warnings

_WRAPPED = "Exception encountered when calling "
_LACKING = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class NoSuchOp(Exception):
    """TensorFlow Lite has nothing for ops of TensorFlow.

    Args:
        kinds: Their kinds, such as "AvgPool3D".
        ops: Of the graph, whose names begin with those of the layers.
    """

    def __init__(self, kinds: list[str], ops: list[Any]) -> None:
        layers = dict.fromkeys(op.name.split("/")[0] for op in ops if op.type in kinds)
        named = ", ".join(name for name in layers if name)
        where = f", which {named} is made of" if named else ""
        super().__init__(f"TensorFlow Lite has no op for {', '.join(kinds)}{where}.")
        self.hint = _hint(kinds)


def _hint(kinds: list[str]) -> str:
    """What to do without ops of some kinds."""
    if any(kind.startswith(("LookupTable", "String")) for kind in kinds):
        return "make numbers of text, and places of keys, before the model is called"
    if any("FFT" in kind for kind in kinds):
        return (
            "a spectrum that the model begins with becomes a front end (see docs/frontends.md); "
            "within the model, a Dense layer with the cosines and sines as its weights is the same"
        )
    return "put other layers in its place, or compute it before the model is called"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what C++ and Python print out of stdout and stderr while the block runs.

    TensorFlow's converter writes to the file descriptors themselves, which would spoil `--json`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with (
        tempfile.TemporaryFile() as sink,
        without_warnings(),
        redirected(1, sink.fileno()),
        redirected(2, sink.fileno()),
    ):
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()


def import_tensorflow() -> tuple[Any, Any]:
    """The modules (tensorflow, keras).

    Raises:
        MissingDependency: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with quiet(), _no_matplotlib():
            import keras
            import tensorflow as tf
    except ImportError as error:
        raise MissingDependency(
            "TensorFlow",
            "reading Keras models and SavedModels",
            "pip install 'edgeq[convert]'",
            error,
        ) from error
    tf.get_logger().setLevel("ERROR")
    return tf, keras


@contextmanager
def _no_matplotlib() -> Iterator[None]:
    """Keras goes without Matplotlib, which reads a file of settings in the current folder."""
    known = "matplotlib" in sys.modules
    if not known:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not known:
            del sys.modules["matplotlib"]


def freeze_and_convert(function: Any, specs: list[Any]) -> tuple[bytes, Any]:
    """A float .tflite of a function whose variables have become constants, and the function traced.

    Args:
        function: Takes one tensor per spec and returns a list of tensors.
        specs: A tf.TensorSpec of fixed shape per input.

    Raises:
        NoSuchOp: TensorFlow Lite lacks an op that it needs.
        ValueError: Tensors, or all constants that it computes, would be too large.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    with quiet():
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        check_room(known_results(concrete.graph))
        check_sizes(concrete.graph)
        frozen = convert_variables_to_constants_v2(concrete)
        check_room(known_results(frozen.graph))
        frozen = keep_apart(tf, frozen)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], function)
        try:
            return bytes(converter.convert()), concrete
        except Exception as error:
            lacking = sorted({*_LACKING.findall(str(error))} - {"Placeholder"})
            if not lacking:
                raise
            raise NoSuchOp(lacking, frozen.graph.get_operations()) from error


def first_line(error: BaseException) -> str:
    """What an exception of a library says, cut to a line that fits into a message.

    Keras puts "Exception encountered when calling LAYER" in front, and the reason in bold.
    """
    text = _ESCAPES.sub("", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith(_WRAPPED):
        lines = [f"{lines[1]} ({lines[0].removeprefix(_WRAPPED).rstrip('.')})"]
    return (lines[0] if lines else type(error).__name__)[:300]
