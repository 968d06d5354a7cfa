"""Ranges of a float model's tensors on representative data, and whether the data was enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.calibration.histograms import histograms
from edgeq.conversion.calibration.range_methods import RANGE_METHODS
from edgeq.conversion.calibration.recurrent import Inside
from edgeq.conversion.flatbuffer import with_outputs
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.tensorflow import quiet
from edgeq.data import Dataset, Sample
from edgeq.devices.interpreters import computing
from edgeq.errors import EdgeqError
from edgeq.support.progress import track

METHODS = ("minmax", "moving-average", *RANGE_METHODS)
_STILL_MOVING = 0.05
# Products of larger inputs soon leave float32's range of 3e38.
LARGEST = 1e36
TOO_LARGE = "the inputs are far too large: is a normalization missing (--mean, --std)?"
_OUTLIER = 0.3
_LOWEST = float(np.finfo(np.float32).min)
_MEMORY_OF_AVERAGE = 0.95


@dataclass(frozen=True)
class TensorRange:
    """What calibration saw of one tensor.

    Attributes:
        low, high: The range to quantize with.
        least, most: The lowest and highest value seen.
        growth: Share of the width that came after the first half of the samples.
        outlier: How far the most extreme sample reaches beyond the second most extreme one, as a
            share of the width.
        outlier_sample: Number of that sample.
    """

    low: float
    high: float
    least: float
    most: float
    growth: float
    outlier: float
    outlier_sample: int


@dataclass(frozen=True)
class Calibration:
    """What calibration found.

    Attributes:
        samples: How many samples were read.
        method: How ranges were chosen, one of METHODS.
        tensors: Ranges by tensor name.
        alike: Whether every sample has the same range in every tensor.
    """

    samples: int
    method: str
    tensors: dict[str, TensorRange]
    alike: bool = False

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value to quantize with, by tensor name.

        What is always zero gets a range all the same: a scale of next to nothing would ask for
        factors that kernels cannot shift by.
        """
        return {
            name: (r.low, r.high) if r.low or r.high else (0.0, 1.0)
            for name, r in self.tensors.items()
        }

    @property
    def moving(self) -> list[str]:
        """Tensors whose range still grew in the later half, the worst first."""
        names = [name for name, r in self.tensors.items() if r.growth > _STILL_MOVING]
        return sorted(names, key=lambda name: -self.tensors[name].growth)

    @property
    def outliers(self) -> dict[int, list[str]]:
        """Samples that alone widen a range by much, and the tensors where they do."""
        found: dict[int, list[str]] = {}
        for name, r in self.tensors.items():
            if r.outlier > _OUTLIER and self.samples > 2:
                found.setdefault(r.outlier_sample, []).append(name)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    @property
    def enough(self) -> bool:
        """Whether more samples are unlikely to widen any range by much."""
        return self.samples > 1 and not self.moving and not self.alike

    def warnings(self) -> list[str]:
        """What the user should know about the data, in sentences."""
        found = []
        if self.samples == 1:
            found.append("Calibrated on a single sample; ranges are guesses. Give 100 or more.")
        elif self.moving:
            worst = self.moving[0]
            found.append(
                f"Calibration may not be enough: {len(self.moving)} of {len(self.tensors)} ranges "
                f"still grew after the first half of the {self.samples} samples, most that of "
                f'"{worst}" (by {self.tensors[worst].growth:.0%} of its width). Give more samples.'
            )
        if self.outliers:
            sample, names = next(iter(self.outliers.items()))
            cuts = self.method in RANGE_METHODS
            found.append(
                f"Sample {sample} alone widens {len(names)} ranges by more than {_OUTLIER:.0%}, "
                f'such as that of "{names[0]}"'
                + (f", before {self.method} cuts it. " if cuts else ". ")
                + ("Look at it." if cuts else "Look at it, or try --calibration percentile.")
            )
        if self.samples > 1 and self.alike:
            found.append(
                f"All {self.samples} samples give the same ranges: are they copies of one? "
                "Ranges are guesses then. Give 100 different ones or more."
            )
        constant = [name for name, r in self.tensors.items() if r.least == r.most]
        if constant:
            more = f" and {len(constant) - 1} more" if constant[1:] else ""
            found.append(f'Always the same value on this data: "{constant[0]}"{more}.')
        return found


def calibrate(
    model: FloatModel, data: Dataset, method: str = "minmax", levels: int = 256
) -> Calibration:
    """Ranges of every activation over the data, one sample in memory at a time.

    Args:
        model: The float model.
        data: Representative data; the methods that need histograms read it twice.
        method: "minmax", "moving-average", "percentile", "mse" or "kl".
        levels: Integers that an activation can take: 256 for int8, 65536 for int16.

    Raises:
        EdgeqError: The data is empty or does not fit.
    """
    extremes = _Extremes(data.count)
    probe = _Probe(model)
    inputs = len(model.inputs)
    for number, (low, high) in enumerate(probe.run(track(data, "calibrating", data.calls))):
        _check_finite(probe.names, low[:inputs], high[:inputs], number)
        _check_numbers(probe.names, low, high, number)
        # A logarithm of 0 lies below all numbers: that is no width to judge others by.
        extremes.add(np.maximum(low, _LOWEST), np.maximum(high, _LOWEST))
    found = extremes.result(probe.names, method)
    if method not in RANGE_METHODS:
        return found
    tensors = dict(found.tensors)
    for name, histogram in histograms(model, data, found.ranges).items():
        chosen = RANGE_METHODS[method](histogram, levels)
        tensors[name] = replace(tensors[name], low=chosen[0], high=chosen[1])
    return replace(found, tensors=tensors)


def _check_finite(
    names: list[str], low: NDArray[np.float64], high: NDArray[np.float64], sample: int
) -> None:
    """Refuse a sample that float arithmetic cannot work with.

    Only inputs are looked at: inside, masks of attention are as large as floats can be.

    Raises:
        EdgeqError: With the input concerned.
    """
    bad = ~(np.maximum(np.abs(low), np.abs(high)) < LARGEST)
    if bad.any():
        raise EdgeqError(
            f'Sample {sample} of "{names[int(bad.argmax())]}" has values of {high[bad].max():.3g}; '
            "float arithmetic overflows with such.",
            hint=TOO_LARGE,
        )


def _check_numbers(
    names: list[str], low: NDArray[np.float64], high: NDArray[np.float64], sample: int
) -> None:
    """Refuse a sample of which the float model makes values that no range can hold.

    Raises:
        EdgeqError: With the first tensor that holds them.
    """
    bad = np.isnan(low) | np.isnan(high) | (high == np.inf)
    if bad.any():
        raise EdgeqError(
            f'Values are not finite at "{names[int(bad.argmax())]}" for sample {sample}: something '
            "is divided by zero there.",
            hint="vectors of zeros (padding) cannot be normalised in integers: leave them out, or "
            "add a small number to the divisor in the model",
        )


class _Probe:
    """LiteRT with its profiler, which notes the range of every tensor while the model runs.

    It sees what XNNPACK computes, at 5 to 10 times the speed of reading tensors back.
    """

    def __init__(self, model: FloatModel) -> None:
        self._inside = Inside(model)
        main = model.graph.main
        seen = [i for i in self._inside.needed if i not in (*main.inputs, *main.outputs)]
        data = with_outputs(model.data, [*main.outputs, *seen]) if seen else model.data
        with quiet():
            from ai_edge_litert import _pywrap_tfl_calibration as profiler
            from ai_edge_litert import interpreter

            self._interpreter = interpreter.Interpreter(
                model_content=data,
                num_threads=2,
                experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN,
                experimental_disable_delegate_node_fusion=True,
                experimental_force_delegate_node_profiling=True,
            )
            self._interpreter.allocate_tensors()
        self._invoke: Any = profiler.InvokeWithCalibration
        counts = {i for op in main.ops if op.name == "WHILE" for i in op.outputs}
        counts = {i for i in counts if main.tensors[i].dtype != "float32"}
        made = [index for op in main.ops for index in op.outputs if index not in counts]
        tensors = [main.tensors[index] for index in (*main.inputs, *made)]
        self._order = [tensor.name for tensor in tensors if not tensor.is_variable]
        self._cut = False
        self._names: list[str] = []
        self.names: list[str] = []

    def run(
        self, samples: Iterator[Sample]
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Lowest and highest value of each tensor, in the order of `names`, sample by sample.

        The calls that a sample was cut into count as one.
        """
        before: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        for sample, (low, high) in self._calls(samples):
            if before is None or sample.starts or not self._cut:
                if before is not None:
                    yield before
                before = low, high
            else:
                before = np.minimum(before[0], low), np.maximum(before[1], high)
        if before is not None:
            yield before

    def _calls(
        self, samples: Iterator[Sample]
    ) -> Iterator[tuple[Sample, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
        """The same for each call."""
        inputs = [(d["index"], tuple(d["shape"])) for d in self._interpreter.get_input_details()]
        handle = self._interpreter._native_handle()
        for number, sample in enumerate(samples):
            if sample.starts:
                self._cut = True
                self._interpreter.reset_all_variables()
                self._inside.reset()
            for (index, shape), value in zip(inputs, sample.inputs, strict=True):
                self._interpreter.set_tensor(index, value.reshape(shape))
            with computing(f"sample {number} of the data"):
                found = self._invoke(handle, 0)
            inside = self._inside.ranges(self._interpreter.get_tensor)
            if not self.names:
                self._names = [name for name in self._order if name in found]
                self.names = [*self._names, *inside]
            stats = [found[name] for name in self._names]
            inner = [inside[name] for name in self.names[len(self._names) :]]
            low = np.array([*(s.min for s in stats), *(low for low, _ in inner)])
            high = np.array([*(s.max for s in stats), *(high for _, high in inner)])
            yield sample, (low, high)


class _Extremes:
    """Running minimum and maximum of all tensors, with what is needed to judge them.

    The ranges at half-way tell how much the later half added (at the last power of two before
    it, where the number of samples is not known); the second most extreme value tells how much
    hangs on one sample. Memory does not grow with the samples.
    """

    def __init__(self, total: int | None) -> None:
        self._half = total // 2 if total else None
        self._count = 0
        self._early: list[tuple[int, NDArray[Any]]] = []

    def add(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        """Take in one sample."""
        if not self._count:
            self._first, self._alike = (low, high), True
            self._low, self._high = low.copy(), high.copy()
            self._mean_low, self._mean_high = low, high
            self._low2, self._high2 = np.full_like(low, np.inf), np.full_like(high, -np.inf)
            self._by = np.zeros((2, len(low)), np.int64)
        else:
            for extreme, second, value, sign, by in (
                (self._low, self._low2, low, -1, self._by[0]),
                (self._high, self._high2, high, 1, self._by[1]),
            ):
                new = sign * value > sign * extreme
                beaten = np.where(new, extreme, value)
                second[:] = np.where(sign * beaten > sign * second, beaten, second)
                by[new] = self._count
                extreme[new] = value[new]
            kept = _MEMORY_OF_AVERAGE
            self._mean_low = kept * self._mean_low + (1 - kept) * low
            self._mean_high = kept * self._mean_high + (1 - kept) * high
        self._count += 1
        first_low, first_high = self._first
        self._alike &= bool((low == first_low).all() and (high == first_high).all())
        power_of_two = self._count & (self._count - 1) == 0
        if self._count == self._half or (self._half is None and power_of_two):
            self._early.append((self._count, self._high - self._low))

    def result(self, names: list[str], method: str) -> Calibration:
        """The ranges, judged."""
        width = np.maximum(self._high - self._low, 1e-30)
        early = [before for count, before in self._early if count <= self._count // 2]
        growth = 1 - early[-1] / width if early else np.zeros_like(width)
        growth[self._high == self._low] = 0.0
        above, below = (self._high - self._high2) / width, (self._low2 - self._low) / width
        outlier = np.where(np.isfinite(above), np.maximum(above, below), 0.0)
        by = np.where(above >= below, self._by[1], self._by[0])
        average = method == "moving-average"
        low, high = (self._mean_low, self._mean_high) if average else (self._low, self._high)
        tensors = {
            name: TensorRange(
                low=float(low[i]),
                high=float(high[i]),
                least=float(self._low[i]),
                most=float(self._high[i]),
                growth=float(growth[i]),
                outlier=float(outlier[i]),
                outlier_sample=int(by[i]),
            )
            for i, name in enumerate(names)
        }
        return Calibration(self._count, method, tensors, self._alike)
