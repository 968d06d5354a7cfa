"""Rules that weights obey while a model trains: quantized, zero where pruned, few values.

A layer is wrapped in `Constrained`, which runs it with weights that the rules made of its own.
`without_rules` gives the ordinary layer back, with weights that keep to the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np

from edgeq.compress.kernels import Kernel, built_copy, kernels_of, take_weights, variable
from edgeq.compress.network import rebuild
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.support.array import Array


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


def _build_rules(layer: Any) -> None:
    """Make the variables of a wrapper's rules."""
    for kernel, rules in layer.rules.items():
        for rule in rules:
            rule.build(layer)
            if isinstance(rule, Shared):
                variable(layer.inner, kernel).trainable = False


def _keep_states(layer: Any, scope: Any, ruled: set[int]) -> None:
    """Counters of random numbers move on as they would without the scope."""
    for state in layer.non_trainable_variables:
        value = None if id(state) in ruled else scope.get_current_value(state)
        if value is not None:
            state.assign(value)


@cache
def constrained_class() -> Any:
    """The wrapper layer; a function, so that Keras is imported no sooner than needed."""
    _, keras = import_tensorflow()

    class Constrained(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """A layer that computes with what rules make of its weights."""

        def __init__(self, inner: Any, rules: Mapping[Kernel, Sequence[Rule]]) -> None:
            super().__init__(name=inner.name)
            self.supports_masking = inner.supports_masking
            self.inner = inner
            self.rules = dict(rules)
            _build_rules(self)

        def weights_by_rule(self, kernel: Kernel, *, settled: bool) -> Any:
            """The weights after all rules, or after those that stay when training has ended."""
            value = variable(self.inner, kernel).value
            for rule in self.rules[kernel]:
                if rule.stays or not settled:
                    value = rule.apply(value)
            return value

        def call(self, *args: Any, **kwargs: Any) -> Any:
            mapping = [
                (variable(self.inner, kernel), self.weights_by_rule(kernel, settled=False))
                for kernel in self.rules
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                result = self.inner(*args, **kwargs)
            _keep_states(self.inner, scope, {id(own) for own, _ in mapping})
            return result

        def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
            return self.inner.compute_output_spec(*args, **kwargs)

        def compute_mask(self, *args: Any, **kwargs: Any) -> Any:
            return self.inner.compute_mask(*args, **kwargs)

    return Constrained


def _nothing(layer: Any) -> None:
    """No layer behind this one."""


def with_rules(
    model: Any,
    rules_for: Callable[[Any, Kernel], Sequence[Rule]],
    after: Callable[[Any], Callable[[], Any] | None] = _nothing,
) -> Any:
    """A copy of a flat model whose layers obey rules; `without_rules` undoes it.

    Args:
        model: The keras.Model.
        rules_for: The rules of a layer's kernel, in the order they are applied.
        after: What makes the layer to put behind each output of another one, if any.
    """

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Callable[..., Any] | None:  # noqa: ARG001
        rules = {kernel: rules_for(layer, kernel) for kernel in kernels_of(layer)}
        rules = {kernel: found for kernel, found in rules.items() if found}
        behind = after(layer)
        if not rules and behind is None:
            return None
        if not hasattr(layer, "get_weights"):
            return _Chain(None, layer, behind)
        if rules:
            new = constrained_class()(built_copy(layer), rules)
        else:
            new = type(layer).from_config(layer.get_config())
        if behind is None:
            return new  # type: ignore[no-any-return]
        return _Chain(layer, new, behind)

    return rebuild(model, replace)


class _Chain:
    """A layer and one behind each of its outputs; the first may be an operation of keras.ops."""

    takes_all = True

    def __init__(self, original: Any, first: Any, behind: Callable[[], Any] | None) -> None:
        self._original, self._first, self._behind = original, first, behind
        self._made: dict[int, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The results of the layers behind, on what the first one gives."""
        _, keras = import_tensorflow()
        result = self._first(*args, **kwargs)
        if self._original is not None and not isinstance(self._first, constrained_class()):
            take_weights(self._first, self._original)
        outputs = [self._after(i, value) for i, value in enumerate(keras.tree.flatten(result))]
        return keras.tree.pack_sequence_as(result, outputs)

    def _after(self, position: int, value: Any) -> Any:
        """What follows one output; indices and masks are left as they are."""
        if self._behind is None or "float" not in str(value.dtype):
            return value
        if position not in self._made:
            self._made[position] = self._behind()
        return self._made[position](value)


def without_rules(model: Any) -> Any:
    """A copy with ordinary layers, whose weights keep to the rules that stay."""
    wrapper = constrained_class()

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Callable[..., Any] | None:  # noqa: ARG001
        if getattr(layer, "only_while_training", False):
            return lambda value: value
        if not isinstance(layer, wrapper):
            return None
        new = built_copy(layer.inner)
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
