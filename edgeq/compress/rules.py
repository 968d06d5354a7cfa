"""Rules that weights obey while a model trains: quantized, zero where pruned, few values.

A layer is wrapped in `Constrained`, which runs it with weights that the rules made of its own.
`without_rules` gives the ordinary layer back, with weights that keep to the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np

from edgeq.compress.kernels import Kernel, kernels_of, variable
from edgeq.compress.network import rebuild
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.devices.base import Array


class Rule(Protocol):
    """What happens to a weight tensor before the layer computes with it."""

    stays: bool
    """Whether the result stays in the weights when training has ended."""

    def build(self, layer: Any) -> None:
        """Make the rule's own variables inside the wrapper."""

    def apply(self, value: Any) -> Any:
        """The weights to compute with."""


class FakeQuantized:
    """Weights rounded as the quantizer will round them; gradients pass straight through."""

    stays = False

    def __init__(self, kernel: Kernel, bits: int, *, per_channel: bool) -> None:
        self._axes = kernel.shared if per_channel else None
        self._levels = (1 << (bits - 1)) - 1

    def build(self, layer: Any) -> None:
        """Nothing to make: the scale follows the weights."""

    def apply(self, value: Any) -> Any:
        """Symmetric, as `edgeq convert` does it: the largest weight is the largest integer."""
        _, keras = import_tensorflow()
        ops = keras.ops
        largest = ops.max(ops.abs(value), axis=self._axes, keepdims=self._axes is not None)
        scale = ops.maximum(largest, 1e-8) / self._levels
        return value + ops.stop_gradient(ops.round(value / scale) * scale - value)


class Masked:
    """Weights that are zero and stay so."""

    stays = True

    def __init__(self, mask: Array) -> None:
        self._mask = mask.astype(np.float32)

    def build(self, layer: Any) -> None:
        """Nothing to make."""

    def apply(self, value: Any) -> Any:
        """The weights that are left."""
        return value * self._mask


class Shared:
    """Weights that take one of few values; the values are trained."""

    stays = True

    def __init__(self, values: Array, numbers: Array) -> None:
        """Share weights.

        Args:
            values: The values, float32.
            numbers: Which value each weight has, in the shape of the weights.
        """
        self._initial, self._numbers = values, numbers

    def build(self, layer: Any) -> None:
        """The values as a trainable variable; a value of zero stays zero."""
        self._values = layer.add_weight(
            shape=self._initial.shape, initializer="zeros", name="shared_values"
        )
        self._values.assign(self._initial)
        self._used = (self._initial != 0).astype(np.float32)

    def apply(self, value: Any) -> Any:  # noqa: ARG002  (the weights themselves are not used)
        """Each weight's shared value."""
        _, keras = import_tensorflow()
        return keras.ops.take(self._values * self._used, self._numbers, axis=0)


@cache
def constrained_class() -> Any:
    """The wrapper layer; a function, so that Keras is imported no sooner than needed."""
    _, keras = import_tensorflow()

    class Constrained(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """A layer that computes with what rules make of its weights."""

        def __init__(self, inner: Any, rules: Mapping[Kernel, Sequence[Rule]]) -> None:
            super().__init__(name=inner.name)
            self.inner = inner
            self.rules = dict(rules)
            for kernel, applied in self.rules.items():
                for rule in applied:
                    rule.build(self)
                    if isinstance(rule, Shared):
                        variable(inner, kernel).trainable = False

        def weights_by_rule(self, kernel: Kernel, *, settled: bool) -> Any:
            """The weights after all rules, or after those that stay when training has ended."""
            value = variable(self.inner, kernel).value
            for rule in self.rules[kernel]:
                if rule.stays or not settled:
                    value = rule.apply(value)
            return value

        def call(self, inputs: Any) -> Any:
            mapping = [
                (variable(self.inner, kernel), self.weights_by_rule(kernel, settled=False))
                for kernel in self.rules
            ]
            with keras.StatelessScope(state_mapping=mapping):
                return self.inner(inputs)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return self.inner.compute_output_shape(input_shape)

    return Constrained


def _nothing(layer: Any) -> None:
    """No layer behind this one."""


def with_rules(
    model: Any,
    rules_for: Callable[[Any, Kernel], Sequence[Rule]],
    after: Callable[[Any], Any | None] = _nothing,
) -> Any:
    """A copy of a flat model whose layers obey rules; `without_rules` undoes it.

    Args:
        model: The keras.Model.
        rules_for: The rules of a layer's kernel, in the order they are applied.
        after: A layer to put behind another one, if any.
    """

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Callable[..., Any] | None:
        rules = {kernel: rules_for(layer, kernel) for kernel in kernels_of(layer)}
        rules = {kernel: found for kernel, found in rules.items() if found}
        behind = after(layer)
        if not rules and behind is None:
            return None
        if not hasattr(layer, "get_weights"):
            return _Chain(None, layer, behind)
        new = type(layer).from_config(layer.get_config())
        if rules:
            new.build(shape)
            new.set_weights(layer.get_weights())
            new = constrained_class()(new, rules)
        if behind is None:
            return new  # type: ignore[no-any-return]
        return _Chain(layer, new, behind)

    return rebuild(model, replace)


class _Chain:
    """Two layers in a row; the first may be an operation of keras.ops, which has no weights."""

    takes_all = True

    def __init__(self, original: Any, first: Any, second: Any) -> None:
        self._original, self._first, self._second = original, first, second

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The second layer's result on the first one's."""
        result = self._first(*args, **kwargs)
        if self._original is not None and not isinstance(self._first, constrained_class()):
            self._first.set_weights(self._original.get_weights())
        return self._second(result)


def without_rules(model: Any) -> Any:
    """A copy with ordinary layers, whose weights keep to the rules that stay."""
    wrapper = constrained_class()

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Callable[..., Any] | None:
        if getattr(layer, "only_while_training", False):
            return lambda value: value
        if not isinstance(layer, wrapper):
            return None
        new = type(layer.inner).from_config(layer.inner.get_config())
        new.build(shape)
        new.set_weights(layer.inner.get_weights())
        for kernel in layer.rules:
            variable(new, kernel).assign(layer.weights_by_rule(kernel, settled=True))
        return new  # type: ignore[no-any-return]

    return rebuild(model, replace)


def rules_kept(layer: Any, kernel: Kernel) -> list[Rule]:
    """Rules that keep what earlier compression did to a kernel: its zeros, its few values."""
    weights = np.asarray(variable(layer, kernel))
    values, numbers = np.unique(weights, return_inverse=True)
    if len(values) <= 256 and len(values) * 4 < weights.size:
        return [Shared(values, numbers.reshape(weights.shape))]
    if np.mean(weights == 0) > 0.1:
        return [Masked(weights != 0)]
    return []
