"""Saved results as one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError
from edgeq.report.html import page
from edgeq.report.trial import find_model, page_trials
from edgeq.support.jsontext import read_json
from edgeq.support.listing import several
from edgeq.support.output import check_writable, write_results

_Named = tuple[str, Mapping[str, Any]]


def write_report(
    results: str | Path | Mapping[str, Any] | Sequence[str | Path | Mapping[str, Any]],
    output: str | Path = "report.html",
    *,
    try_it: bool = True,
    force: bool = False,
) -> Path:
    """Make one self-contained HTML page of results.

    Args:
        results: What commands printed with --json, as files or as the `to_json()` of results.
        output: The HTML file to write.
        try_it: Whether the page runs the models whose .tflite files lie beside their results, the
            first few; this needs `edgeq[firmware]` and takes some seconds each.
        force: Replace it if it exists.

    Returns:
        Where the page is.

    Raises:
        EdgeqError: Something is no result of edgeq, or the page cannot be written.
        UsageError: There are no results.
    """
    path, results = Path(output), several(results)
    if not results:
        raise UsageError("A report is of results, and there is none.", hint="evaluate.json, say")
    read, folders = _read_all(results)
    check_writable(path, force=force, inputs=(*results, *_models(read, folders)))
    write_results({path: _page(read, folders, try_it=try_it)}, force=force)
    return path


def report_page(results: Sequence[str | Path | Mapping[str, Any]], *, try_it: bool = True) -> str:
    """The page that `write_report` writes.

    Raises:
        EdgeqError: Something is no result of edgeq.
    """
    return _page(*_read_all(results), try_it=try_it)


def _page(read: Sequence[_Named], folders: Sequence[Path], *, try_it: bool) -> str:
    return page(read, partial(page_trials, folders=folders) if try_it else None)


def _read_all(
    results: Sequence[str | Path | Mapping[str, Any]],
) -> tuple[list[_Named], list[Path]]:
    """Results with their names, and the folders that they lie in."""
    folders = list(dict.fromkeys(_folder(result) for result in results))
    return [_read(result, i) for i, result in enumerate(results)], folders


def _models(read: Sequence[_Named], folders: Sequence[Path]) -> Iterator[Path]:
    """The files of the models that results are of, as far as they are here."""
    for _, result in read:
        model = result.get("model")
        if isinstance(model, Mapping) and (found := find_model(model, folders)) is not None:
            yield found


def _folder(result: str | Path | Mapping[str, Any]) -> Path:
    return Path() if isinstance(result, Mapping) else Path(result).parent


def _read(result: str | Path | Mapping[str, Any], position: int) -> _Named:
    if isinstance(result, Mapping):
        return f"result {position}", result
    found = read_json(Path(result), "result")
    return str(result), found if isinstance(found, dict) else {}
