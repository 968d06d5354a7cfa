"""How each kind of layer streams; RULES is the one list of them."""

from __future__ import annotations

from edgeq.conversion.streaming.rules.pointwise import POINTWISE
from edgeq.conversion.streaming.rules.recurrent import RECURRENT
from edgeq.conversion.streaming.rules.shapes import SHAPES
from edgeq.conversion.streaming.rules.shared import Rule
from edgeq.conversion.streaming.rules.taps import TAPS

RULES: dict[str, Rule] = {**POINTWISE, **SHAPES, **TAPS, **RECURRENT}
"""By the name of the class of a layer or of an operation of keras.ops."""

WHY_NOT = {
    "MultiHeadAttention": "each frame of it looks at all others of the window",
    "GroupQueryAttention": "each frame of it looks at all others of the window",
    "Attention": "each frame of it looks at all others of the window",
    "AdditiveAttention": "each frame of it looks at all others of the window",
    "GroupNormalization": "it normalises over the whole window",
    "UpSampling1D": "it makes several frames of one",
    "UpSampling2D": "it makes several frames of one",
    "Conv1DTranspose": "it makes several frames of one",
    "Conv2DTranspose": "it makes several frames of one",
    "Masking": "it leaves out steps by their values",
    "Lambda": "nobody knows what its code does to time",
}
"""Reasons for layers without a rule, by the name of their class."""
