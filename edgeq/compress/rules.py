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

# From so many bits on the largest weight is a fine measure of the scale.
_BITS_ENOUGH = 8
_LEAST = 1e-8
_PRUNED = 0.4
# How much faster than a weight the logarithm of a scale learns.
_PACE = 10.0


class Rule(Protocol):
    """What happens to a weight tensor before the layer computes with it."""

    def build(self, layer: Any) -> None:
        """Make the rule's own variables inside the wrapper."""

    def apply(self, value: Any) -> Any:
        """The weights to compute with while training."""

    def settle(self, value: Any) -> Any:
        """What stays in the weights when training has ended."""


class FakeQuantized:
    """Weights rounded as the quantizer will round them; gradients pass straight through.

    With few bits the largest weight is a bad measure of the scale: it makes steps that are too wide
    for all others. There the scale is trained like a weight, from the one of least squared error
    on, and weights beyond it are cut off. The rounded weights stay when training has ended: the
    converter, whose scale is the largest weight's, comes to them whatever way it rounds.

    Source: "Learned Step Size Quantization", Esser et al., 2020; here in logarithms, so that small
    weights and large ones learn at the same pace.
    """

    def __init__(self, kernel: Kernel, bits: int, *, per_channel: bool) -> None:
        self._kernel = kernel
        self._axes = kernel.shared if per_channel else None
        self._levels = (1 << (bits - 1)) - 1
        self._first: Array | None = None
        self._trains = bits < _BITS_ENOUGH

    def build(self, layer: Any) -> None:
        """The scale's logarithm as a trainable variable, where there are few bits."""
        if not self._trains:
            return
        weights = np.asarray(variable(layer.inner, self._kernel), np.float32)
        self._first = least_error_scale(weights, self._axes, self._levels)
        self._change = layer.add_weight(
            shape=self._first.shape, initializer="zeros", name="log_scale"
        )

    def apply(self, value: Any) -> Any:
        """Symmetric, as `edgeq convert` does it: the largest weight is the largest integer."""
        _, keras = import_tensorflow()
        ops = keras.ops
        scale = self._scale(value)
        steps = value / scale
        if self._trains:
            steps = ops.clip(steps, -self._levels, self._levels)
            rounded = steps + ops.stop_gradient(ops.round(steps) - steps)
            return rounded * scale
        return value + ops.stop_gradient(ops.round(steps) * scale - value)

    def settle(self, value: Any) -> Any:
        """The rounded weights where the scale was trained; else the weights."""
        return self.apply(value) if self._trains else value

    def _scale(self, value: Any) -> Any:
        _, keras = import_tensorflow()
        ops = keras.ops
        largest = ops.max(ops.abs(value), axis=self._axes, keepdims=True)
        widest = ops.maximum(largest, _LEAST) / self._levels
        if not self._trains:
            return widest
        # A scale beyond the largest weight's could not be told from the weights.
        return ops.minimum(
            self._first * ops.exp(_PACE * self._change.value), ops.stop_gradient(widest)
        )


def least_error_scale(weights: Array, axes: tuple[int, ...] | None, levels: int) -> Array:
    """The scale, per channel or for all, whose rounding leaves the least squared error.

    Args:
        weights: A kernel.
        axes: What one channel extends over; None for one scale.
        levels: The largest integer.

    Returns:
        float32, with the weights' number of axes.
    """
    axes = tuple(range(weights.ndim)) if axes is None else axes
    widest = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), _LEAST) / levels
    best, least = widest, np.full(widest.shape, np.inf)
    for part in np.linspace(1.0, 0.4, 25):
        scale = widest * part
        rounded = np.clip(np.round(weights / scale), -levels, levels) * scale
        error = np.square(rounded - weights, dtype=np.float64).sum(axis=axes, keepdims=True)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    return np.asarray(best, np.float32)


class Masked:
    """Weights that are zero and stay so."""

    def __init__(self, mask: Array) -> None:
        self._mask = mask.astype(np.float32)

    def build(self, layer: Any) -> None:
        """Nothing to make."""

    def apply(self, value: Any) -> Any:
        """The weights that are left."""
        return value * self._mask

    def settle(self, value: Any) -> Any:
        """The same."""
        return self.apply(value)


class Shared:
    """Weights that take one of few values; the values are trained."""

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

    def settle(self, value: Any) -> Any:
        """The same."""
        return self.apply(value)


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
            """The weights to compute with, or those that stay when training has ended."""
            value = variable(self.inner, kernel).value
            for rule in self.rules[kernel]:
                value = rule.settle(value) if settled else rule.apply(value)
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
    zeros = float(np.mean(weights == 0))
    if _rounded_to_few_bits(weights):
        # Zeros of rounding are up to a third; those of pruning come on top.
        return [Masked(weights != 0)] if zeros > _PRUNED else []
    values, numbers = np.unique(weights, return_inverse=True)
    if len(values) <= 256 and len(values) * 4 < weights.size:
        return [Shared(values, numbers.reshape(weights.shape))]
    return [Masked(weights != 0)] if zeros > 0.1 else []


def _rounded_to_few_bits(weights: Array) -> bool:
    """Whether int4 training left these weights: whole steps, 7 to the largest, of each output."""
    whole = tuple(range(weights.ndim))
    for axes in (whole, whole[:-1]):
        largest = np.abs(weights).max(axis=axes, keepdims=True)
        steps = weights / np.maximum(largest, _LEAST) * 7
        if np.abs(steps - np.round(steps)).max() < 1e-3:
            return True
    return False
