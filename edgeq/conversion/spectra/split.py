"""A model that computes a spectrum itself, in two: a front end, and what lies behind it.

What stands before the Fourier transform is found by running it, what stands behind it op by op, and
both are believed only if the front end's C then gives what the model computes there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import drop_unused, indices, set_signature, with_outputs
from edgeq.conversion.float_model import FloatModel, packed
from edgeq.conversion.hearing import Hearing
from edgeq.conversion.network import Network
from edgeq.conversion.pass_log import PassLog, rewritten
from edgeq.conversion.passes import FLOAT_PASSES
from edgeq.conversion.sources.front_end_split import samples_in
from edgeq.conversion.spectra.banks import RATES, mel_bank
from edgeq.conversion.spectra.chain import LOG, POWER, Values, followed
from edgeq.conversion.spectra.framing import Framing, Reals, framing
from edgeq.conversion.spectra.refusal import transforms
from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter
from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from edgeq.frontend.keras_options import MIRRORED, PADDED, Unlike
from edgeq.model.graph import Op
from edgeq.support.foreign import shaped_as

_SAME = 1e-4  # of the values' norm
FULL_SCALE = 32768.0
_ALIKE = 1e-4
_LEAST_GAIN = 1e-6  # from 1


@dataclass(frozen=True)
class Made:
    """What a front end makes of the samples, and how the model's tensor comes from it.

    Attributes:
        values: The front end, as `read_description` takes it.
        tensor: The model's tensor is the front end's times `scale` plus `offset`.
        full_scale: The value of the model's input that is the loudest sample.
    """

    values: dict[str, Any]
    tensor: int
    scale: float
    offset: float
    full_scale: float


def split_spectrum(
    model: FloatModel, rate: int | None, log: PassLog | None = None, *, integers: bool = False
) -> tuple[FloatModel | None, str]:
    """The model behind the spectrum that a model computes, with its front end.

    Args:
        model: Of recordings.
        rate: Their sample rate in Hz, if it is known.
        log: Of the passes that made the model; becomes that of what lies behind.
        integers: Whether it takes them as the microphone gives them, from -32768 to 32767.

    Returns:
        The model of features, and what of the spectrum stays in it, as a sentence; None where
        there is no spectrum, or none that can be split off, and then why, as the end of a sentence.
    """
    found = transforms(model.graph)
    if not found:
        return None, ""
    try:
        # What others wrote into a .tflite need not be what its ops should have.
        with shaped_as("sound model", model.source):
            return _split(model, found, rate, log, FULL_SCALE if integers else 1.0)
    except Unlike as unlike:
        return None, str(unlike)
    except EdgeqError as error:
        return None, error.what.rstrip(".")


def _split(
    model: FloatModel, found: Sequence[Op], rate: int | None, log: PassLog | None, loudest: float
) -> tuple[FloatModel, str]:
    main = model.graph.main
    shape = main.tensors[main.inputs[0]].shape
    count = samples_in(shape[1:]) if len(main.inputs) == 1 and shape[:1] == (1,) else None
    if count is None or main.tensors[main.inputs[0]].dtype != "float32":
        raise Unlike("its input is no row of float32 samples")
    given = found[0].inputs[0]
    width = main.tensors[given].shape[-1]

    def windows(samples: Reals) -> Reals:
        return _values(model, given, samples).reshape(-1, width)

    framed = framing(windows, count)
    reasons: list[str] = []
    loudest = FULL_SCALE if abs(framed.gain * FULL_SCALE - 1) < _ALIKE else loudest
    for made in _candidates(followed(main, found[0]), framed, rate, loudest, reasons):
        passes = PassLog()
        try:
            rest = _behind(model, made, framed.frames, passes)
        except Unlike as unlike:
            reasons.append(str(unlike))
            continue
        name = f"{main.tensors[made.tensor].name} (spectrum)"
        silent = () if framed.whole.all() else (PADDED,)
        approximate = (MIRRORED,) if framed.mirrored else silent
        front = Hearing(name, made.values, shape[1:], made.full_scale, approximate)
        _prove(model, made, front, framed)
        if log is not None:
            log.rewrites[:] = passes.rewrites
        words = f"What follows the spectrum stays in the model: {reasons[0]}." if reasons else ""
        return replace(rest, front=front), words
    raise Unlike(reasons[0] if reasons else "what it makes of the transform is no spectrum")


def _values(model: FloatModel, tensor: int, samples: Reals) -> Reals:
    """What one of the model's tensors holds for a row of samples."""
    main = model.graph.main
    runner = litert_interpreter(with_outputs(model.data, [tensor]), LiteRtOptions(delegate="none"))
    shape = main.tensors[main.inputs[0]].shape
    runner.set_tensor(main.inputs[0], samples.astype(np.float32).reshape(shape))
    runner.invoke()
    return np.asarray(runner.get_tensor(tensor), np.float64)


def _candidates(
    found: Sequence[Values],
    framed: Framing,
    rate: int | None,
    loudest: float,
    reasons: list[str],
) -> Iterator[Made]:
    """Front ends that may be split off, the one that takes most of the model first.

    Args:
        found: What the model makes of the transform.
        framed: How it cuts the samples.
        rate: Sample rate in Hz, if it is known.
        loudest: The value of the loudest sample.
        reasons: Where it is noted why others may not.
    """
    logs = [values for values in found if values.stage == LOG][:1]
    plain = [v for v in found if v.stage == POWER and v.offset == v.floor == 0]
    if any(not values.floor and not values.offset for values in logs):
        raise Unlike("its logarithm has no floor, and silence has no logarithm")
    for values in (*logs, *plain[::-1]):
        try:
            yield _made(values, framed, rate, loudest)
        except Unlike as unlike:
            reasons.append(str(unlike))
        except EdgeqError as error:
            reasons.append(error.what.rstrip("."))


def _made(values: Values, framed: Framing, rate: int | None, full_scale: float) -> Made:
    """The front end that gives some values."""
    described: dict[str, Any] = {"kind": "spectrogram", **framed.options, "power": values.power}
    gain = values.gain
    if rate is not None:
        described["sample_rate"] = rate
    if values.matrix is not None:
        bank = mel_bank(values.matrix, RATES if rate is None else (rate, *RATES))
        if bank is None:
            raise Unlike(f"its matrix of {len(values.matrix)} bands is no bank of mel triangles")
        described |= {"kind": "log-mel", **bank.options}
        gain *= _or_one(bank.gain)
    gain *= _or_one(framed.gain * full_scale) ** values.power
    gain = _or_one(gain)
    described["frames"] = framed.frames
    if values.stage != LOG:
        described["log"] = "none"
        read_description(described)
        return Made(described, values.tensor, gain, 0.0, full_scale)
    described |= {
        "log": "natural",
        "log_floor": _short(values.floor / gain),
        "log_offset": _short(values.offset / gain),
    }
    read_description(described)
    return Made(described, values.tensor, 1.0, math.log(gain), full_scale)


def _or_one(gain: float) -> float:
    """A gain without what float32 made of 1."""
    return 1.0 if abs(gain - 1) < _ALIKE else gain


def _short(value: float) -> float:
    """A number as one writes it: float32 holds seven digits."""
    return float(f"{value:.7g}")


def _behind(model: FloatModel, made: Made, frames: int, log: PassLog) -> FloatModel:
    """The model of features.

    Raises:
        Unlike: Other layers take the samples, or something between them and the features.
    """
    network = model.network()
    samples = network.name(network.inputs[0])
    (signature,) = network.model.signatureDefs
    named = {entry.tensorIndex: entry.name for entry in signature.outputs}
    outputs = [_text(named.get(i, network.name(i))) for i in network.outputs]
    tensor, key = made.tensor, _text(signature.signatureKey)
    network.ops = [op for op in network.ops if tensor not in indices(op.outputs)]
    network.graph.inputs = [_features(network, made, frames)]
    set_signature(network.model, ["features"], outputs, key)
    drop_unused(network.model)
    if any(samples == network.name(i) for op in network.ops for i in indices(op.inputs) if i >= 0):
        raise Unlike("other layers take the samples, or what is made of them on the way")
    made_of = packed(rewritten(network, FLOAT_PASSES, log), _outputs_of(model), model.outputs)
    if transforms(made_of.graph):
        raise Unlike("there is another Fourier transform behind it")
    return replace(made_of, source=model.source)


def _features(network: Network, made: Made, frames: int) -> int:
    """The new input, frames of features, and ops from there to the model's tensor before all."""
    shape = network.shape(made.tensor)
    size = math.prod(shape)
    if size % frames:
        raise Unlike(f"its output, {shape}, has other than {frames} frames")
    wanted = (1, frames, size // frames)
    steps: list[tuple[str, str, Any]] = []
    if shape != wanted:
        steps.append(("RESHAPE", "Reshape", np.asarray(shape, np.int32)))
    if abs(made.scale - 1) > _LEAST_GAIN:
        steps.append(("MUL", "Mul", np.float32(made.scale)))
    if abs(made.offset) > _LEAST_GAIN:
        steps.append(("ADD", "Add", np.float32(made.offset)))
    if not steps:
        return made.tensor
    first = at = network.add_tensor("features", list(wanted), "float32")
    ops = []
    for number, (kind, options, constant) in enumerate(steps):
        last = number == len(steps) - 1
        name = f"features_{kind.lower()}"
        to = made.tensor if last else network.add_tensor(f"{name}_of", list(shape), "float32")
        value = network.add_constant(name, np.asarray(constant))
        more = {"newShape": list(shape)} if kind == "RESHAPE" else {}
        ops.append(network.new_op(kind, [at, value], [to], options, **more))
        at = to
    network.ops = [*ops, *network.ops]
    return first


def _outputs_of(model: FloatModel) -> Any:
    """What is known of the model's outputs."""
    return None if model.info is None else replace(model.info, inputs=())


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _prove(model: FloatModel, made: Made, front: Hearing, framed: Framing) -> None:
    """Refuse a front end whose C does not give what the model computes.

    Raises:
        Unlike: It does not.
    """
    (count,) = {max(front.samples)}
    for sound in _sounds(count):
        theirs = _values(model, made.tensor, sound * made.full_scale).reshape(framed.frames, -1)
        (features,) = front.features([sound * made.full_scale])
        ours = features * made.scale + made.offset
        if ours.shape != theirs.shape:
            raise Unlike(f"its frames, {theirs.shape}, are not those of a front end")
        kept = framed.whole if framed.mirrored else slice(None)
        apart = float(np.linalg.norm(ours[kept] - theirs[kept]))
        if not apart <= _SAME * float(np.linalg.norm(theirs[kept])):
            share = apart / max(float(np.linalg.norm(theirs[kept])), 1e-30)
            raise Unlike(f"a front end by its numbers differs from it by {share:.2g} of its values")


def _sounds(count: int) -> Iterator[Reals]:
    """Samples that a microphone may give: noise that is loud and quiet, and silence within it."""
    rng = np.random.default_rng(1)
    for loudness in (4000, 60):
        sound = rng.normal(0, loudness, count)
        sound[count // 3 : count // 2] = 0
        yield np.clip(np.rint(sound), -32768, 32767) / 32768
