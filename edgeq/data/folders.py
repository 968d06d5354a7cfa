"""Folders of files, with one subfolder per class where they are labelled."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from edgeq.data.base import Request, class_indices
from edgeq.errors import EdgeqError


def labelled_files(
    path: Path, suffixes: Set[str], request: Request
) -> tuple[list[tuple[Path, int | None]], tuple[str, ...]]:
    """Every file of the kind below `path` in sorted order, with its class; and the class names.

    Raises:
        EdgeqError: There is none, or labels are wanted and the folder has no subfolders.
    """
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file()
    )
    if not files:
        raise EdgeqError(
            f"The folder has no files of the kinds {' '.join(sorted(suffixes))}.", str(path)
        )
    if not request.labelled:
        return [(file, None) for file in files], ()
    loose = [file for file in files if file.parent == path]
    if loose:
        raise EdgeqError(
            f"'{loose[0].name}' lies beside the class folders, so it has no label.",
            str(path),
            "one subfolder per class",
        )
    names = [file.relative_to(path).parts[0] for file in files]
    classes, index = class_indices(names, request.options.classes, str(path))
    return [(file, index[name]) for file, name in zip(files, names, strict=True)], classes
