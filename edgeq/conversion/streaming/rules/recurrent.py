"""Recurrent layers, which go on where the call before has ended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.conversion.streaming.builder import Builder, Refused, Value, Whole
from edgeq.conversion.streaming.rules.shared import Call, Rule
from edgeq.conversion.streaming.stream_layers import turns_class


def recurrent(builder: Builder, call: Call) -> Value:
    """LSTM, GRU, SimpleRNN and RNN."""
    layer, source = call.operation, call.frames
    if source.axis != 1 or source.rank != 3:
        raise Refused("the axis that its steps go along is not time")
    if layer.go_backwards:
        raise Refused("it reads the window backwards, from its end")
    if getattr(layer, "return_state", False):
        raise Refused("its state is an output, which it is of whole windows only")
    builder.carried.append(call.name)
    if not layer.return_sequences:
        behind = builder.behind_window(source, source.last)
        source = builder.delayed(source, source.newest - behind, call.name)
    settings = {"stateful": True, "unroll": False}
    if source.spacing == 1:
        made = builder.copy(layer, **settings)(source.tensor)
    elif source.hop == 1:
        inner = builder.copied(layer, stateful=False, unroll=False, return_sequences=False,
                               return_state=True)  # fmt: skip
        turns = turns_class()(
            inner, source.spacing, layer.return_sequences, name=builder.name(f"{call.name}_turns")
        )
        made = turns(source.tensor)
        inner.set_weights(layer.get_weights())
    else:
        raise Refused(
            f"it would have to keep {source.spacing} states",
            f"--stream-step {source.unit * source.spacing}, or a multiple of it",
        )
    if not layer.return_sequences:
        builder.sees(source.padded)
        return Whole(made, streamed=True)
    # Each frame knows of all before it.
    return replace(source, tensor=made, padded=np.logical_or.accumulate(source.padded))


def backwards(builder: Builder, call: Call) -> Value:  # noqa: ARG001
    """Bidirectional.

    Raises:
        Refused: Always.
    """
    raise Refused(
        "it reads the window backwards, from its end",
        "train the forward layer alone, or convert the model of windows without --stream",
    )


RECURRENT: dict[str, Rule] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), recurrent),
    "Bidirectional": backwards,
}
"""Rules by the name of the layer's class."""
