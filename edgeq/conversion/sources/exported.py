"""What a loader hands over to be named and checked."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.conversion.network import Answers


@dataclass(frozen=True)
class Exported:
    """A float .tflite as the converter made it.

    Attributes:
        data: The flatbuffer.
        input_names, output_names: Layer or signature names, in the order of the tensors.
        signature: Name of the signature.
        states: Names of what goes from call to call; each is an input behind the others, and its
            next value an output behind the others.
        layers: Paths of the Keras layers in model order; empty where they are not known.
        answers: What the source itself computes, in its own framework; None where that is not to
            be run, or hangs on what went before.
    """

    data: bytes
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    layers: tuple[str, ...] = ()
    signature: str = "serving_default"
    states: tuple[str, ...] = ()
    answers: Answers | None = None
