"""Folders of files, with one subfolder per class where they are labelled."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

from edgeq.data.base import Request
from edgeq.data.labels import listed
from edgeq.errors import EdgeqError

_SPLITS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "holdout"}
)
_NO_DATA = frozenset({"__pycache__", "__macosx", "lost+found"})


def files_below(path: Path) -> list[Path]:
    """Every file below a folder, sorted by path; hidden files and folders are left out."""
    found = []
    for folder in [path, *class_folders(path)]:
        # What a class folder links to is read, as Keras does; links below it are not followed.
        for here, below, names in os.walk(folder):
            below[:] = [] if folder == path else [name for name in below if not _hidden(name)]
            found += [Path(here) / name for name in names if not _hidden(name)]
    return sorted(file for file in found if file.is_file())


def class_folders(path: Path) -> list[Path]:
    """The folders right below, sorted; hidden ones and those of tools are left out."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not _hidden(entry.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NO_DATA


def labelled_files(
    path: Path, suffixes: Set[str], request: Request
) -> tuple[list[tuple[Path, str | None]], tuple[str, ...]]:
    """Every file of the kind below `path` in sorted order, with its class; and all class names.

    Raises:
        EdgeqError: There is none; or labels are wanted, and the folder has no subfolders or its
            subfolders are no classes.
    """
    everything = files_below(path)
    files = [file for file in everything if file.suffix.lower() in suffixes]
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
    _remark(path, files, len(everything) - len(files), request)
    folders = class_folders(path)
    _refuse_levels(path, folders, files)
    names = tuple(folder.name for folder in folders)
    return [(file, file.relative_to(path).parts[0]) for file in files], names


def _remark(path: Path, files: list[Path], others: int, request: Request) -> None:
    """Say what was left out, and which classes have no file."""
    hidden = [e.name for e in sorted(path.iterdir()) if e.is_dir() and _hidden(e.name)]
    if hidden:
        request.remarks.note(f"left out {listed(hidden)}")
    if others:
        request.remarks.note(f"left out {others} files of other kinds")
    filled = {file.relative_to(path).parts[0] for file in files}
    empty = [folder.name for folder in class_folders(path) if folder.name not in filled]
    if empty:
        request.remarks.warn(
            f"empty class folders, which count as classes all the same: {listed(empty)}"
        )


def _refuse_levels(path: Path, folders: list[Path], files: list[Path]) -> None:
    """Refuse a folder whose subfolders are splits, or one level above the classes."""
    nested = {folder for folder in folders if class_folders(folder)}
    splits = [folder for folder in folders if folder.name.lower() in _SPLITS and folder in nested]
    if splits:
        raise EdgeqError(
            f"The subfolders {listed([folder.name for folder in splits])} are splits of the data, "
            "no classes.",
            str(path),
            " or ".join(f"--data {folder}" for folder in splits),
        )
    if len(folders) != 1 or folders[0] not in nested:
        return
    (only,) = folders
    if not any(file.parent == only for file in files):
        raise EdgeqError(
            f"The folder has one subfolder, '{only.name}', which has subfolders itself: "
            f"{listed([folder.name for folder in class_folders(only)])}.",
            str(path),
            f"--data {only}",
        )
