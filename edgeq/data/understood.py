"""What was understood of a data set: the line that stands before every figure made with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.data.base import Sample, Source
from edgeq.data.labels import LabelDecoder, as_shown, listed
from edgeq.data.preprocess import Step
from edgeq.data.remarks import Remarks
from edgeq.support.array import Array

_MOST_CLASSES = 1000
_SHOWN = 20
# Beyond such shares the data is hardly what the model was made for: 0..1 for a model of -1..1 uses
# half of its range.
_OUTSIDE, _TOO_NARROW = 0.05, 0.55


@dataclass(frozen=True)
class InputValues:
    """One input's values over a data set.

    Attributes:
        name: Of the input.
        dtype: Of the raw values.
        before: Least and largest raw value.
        after: Least and largest value as the model takes them.
        steps: What was done between, in words.
        warnings: What does not look like the model's data.
    """

    name: str
    dtype: str
    before: tuple[float, float]
    after: tuple[float, float]
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Understood:
    """What was understood of a data set, in one pass over it.

    Attributes:
        source: What was read.
        samples: How many.
        labels: "class numbers", "class names", "one-hot", "numbers", "arrays"; "none" without.
        classes: Samples of each class by its name, or number where it has none.
        inputs: The values of each input.
        notes: What was done on the way, in sentences.
        warnings: What may be a mistake, in sentences.
        columns: Of a table, those that are features, in order.
    """

    source: str
    samples: int
    labels: str
    classes: Mapping[str, int]
    inputs: tuple[InputValues, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    _digests: frozenset[bytes] = field(default=frozenset(), repr=False)

    def __str__(self) -> str:
        """One line: samples, classes with their counts, ranges before and after."""
        parts = [f"data: {self.samples:,} samples of {self.source}", self._label_text()]
        for given in self.inputs:
            name = f"input '{given.name}'" if len(self.inputs) > 1 else "input"
            text = f"{name} {_interval(given.before)} ({given.dtype})"
            if given.steps:
                text += f", {'; '.join(given.steps)}: {_interval(given.after)}"
            parts.append(text)
        return "; ".join([part for part in parts if part] + list(self.notes))

    def _label_text(self) -> str:
        if not self.classes:
            return "" if self.labels == "none" else f"labels are {self.labels}"
        counts = [f"{as_shown(name)}: {count}" for name, count in self.classes.items()]
        shown = ", ".join(counts[:_SHOWN]) + (", ..." if len(counts) > _SHOWN else "")
        return f"labels are {self.labels}, {len(counts)} classes ({shown})"

    def shared_with(self, other: Understood) -> int:
        """How many different samples are in both."""
        return len(self._digests & other._digests)

    def without_folder(self) -> Understood:
        """The same, its source without the folder: for results that are handed on."""
        return replace(self, source=Path(self.source).name)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "source": self.source,
            "samples": self.samples,
            "labels": self.labels,
            "classes": [{"name": name, "samples": n} for name, n in self.classes.items()],
            "inputs": [
                {
                    "name": given.name,
                    "dtype": given.dtype,
                    "before": list(given.before),
                    "after": list(given.after),
                    "steps": list(given.steps),
                }
                for given in self.inputs
            ],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def warnings_between(calibration: Understood, test: Understood) -> tuple[str, ...]:
    """What may be wrong with test data beside those of calibration or training."""
    found = (_other_order(calibration, test), _duplicates(calibration, test))
    return tuple(warning for warning in found if warning)


def _duplicates(calibration: Understood, test: Understood) -> str:
    """A warning that test samples were used for calibration or training; empty if none was."""
    shared = calibration.shared_with(test)
    if not shared:
        return ""
    return (
        f"{shared:,} of the {test.samples:,} samples that the model is judged on are in the "
        f"calibration or training data too ({Path(calibration.source).name}): the figure flatters "
        "the model."
    )


def _other_order(calibration: Understood, test: Understood) -> str:
    """A warning that the same columns stand in another order; empty if they do not."""
    ours, theirs = calibration.columns, test.columns
    if ours == theirs or sorted(ours) != sorted(theirs):
        return ""
    return (
        f"The columns of {Path(test.source).name} stand in another order than those of "
        f"{Path(calibration.source).name} ({listed(theirs)}; {listed(ours)}), and are taken by "
        f"their place: {Path(test.source).name}:{ours[0]},{ours[1]}... names them."
    )


def data_warnings(understood: Sequence[Understood]) -> tuple[str, ...]:
    """What may be wrong with some data, each thing once.

    Args:
        understood: The data that a model was made with; then what it is judged on, if anything.
    """
    found = [warning for one in understood for warning in one.warnings]
    if len(understood) == 2:
        found += warnings_between(*understood)
    return tuple(dict.fromkeys(warning for warning in found if warning))


class Tally:
    """One pass, counted sample by sample."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._before = [_Range() for _ in steps]
        self._after = [_Range() for _ in steps]
        self._outside = [0] * len(steps)
        self._dtypes: list[set[str]] = [set() for _ in steps]
        self._labels: Counter[Any] = Counter()
        self._kinds: set[str] = set()
        self._samples = 0
        self._digests: set[bytes] = set()

    def add(self, raw: Sequence[Any], sample: Sample) -> None:
        """Count one sample."""
        self._samples += 1
        digest = hashlib.blake2b(digest_size=12)
        for position, (value, array) in enumerate(zip(raw, sample.inputs, strict=True)):
            given = np.asarray(value)
            self._dtypes[position].add(str(given.dtype))
            self._before[position].add(given)
            self._after[position].add(array)
            spec = self._steps[position].spec
            if spec.low < spec.high and array.dtype.kind == "f":
                slack = (spec.high - spec.low) / 255
                outside = (array < spec.low - slack) | (array > spec.high + slack)
                self._outside[position] += int(np.count_nonzero(outside))
            digest.update(np.ascontiguousarray(array).data)
        self._digests.add(digest.digest())
        if sample.label is not None:
            self._count_label(sample.label)

    def _count_label(self, label: Any) -> None:
        if isinstance(label, np.ndarray):
            one_hot = label.ndim == 1 and np.count_nonzero(label) == 1 and label.max() == 1
            self._kinds.add("one-hot" if one_hot else f"arrays of shape {label.shape}")
            label = int(label.argmax()) if one_hot else None
        else:
            self._kinds.add("class numbers" if isinstance(label, int) else "numbers")
        if len(self._labels) <= _MOST_CLASSES:
            self._labels[label] += 1

    def understood(
        self, source: Source, decoder: LabelDecoder | None, remarks: Remarks
    ) -> Understood:
        """The sum of the pass."""
        inputs = tuple(self._input(position) for position in range(len(self._steps)))
        kind, classes = self._classes(decoder)
        warnings = [*remarks.warnings, *(w for i in inputs for w in i.warnings)]
        if decoder is not None and self._from_one(decoder):
            warnings.append("no label is 0: do they count from 1? The model's classes begin with 0")
        return Understood(
            source.where, self._samples, kind, classes, inputs, remarks.notes,
            tuple(map(_sentence, warnings)), source.columns, frozenset(self._digests),
        )  # fmt: skip

    def _from_one(self, decoder: LabelDecoder) -> bool:
        """Whether a classifier's labels are 1 to n, with none left out."""
        if decoder.count is None or self._kinds != {"class numbers"} or decoder.kind == "names":
            return False
        return len(self._labels) > 1 and sorted(self._labels) == [
            number + 1 for number in range(len(self._labels))
        ]

    def _classes(self, decoder: LabelDecoder | None) -> tuple[str, dict[str, int]]:
        if decoder is None:
            return "none", {}
        if decoder.kind == "names":
            return "class names", {
                name: self._labels[index] for index, name in enumerate(decoder.classes)
            }
        kinds = self._kinds
        if kinds <= {"one-hot", "class numbers"} and len(kinds) == 1:
            numbers = sorted(self._labels)
            if len(numbers) > _MOST_CLASSES or numbers[0] < 0:
                return "numbers", {}
            names = decoder.classes
            return next(iter(kinds)), {
                names[n] if n < len(names) else str(n): self._labels[n] for n in numbers
            }
        if any(kind.startswith("arrays") for kind in kinds):
            return listed(sorted(kinds - {"one-hot"})), {}
        return "numbers", {}

    def _input(self, position: int) -> InputValues:
        step = self._steps[position]
        spec, before, after = step.spec, self._before[position], self._after[position]
        steps = []
        if step.normalization is not None:
            steps.append(f"{step.normalization} ({step.origin})")
        elif step.origin:
            steps.append(f"taken as {step.origin}")
        if spec.own and spec.dtype == spec.own:
            steps.append(f"taken as the model's own {spec.own}")
        return InputValues(
            spec.name,
            ", ".join(sorted(self._dtypes[position])),
            before.ends,
            after.ends,
            tuple(steps),
            tuple(self._warnings(position)),
        )

    def _warnings(self, position: int) -> list[str]:
        spec, after = self._steps[position].spec, self._after[position]
        if spec.low >= spec.high or spec.dtype == spec.own or not after.count:
            return []
        taker = "front end" if spec.sensed else "model"
        takes = f"the {taker} takes {_interval((spec.low, spec.high))}"
        low, high = after.ends
        share = self._outside[position] / after.count
        # int16 is symmetric whatever the data: nothing below 0 is no wonder there.
        least = 0.0 if spec.own == "int16" and low >= 0 < spec.high else spec.low
        if share > _OUTSIDE:
            text = f"{share:.0%} of the values lie outside: they go from {_interval((low, high))}"
        elif not spec.sensed and high - low < _TOO_NARROW * (spec.high - least):
            used = (high - low) / (spec.high - least)
            text = f"the values use {used:.0%} of the range: they go from {_interval((low, high))}"
        else:
            return []
        advice = "" if spec.sensed else " (see --mean and --std)"
        return [f"{text}, and {takes}{advice}"]


class _Range:
    """Least and largest value so far."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self.count = 0

    def add(self, array: Array) -> None:
        if array.size and array.dtype.kind in "fiub":
            self._low = min(self._low, float(array.min()))
            self._high = max(self._high, float(array.max()))
            self.count += array.size

    @property
    def ends(self) -> tuple[float, float]:
        return (self._low, self._high) if self.count else (0.0, 0.0)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.6g} to {ends[1]:.6g}"
