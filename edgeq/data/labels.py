"""The one label decoder: numbers stay numbers, names become class numbers, mixtures are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.data.base import Expected, Labels, Request, Source
from edgeq.errors import EdgeqError
from edgeq.support.array import Array
from edgeq.support.text import twice_named, visible_line

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
_SHOWN = 12
_LONGEST = 60  # of a name


@dataclass(frozen=True)
class LabelDecoder:
    """Raw labels as class numbers, numbers or arrays.

    Attributes:
        kind: "numbers" or "names".
        classes: Class names by number; empty where none are known.
        number: Reads a number in text.
        count: Number of classes that the model tells apart; None where that is not known.
    """

    kind: str = "numbers"
    classes: tuple[str, ...] = ()
    number: Callable[[str], float] = float
    count: int | None = None
    _index: dict[str, int] = field(default_factory=dict, repr=False)

    def __call__(self, raw: Any, where: str) -> Any:
        """A label as int, float or array.

        Raises:
            EdgeqError: There is none, it is of another kind than the first one, or NaN.
        """
        if isinstance(raw, str) and raw in self._index:  # a folder's name may end in a blank
            return self._index[raw]
        text = as_text(raw)
        if text is None:
            if self.kind == "names":
                raise EdgeqError(f"The label {raw!r} is a number; the others are names.", where)
            return _plain(raw, where)
        if self.kind == "names":
            if text not in self._index:
                raise EdgeqError(
                    f"'{text}' is not among the classes {listed(self.classes)}.", where
                )
            return self._index[text]
        return _plain(self._numeric(text, where), where)

    def _numeric(self, text: str, where: str) -> float:
        try:
            return self.number(text)
        except ValueError:
            raise EdgeqError(f"The label '{text}' is no number; the others are.", where) from None


def decide(source: Source, request: Request, expected: Expected) -> LabelDecoder:
    """How the labels of a source are read: the type is decided once, from all of them.

    Names get their numbers in the order of the options' classes; else of the model's own labels;
    else numerically where all are numbers; else sorted.

    Raises:
        EdgeqError: Labels are missing, some are numbers and others not, a name is unknown to the
            model, or the model tells another number of classes apart.
    """
    _check_given(request.options.classes, expected, source.where)
    if source.folders:
        return _named(source.folders, source.where, request, expected, folders=True)
    first = next(_labels(source), None)
    if first is None or as_text(first[0]) is None:
        return _of_numbers(request, expected, float)
    texts: dict[str, str] = {}
    for raw, where in _labels(source):
        text = as_text(raw)
        if text is None:
            raise EdgeqError(f"The label {raw!r} is a number; the others are names.", where)
        if _is_missing(text, request):
            word = f"'{text}' stands for a missing label" if text else "The label is empty"
            raise EdgeqError(f"{word}.", where, "fill it in, or leave the sample out")
        texts.setdefault(text, where)
    number = source.number or plain_number
    return _of_texts(texts, source.where, request, expected, number)


def _is_missing(text: str, request: Request) -> bool:
    return text.lower() in _MISSING and text not in request.options.classes


def _labels(source: Source) -> Labels:
    if source.labels is not None:
        yield from source.labels()
        return
    for _, label, where in source.rows():
        yield label, where


def as_text(raw: Any) -> str | None:
    """A label that is text (also bytes, and numpy's); None for what is none."""
    if isinstance(raw, np.ndarray) and raw.size == 1 and raw.dtype.kind in "USO":
        raw = raw.reshape(()).item()
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "replace").strip()
    return str(raw).strip() if isinstance(raw, str) else None


def plain_number(text: str) -> float:
    """The number that a text is.

    Raises:
        ValueError: It is none; underscores, "inf" and digits of other scripts are none either.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _of_texts(
    texts: dict[str, str],
    where: str,
    request: Request,
    expected: Expected,
    number: Callable[[str], float],
) -> LabelDecoder:
    """The decoder for labels that came as text, each with where it was seen first."""
    odd = [text for text in texts if not _parses(text, number)]
    known = request.options.classes or expected.labels
    if known and set(texts) <= set(known):
        if not odd and any(number(text) != known.index(text) for text in texts):
            request.remarks.warn(
                "labels are numbers, and the names of the model's classes too; they were read as "
                "names"
            )
        return _named(tuple(texts), where, request, expected)
    if not odd:
        return _of_numbers(request, expected, number)
    if len(odd) < len(texts):
        raise EdgeqError(
            f"The label '{odd[0]}' is no number, but {len(texts) - len(odd)} others are "
            f"({listed([text for text in texts if text not in odd])}).",
            texts[odd[0]],
            "one kind of label for all samples; for names that look like numbers: --classes",
        )
    return _named(tuple(texts), where, request, expected)


def _of_numbers(
    request: Request, expected: Expected, number: Callable[[str], float]
) -> LabelDecoder:
    """The decoder for numbers of classes, or other numbers."""
    known = request.options.classes or expected.labels
    numeric = [_parses(name, plain_number) for name in known]
    if all(numeric) and any(float(name) != k for k, name in enumerate(known)):
        request.remarks.warn(
            "labels are numbers, and the names of the model's classes too; they were read as "
            "numbers of classes, from 0 on"
        )
    return LabelDecoder("numbers", known, number, expected.count)


def _parses(text: str, number: Callable[[str], float]) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _named(
    names: Sequence[str], where: str, request: Request, expected: Expected, *, folders: bool = False
) -> LabelDecoder:
    """The decoder for class names."""
    given = request.options.classes
    ordered = given or expected.labels
    if ordered:
        _check_known(names, ordered, where)
        order = "the order given" if given else "the order of the model's labels"
        request.remarks.note(f"class names in {order}")
        absent = [name for name in ordered if name not in names]
        if absent:
            request.remarks.note(f"no samples of {listed(absent)}")
    else:
        ordered = _sorted(names, request, folders=folders)
    if expected.count is not None and len(ordered) != expected.count:
        raise EdgeqError(
            f"The data has {len(ordered)} classes ({listed(ordered)}); "
            f"the model tells {expected.count} apart.",
            where,
            "name all of the model's classes, in its order: --classes A,B,C",
        )
    return LabelDecoder(
        "names", ordered, _index={name: index for index, name in enumerate(ordered)}
    )


def _check_given(given: Sequence[str], expected: Expected, where: str) -> None:
    """Refuse class names that are not the model's."""
    if given and expected.labels and tuple(given) != tuple(expected.labels):
        raise EdgeqError(
            f"--classes names {listed(given)}, but the model's own labels are "
            f"{listed(expected.labels)}.",
            where,
            "leave --classes out, or convert the model with the right --labels",
        )
    if given and expected.count is not None and len(given) != expected.count:
        raise EdgeqError(
            f"--classes names {len(given)} classes ({listed(given)}); the model tells "
            f"{expected.count} apart.",
            where,
        )


def _check_known(names: Iterable[str], ordered: Sequence[str], where: str) -> None:
    """Refuse names that are none of the classes, or more than one of them."""
    twice = twice_named(ordered)
    meant = next((name for name in names if name in twice), None)
    if meant is not None:
        numbers = [str(number) for number, name in enumerate(ordered) if name == meant]
        raise EdgeqError(
            f"The classes {' and '.join(numbers)} are both called '{as_shown(meant)}'.",
            where,
            "class numbers in place of names, or a name of its own for each: convert --labels",
        )
    unknown = sorted(set(names) - set(ordered))
    if unknown:
        raise EdgeqError(
            f"The data has the classes {listed(unknown)}, which are not among the labels "
            f"({listed(ordered)}).",
            where,
            "rename them, or leave them out of the data",
        )


def _sorted(names: Sequence[str], request: Request, *, folders: bool) -> tuple[str, ...]:
    """Names in numeric order where all are whole numbers, else sorted as text."""
    as_text_sorted = tuple(sorted(set(names)))
    if not all(name.isdecimal() for name in names):
        request.remarks.note("class names in alphabetical order")
        return as_text_sorted
    ordered = tuple(sorted(set(names), key=lambda name: (int(name), name)))
    if folders and ordered != as_text_sorted:
        request.remarks.warn(
            f"class folders are in numeric order ({listed(ordered)}); Keras's "
            f"image_dataset_from_directory has them in alphabetical order "
            f"({listed(as_text_sorted)}): --classes settles it"
        )
    return ordered


def label_array(labels: Sequence[Any]) -> Array:
    """The labels of samples, stacked.

    Raises:
        EdgeqError: They have different shapes.
    """
    shapes = {np.shape(label) for label in labels}
    if len(shapes) > 1:
        raise EdgeqError(f"the labels have different shapes: {listed(sorted(map(str, shapes)))}.")
    return np.asarray(labels)


def as_shown(name: object) -> str:
    """A name of the user's files in one line that is not long."""
    text = visible_line(str(name))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def listed(names: Sequence[str]) -> str:
    """Names with commas between them, cut off where there are many."""
    shown = ", ".join(as_shown(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, ... ({len(names)})"


def _plain(label: Any, where: str) -> Any:
    """A number as int where it is whole, as float else; an array as it is."""
    if label is None or np.ma.is_masked(label):
        raise EdgeqError("A sample has no label, but labelled data is needed.", where)
    array = np.asarray(label)
    if array.dtype.kind not in "fiub":
        text = array.item() if array.size == 1 else array
        raise EdgeqError(
            f"The label {text!r} is no number.", where, "class numbers from 0 on, or names"
        )
    if not array.size:
        raise EdgeqError("The label is empty.", where)
    if not np.isfinite(array).all():
        raise EdgeqError("A label is NaN or infinite.", where)
    if array.size != 1:
        return array
    number = array.reshape(()).item()
    return int(number) if float(number).is_integer() else number
