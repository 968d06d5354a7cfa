"""What the user should know of how data was read: notes, and warnings of what may be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Repeated:
    """The same remark on several samples."""

    count: int
    first: str
    warning: bool


@dataclass
class Remarks:
    """Collected while data is opened and read; a new pass forgets those on single samples."""

    _notes: dict[str, bool] = field(default_factory=dict)
    _samples: dict[str, _Repeated] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Something on the whole of the data."""
        self._notes.setdefault(text, False)

    def warn(self, text: str) -> None:
        """Something on the whole of the data that may be a mistake."""
        self._notes[text] = True

    def on_sample(self, text: str, where: str, *, warning: bool = False) -> None:
        """Something on one sample; the same words are counted, not repeated."""
        found = self._samples.get(text)
        if found is None:
            self._samples[text] = _Repeated(1, where, warning)
        else:
            found.count += 1

    def new_pass(self) -> None:
        """Forget what was said on single samples."""
        self._samples.clear()

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything that is no warning, in the order in which it was found."""
        return self._texts(warning=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that is a warning, in the order in which it was found."""
        return self._texts(warning=True)

    def _texts(self, *, warning: bool) -> tuple[str, ...]:
        whole = [text for text, is_warning in self._notes.items() if is_warning == warning]
        single = [
            f"{text} ({_samples(found.count)}, first {found.first})"
            for text, found in self._samples.items()
            if found.warning == warning
        ]
        return (*whole, *single)


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"
