"""The quantization schemes: what each is made of, what it saves and where it runs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from edgeq.boards.target import Target
from edgeq.errors import UsageError


@dataclass(frozen=True)
class Scheme:
    """One way to store and compute a model.

    Attributes:
        name: As on the command line.
        weights: Type weights are stored in.
        activations: Type of the tensors between ops; "float32" when computation stays float.
        per_channel: Whether weights have a scale per output channel.
        saves: What is won over float32, in words.
        runs_on: Where the result runs, in words.
        in_c: Whether edgeq's C, and so a microcontroller, can run it.
    """

    name: str
    weights: str
    activations: str
    per_channel: bool
    saves: str
    runs_on: str
    in_c: bool = True

    @property
    def integer(self) -> bool:
        """Whether the whole model computes in integers, and so must pass the integer proof."""
        return self.activations != "float32"

    @property
    def storage_only(self) -> bool:
        """Whether weights are floats in fewer bits, which edgeq itself packs."""
        return self.weights in ("bfloat16", "float8-e4m3", "float8-e5m2")

    @property
    def default_io(self) -> str:
        """The type of inputs and outputs unless asked for otherwise."""
        return self.activations


_EVERYWHERE = "edgeq's C, TensorFlow Lite Micro, LiteRT"
_PHONES = "LiteRT (phones, Linux boards); not on microcontrollers"
_UNPACKED = "LiteRT; edgeq's C, which holds the weights unpacked, as float32"

IO_TYPES = ("int8", "uint8", "int16", "float32")
"""What inputs and outputs of converted models can be."""

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            "int8",
            "int8",
            "int8",
            True,
            "weights and activations a quarter of float32",
            _EVERYWHERE,
        ),
        Scheme(
            "int8-per-tensor",
            "int8",
            "int8",
            False,
            "as int8, and one multiplier per layer instead of one per channel",
            _EVERYWHERE,
        ),
        Scheme(
            "int16x8",
            "int8",
            "int16",
            True,
            "weights a quarter, activations half of float32; close to float accuracy",
            _EVERYWHERE,
        ),
        Scheme(
            "int4",
            "int4",
            "int8",
            True,
            "weights of conv (per channel) and dense (per tensor) an eighth, but for small layers; "
            "all else as int8",
            _EVERYWHERE,
        ),
        Scheme(
            "dynamic",
            "int8",
            "float32",
            True,
            "weights a quarter; integer products, float in between",
            _PHONES,
            in_c=False,
        ),
        Scheme(
            "weight-only",
            "int8",
            "float32",
            True,
            "weights a quarter on disk; computes in float",
            _UNPACKED,
        ),
        Scheme(
            "weight-only-int4",
            "int4",
            "float32",
            True,
            "weights an eighth on disk; computes in float",
            _UNPACKED,
        ),
        Scheme(
            "float16",
            "float16",
            "float32",
            True,
            "weights half on disk; computes in float, or in float16 on a GPU",
            _UNPACKED,
        ),
        Scheme(
            "bfloat16",
            "bfloat16",
            "float32",
            True,
            "weights half on disk, with the range of float32; unpacked when the model runs",
            _UNPACKED,
        ),
        Scheme(
            "float8-e4m3",
            "float8-e4m3",
            "float32",
            True,
            "weights a quarter on disk (3 bits of precision); unpacked when the model runs",
            _UNPACKED,
        ),
        Scheme(
            "float8-e5m2",
            "float8-e5m2",
            "float32",
            True,
            "weights a quarter on disk (2 bits of precision, more range); unpacked when it runs",
            _UNPACKED,
        ),
        Scheme(
            "mixed",
            "int8",
            "int8",
            True,
            "as int8; layers that bear it have int4 weights, or what --precision says",
            _EVERYWHERE,
        ),
    )
}


def find_scheme(name: str) -> Scheme:
    """The scheme of that name.

    Raises:
        UsageError: There is none; near names are suggested.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    near = difflib.get_close_matches(name, SCHEMES, 3)
    raise UsageError(
        f"There is no scheme '{name}'.", hint=", ".join(near) or f"one of {', '.join(SCHEMES)}"
    )


def check_target(scheme: Scheme, target: Target) -> None:
    """Refuse a scheme that a target cannot run.

    Raises:
        UsageError: It cannot; the schemes that can are named.
    """
    if scheme.in_c or target.kind == "host":
        return
    able = ", ".join(name for name, other in SCHEMES.items() if other.in_c)
    raise UsageError(
        f"{target.name} cannot run the scheme {scheme.name}: it runs on {scheme.runs_on}.",
        hint=f"one of {able}",
    )
