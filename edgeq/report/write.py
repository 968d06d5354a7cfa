"""Saved results as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.report.html import page
from edgeq.report.trial import page_trials
from edgeq.support.jsontext import read_json
from edgeq.support.output import check_writable, write_whole


def write_report(
    results: Sequence[str | Path | Mapping[str, Any]],
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
    """
    path = Path(output)
    check_writable(path, force=force, inputs=results)
    folders = list(dict.fromkeys(_folder(result) for result in results))
    made = partial(page_trials, folders=folders) if try_it else None
    write_whole(path, page([_read(result, i) for i, result in enumerate(results)], made))
    return path


def _folder(result: str | Path | Mapping[str, Any]) -> Path:
    return Path() if isinstance(result, Mapping) else Path(result).parent


def _read(result: str | Path | Mapping[str, Any], position: int) -> tuple[str, Mapping[str, Any]]:
    if isinstance(result, Mapping):
        return f"result {position}", result
    found = read_json(Path(result), "result")
    return str(result), found if isinstance(found, dict) else {}
