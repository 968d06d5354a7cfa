"""A functional Keras model followed from its input while its first layers become others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Follower:
    """Calls every layer anew on what its inputs have become.

    What has not become a tensor yet is a token: it goes from call to call until one needs a tensor.

    Attributes:
        keras: The module.
        tokens: Types of tokens.
        step: What a call of a single token gives: another token; None where a tensor is needed.
        tensor: The tensor that a token is, for the operation that needs it.
        twice: Called with an operation whose name another one has; it may refuse.
    """

    keras: Any
    tokens: tuple[type, ...]
    step: Callable[[Any, Any], Any]
    tensor: Callable[[Any, Any], Any]
    twice: Callable[[Any], None]
    _kept: dict[str, Any] = field(default_factory=dict)

    def follow(self, model: Any, given: Sequence[Any]) -> list[Any]:
        """The outputs of a functional model for what its inputs have become."""
        known = {id(old): new for old, new in zip(model.inputs, given, strict=True)}
        depths = model._nodes_by_depth
        for depth in sorted(depths, reverse=True):
            for node in depths[depth]:
                if node.is_input or node.operation is None:
                    continue
                found = self._node(node, known)
                found = found if isinstance(found, list) else [found]
                known |= {id(old): new for old, new in zip(node.outputs, found, strict=True)}
        return [known[id(tensor)] for tensor in model.outputs]

    def _node(self, node: Any, known: Mapping[int, Any]) -> Any:
        """What a call of the model becomes."""
        operation, tree = node.operation, self.keras.tree
        given = [known.get(id(tensor), tensor) for tensor in node.input_tensors]
        inner = getattr(operation, "_functional", None) or operation
        waiting = [value for value in given if isinstance(value, self.tokens)]
        if waiting and hasattr(inner, "_nodes_by_depth"):
            found = self.follow(inner, given)
            return found if len(found) > 1 else found[0]
        if len(given) == 1 and waiting:
            made = self.step(node, given[0])
            if made is not None:
                return made

        def as_tensor(part: Any) -> Any:
            value = known.get(id(part), part)
            return self.tensor(value, operation) if isinstance(value, self.tokens) else value

        arguments, options = tree.map_structure(
            as_tensor, (tuple(node.arguments.args), dict(node.arguments.kwargs))
        )
        if self._kept.setdefault(operation.name, operation) is not operation:
            self.twice(operation)
        made = operation(*arguments, **options)
        return list(made) if isinstance(made, list | tuple) else made


def names_of(model: Any) -> set[str]:
    """The names that operations and layers of a functional model have."""
    return {each.name for each in (*model.operations, *model._flatten_layers())}


def rebuilt(keras: Any, model: Any, given: Any, outputs: Sequence[Any]) -> Any:
    """A keras.Model from a new input to outputs of the structure that a model has.

    Args:
        keras: The module.
        model: The model that was followed.
        given: The new input.
        outputs: What its outputs have become, in order.
    """
    followed = getattr(model, "_functional", None) or model
    known = {id(old): new for old, new in zip(followed.outputs, outputs, strict=True)}
    structure = getattr(model, "_outputs_struct", None)
    structure = followed._outputs_struct if structure is None else structure
    made = keras.tree.map_structure(lambda tensor: known[id(tensor)], structure)
    return keras.Model(given, made, name=model.name)
