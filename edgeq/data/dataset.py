"""A data set: checked samples that stream by as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgeq.data.base import InputSpec, Pieces, Row, Sample, Source
from edgeq.data.labels import LabelDecoder
from edgeq.data.preprocess import Step
from edgeq.data.remarks import Remarks
from edgeq.data.understood import Tally, Understood
from edgeq.errors import EdgeqError


@dataclass(frozen=True)
class Dataset:
    """A stream of checked samples that can be read any number of times.

    Attributes:
        source: Where the raw rows come from.
        steps: What happens to each input's raw values.
        labels: How labels are read; None for data without.
        limit: At most so many samples; None for all.
        spread: Whether those are spread evenly where the total is known; else the first ones.
        remarks: What the readers have to say.
        pieces: How each sample is cut into several; None for whole ones.
    """

    source: Source
    steps: tuple[Step, ...]
    labels: LabelDecoder | None = None
    limit: int | None = None
    spread: bool = True
    remarks: Remarks = field(default_factory=Remarks)
    pieces: Pieces | None = None
    _passes: list[Understood] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What each sample looks like."""
        return tuple(step.spec for step in self.steps)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by index; empty where none are known."""
        return () if self.labels is None else self.labels.classes

    @property
    def count(self) -> int | None:
        """Number of samples before they are cut; None where only a whole pass can tell."""
        if self.source.count is None or self.limit is None:
            return self.source.count
        return min(self.source.count, self.limit)

    @property
    def understood(self) -> Understood:
        """What was understood, over the last whole pass; a pass is made where there was none."""
        if not self._passes:
            for _ in self:
                pass
        return self._passes[0]

    @property
    def calls(self) -> int | None:
        """Number of samples that a pass yields; None where only a whole pass can tell."""
        if self.count is None or self.pieces is None:
            return self.count
        return self.count * self.pieces.calls

    def take(self, limit: int | None) -> Dataset:
        """The same data, at most `limit` samples of it."""
        return replace(self, limit=limit)

    def cut(self, pieces: Pieces) -> Dataset:
        """The same data, each sample as the inputs of several calls one after the other."""
        return replace(self, pieces=pieces)

    def __iter__(self) -> Iterator[Sample]:
        """A new pass over the samples.

        Raises:
            EdgeqError: A sample has the wrong shape or dtype, holds NaN or infinity, or has no
                label where labels were asked for; or there is no sample at all.
        """
        self.remarks.new_pass()
        tally = Tally(self.steps)
        found = 0
        chosen = self._chosen()
        for position, (raw, label, where) in enumerate(chosen or self.source.rows()):
            if chosen is None and not self._wanted(position, found):
                if self.source.count is None or not self.spread:
                    self.remarks.note(f"the first {found:,}, and more follow")
                    break
                continue
            found += 1
            sample = self._sample(raw, label, where)
            tally.add(raw, sample)
            yield from self._cut(sample)
        if not found:
            raise EdgeqError("The data is empty; at least one sample is needed.", self.source.where)
        self._passes[:] = [tally.understood(self.source, self.labels, self.remarks)]

    def _cut(self, sample: Sample) -> Iterator[Sample]:
        if self.pieces is None:
            yield sample
            return
        for number, inputs in enumerate(self.pieces.steps(sample.inputs)):
            yield Sample(inputs, sample.label, starts=number == 0)

    def _chosen(self) -> Iterator[Row] | None:
        """Those rows alone that are spread over the set; None where they are found on the way."""
        total, some = self.source.count, self.source.some
        if some is None or not self.spread or self.limit is None or total is None:
            return None
        if total <= self.limit:
            return None
        return some([number * total // self.limit for number in range(self.limit)])

    def _wanted(self, position: int, found: int) -> bool:
        total = self.source.count if self.spread else None
        if self.limit is None or (total is not None and total <= self.limit):
            return True
        if total is None:
            return found < self.limit
        # Spread over the whole set: folders are sorted by class, recordings by time.
        return found < self.limit and position >= found * total // self.limit

    def _sample(self, raw: Sequence[Any], label: Any, where: str) -> Sample:
        if len(raw) != len(self.steps):
            raise EdgeqError(
                f"A sample has {len(raw)} arrays; the model has {len(self.steps)} inputs.", where
            )
        arrays = [step(value, where) for value, step in zip(raw, self.steps, strict=True)]
        return Sample(arrays, None if self.labels is None else self.labels(label, where))
