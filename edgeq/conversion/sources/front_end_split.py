"""The model behind a front end while it is built: the Keras model, followed from its samples on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq.conversion.layer_kinds import kind_of
from edgeq.conversion.sources.following import Follower, names_of, rebuilt
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.frontend.keras_options import TRANSLATORS, Translated, Unlike

_SAME_KERNEL = 1e-4
_SHAPES = ("Reshape", "Flatten", "Squeeze", "ExpandDims", "Permute", "Identity")
_SILENT = (
    "Dropout",
    "GaussianNoise",
    "GaussianDropout",
    "SpatialDropout1D",
    "ActivityRegularization",
)
_LOGS = {"Log": "natural", "Log2": "log2", "Log10": "log10", "Log1p": "natural"}
_SAMPLE_UNITS = {1.0: 1.0, 1 / 32768: 32768.0}


@dataclass(frozen=True)
class Sound:
    """The samples on their way to the front end; `full_scale` is the value of the loudest one."""

    count: int
    full_scale: float = 1.0


@dataclass(frozen=True)
class Spectrum:
    """What the front end gives; `raw` are the operations of keras.ops that may become its log."""

    layer: Any
    translated: Translated
    full_scale: float
    shape: tuple[int, ...]
    offset: float = 0.0
    floor: float = 0.0
    raw: tuple[Callable[[Any], Any], ...] = ()


def samples_in(shape: tuple[Any, ...]) -> int | None:
    """The length of the only axis that is longer than one; None where there is no such."""
    if None in shape or not shape:
        return None
    longest = max(shape)
    return longest if longest > 1 and int(np.prod(shape)) == longest else None


def refused(layer: Any, why: str, where: str) -> EdgeqError:
    """The error about a front end that cannot be split off; `why` is the end of a sentence."""
    return EdgeqError(
        f"The front end '{layer.name}' ({kind_of(layer)}) cannot be split off: {why}.",
        where,
        "describe it in a TOML file, train on `edgeq features`, and convert the model behind it",
    )


class Split:
    """The model behind a front end while it is built."""

    def __init__(
        self,
        keras: Any,
        where: str,
        begin: Callable[[Spectrum], tuple[Any, Any]] | None = None,
    ) -> None:
        """A new one.

        Args:
            keras: The module.
            where: Name of the model for messages.
            begin: Gives an input and the features made of it; by default the features are it.
        """
        self.keras, self.where = keras, where
        self.input: Any = None
        self.used: Spectrum | None = None
        self._made: Any = None
        self._taken: set[str] = set()
        self._begin = begin or self._features
        self._follower = Follower(keras, (Sound, Spectrum), self._step, self._tensor, self._twice)

    def rebuilt(self, model: Any, count: int) -> Any:
        """The keras.Model behind the front end; None where there is nothing."""
        followed = getattr(model, "_functional", None) or model
        self._taken = names_of(followed)
        outputs = self._follower.follow(followed, [Sound(count)])
        if self.input is None or any(isinstance(new, Sound | Spectrum) for new in outputs):
            return None
        return rebuilt(self.keras, model, self.input, outputs)

    def free_name(self, wanted: str) -> str:
        """A name for a layer of ours that is none of the model's."""
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def _step(self, node: Any, token: Sound | Spectrum) -> Sound | Spectrum | None:
        """What a call of samples or of the spectrum becomes; None where it needs a tensor."""
        if isinstance(token, Sound):
            return self._sound(node, token)
        return self._absorbed(node, token)

    def _twice(self, operation: Any) -> None:
        if self.used is not None:
            raise refused(
                self.used.layer,
                f"two layers are named '{operation.name}', one in a model inside the other; give "
                "each a name of its own",
                self.where,
            )

    def _sound(self, node: Any, sound: Sound) -> Sound | Spectrum:
        """What a layer does to samples before or in the front end."""
        operation = node.operation
        kind = kind_of(operation)
        if kind in TRANSLATORS:
            return self._translated(node, sound)
        same = samples_in(tuple(node.outputs[0].shape[1:])) == sound.count
        if kind in _SILENT or (kind in _SHAPES and same):
            return sound
        if kind == "Rescaling" and sound.full_scale == 1.0:
            scale, offset = np.asarray(operation.scale), np.asarray(operation.offset)
            if scale.size == 1 and not offset.any() and float(scale) in _SAMPLE_UNITS:
                return replace(sound, full_scale=_SAMPLE_UNITS[float(scale)])
        raise self._samples_elsewhere(operation)

    def _samples_elsewhere(self, operation: Any) -> EdgeqError:
        return EdgeqError(
            f"The front end cannot be split off: '{operation.name}' "
            f"({kind_of(operation)}) takes the samples before it or beside it.",
            self.where,
            "reshapes, noise and Rescaling(1 / 32768) may stand before a front end",
        )

    def _translated(self, node: Any, sound: Sound) -> Spectrum:
        layer, kind = node.operation, kind_of(node.operation)
        more: tuple[float, ...] = ()
        try:
            if kind == "STFTSpectrogram":
                more = (float(self.keras.backend.epsilon()), _gain(self.keras, layer))
            found = TRANSLATORS[kind](layer.get_config(), sound.count, *more)
            shape = [size for size in node.outputs[0].shape[1:] if size != 1]
            if len(shape) < 2:
                raise Unlike(f"its output, {tuple(shape)}, is not several frames of features")
            if found.frames != shape[1 if found.features_first else 0]:
                raise Unlike(f"its output, {tuple(shape)}, has other than {found.frames} frames")
            read_description(found.values)
        except Unlike as unlike:
            raise refused(layer, str(unlike), self.where) from None
        except EdgeqError as error:
            raise refused(layer, error.what.rstrip("."), self.where) from None
        return Spectrum(layer, found, sound.full_scale, tuple(node.outputs[0].shape[1:]))

    def _absorbed(self, node: Any, spectrum: Spectrum) -> Spectrum | None:
        """The spectrum with what keras.ops does to it before its logarithm; None for the rest."""
        operation = node.operation
        kind = kind_of(operation)
        if kind == "Lambda" and _is_plain(spectrum):
            raise refused(
                spectrum.layer,
                f"what the Lambda '{operation.name}' behind it computes cannot be read; write "
                "keras.ops.log(keras.ops.maximum(x, 1e-6))",
                self.where,
            )
        if not _is_plain(spectrum):
            return None
        if kind in _LOGS:
            return self._logarithm(operation, kind, spectrum)
        number = _constant(node)
        if number is None or number <= 0 or kind not in ("Add", "Maximum"):
            return None
        arguments = node.arguments

        def again(tensor: Any) -> Any:
            first = arguments.args[0] is node.input_tensors[0]
            return operation(tensor, number) if first else operation(number, tensor)

        raw = (*spectrum.raw, again)
        if kind == "Maximum":
            return replace(spectrum, floor=max(spectrum.floor, number), raw=raw)
        floor = spectrum.floor + number if spectrum.floor else 0.0
        return replace(spectrum, offset=spectrum.offset + number, floor=floor, raw=raw)

    def _logarithm(self, operation: Any, kind: str, spectrum: Spectrum) -> Spectrum:
        offset = spectrum.offset + (kind == "Log1p")
        floor = spectrum.floor + (kind == "Log1p" and spectrum.floor > 0)
        if not offset and not floor:
            raise refused(
                spectrum.layer,
                f"'{operation.name}' has no floor, and silence has no logarithm; write "
                "keras.ops.log(keras.ops.maximum(x, 1e-6))",
                self.where,
            )
        translated = spectrum.translated
        values = {**translated.values, "log": _LOGS[kind], "log_floor": floor, "log_offset": offset}
        return replace(spectrum, translated=replace(translated, values=values), raw=())

    def _tensor(self, spectrum: Sound | Spectrum, operation: Any) -> Any:
        """What the front end gives as a tensor of the new model, in the layout of its layer."""
        if isinstance(spectrum, Sound):
            raise self._samples_elsewhere(operation)
        if self.used is None:
            self.used = replace(spectrum, raw=())
            self._made = self._laid_out(spectrum)
        used = self.used
        if used.layer is not spectrum.layer or used.translated != spectrum.translated:
            raise refused(
                spectrum.layer, f"'{operation.name}' takes it otherwise than the layers beside it",
                self.where,
            )  # fmt: skip
        made = self._made
        for again in spectrum.raw:
            made = again(made)
        return made

    def _features(self, spectrum: Spectrum) -> tuple[Any, Any]:
        plain = [size for size in spectrum.shape if size != 1]
        frames = plain[::-1] if spectrum.translated.features_first else plain
        given = self.keras.Input(tuple(frames), name=spectrum.layer.name)
        return given, given

    def _laid_out(self, spectrum: Spectrum) -> Any:
        layers, found, name = self.keras.layers, spectrum.translated, spectrum.layer.name
        self.input, made = self._begin(spectrum)
        if found.scale != 1.0 or found.offset:
            scale = found.scale if isinstance(found.scale, float) else np.asarray(found.scale)
            made = layers.Rescaling(scale, found.offset, name=self.free_name(f"{name}_units"))(made)
        if found.features_first:
            made = layers.Permute((2, 1), name=self.free_name(f"{name}_layout"))(made)
        if len(spectrum.shape) > 2:
            made = layers.Reshape(spectrum.shape, name=self.free_name(f"{name}_shape"))(made)
        return made


def _is_plain(spectrum: Spectrum) -> bool:
    """Whether the front end's values are powers or magnitudes in the layer's own unit."""
    found = spectrum.translated
    return found.values["log"] == "none" and found.scale == 1.0


def _gain(keras: Any, layer: Any) -> float:
    """The kernels of an STFTSpectrogram over those of a plain Fourier transform.

    A file does not say how it was scaled, and training may have changed it.

    Raises:
        Unlike: They are no Fourier transform any more, or they are not there.
    """
    gains = []
    for side in ("real", "imag"):
        kernel = getattr(layer, f"{side}_kernel", None)
        if kernel is None:
            raise Unlike(f"mode is '{layer.mode}'; log, magnitude and psd are known")
        kernel = keras.ops.convert_to_numpy(kernel).astype(np.float64)
        initial = keras.initializers.STFT(side, layer.window, None, layer.periodic)
        plain = keras.ops.convert_to_numpy(initial(kernel.shape, dtype="float32"))
        gains.append(float((kernel * plain).sum() / np.square(plain).sum()))
        if not np.abs(kernel - gains[-1] * plain).max() <= _SAME_KERNEL * abs(gains[-1]):
            raise Unlike("its kernels were trained, and are no Fourier transform any more")
    if abs(gains[0] - gains[1]) > _SAME_KERNEL * abs(gains[0]) or not gains[0]:
        raise Unlike("its kernels were trained, and are no Fourier transform any more")
    return abs(gains[0])


def _constant(node: Any) -> float | None:
    """The number beside the only tensor of a call; None where there is none."""
    given = [*node.arguments.args, *node.arguments.kwargs.values()]
    others = [value for value in given if value is not node.input_tensors[0]]
    if len(others) != 1:
        return None
    try:
        value = np.asarray(others[0], np.float64)
    except (TypeError, ValueError):
        return None
    return float(value.reshape(())) if value.size == 1 else None
