"""The Keras layers that a streaming model has beside those of the model it was made of."""

from __future__ import annotations

from functools import cache
from typing import Any

from edgeq.conversion.tensorflow import import_tensorflow


@cache
def ring_class() -> Any:
    """A layer that puts the frames of former calls in front of the new ones.

    `states` is what `export_keras` takes for what goes from call to call.
    """
    keras: Any = import_tensorflow()[1]

    class Ring(keras.layers.Layer):  # type: ignore[misc]
        stateful = True

        def __init__(self, frames: int, axis: int, **more: Any) -> None:
            super().__init__(trainable=False, **more)
            self.frames, self.axis = frames, axis

        def build(self, shape: Any) -> None:
            kept = [1, *shape[1:]]
            kept[self.axis] = self.frames
            self.states = [
                self.add_weight(
                    shape=kept, initializer="zeros", trainable=False, dtype=self.compute_dtype
                )
            ]

        def call(self, inputs: Any) -> Any:
            (kept,) = self.states
            both = keras.ops.concatenate([keras.ops.convert_to_tensor(kept), inputs], self.axis)
            count = both.shape[self.axis]
            kept.assign(both[along(self.axis, slice(count - self.frames, count))])
            return both

    return Ring


@cache
def pick_class() -> Any:
    """A layer that takes a part of a tensor, by an index for each axis."""
    keras: Any = import_tensorflow()[1]

    class Pick(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, key: tuple[int | slice, ...], **more: Any) -> None:
            super().__init__(trainable=False, **more)
            self.key = key

        def call(self, inputs: Any) -> Any:
            return inputs[self.key]

    return Pick


@cache
def turns_class() -> Any:
    """A recurrent layer whose steps take turns: a step goes on from the `turns`-th before it."""
    keras: Any = import_tensorflow()[1]

    class Turns(keras.layers.Layer):  # type: ignore[misc]
        stateful = True

        def __init__(self, layer: Any, turns: int, sequences: bool, **more: Any) -> None:
            super().__init__(**more)
            self.layer, self.turns, self.sequences = layer, turns, sequences

        def build(self, shape: Any) -> None:
            self.layer.build(shape)
            sizes = self.layer.state_size
            sizes = sizes if isinstance(sizes, list | tuple) else [sizes]
            self.states = [
                self.add_weight(shape=(1, self.turns, size), initializer="zeros", trainable=False)
                for size in keras.tree.flatten(sizes)
            ]

        def call(self, inputs: Any) -> Any:
            held = [keras.ops.convert_to_tensor(state) for state in self.states]
            result, *later = self.layer(inputs, initial_state=[state[:, 0] for state in held])
            for state, before, value in zip(self.states, held, later, strict=True):
                state.assign(keras.ops.concatenate([before[:, 1:], value[:, None]], 1))
            return result[:, None] if self.sequences else result

    return Turns


def along(axis: int, part: int | slice) -> tuple[int | slice, ...]:
    """An index for one axis, as an index for all up to it."""
    return (*(slice(None),) * axis, part)
