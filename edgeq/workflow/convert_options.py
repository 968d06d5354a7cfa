"""Which options of a conversion go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.conversion.calibration.calibrate import METHODS as CALIBRATIONS
from edgeq.conversion.quantization.adaptive_rounding import METHODS as ROUNDINGS
from edgeq.conversion.quantization.quantize import Recipe
from edgeq.conversion.quantization.schemes import Scheme, find_scheme
from edgeq.errors import UsageError


def check_use(
    recipe: Recipe, data: Any, calibration: str, rounding: str, *, bias_correction: bool
) -> None:
    """Refuse an integer scheme without data, and what has no effect on a scheme that keeps float.

    Raises:
        UsageError: With what the scheme takes.
    """
    scheme = recipe.scheme
    check_method("calibration", calibration, CALIBRATIONS)
    check_method("rounding", rounding, ROUNDINGS)
    if scheme.integer and data is None:
        raise UsageError(
            f"The scheme {scheme.name} needs representative data.",
            hint="--data calibration.npz, or --scheme dynamic, which needs none",
        )
    if recipe.symmetric and not scheme.integer:
        raise UsageError(
            f"The scheme {scheme.name} keeps float activations, which have no zero point.",
            hint="leave out --symmetric",
        )
    wanted = "bias correction" if bias_correction else ""
    if rounding != "nearest":
        wanted = f"{rounding} rounding"
    if wanted and not scheme.integer:
        raise UsageError(
            f"The scheme {scheme.name} computes in float: {wanted} has no layers to work on.",
            hint=f"{wanted} is for int8, int8-per-tensor, int16x8, int4 and mixed",
        )


def layer_schemes(
    scheme: Scheme, precision: Mapping[str, str] | None
) -> tuple[tuple[str, str], ...]:
    """Pairs of layers and their schemes, which go with that of the model.

    Raises:
        UsageError: There is no such scheme, or what it does cannot be done to a layer alone.
    """
    found = tuple((precision or {}).items())
    for layer, name in found:
        chosen = find_scheme(name)
        apart = chosen.integer != scheme.integer or chosen.name == "mixed"
        if apart or scheme.storage_only or chosen.storage_only:
            raise UsageError(
                f"--precision {layer}={name} does not go with --scheme {scheme.name}.",
                hint="--scheme mixed, and for its layers int8, int8-per-tensor, int4 or int16x8",
            )
    return found


def usual_calibration(scheme: Scheme) -> str:
    """How ranges are chosen unless asked for otherwise.

    Next to 4-bit weights the steps of activations count: cut extremes make them finer.
    """
    return "mse" if scheme.name == "int4" else "minmax"


def check_stream(axis: int | None, step: int | None, eval_data: Any) -> None:
    """Refuse a step without an axis to go along, and what is for whole windows.

    Raises:
        UsageError: With what to do instead.
    """
    if axis is None and step is not None:
        raise UsageError("--stream-step is for models that stream.", hint="--stream 1")
    if axis is not None and eval_data is not None:
        raise UsageError(
            "--eval takes whole windows; a model that streams has an answer for each step.",
            hint="edgeq evaluate on recordings, or --eval without --stream",
        )


def check_form(
    scheme: Scheme, axis: int | None, step: int | None, eval_data: Any, *, image: bool
) -> None:
    """Refuse what does not go with the form of the result: a stream, a front end for pictures.

    Raises:
        UsageError: With what to do instead.
    """
    check_stream(axis, step, eval_data)
    if image and not scheme.integer:
        raise UsageError(
            f"--image-front-end is for integer schemes; {scheme.name} keeps the model's layers.",
            hint="--scheme int8 or int16x8",
        )
    if image and axis is not None:
        raise UsageError("--image-front-end takes whole frames, --stream steps of a window.")


def check_method(what: str, name: str, known: tuple[str, ...]) -> None:
    """Refuse a name that is not one of those known.

    Raises:
        UsageError: With the names.
    """
    if name not in known:
        raise UsageError(f"There is no {what} '{name}'.", hint=f"one of {', '.join(known)}")


def check_io(scheme: Scheme, io: str) -> str:
    """The type of inputs and outputs.

    Raises:
        UsageError: The scheme cannot have that type there.
    """
    allowed = {"int8": ("int8", "uint8", "float32"), "int16": ("int16", "float32")}.get(
        scheme.activations, ("float32",)
    )
    if io not in allowed:
        raise UsageError(
            f"--io {io} does not go with the scheme {scheme.name}.",
            hint=f"--io {' or '.join(allowed)}",
        )
    return io
