"""The error that each op adds by itself, and what it does to the result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeq.analysis.diagnosis.cut import CutModel, DisturbedModel
from edgeq.analysis.diagnosis.pairs import Pair
from edgeq.conversion.calibration.calibrate import LARGEST, TOO_LARGE
from edgeq.devices.interpreters import LiteRtOptions, computing, litert_interpreter
from edgeq.errors import EdgeqError
from edgeq.model.arrays import dequantize, quantize, to_input
from edgeq.model.graph import Graph, Tensor, numpy_dtype
from edgeq.support.array import Array

HISTOGRAM_BINS = 24
_SQUASHING = frozenset({"SOFTMAX", "LOGISTIC", "LOG_SOFTMAX"})


@dataclass
class OwnError:
    """What one op does wrong when everything before it is right; sums over all samples.

    Attributes:
        pair: The tensor.
        noise, signal: Energy of the error and of the value itself.
        clipped_noise: Part of the noise that comes from values beyond the integer range.
        rounding_noise: What rounding to this scale costs in any case.
        effect: Energy of the error at the model's result when only this op is wrong.
        clipped: Values beyond the integer range.
        count: Values seen.
        low, high: Lowest and highest value of each channel of the float model.
        integer_low, integer_high: The same of the integer model, in integers.
        histogram: Values of the float model by where they lie in the integer range: below it, in
            HISTOGRAM_BINS equal parts of it, above it.
    """

    pair: Pair
    noise: float = 0.0
    signal: float = 0.0
    clipped_noise: float = 0.0
    rounding_noise: float = 0.0
    effect: float = 0.0
    clipped: int = 0
    count: int = 0
    low: Array = field(default_factory=lambda: np.array(np.inf))
    high: Array = field(default_factory=lambda: np.array(-np.inf))
    integer_low: Array = field(default_factory=lambda: np.array(np.inf))
    integer_high: Array = field(default_factory=lambda: np.array(-np.inf))
    histogram: Array = field(default_factory=lambda: np.zeros(HISTOGRAM_BINS + 2, np.int64))

    def add(self, exact: Array, integer: Array) -> Array:
        """Take one sample into account; the error, in real numbers."""
        tensor = self.pair.integer
        error: Array = dequantize(integer, tensor) - exact
        low, high = real_range(tensor)
        beyond = exact - np.clip(exact, low, high)
        # A step beyond the end is no more than rounding; softmax has 1 itself there.
        outside = np.abs(beyond) > 1.01 * tensor.scale
        self.noise += _energy(error)
        self.signal += _energy(exact)
        self.clipped_noise += _energy(beyond[outside])
        self.rounding_noise += exact.size * tensor.scale**2 / 12
        self.clipped += int(outside.sum())
        self.count += exact.size
        with np.errstate(over="ignore"):
            parts = np.floor((exact - low) / (high - low) * HISTOGRAM_BINS)
        # The end of the range belongs to it, with the half step that still rounds to it.
        parts[~outside] = np.clip(parts[~outside], 0, HISTOGRAM_BINS - 1)
        places = np.clip(parts, -1, HISTOGRAM_BINS).astype(np.int64) + 1
        self.histogram += np.bincount(places.ravel(), minlength=HISTOGRAM_BINS + 2)
        axes = tuple(range(exact.ndim - 1))
        self.low = np.minimum(self.low, exact.min(axes))
        self.high = np.maximum(self.high, exact.max(axes))
        self.integer_low = np.minimum(self.integer_low, integer.min(axes))
        self.integer_high = np.maximum(self.integer_high, integer.max(axes))
        return error

    @property
    def sqnr_db(self) -> float | None:
        """Signal to noise of this op alone; None where there is no noise or no signal."""
        return decibels(self.signal, self.noise)

    @property
    def range_use(self) -> float:
        """Share of the integer range that the float model's values need."""
        low, high = real_range(self.pair.integer)
        least, most = max(float(self.low.min()), low), min(float(self.high.max()), high)
        return max(most - least, 0.0) / (high - low)

    @property
    def dead(self) -> int:
        """Channels that always have the same value in the float model."""
        return int((self.low == self.high).sum()) if self.low.ndim else 0

    @property
    def lost(self) -> int:
        """Channels that vary in the float model and always have one value in integers."""
        if not self.low.ndim:
            return 0
        return int(((self.low < self.high) & (self.integer_low == self.integer_high)).sum())


@dataclass(frozen=True)
class Noise:
    """Errors of all ops.

    Attributes:
        errors: By pair, in the order of execution.
        result: The tensor of the float model where effects are measured.
        signal: Energy of that tensor.
    """

    errors: list[OwnError]
    result: int
    signal: float


def own_errors(
    real: Graph,
    integer: Graph,
    real_data: bytes,
    integer_data: bytes,
    pairs: Sequence[Pair],
    samples: Iterable[Sequence[Array]],
) -> Noise:
    """The error of every pair's op on its own, and its effect on the result.

    Each sample begins in the initial state, as the calls that are traced do.

    Args:
        real, integer: Both models.
        real_data, integer_data: Both files' content.
        pairs: What to judge.
        samples: Inputs in real numbers, one array per model input, without a batch axis.
    """
    # What a loop hands on to nobody has no value.
    read = {*real.main.outputs, *(index for op in real.main.ops for index in op.inputs)}
    pairs = [pair for pair in pairs if pair.real.index in read]
    forgets = real.is_stream or integer.is_stream
    if forgets:  # what a call leaves in a variable is of the next one
        pairs = [p for p in pairs if not (p.real.is_variable or p.integer.is_variable)]
    # The plain kernels end the process over a SOFTMAX of hardly any range.
    usual = LiteRtOptions(delegate="none")
    tracer = litert_interpreter(real_data, usual, preserve=True)
    places = [{p.real.index for p in pairs}, {p.integer.index for p in pairs}]
    # Cut apart, XNNPACK would write a variable before it is read.
    fast = usual if forgets else LiteRtOptions()
    exact_ops = CutModel(real_data, places[0], fast, forgets=forgets)
    integer_ops = CutModel(integer_data, places[1], usual, forgets=forgets)
    watched, squashed = _result(real)
    whole = DisturbedModel(real_data, places[0], watched, fast, forgets=forgets)
    errors = [OwnError(pair) for pair in pairs]
    signal = 0.0
    for sample in samples:
        inputs = _inputs(real, sample)
        if forgets:
            tracer = litert_interpreter(real_data, usual, preserve=True)
        for index, value in inputs.items():
            tracer.set_tensor(index, value)
        with computing("a sample of the data", real.path):
            tracer.invoke()
        values = {p.real.index: tracer.get_tensor(p.real.index) for p in pairs} | inputs
        if not all(np.abs(value).max(initial=0) < LARGEST for value in inputs.values()):
            raise EdgeqError(
                "On this data the float model's values overflow; nothing can be told from that.",
                real.path,
                TOO_LARGE,
            )
        integers = {p.integer.index: quantize(values[p.real.index], p.integer) for p in pairs}
        rounded = values | {
            p.real.index: dequantize(integers[p.integer.index], p.integer) for p in pairs
        }
        wanted = exact_ops.run(rounded)
        # Inputs without a scale (indices, masks, floats) go in as they are.
        plain = dict(zip(integer.main.inputs, inputs.values(), strict=True))
        found = integer_ops.run(plain | integers)
        whole.feed(inputs)
        right = _comparable(whole.run({}), squashed)
        signal += _energy(right)
        for error in errors:
            pair = error.pair
            exact = wanted.get(pair.real.index, values[pair.real.index])
            # Rounded, an input may be a pole (1 / 0): then the op's value of the exact ones stands.
            exact = np.where(np.isfinite(exact), exact, values[pair.real.index])
            delta = error.add(exact, found.get(pair.integer.index, integers[pair.integer.index]))
            wrong = _comparable(whole.run({pair.real.index: delta}), squashed)
            error.effect += _energy(wrong - right)
    return Noise(errors, watched, signal)


def _result(real: Graph) -> tuple[int, bool]:
    """The tensor to compare: the first output, or what goes into its softmax or sigmoid."""
    main = real.main
    output = main.outputs[0]
    for op in main.ops:
        if output in op.outputs and op.name in _SQUASHING:
            return op.inputs[0], op.name != "LOGISTIC"
    return output, False


def _comparable(value: Array, squashed: bool) -> Array:
    """What a softmax sees of its input: a common shift makes no difference to it."""
    if value.dtype.kind == "f":  # an error may lead to a pole; its energy is large then, no more
        value = np.nan_to_num(
            value.astype(np.float64), nan=LARGEST, posinf=LARGEST, neginf=-LARGEST
        )
    return value - value.mean(axis=-1, keepdims=True) if squashed else value


def _inputs(real: Graph, sample: Sequence[Array]) -> dict[int, Array]:
    main = real.main
    return {
        index: to_input(np.asarray(value)[None], main.tensors[index], main.tensors[index].name)[0]
        for index, value in zip(main.inputs, sample, strict=True)
    }


def real_range(tensor: Tensor) -> tuple[float, float]:
    """Lowest and highest real number that an integer tensor can hold."""
    limits = np.iinfo(numpy_dtype(tensor.dtype))
    return (
        (limits.min - tensor.zero_point) * tensor.scale,
        (limits.max - tensor.zero_point) * tensor.scale,
    )


def decibels(signal: float, noise: float) -> float | None:
    """Ratio of two energies in dB; None where one is zero."""
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _energy(value: Array) -> float:
    return float((value.astype(np.float64) ** 2).sum())
