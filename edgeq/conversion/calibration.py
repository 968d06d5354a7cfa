"""Ranges of a float model's tensors on representative data, and whether the data was enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.tensorflow import quiet
from edgeq.datasets import Dataset, Sample
from edgeq.progress import track

_STILL_MOVING = 0.05


@dataclass(frozen=True)
class TensorRange:
    """What calibration saw of one tensor.

    Attributes:
        low, high: The range to quantize with.
        growth: Share of the width that the later half of the samples added.
        outlier: How far the most extreme sample reaches beyond the second most extreme one, as a
            share of the width.
        outlier_sample: Number of that sample.
    """

    low: float
    high: float
    growth: float = 0.0
    outlier: float = 0.0
    outlier_sample: int | None = None


@dataclass(frozen=True)
class Calibration:
    """Ranges by tensor name, and how many samples they come from."""

    samples: int
    tensors: dict[str, TensorRange]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value by tensor name."""
        return {name: (r.low, r.high) for name, r in self.tensors.items()}

    @property
    def moving(self) -> list[str]:
        """Tensors whose range still grew in the later half, the worst first."""
        names = [name for name, r in self.tensors.items() if r.growth > _STILL_MOVING]
        return sorted(names, key=lambda name: -self.tensors[name].growth)

    def warnings(self) -> list[str]:
        """What the user should know about the data, in sentences."""
        found = []
        if self.samples < 2:
            found.append("Calibrated on a single sample; ranges are guesses. Give 100 or more.")
        elif self.moving:
            worst = self.moving[0]
            found.append(
                f"Calibration may not be enough: over the later half of {self.samples} samples the "
                f'range still grew in {len(self.moving)} tensors, most in "{worst}" '
                f"(by {self.tensors[worst].growth:.0%}). Give more samples."
            )
        constant = [name for name, r in self.tensors.items() if r.low == r.high]
        if constant:
            found.append(
                f'Always the same value on this data: "{constant[0]}"'
                + (f" and {len(constant) - 1} more." if constant[1:] else ".")
            )
        return found


def calibrate(model: FloatModel, data: Dataset) -> Calibration:
    """True minimum and maximum of every activation over the data, one sample in memory at a time.

    Raises:
        EdgeqError: The data is empty or does not fit.
    """
    probe = _Probe(model)
    extremes = _Extremes()
    for sample in track(data, "calibrating", data.count):
        extremes.add(*probe.run(sample))
    return extremes.result(probe.names)


class _Probe:
    """LiteRT with its profiler, which notes the range of every tensor while the model runs.

    It sees what XNNPACK computes, at 5 to 10 times the speed of reading tensors back.
    """

    def __init__(self, model: FloatModel) -> None:
        with quiet():
            from ai_edge_litert import _pywrap_tfl_calibration as profiler
            from ai_edge_litert import interpreter

            self._interpreter = interpreter.Interpreter(
                model_content=model.data,
                num_threads=2,
                experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN,
                experimental_disable_delegate_node_fusion=True,
                experimental_force_delegate_node_profiling=True,
            )
            self._interpreter.allocate_tensors()
        self._invoke: Any = profiler.InvokeWithCalibration
        self._inputs = [
            (detail["index"], tuple(detail["shape"]))
            for detail in self._interpreter.get_input_details()
        ]
        self.names: list[str] = []

    def run(self, sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest value of each tensor, in the order of `names`."""
        for (index, shape), value in zip(self._inputs, sample.inputs, strict=True):
            self._interpreter.set_tensor(index, value.reshape(shape))
        found = self._invoke(self._interpreter._native_handle(), 0)
        if not self.names:
            self.names = list(found)
        stats = [found[name] for name in self.names]
        return np.array([s.min for s in stats]), np.array([s.max for s in stats])


class _Extremes:
    """Running minimum and maximum of all tensors, with what is needed to judge them.

    A snapshot at every power of two tells how much the later half added; the second most extreme
    value tells how much hangs on one sample. Memory does not grow with the samples.
    """

    def __init__(self) -> None:
        self._count = 0
        self._snapshots: list[tuple[int, NDArray[Any], NDArray[Any]]] = []

    def add(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        """Take in one sample."""
        if not self._count:
            self._low, self._high = low, high
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
        self._count += 1
        if self._count & (self._count - 1) == 0:
            self._snapshots.append((self._count, self._low.copy(), self._high.copy()))

    def result(self, names: list[str]) -> Calibration:
        """The ranges, judged."""
        width = np.maximum(self._high - self._low, 1e-30)
        early = [s for s in self._snapshots if s[0] <= self._count // 2]
        growth = np.zeros_like(width)
        if early:
            growth = 1 - (early[-1][2] - early[-1][1]) / width
        above = (self._high - self._high2) / width
        below = (self._low2 - self._low) / width
        outlier = np.where(np.isfinite(above), np.maximum(above, below), 0.0)
        by = np.where(above >= below, self._by[1], self._by[0])
        tensors = {
            name: TensorRange(
                float(self._low[i]),
                float(self._high[i]),
                float(growth[i]),
                float(outlier[i]),
                int(by[i]),
            )
            for i, name in enumerate(names)
        }
        return Calibration(self._count, tensors)
