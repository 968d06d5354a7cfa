"""What the rules of streaming build with: rings, parts of them, copies of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.streaming.frames import Frames
from edgeq.conversion.streaming.stream_layers import along, pick_class, ring_class
from edgeq.errors import EdgeqError


class Refused(Exception):
    """A layer cannot stream; the text says why, as the end of a sentence.

    Args:
        why: Such as "it reads the window backwards".
        hint: What to do; empty for the usual.
    """

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


@dataclass(frozen=True, eq=False)
class Whole:
    """A value that is there as a whole in each call: no axis of it is time.

    Attributes:
        tensor: The KerasTensor.
        streamed: Whether it was made of frames.
    """

    tensor: Any
    streamed: bool


Value = Frames | Whole


@dataclass
class Builder:
    """The streaming model while it is built.

    Attributes:
        keras: The module.
        where: Name of the model for messages.
        waits: Calls that answers come after the end of their window.
        sizes: Frames that are kept of each tensor, by the number of the tensor: known once the
            model was built for the first time.
        lacking: Calls that answers would have to wait longer than `waits`.
        padding: Layers that pad over time.
        sees_padding: Whether an answer depends on them.
        carried: Recurrent layers.
    """

    keras: Any
    where: str
    waits: int
    sizes: Mapping[int, int] = field(default_factory=dict)
    lacking: int = 0
    padding: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    sees_padding: bool = False
    wanted: dict[int, int] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)
    _rings: dict[int, tuple[Any, int]] = field(default_factory=dict)
    _copies: dict[tuple[int, str], Any] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def name(self, wanted: str) -> str:
        """The name, with a number where there is one like it."""
        name, number = wanted, 2
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def recent(self, source: Frames, count: int, behind: int, name: str, every: int = 1) -> Any:
        """The tensor of `count` frames of the stream, or every n-th of them.

        Args:
            source: The stream.
            count: How many frames, as if `every` were 1.
            behind: How many newer ones are left out.
            name: Of the layer that needs them.
            every: 2 for every second one, from the first to the last.
        """
        tensor, held = source.tensor, source.hop
        need = count + behind - source.hop
        if need > 0:
            tensor, held = self._ring(source, need, name)
        stop = held - behind
        if (stop - count, stop, every) == (0, held, 1):
            return tensor
        return self.part(tensor, along(source.axis, slice(stop - count, stop, every)), name)

    def part(self, tensor: Any, key: tuple[int | slice, ...], name: str) -> Any:
        """A part of a tensor, by an index for each axis."""
        return pick_class()(key, name=self.name(f"{name}_frames"))(tensor)

    def sees(self, padded: NDArray[np.bool_]) -> None:
        """Note whether an answer depends on padding, by what that is of the frames it sees."""
        self.sees_padding |= bool(padded.any())

    def _ring(self, source: Frames, need: int, name: str) -> tuple[Any, int]:
        """A tensor of the newest frames, former ones among them, and how many these are."""
        # Number by order of use, which is the same each time the model is built.
        number = self._numbers.setdefault(id(source.tensor), len(self._numbers))
        self.wanted[number] = max(need, self.wanted.get(number, 0))
        if number not in self._rings:
            size = self.sizes.get(number, need)
            ring = ring_class()(size, source.axis, name=self.name(f"{name}_ring"))
            self._rings[number] = (ring(source.tensor), size + source.hop)
        tensor, held = self._rings[number]
        if held < need + source.hop:  # while sizes are not known yet
            ring = ring_class()(need, source.axis, name=self.name(f"{name}_ring"))
            tensor, held = ring(source.tensor), need + source.hop
        return tensor, held

    def behind_window(self, source: Frames, place: int) -> int:
        """How many newer frames there are than the one of the window at a place.

        Where it is not there yet, answers have to wait for it.
        """
        behind = source.newest - place
        if behind < 0:
            self.lacking = max(self.lacking, -(behind // source.hop))
        return max(behind, 0)

    def window(self, source: Frames, name: str) -> Any:
        """All frames of the window, as the model of windows has them."""
        behind = self.behind_window(source, source.last)
        self.sees(source.padded)
        return self.recent(source, source.last + 1, behind, name, source.spacing)

    def delayed(self, source: Frames, newest: int, name: str) -> Frames:
        """The same stream, behind by as many frames as it is ahead of a place."""
        if source.newest == newest:
            return source
        tensor = self.recent(source, source.hop, source.newest - newest, name)
        return replace(source, tensor=tensor, newest=newest)

    def copy(self, layer: Any, **changes: Any) -> Any:
        """What applies a layer, or one of its weights with other settings, to tensors.

        What keeps a state is another layer at each use, since each use has its own.
        """
        if changes.get("stateful"):
            self._copies.pop(_key(layer, changes), None)
        made, weights = self.copied(layer, **changes), layer.get_weights()

        def apply(*tensors: Any, **options: Any) -> Any:
            result = made(*tensors, **options)
            if weights:
                made.set_weights(weights)
            # Normalization computes with what it makes of its weights, not with the weights.
            if hasattr(made, "finalize_state"):
                made.finalize_state()
            return result

        return apply

    def copied(self, layer: Any, **changes: Any) -> Any:
        """A layer like another, with other settings and no weights yet; one for the same ones."""
        key = _key(layer, changes)
        if key not in self._copies:
            config = {**layer.get_config(), **changes, "name": self.name(layer.name)}
            self._copies[key] = type(layer).from_config(config)
        return self._copies[key]

    def fail(self, layer: str, refused: Refused) -> EdgeqError:
        """The error for a layer that cannot stream."""
        return EdgeqError(
            f'The layer "{layer}" cannot stream: {refused}.',
            self.where,
            refused.hint
            or "convert the model of windows without --stream, or train it with "
            "another layer there",
        )


def _key(layer: Any, changes: Mapping[str, Any]) -> tuple[int, str]:
    return id(layer), repr(sorted(changes.items()))
