"""Quantization-aware training: the model learns with the rounding it will have as integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.kernels import Kernel, other_weights
from edgeq.compress.network import load_network, read_network
from edgeq.compress.result import Compression
from edgeq.compress.rules import FakeQuantized, Rule, rules_kept, with_rules, without_rules
from edgeq.compress.task import Task, begin
from edgeq.compress.training import Training
from edgeq.conversion.layer_kinds import activation_of, kind_of
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import UsageError

_SCHEMES = {"int8": (8, True), "int8-per-tensor": (8, False), "int4": (4, True)}
# Ops that hand values on with the scale they came with, and those whose scale is fixed.
_NO_SCALE_OF_THEIR_OWN = frozenset(
    {"InputLayer", "Flatten", "Reshape", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
     "MaxPooling1D", "MaxPooling2D", "ZeroPadding1D", "ZeroPadding2D", "Permute", "Cropping1D",
     "Cropping2D", "Softmax", "Identity"}
)  # fmt: skip
_FUSED_FUNCTIONS = frozenset({"relu", "relu6"})


def prepare_qat(model: Any, scheme: str = "int8") -> Any:
    """A copy of a Keras model that trains with the rounding of a scheme, for your own loop.

    BatchNormalization is folded first. Zeros of a pruned model and shared values of a clustered
    one are kept. When training is done, `finish_qat` gives the ordinary model back.

    Args:
        model: A functional or sequential keras.Model.
        scheme: "int8", "int8-per-tensor" or "int4", as `edgeq convert` will use.

    Raises:
        UsageError: There is no training for this scheme.
    """
    _check_scheme(scheme)
    bits, per_channel = _SCHEMES[scheme]
    folded = fold_batch_norm(load_network(model))
    network = read_network(folded)
    fused = {
        id(step.layer)
        for step in network.steps
        if (reader := network.only_reader(step)) is not None and _is_fused(reader.layer)
    }

    def rules(layer: Any, kernel: Kernel) -> list[Rule]:
        # As `edgeq convert` does it: only these ops have 4 bits, and dense layers one scale then.
        width = bits if kernel.op in ("CONV_2D", "FULLY_CONNECTED") else 8
        one_scale = not per_channel or (width == 4 and kernel.dense)
        quantized = FakeQuantized(kernel, width, per_channel=not one_scale)
        return [*rules_kept(layer, kernel), quantized]

    def after(layer: Any) -> Callable[[], Any] | None:
        kind = kind_of(layer)
        softmax = activation_of(layer) == "softmax"
        if kind in _NO_SCALE_OF_THEIR_OWN or softmax or id(layer) in fused:
            return None
        return range_class()  # type: ignore[no-any-return]

    return with_rules(folded, rules, after)


def finish_qat(model: Any) -> Any:
    """The ordinary Keras model inside one that `prepare_qat` made, trained weights included."""
    return without_rules(model)


def qat(model: Any, task: Task, *, scheme: str = "int8") -> Compression:
    """A model whose weights have learned to be rounded to a scheme; convert it with that scheme.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        scheme: "int8", "int8-per-tensor" or "int4".

    Raises:
        EdgeqError: The model is not trained or cannot be followed, data does not fit, or NaN.
    """
    _check_scheme(scheme)
    work = begin(model, task, Training(epochs=10, teach=0.5))
    prepared = prepare_qat(work.original, scheme)
    work.fit(prepared)
    left = [layer.name for layer in work.original.layers if other_weights(layer)]
    warnings = [f"Trained without rounding of their weights: {', '.join(left)}."] if left else []
    # Judged with rounded weights and activations, as far as float arithmetic shows them.
    return work.result(
        "qat",
        finish_qat(prepared),
        {"scheme": scheme, "epochs": work.training.epochs},
        judged=prepared,
        warnings=tuple(warnings),
    )


def _check_scheme(scheme: str) -> None:
    if scheme not in _SCHEMES:
        raise UsageError(
            f"There is no quantization-aware training for '{scheme}'.",
            hint=f"one of {', '.join(_SCHEMES)}",
        )


def _is_fused(layer: Any) -> bool:
    """Whether the converter makes this activation part of the op before it."""
    kind = kind_of(layer)
    return kind == "ReLU" or (kind == "Activation" and activation_of(layer) in _FUSED_FUNCTIONS)


@cache
def range_class() -> Any:
    """The layer that rounds activations to 8 bits; a function, so that Keras comes in late."""
    tf, keras = import_tensorflow()

    class QuantizedRange(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """Activations in 256 steps between a minimum and a maximum that follow the data."""

        only_while_training = True

        def __init__(self, momentum: float = 0.98) -> None:
            super().__init__()
            self.supports_masking = True
            self._momentum = momentum

        def build(self, input_shape: Any) -> None:  # noqa: ARG002
            # Empty at first: low above high.
            self.low = self.add_weight(shape=(), initializer="ones", trainable=False)
            self.high = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002
            # Given, since Keras takes some products for sparse when it finds out by itself.
            return keras.KerasTensor(inputs.shape, inputs.dtype)

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            if training:
                self._follow(inputs)
            ops = keras.ops
            low, high = ops.minimum(self.low, 0.0), ops.maximum(self.high, 1e-6)
            rounded = tf.quantization.fake_quant_with_min_max_vars(inputs, low, high)
            return ops.where(self.low > self.high, inputs, rounded)

        def _follow(self, inputs: Any) -> None:
            ops = keras.ops
            kept = ops.where(self.low > self.high, 0.0, self._momentum)
            for variable, now in ((self.low, ops.min(inputs)), (self.high, ops.max(inputs))):
                variable.assign(kept * variable + (1 - kept) * now)

    return QuantizedRange
