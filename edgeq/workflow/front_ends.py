"""Front ends that are layers of a Keras model: split off, checked, written beside the .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.boards.target import Target
from edgeq.compiler.compilation import has_fpu
from edgeq.conversion.float_model import FloatModel, in_memory
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.proof.quality import Quality
from edgeq.conversion.quantization.schemes import Scheme
from edgeq.conversion.sources.formats import is_keras_file
from edgeq.conversion.sources.image_front_ends import split_image_front_end
from edgeq.conversion.sources.keras_front_ends import (
    SplitModel,
    may_have_front_end,
    split_front_end,
)
from edgeq.conversion.streaming.form import StreamForm
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import Described, Description, read_described, toml_text
from edgeq.frontend.image import Image
from edgeq.frontend.silent import silent_bands
from edgeq.frontend.stamp import stamped
from edgeq.model.joining import FrontEnd
from edgeq.support.output import check_writable, write_results
from edgeq.workflow.quality import QualityCheck

# Features that differ in float32's rounding give answers that differ less.
_SAME_DB = 60.0
_SAME_ALONE_DB = 30.0
_HEADER = """\
# The front end that the model began with. What the model did not say may be
# changed: precision, stride, a camera's format, and a table [decision].
"""


@dataclass(frozen=True)
class SplitFrontEnd:
    """A front end that was part of a Keras model.

    Attributes:
        layer: Name and class of the layer that it was.
        values: The front end, as `edgeq.features` takes it too.
        quality: The float model behind it beside the Keras model on the same recordings; None
            where it was not looked at.
        output: Its TOML file; None if it was not written.
    """

    layer: str
    values: Mapping[str, Any]
    quality: Quality | None = None
    output: str | None = None

    @property
    def apart(self) -> bool:
        """Whether answers are not those of the Keras model, in float already."""
        found = None if self.quality is None else self.quality.signal_to_noise_db
        return found is not None and found < _SAME_DB

    @property
    def toml(self) -> str:
        """The file."""
        return _HEADER + toml_text(self.values)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = self.quality
        outputs = () if found is None else found.outputs
        return {
            "layer": self.layer,
            "output": self.output,
            "description": dict(self.values),
            "float_signal_to_noise_db": found and found.signal_to_noise_db,
            "float_max_difference": max((o.max_difference for o in outputs), default=None),
            "samples": found and found.samples,
        }


def front_end_for(target: Target, source: Any, precision: str | None) -> FrontEnd:
    """A front end in the arithmetic of a target, wherever it is computed; see `front_end`."""
    return front_end(source, precision).settled(fpu=has_fpu(target))


def split_model(
    model: str | Path | Any, *, trust: bool, image: bool = False
) -> tuple[SplitModel | None, tuple[str, ...]]:
    """A Keras model in two, or None, and what is to be said of that.

    Args:
        model: A file, or a model in memory.
        trust: Whether code inside the file may run.
        image: Whether the layers that cut and resize pictures are the front end.

    Raises:
        EdgeqError: There is a front end that cannot be split off.
    """
    if image:
        if (
            isinstance(model, str | Path)
            and Path(model).exists()
            and not is_keras_file(Path(model))
        ):
            raise UsageError("--image-front-end is for models of Keras.", str(model))
        return split_image_front_end(*in_memory(model, trust=trust)), ()
    if isinstance(model, str | Path) and not may_have_front_end(Path(model)):
        return None, ()
    loaded, where = in_memory(model, trust=trust)
    found, words = split_front_end(loaded, where)
    return found, (words,) if words else ()


def hearing_of(found: SplitModel, sample_rate: int | None) -> Hearing:
    """What makes features of recordings, for a model in two.

    Args:
        found: The model.
        sample_rate: Hz, for layers that do not say it.
    """
    front = found.front
    values = dict(front.values)
    if sample_rate is not None and values["kind"] != "image":
        values.setdefault("sample_rate", sample_rate)
    shape = tuple(found.whole.inputs[0].shape[1:])
    return Hearing(found.name, values, shape, found.full_scale, front.approximate, front.span_db)


def heard(
    check: QualityCheck,
    whole: FloatModel | None,
    alone: FloatModel | None,
    windows: FloatModel,
    stream: StreamForm | None,
    scheme: Scheme,
) -> tuple[SplitFrontEnd | None, tuple[str, ...]]:
    """What was split off, held against the layer that it was, and what to say of it.

    Args:
        check: What is looked at.
        whole: The Keras model, its floor that of all recordings; None where nothing was split off.
        alone: The Keras model as it answers to single recordings; None for the same.
        windows: The model behind the front end.
        stream: How the result streams, if it does.
        scheme: How it is quantized.

    Raises:
        LimitError: In float already the answers are others, and that is not accepted.
    """
    front = windows.front
    if whole is None or front is None:
        return None, ()
    values = dict(front.values) | ({"frames": stream.step} if stream is not None else {})
    found = SplitFrontEnd(front.layer, values)
    words = list(silent_bands(front_end(values)))
    if front.rate_guessed:
        words.append(
            f"The layer {front.layer} does not say the sample rate of what it takes, and the front "
            f"end takes {front.spec.rate_hz:,} samples a second: --sample-rate HZ says it."
        )
    try:
        quality = check.front_end(whole, windows, scheme)
        single = None if alone is None else check.single(whole, alone, scheme)
    except MissingDependency:
        return found, tuple(words)
    found = replace(found, quality=quality)
    if found.apart and quality is not None:
        known = f" Of the layer {front.layer}: {' '.join(front.approximate)}"
        words.append(
            "Answers are not quite those of the Keras model (in float, signal-to-noise ratio "
            f"{quality.signal_to_noise_db:.1f} dB)." + (known if front.approximate else "")
        )
    ratio = None if single is None else single.signal_to_noise_db
    if ratio is not None and ratio < _SAME_ALONE_DB:
        words.append(
            f"The Keras model answers otherwise to a recording by itself than among the others: "
            f"signal-to-noise ratio {ratio:.1f} dB. That is top_db, by which the layer "
            f"{front.layer} lifts what is quiet beside the loudest sound that it is given at once. "
            "Train with a top_db that does nothing (1e6), or evaluate all recordings at once."
        )
    return found, tuple(words)


def place_for(output: Path | None, *, force: bool, inputs: tuple[Any, ...]) -> Path | None:
    """Where the TOML file of a front end goes, beside the .tflite.

    Raises:
        EdgeqError: It exists, says something else, and `force` is not given.
    """
    if output is None:
        return None
    place = output.with_suffix(".frontend.toml")
    check_writable(place, force=force, inputs=inputs)
    return place


def written(
    path: Path | None,
    model: bytes,
    beside: Path | None,
    found: SplitFrontEnd | None,
    *,
    force: bool,
) -> tuple[str | None, SplitFrontEnd | None]:
    """Where the model now lies, if anywhere, and its front end; both are written, or nothing is."""
    if path is None:
        return None, found
    if beside is None or found is None:
        write_results({path: model}, force=force)
        return str(path), found
    write_results({beside: stamped(_text_for(beside, found), model), path: model}, force=force)
    return str(path), replace(found, output=str(beside))


def _text_for(place: Path, found: SplitFrontEnd) -> bytes:
    """The content of the file: what stands there already if it is the same front end."""
    try:
        described, _ = read_described(place)
        ours, _ = read_described(found.values)
        same: Described | None = None
        if isinstance(described, Description) and isinstance(ours, Description):
            same = replace(described, name=ours.name, stride=ours.stride, precision=ours.precision)
        elif isinstance(described, Image) and isinstance(ours, Image):
            same = replace(described, name=ours.name, format=ours.format, yuv_range=ours.yuv_range)
        if same == ours:
            return place.read_bytes()
    except (EdgeqError, OSError):
        pass
    return found.toml.encode()
