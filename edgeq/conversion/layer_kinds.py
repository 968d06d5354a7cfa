"""Which of Keras's layers a layer is, and what it may compute in."""

from __future__ import annotations

from typing import Any

HALF = ("float16", "bfloat16")
"""Types that training computes in, and devices do not."""
_OWNERS = frozenset({"keras", "tf_keras", "edgeq"})


def kind_of(layer: Any) -> str:
    """The name of a layer's class, by which it is known what it does: "Conv2D".

    A class of the user's may have the name of one of Keras's and do something else. Its name
    stands here with its module, between marks: `<net.Conv2D>` equals, begins and ends as none of
    Keras's does.
    """
    kind = type(layer)
    own = kind.__module__.split(".")[0] in _OWNERS
    return kind.__name__ if own else f"<{kind.__module__}.{kind.__qualname__}>"


def activation_of(layer: Any) -> str:
    """The name of the function that a layer ends with: "relu"; "linear" where there is none.

    Keras takes layers there, too: `Dense(8, activation=keras.layers.ReLU(6.0))`. Those that do what
    a function does by itself have its name; others stand between marks, as all else without a name.
    """
    function = getattr(layer, "activation", None)
    if function is None:
        return "linear"
    named = getattr(function, "__name__", None)
    if named is not None:
        return str(named)
    kind = kind_of(function)
    if kind == "ReLU" and function.max_value is None:
        return "<ReLU>" if function.negative_slope or function.threshold else "relu"
    if kind == "Softmax" and function.axis == -1:
        return "softmax"
    return f"<{kind}>"
